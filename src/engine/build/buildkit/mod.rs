//! BuildKit: a session that the engine calls back over, and a solve that it runs.
//!
//! Both are gRPC over connections that were HTTP/1.1 before: `POST /session` and `POST /grpc` with an
//! upgrade to `h2c` (Engine API v1.39 to v1.53, the way that `docker buildx` takes with its `docker`
//! driver). On the first this side is the server, on the second the client. Where an engine of API 1.53
//! or newer answers 404 or 410 to one of them, its socket is spoken to in gRPC directly, and the session
//! is a call (`tunnel`). Where there is no way, the error names the endpoint.

mod agent;
mod content;
mod content_server;
mod credentials;
mod follow;
mod outlet;
mod secrets;
mod session;
mod solve;
mod sync;
mod trace;
mod tunnel;
