//! Registry credentials, looked up on BuildKit's request.

use bollard_buildkit_proto::moby::filesync::v1::auth_server::Auth;
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse,
    GetTokenAuthorityRequest, GetTokenAuthorityResponse, VerifyTokenAuthorityRequest,
    VerifyTokenAuthorityResponse,
};
use tonic::{Request, Response, Status};

use super::super::super::Client;
use super::super::super::auth::Login;

pub(super) struct Credentials(pub(super) Client);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Auth for Credentials {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Answer<CredentialsResponse> {
        let host = request.into_inner().host;
        // The real host name of Docker Hub's registry.
        let registry = if host == "registry-1.docker.io" { "docker.io" } else { &host };
        let login = self.0.login_for(registry).await.map(Login::into_header);
        let answer = login.map_or_else(CredentialsResponse::default, |login| {
            match login.identitytoken {
                // BuildKit takes a token as the password of an empty user.
                Some(token) => CredentialsResponse { username: String::new(), secret: token },
                None => CredentialsResponse {
                    username: login.username.unwrap_or_default(),
                    secret: login.password.unwrap_or_default(),
                },
            }
        });
        Ok(Response::new(answer))
    }

    // With these unimplemented, BuildKit fetches tokens itself, by the credentials above.

    async fn fetch_token(&self, _: Request<FetchTokenRequest>) -> Answer<FetchTokenResponse> {
        Err(Status::unimplemented("fetch_token"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Answer<GetTokenAuthorityResponse> {
        Err(Status::unimplemented("get_token_authority"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Answer<VerifyTokenAuthorityResponse> {
        Err(Status::unimplemented("verify_token_authority"))
    }
}
