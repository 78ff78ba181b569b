//! Secrets: sent to the step that mounts them, and stored nowhere else.

use std::collections::BTreeMap;

use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bytes::Bytes;
use tonic::{Request, Response, Status};

pub(super) struct Secrets(pub(super) BTreeMap<String, Bytes>);

#[tonic::async_trait]
impl secrets_server::Secrets for Secrets {
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        match self.0.get(&id) {
            Some(secret) => Ok(Response::new(GetSecretResponse { data: secret.to_vec() })),
            None => Err(Status::not_found(format!("the build was given no secret `{id}`"))),
        }
    }
}
