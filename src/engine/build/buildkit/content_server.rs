//! The service that BuildKit calls to read and write a cache in a directory.
//!
//! It is containerd's `containerd.services.content.v1.Content`, to the extent that BuildKit uses
//! it. Its messages are defined here, as `bollard-buildkit-proto` leaves them out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, stream};
use hyper::http;
use prost::Message;
use tokio::io::AsyncReadExt as _;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, StdError};
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, NamedService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::content::{Ingest, Store, Stores};

/// The metadata key that names the store of a request.
const STORE: &str = "buildkit-attachable-store-id";
/// The bytes in an answer; gRPC's default limit is four MiB.
const PIECE: usize = 512 * 1024;

/// The calls that a session announces.
pub(super) const METHODS: [&str; 5] = ["Info", "Read", "Write", "Status", "Abort"];

#[derive(Clone, Message)]
struct Info {
    #[prost(string, tag = "1")]
    digest: String,
    #[prost(int64, tag = "2")]
    size: i64,
}

#[derive(Clone, Message)]
struct InfoRequest {
    #[prost(string, tag = "1")]
    digest: String,
}

#[derive(Clone, Message)]
struct InfoResponse {
    #[prost(message, optional, tag = "1")]
    info: Option<Info>,
}

#[derive(Clone, Message)]
struct ReadRequest {
    #[prost(string, tag = "1")]
    digest: String,
    #[prost(int64, tag = "2")]
    offset: i64,
    #[prost(int64, tag = "3")]
    size: i64,
}

#[derive(Clone, Message)]
struct ReadResponse {
    #[prost(int64, tag = "1")]
    offset: i64,
    #[prost(bytes = "bytes", tag = "2")]
    data: Bytes,
}

#[derive(Clone, Message)]
struct WriteRequest {
    #[prost(int32, tag = "1")]
    action: i32,
    #[prost(int64, tag = "3")]
    total: i64,
    #[prost(string, tag = "4")]
    expected: String,
    #[prost(int64, tag = "5")]
    offset: i64,
    #[prost(bytes = "bytes", tag = "6")]
    data: Bytes,
}

#[derive(Clone, Message)]
struct WriteResponse {
    #[prost(int32, tag = "1")]
    action: i32,
    #[prost(int64, tag = "4")]
    offset: i64,
    #[prost(int64, tag = "5")]
    total: i64,
    #[prost(string, tag = "6")]
    digest: String,
}

/// The action of a `WriteRequest` that commits; the others ask for the progress (0) and write (1).
const COMMIT: i32 = 2;

#[derive(Clone, Message)]
struct Nothing {}

/// The service.
#[derive(Clone)]
pub(super) struct ContentServer(pub(super) Stores);

impl NamedService for ContentServer {
    const NAME: &'static str = "containerd.services.content.v1.Content";
}

impl<B> tower::Service<http::Request<B>> for ContentServer
where
    B: hyper::body::Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let stores = self.0.clone();
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        Box::pin(async move {
            Ok(match method.as_str() {
                "Info" => {
                    let info = service_fn(move |asked| info(stores.clone(), asked));
                    Grpc::new(ProstCodec::default()).unary(info, request).await
                }
                "Read" => {
                    let read = service_fn(move |asked| read(stores.clone(), asked));
                    Grpc::new(ProstCodec::default()).server_streaming(read, request).await
                }
                "Write" => {
                    let write = service_fn(move |asked| write(stores.clone(), asked));
                    let grpc = Grpc::new(ProstCodec::default());
                    let mut grpc = grpc.apply_max_message_size_config(Some(64 << 20), None);
                    grpc.streaming(write, request).await
                }
                "Abort" => {
                    let nothing = service_fn(|_: Request<Nothing>| async {
                        Ok::<_, Status>(Response::new(Nothing {}))
                    });
                    Grpc::new(ProstCodec::default()).unary(nothing, request).await
                }
                // Writes are never resumed.
                "Status" => Status::not_found("no write is under way").into_http(),
                other => Status::unimplemented(other.to_owned()).into_http(),
            })
        })
    }
}

fn store(stores: &Stores, metadata: &MetadataMap) -> Result<Store, Status> {
    let name = metadata.get(STORE).and_then(|name| name.to_str().ok());
    stores.find(name.unwrap_or_default())
}

async fn info(
    stores: Stores,
    request: Request<InfoRequest>,
) -> Result<Response<InfoResponse>, Status> {
    let store = store(&stores, request.metadata())?;
    let digest = request.into_inner().digest;
    let size = signed(store.size(&digest).await?);
    Ok(Response::new(InfoResponse { info: Some(Info { digest, size }) }))
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

async fn read(
    stores: Stores,
    request: Request<ReadRequest>,
) -> Result<Response<Answers<ReadResponse>>, Status> {
    let store = store(&stores, request.metadata())?;
    let ReadRequest { digest, offset, size } = request.into_inner();
    let length = u64::try_from(size).unwrap_or(0);
    let file = store.open(&digest, u64::try_from(offset).unwrap_or(0), length).await?;
    let pieces = stream::try_unfold((file, offset), |(mut file, offset)| async move {
        let mut data = Vec::with_capacity(PIECE);
        let mut part = (&mut file).take(PIECE as u64);
        let read = part.read_to_end(&mut data).await;
        let read = read.map_err(|error| Status::unknown(error.to_string()))?;
        let next = offset.saturating_add(signed(read as u64));
        let piece = ReadResponse { offset, data: data.into() };
        Ok((read > 0).then_some((piece, (file, next))))
    });
    Ok(Response::new(Box::pin(pieces)))
}

async fn write(
    stores: Stores,
    request: Request<Streaming<WriteRequest>>,
) -> Result<Response<Answers<WriteResponse>>, Status> {
    let store = store(&stores, request.metadata())?;
    let incoming = request.into_inner();
    let writing = Writing { store, incoming, ingest: None, total: 0, expected: String::new() };
    let answers = stream::try_unfold(writing, |mut writing| async move {
        let Some(request) = writing.incoming.message().await? else { return Ok(None) };
        Ok(Some((writing.take(request).await?, writing)))
    });
    Ok(Response::new(Box::pin(answers)))
}

/// A blob that is being received. Each of its messages is answered.
struct Writing {
    store: Store,
    incoming: Streaming<WriteRequest>,
    ingest: Option<Ingest>,
    total: i64,
    expected: String,
}

impl Writing {
    async fn take(&mut self, request: WriteRequest) -> Result<WriteResponse, Status> {
        let WriteRequest { action, total, expected, offset, data } = request;
        self.total = if total > 0 { total } else { self.total };
        if !expected.is_empty() {
            self.expected = expected;
        }
        let ingest = match &mut self.ingest {
            Some(ingest) => ingest,
            none => {
                if !self.expected.is_empty() && self.store.size(&self.expected).await.is_ok() {
                    return Err(Status::already_exists(self.expected.clone()));
                }
                none.insert(self.store.create().await?)
            }
        };
        if !data.is_empty() {
            if offset != signed(ingest.size) {
                return Err(Status::out_of_range("what is written is not what comes next"));
            }
            ingest.append(&data).await?;
        }
        let mut digest = String::new();
        if action == COMMIT {
            let total = u64::try_from(self.total).unwrap_or(0);
            digest = ingest.commit(total, &self.expected).await?;
        }
        let offset = signed(ingest.size);
        Ok(WriteResponse { action, offset, total: self.total, digest })
    }
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
