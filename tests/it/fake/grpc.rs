//! BuildKit on the engine's own socket, as from API 1.53 on. A build only requests a secret over
//! its session, and puts it into a label.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use bollard_buildkit_proto::moby::buildkit::secrets::v1::GetSecretRequest;
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_client::SecretsClient;
use bollard_buildkit_proto::moby::buildkit::v1::control_server::{Control, ControlServer};
use bollard_buildkit_proto::moby::buildkit::v1::{
    BuildHistoryEvent, BuildHistoryRequest, BytesMessage, DiskUsageRequest, DiskUsageResponse,
    InfoRequest, InfoResponse, ListWorkersRequest, ListWorkersResponse, PruneRequest, SolveRequest,
    SolveResponse, StatusRequest, StatusResponse, UpdateBuildHistoryRequest,
    UpdateBuildHistoryResponse, UsageRecord,
};
use futures_util::Stream;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

use super::state::Shared;

/// The first bytes of every connection that speaks HTTP/2.
const PREFACE: &[u8] = b"PRI ";

/// Returns whether the client speaks HTTP/2 without an upgrade.
pub(super) async fn is_spoken(stream: &UnixStream) -> bool {
    let mut first = [0; PREFACE.len()];
    while stream.readable().await.is_ok() {
        let flags = rustix::net::RecvFlags::PEEK;
        match rustix::net::recv(stream, &mut first, flags) {
            Ok((count, _)) => return first[..count] == *PREFACE,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {
                let _ = stream.try_io(tokio::io::Interest::READABLE, || {
                    Err::<(), _>(std::io::ErrorKind::WouldBlock.into())
                });
            }
            Err(_) => break,
        }
    }
    false
}

pub(super) async fn serve(shared: Arc<Shared>, sessions: Sessions, stream: UnixStream) {
    let routes = Routes::new(ControlServer::new(BuildKit { shared, sessions }));
    let service = TowerToHyperService::new(routes.prepare());
    let server = http2::Builder::new(TokioExecutor::new());
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

/// The open sessions, by their ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions(Arc<watch::Sender<HashMap<String, Channel>>>);

struct BuildKit {
    shared: Arc<Shared>,
    sessions: Sessions,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Control for BuildKit {
    type PruneStream = Answers<UsageRecord>;
    type StatusStream = Answers<StatusResponse>;
    type SessionStream = Answers<BytesMessage>;
    type ListenBuildHistoryStream = Answers<BuildHistoryEvent>;

    async fn session(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let told = |name: &str| request.metadata().get(name).and_then(|v| v.to_str().ok());
        let id = told("x-docker-expose-session-uuid").unwrap_or_default().to_owned();
        let methods = request.metadata().get_all("x-docker-expose-session-grpc-method");
        if methods.iter().count() < 4 {
            return Err(Status::invalid_argument("the session does not say what it offers"));
        }
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (outgoing, mut incoming) = tokio::io::split(theirs);
        let mut messages = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(message)) = messages.message().await {
                if incoming.write_all(&message.data).await.is_err() {
                    break;
                }
            }
        });
        let sessions = self.sessions.clone();
        tokio::spawn(async move {
            let channel = client(ours).await;
            sessions.0.send_modify(|all| drop(all.insert(id, channel)));
        });
        let answers = futures_util::stream::unfold(outgoing, |mut outgoing| async move {
            let mut data = vec![0; 4096];
            let read = outgoing.read(&mut data).await.ok().filter(|read| *read > 0)?;
            data.truncate(read);
            Some((Ok(BytesMessage { data }), outgoing))
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn solve(
        &self,
        request: Request<SolveRequest>,
    ) -> Result<Response<SolveResponse>, Status> {
        let request = request.into_inner();
        let mut sessions = self.sessions.0.subscribe();
        let known = sessions.wait_for(|all| all.contains_key(&request.session)).await;
        let channel = known.map_err(|_| Status::aborted("gone"))?[&request.session].clone();
        let wanted = GetSecretRequest { id: "token".into(), ..GetSecretRequest::default() };
        let secret = SecretsClient::new(channel).get_secret(wanted).await?.into_inner().data;
        let labels = request.frontend_attrs.iter();
        let labels = labels.filter_map(|(key, value)| Some((key.strip_prefix("label:")?, value)));
        let mut labels: HashMap<&str, &str> = labels.map(|(k, v)| (k, v.as_str())).collect();
        let secret = String::from_utf8_lossy(&secret).into_owned();
        labels.insert("fake.secret", &secret);
        let name = &request.exporter_attrs_deprecated["name"];
        let config = json!({ "Labels": labels });
        let id = self.shared.update(|state| state.add_image(name, &config));
        let told = HashMap::from([("containerimage.digest".to_owned(), id)]);
        Ok(Response::new(SolveResponse { exporter_response: told }))
    }

    async fn status(
        &self,
        _: Request<StatusRequest>,
    ) -> Result<Response<Self::StatusStream>, Status> {
        Ok(Response::new(Box::pin(futures_util::stream::empty())))
    }

    async fn disk_usage(
        &self,
        _: Request<DiskUsageRequest>,
    ) -> Result<Response<DiskUsageResponse>, Status> {
        Err(Status::unimplemented("disk usage"))
    }

    async fn prune(&self, _: Request<PruneRequest>) -> Result<Response<Self::PruneStream>, Status> {
        Err(Status::unimplemented("prune"))
    }

    async fn list_workers(
        &self,
        _: Request<ListWorkersRequest>,
    ) -> Result<Response<ListWorkersResponse>, Status> {
        Ok(Response::new(ListWorkersResponse::default()))
    }

    async fn info(&self, _: Request<InfoRequest>) -> Result<Response<InfoResponse>, Status> {
        Err(Status::unimplemented("info"))
    }

    async fn listen_build_history(
        &self,
        _: Request<BuildHistoryRequest>,
    ) -> Result<Response<Self::ListenBuildHistoryStream>, Status> {
        Err(Status::unimplemented("history"))
    }

    async fn update_build_history(
        &self,
        _: Request<UpdateBuildHistoryRequest>,
    ) -> Result<Response<UpdateBuildHistoryResponse>, Status> {
        Err(Status::unimplemented("history"))
    }
}

async fn client(stream: DuplexStream) -> Channel {
    let mut stream = Some(stream);
    let connect = tower::service_fn(move |_| {
        let stream = stream.take().ok_or_else(|| std::io::Error::other("there is one only"));
        std::future::ready(stream.map(TokioIo::new))
    });
    let endpoint = Endpoint::from_static("http://session");
    endpoint.connect_with_connector(connect).await.expect("a session to be connected to")
}
