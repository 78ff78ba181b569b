//! The server's thread: accepts connections, applies the rules, writes the answers.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

use super::gate::Gate;
#[cfg(feature = "buildkit")]
use super::grpc;
use super::http::{Connection, Request, Response};
use super::routes::{Answer, route};
use super::script::{Action, Plan};
use super::state::Shared;
use super::stream::Feed;

/// A running server; stopping it closes its connections.
#[derive(Debug)]
pub(super) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(shared: Arc<Shared>, socket: &Path) -> Self {
        let _ = std::fs::remove_file(socket);
        let listener = std::os::unix::net::UnixListener::bind(socket).expect("socket to bind");
        listener.set_nonblocking(true).expect("socket to be set non-blocking");
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().expect("runtime of the fake engine");
            runtime.block_on(async move {
                let listener = UnixListener::from_std(listener).expect("listener");
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, shared) => {}
                }
            });
        };
        let builder = std::thread::Builder::new().name("fake-engine".into());
        let thread = builder.spawn(serve).expect("thread of the fake engine");
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take().filter(|t| t.thread().id() != current()) {
            let _ = thread.join();
        }
    }
}

fn current() -> std::thread::ThreadId {
    std::thread::current().id()
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(shared.clone(), stream));
    }
}

/// A guard that counts an open connection.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        shared.update(|state| state.connections += 1);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.update(|state| state.connections -= 1);
    }
}

async fn serve(shared: Arc<Shared>, stream: UnixStream) {
    let open = Open::new(shared.clone());
    #[cfg(feature = "buildkit")]
    if let Some(sessions) = shared.read(|state| state.grpc.clone())
        && grpc::is_spoken(&stream).await
    {
        return grpc::serve(shared, sessions, stream).await;
    }
    let mut connection = Connection::new(stream);
    let keep = || shared.read(|s| s.keep_body.unwrap_or(u64::MAX));
    while let Ok(Some(request)) = connection.request(keep()).await {
        let again = request.keeps_alive();
        if !matches!(handle(&shared, &mut connection, request).await, Ok(true)) || !again {
            break;
        }
    }
    drop(connection);
    drop(open);
}

/// Answers one request. Returns whether the connection can take another.
async fn handle(
    shared: &Arc<Shared>,
    connection: &mut Connection,
    request: Request,
) -> io::Result<bool> {
    let (recorded, plan) = shared.update(|state| state.record(request));
    let plan = plan.unwrap_or_default();
    connection.piece = shared.read(|state| state.piece);
    let request = &*recorded.request;
    if let Some(delay) = plan.delay {
        tokio::time::sleep(delay).await;
    }
    if let Some(gate) = &plan.gate {
        hold(connection, gate).await;
    }
    let own = matches!(plan.action, Action::Pass | Action::CutAfter(_));
    let answer = (own || plan.effect).then(|| route(shared, request));
    if let Some(gate) = &plan.gate_answer {
        hold(connection, gate).await;
    }
    let answer = match scripted(connection, plan, request).await? {
        Scripted::Own => answer,
        Scripted::Answer(answer) => Some(answer),
        Scripted::Closed => None,
    };
    let Some(answer) = answer else { return Ok(false) };
    let status = match &answer {
        Answer::Full(response) => response.status,
        Answer::Feed(feed) => feed.status(request),
    };
    shared.update(|state| {
        // The record may have been cleared meanwhile.
        if let Some(entry) = state.requests.iter_mut().find(|r| r.seq == recorded.seq) {
            entry.status = Some(status);
        }
    });
    match answer {
        Answer::Full(response) => connection.respond(request, &response).await?,
        Answer::Feed(feed) => feed.run(shared, request, connection).await?,
    }
    Ok(connection.framing == super::http::Framing::Chunked && connection.budget.is_none())
}

enum Scripted {
    Own,
    Answer(Answer),
    Closed,
}

async fn scripted(
    connection: &mut Connection,
    plan: Plan,
    request: &Request,
) -> io::Result<Scripted> {
    Ok(match plan.action {
        Action::Pass => Scripted::Own,
        Action::CutAfter(bytes) => {
            connection.budget = Some(bytes);
            Scripted::Own
        }
        Action::With(respond) => {
            let (status, body) = respond(request);
            Scripted::Answer(Answer::Full(Response::json(status, &body)))
        }
        Action::Lines(lines) => {
            Scripted::Answer(Answer::Feed(Feed::Lines { lines, image: None, hang: false }))
        }
        Action::Raw(bytes) => {
            connection.write(&bytes).await?;
            Scripted::Closed
        }
        Action::Cut => Scripted::Closed,
        Action::Hang => {
            connection.gone().await;
            Scripted::Closed
        }
    })
}

/// Waits at the gate, and reports to it if the client gives up meanwhile.
async fn hold(connection: &mut Connection, gate: &Gate) {
    gate.arrive();
    tokio::select! {
        biased;
        () = gate.released() => return,
        () = connection.gone() => gate.abandon(),
    }
    gate.released().await;
}
