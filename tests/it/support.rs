//! Shared parts of the tests: a fake engine with a client, and inspections of both.

use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use castoff::config::Config;
use castoff::{Container, ContainerBuilder, Engine, Error};
use serde_json::{Value, json};

use crate::fake::{FakeEngine, Gate, State};

/// The image that every fake engine of these tests has.
pub(crate) const IMAGE: &str = "app:1";

/// Limit far beyond the time of anything here.
pub(crate) const LONG: Duration = Duration::from_secs(10);

/// Returns settings for a fake engine and nothing else, without a guardian.
pub(crate) fn config(fake: &FakeEngine) -> Config {
    let mut config = Config::default();
    config.engine = Some(fake.endpoint());
    config.reaper = false;
    config.state_dir = Some(fake.state_dir());
    config
}

pub(crate) async fn connect(config: Config) -> Engine {
    Engine::connect_with(config).await.unwrap()
}

/// Starts a fake engine with [`IMAGE`], and a client without a guardian: its drops wait.
pub(crate) async fn setup() -> (FakeEngine, Engine) {
    let fake = FakeEngine::start();
    fake.add_image(IMAGE);
    let engine = connect(config(&fake)).await;
    fake.clear_requests();
    (fake, engine)
}

/// Starts the same with a guardian: drops hand over and return.
pub(crate) async fn guarded() -> (FakeEngine, Engine) {
    let fake = FakeEngine::start();
    fake.add_image(IMAGE);
    let mut config = config(&fake);
    config.reaper = true;
    let engine = connect(config).await;
    fake.clear_requests();
    (fake, engine)
}

/// Returns a builder for a container of [`IMAGE`].
pub(crate) fn app(engine: &Engine) -> ContainerBuilder {
    Container::builder(IMAGE).with_engine(engine)
}

/// Returns a container that is ready as soon as the engine has started it.
pub(crate) async fn running(engine: &Engine) -> Container {
    app(engine).start().await.unwrap()
}

/// Returns the requests so far, as `GET /containers/{id}/logs?follow,stdout`, with the query's
/// names.
pub(crate) fn requests(fake: &FakeEngine) -> Vec<String> {
    let queries = fake.requests();
    let line = |(call, request): (String, &crate::fake::Recorded)| {
        let names: Vec<_> = request.pairs.iter().map(|(name, _)| name.as_str()).collect();
        if names.is_empty() { call } else { format!("{call}?{}", names.join(",")) }
    };
    fake.calls().into_iter().zip(&queries).map(line).collect()
}

/// Returns the bodies of the requests of one kind.
pub(crate) fn bodies(fake: &FakeEngine, method: &str, path: &str) -> Vec<Value> {
    let fits = |r: &&crate::fake::Recorded| r.method == method && r.path == path;
    fake.requests().iter().filter(fits).map(|r| r.body.clone()).collect()
}

/// Returns the names of an object's fields that are not null.
pub(crate) fn keys(object: &Value) -> Vec<&str> {
    let fields = object.as_object().unwrap().iter();
    fields.filter(|(_, value)| !value.is_null()).map(|(key, _)| key.as_str()).collect()
}

pub(crate) fn is_empty(state: &State) -> bool {
    let predefined = ["bridge", "host", "none"];
    state.containers.is_empty()
        && state.volumes.is_empty()
        && state.networks.iter().all(|network| predefined.contains(&network.name.as_str()))
}

/// Waits until the engine has no resources of anybody.
pub(crate) async fn nothing_left(fake: &FakeEngine) {
    fake.until(is_empty).await;
    assert_eq!(fake.leftovers(), [""; 0]);
}

/// Returns the number of successful creations, and that of removed containers.
pub(crate) fn balance(state: &State) -> (usize, usize) {
    let created =
        |r: &&crate::fake::Recorded| r.path == "/containers/create" && r.status == Some(201);
    (state.requests.iter().filter(created).count(), state.removed.len())
}

/// Waits at a gate, and fails the test instead of hanging it.
pub(crate) async fn arrived(gate: &Gate) {
    arrived_times(gate, 1).await;
}

pub(crate) async fn arrived_times(gate: &Gate, n: usize) {
    let arrival = tokio::time::timeout(LONG, gate.arrived_times(n)).await;
    assert!(arrival.is_ok(), "{} of {n} requests arrived", gate.arrivals());
}

/// Polls a future this many times, and then drops it.
pub(crate) async fn poll_times<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Returns the messages of an error and all of its sources.
pub(crate) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Sends a request of somebody else, without castoff.
pub(crate) fn foreign(fake: &FakeEngine, path: &str, body: &Value) -> Value {
    let mut stream = UnixStream::connect(fake.socket()).unwrap();
    let body = body.to_string();
    let length = body.len();
    write!(stream, "POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 2"), "{answer}");
    serde_json::from_str(body).unwrap_or(Value::Null)
}

/// Creates a container that castoff does not know. Returns its id.
pub(crate) fn foreign_container(fake: &FakeEngine, name: &str, labels: &Value) -> String {
    let path = format!("/containers/create?name={name}");
    let made = foreign(fake, &path, &json!({ "Image": IMAGE, "Labels": labels }));
    made["Id"].as_str().unwrap().to_owned()
}
