//! BuildKit: a session that the engine calls back over, and a solve that it runs.
//!
//! Both are gRPC over connections upgraded from HTTP/1.1: `POST /session` and `POST /grpc` with an
//! upgrade to `h2c` (Engine API v1.39 to v1.53, like `docker buildx` with its `docker` driver).
//! This side is the server of the first and the client of the second. If an engine of API 1.53 or
//! newer answers 404 or 410 to one of them, this side speaks gRPC directly on the engine's socket,
//! and the session is a call (`tunnel`). If neither works, the error names the endpoint.

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
