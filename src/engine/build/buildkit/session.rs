//! The session: services that BuildKit calls while it builds.

use std::pin::Pin;
use std::task::{Context, Poll};

use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::health_server::{Health, HealthServer};
use bollard_buildkit_proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::SecretsServer;
use bollard_buildkit_proto::moby::filesync::v1::auth_server::AuthServer;
use bollard_buildkit_proto::moby::filesync::v1::file_send_server::FileSendServer;
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSyncServer;
use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::SshServer;
use futures_util::Stream;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::super::super::Client;
use super::super::super::dialer::Stream as Bytes;
use super::agent::Agents;
use super::content::Stores;
use super::content_server::{self, ContentServer};
use super::credentials::Credentials;
use super::outlet::Outlet;
use super::secrets::Secrets;
use super::sync::Trees;
use super::tunnel;
use crate::error::Result;

/// The services of a session.
pub(super) struct Services {
    pub(super) trees: Trees,
    pub(super) secrets: Secrets,
    pub(super) agents: Agents,
    pub(super) credentials: Credentials,
    pub(super) outlet: Option<Outlet>,
    pub(super) stores: Stores,
    /// The key that distinguishes the contexts of one directory from those of another.
    pub(super) key: String,
}

/// An open session; closed on drop.
pub(super) struct Session {
    serving: tokio::task::JoinHandle<()>,
}

impl Session {
    pub(super) async fn open(engine: &Client, id: String, services: Services) -> Result<Session> {
        let mut headers = vec![
            ("X-Docker-Expose-Session-Uuid", id.clone()),
            ("X-Docker-Expose-Session-Name", "castoff".to_owned()),
            ("X-Docker-Expose-Session-Sharedkey", services.key.clone()),
        ];
        let method = |path: &str| ("X-Docker-Expose-Session-Grpc-Method", path.to_owned());
        headers.push(method("/grpc.health.v1.Health/Check"));
        headers.push(method("/moby.filesync.v1.FileSync/DiffCopy"));
        headers.push(method("/moby.filesync.v1.Auth/Credentials"));
        headers.push(method("/moby.buildkit.secrets.v1.Secrets/GetSecret"));
        if !services.agents.is_empty() {
            headers.push(method("/moby.sshforward.v1.SSH/CheckAgent"));
            headers.push(method("/moby.sshforward.v1.SSH/ForwardAgent"));
        }
        if services.outlet.is_some() {
            headers.push(method("/moby.filesync.v1.FileSend/DiffCopy"));
        }
        if !services.stores.is_empty() {
            for name in content_server::METHODS {
                headers.push(method(&format!("/{}/{name}", ContentServer::NAME)));
            }
        }
        let connection = connection(engine, &headers).await?;

        let mut routes = Routes::new(HealthServer::new(Healthy))
            .add_service(FileSyncServer::new(services.trees))
            .add_service(AuthServer::new(services.credentials))
            .add_service(SecretsServer::new(services.secrets));
        if !services.agents.is_empty() {
            routes = routes.add_service(SshServer::new(services.agents));
        }
        if !services.stores.is_empty() {
            routes = routes.add_service(ContentServer(services.stores));
        }
        if let Some(outlet) = services.outlet {
            let server = FileSendServer::new(outlet).max_decoding_message_size(64 << 20);
            routes = routes.add_service(server);
        }
        let service = TowerToHyperService::new(routes.prepare());
        let serving = tokio::spawn(async move {
            let mut server = http2::Builder::new(TokioExecutor::new());
            // Outputs are received: with the default window each piece would wait for the last.
            server.initial_stream_window_size(4 << 20).initial_connection_window_size(8 << 20);
            if let Err(error) = server.serve_connection(connection, service).await {
                tracing::debug!(%error, "the build's session ended");
            }
        });
        Ok(Session { serving })
    }
}

/// Opens the connection that the engine calls back over: an endpoint of its own or, where that no
/// longer exists, a call.
async fn connection(
    engine: &Client,
    headers: &[(&'static str, String)],
) -> Result<TokioIo<Box<dyn Bytes>>> {
    let error = match engine.dialer().hijack("/session", headers).await {
        Ok(connection) => return Ok(TokioIo::new(Box::new(TokioIo::new(connection)))),
        Err(error) => engine.no_endpoint("/session", error),
    };
    if !engine.may_speak_grpc(&error) {
        return Err(error);
    }
    match tunnel::open(engine, headers).await {
        Ok(tunnel) => Ok(TokioIo::new(Box::new(tunnel))),
        Err(why) => {
            tracing::debug!(%why, "the engine's socket speaks no gRPC either");
            Err(error)
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Healthy;

#[tonic::async_trait]
impl Health for Healthy {
    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("list"))
    }

    type WatchStream = Never<HealthCheckResponse>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("watch"))
    }
}

/// Uninhabited stream type for methods that are not implemented.
pub(super) struct Never<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Stream for Never<T> {
    type Item = Result<T, Status>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}
