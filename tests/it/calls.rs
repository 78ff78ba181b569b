//! Promise 5: no unnecessary call. The exact requests of all common operations.

use std::net::TcpListener;

use castoff::spec::{Attachment, Healthcheck, PullPolicy};
use castoff::{Container, CopySource, ErrorKind, Network, Volume, WaitFor};
use serde_json::json;

use crate::fake::{ExecScript, PullScript};
use crate::support::*;

const CREATE: &str = "POST /containers/create?name,platform";
const START: &str = "POST /containers/{id}/start";
const INSPECT: &str = "GET /containers/{id}/json";
const LOGS: &str = "GET /containers/{id}/logs?follow,stdout,stderr,timestamps";
const ATTACH: &str = "POST /containers/{id}/attach?stream,stdin,stdout,stderr,detachKeys";
const WAIT: &str = "POST /containers/{id}/wait?condition";
const REMOVE: &str = "DELETE /containers/{id}?v,force,link";

#[tokio::test]
async fn a_connection_is_one_request() {
    let (fake, engine) = setup().await;
    assert_eq!(engine.api_version().to_string(), "1.41");
    let again = connect(config(&fake)).await;
    assert_eq!(requests(&fake), ["GET /version"]);
    drop(again);
}

#[tokio::test]
async fn a_start_with_a_log_wait() {
    let (fake, engine) = setup().await;
    fake.log_on_start("ready\n");
    let container = app(&engine).with_wait(WaitFor::log("ready")).start().await.unwrap();
    assert_eq!(requests(&fake), [CREATE, START, INSPECT, LOGS]);
    drop(container);
    assert_eq!(requests(&fake), [CREATE, START, INSPECT, LOGS, REMOVE]);
    assert_eq!(fake.leftovers(), [""; 0]);
}

#[tokio::test]
async fn the_create_call_says_what_is_needed_and_no_more() {
    let (fake, engine) = setup().await;
    let container = app(&engine).start().await.unwrap();
    let [body] = &bodies(&fake, "POST", "/containers/create")[..] else { panic!() };
    assert_eq!(keys(body), ["HostConfig", "Image", "Labels"]);
    assert_eq!(body["HostConfig"], json!({ "PortBindings": {} }));
    assert_eq!(body["Image"], IMAGE);
    let labels = [
        "castoff.created",
        "castoff.owner",
        "castoff.program",
        "castoff.resource",
        "castoff.session",
        "castoff.version",
    ];
    assert_eq!(keys(&body["Labels"]), labels);
    assert_eq!(body["Labels"]["castoff.resource"], container.name());
    assert_eq!(fake.requests()[0].get("name"), container.name());
}

#[tokio::test]
async fn ports_are_waited_for_from_here_with_the_containers_end_in_view() {
    let (fake, engine) = setup().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    fake.publish("6379/tcp", port);
    let container = app(&engine).with_port(6379).start().await.unwrap();
    let mut seen = requests(&fake);
    // The probe may have succeeded before the watch was sent.
    seen.retain(|request| request != WAIT);
    assert_eq!(seen, [CREATE, START, INSPECT]);
    fake.clear_requests();
    assert_eq!(container.addr(6379).unwrap(), listener.local_addr().unwrap());
    assert!(container.default_ip().is_some());
    assert_eq!(container.addr(1).unwrap_err().kind(), ErrorKind::PortNotPublished);
    assert_eq!(requests(&fake), [""; 0], "addresses are known");
    let [binding] = &fake.containers()[0].ports["6379/tcp"][..] else { panic!() };
    assert_eq!(*binding, ("127.0.0.1".to_owned(), port), "published on loopback");
}

#[tokio::test]
async fn ports_that_show_late_are_asked_for_again() {
    let (fake, engine) = setup().await;
    fake.hide_ports(2);
    let container = app(&engine).with_port(80).without_wait().start().await.unwrap();
    assert_eq!(requests(&fake), [CREATE, START, INSPECT, INSPECT, INSPECT]);
    container.addr(80).unwrap();
}

#[tokio::test]
async fn health_is_pushed() {
    let (fake, engine) = setup().await;
    fake.on_start(|container| container.health("healthy"));
    let healthy = Healthcheck::shell("true");
    let container = app(&engine).with_healthcheck(healthy).start().await.unwrap();
    assert_eq!(requests(&fake), [CREATE, START, INSPECT], "it was healthy by the inspect");
    drop(container);

    let (fake, engine) = setup().await;
    let gate = fake.on("GET", "/events").gate_answer();
    let builder = app(&engine).with_healthcheck(Healthcheck::shell("true"));
    let starting = tokio::spawn(builder.start());
    arrived(&gate).await;
    fake.only_container().health("healthy");
    gate.release();
    let container = starting.await.unwrap().unwrap();
    fake.until(|s| s.requests.len() >= 4).await;
    let seen: Vec<_> = requests(&fake).into_iter().filter(|r| r != WAIT).collect();
    assert_eq!(seen, [CREATE, START, INSPECT, "GET /events?since,filters"]);
    drop(container);
}

#[tokio::test]
async fn without_ports_running_is_ready() {
    let (fake, engine) = setup().await;
    let container = running(&engine).await;
    assert_eq!(requests(&fake), [CREATE, START, INSPECT]);
    drop(container);
}

#[tokio::test]
async fn a_run_attaches_before_the_start_and_waits_for_the_code() {
    let (fake, engine) = setup().await;
    fake.on_start(|container| {
        container.log(crate::fake::Stream::Stdout, "out\n");
        container.log(crate::fake::Stream::Stderr, "err\n");
        container.exit(3, false);
    });
    let output = app(&engine).with_command(["x"]).run().await.unwrap();
    assert_eq!(
        (output.exit_code, &output.stdout[..], &output.stderr[..]),
        (3, &b"out\n"[..], &b"err\n"[..])
    );
    assert!(!output.from_log);
    assert_eq!(requests(&fake), [CREATE, ATTACH, START, INSPECT, WAIT, REMOVE]);
}

#[tokio::test]
async fn a_run_that_can_not_attach_reads_the_log_and_says_so() {
    let (fake, engine) = setup().await;
    fake.on_start(|container| {
        container.log(crate::fake::Stream::Stdout, "out\n");
        container.exit(0, false);
    });
    fake.on("POST", "/containers/*/attach").times(1).fail(501, "no attach here");
    let output = app(&engine).run().await.unwrap();
    assert_eq!((&output.stdout[..], output.from_log), (&b"out\n"[..], true));
    assert_eq!(requests(&fake), [CREATE, ATTACH, START, INSPECT, WAIT, LOGS, REMOVE]);
}

#[tokio::test]
async fn an_exec_is_three_requests() {
    let (fake, engine) = setup().await;
    fake.on_exec("redis-cli ping", ExecScript::ok("PONG\n"));
    let container = running(&engine).await;
    fake.clear_requests();
    let output = container.exec(["redis-cli", "ping"]).await.unwrap();
    assert_eq!(output.stdout, b"PONG\n");
    let exec = ["POST /containers/{id}/exec", "POST /exec/{id}/start", "GET /exec/{id}/json"];
    assert_eq!(requests(&fake), exec);
}

#[tokio::test]
async fn networks_and_volumes_are_one_request_each_way() {
    let (fake, engine) = setup().await;
    let network = Network::builder().with_engine(&engine).create().await.unwrap();
    let volume = Volume::builder().with_engine(&engine).create().await.unwrap();
    let builder = app(&engine).with_network(&network, ["cache"]).with_volume(&volume, "/data");
    let container = builder.start().await.unwrap();
    let ip = container.ip(&network).unwrap();
    assert!(ip.is_ipv4());
    let up = ["POST /networks/create", "POST /volumes/create", CREATE, START, INSPECT];
    assert_eq!(requests(&fake), up);
    let [body] = &bodies(&fake, "POST", "/networks/create")[..] else { panic!() };
    assert_eq!(keys(body), ["Labels", "Name"]);
    assert_eq!(body["Labels"]["castoff.resource"], network.name());
    let [body] = &bodies(&fake, "POST", "/volumes/create")[..] else { panic!() };
    assert_eq!(keys(body), ["Labels", "Name"]);
    let [body] = &bodies(&fake, "POST", "/containers/create")[..] else { panic!() };
    assert_eq!(body["HostConfig"]["NetworkMode"], network.id());
    let endpoint = &body["NetworkingConfig"]["EndpointsConfig"][network.id()];
    assert_eq!(endpoint["Aliases"], json!(["cache", container.name()]));
    let mount = &body["HostConfig"]["Mounts"][0];
    // In case the engine has to make it again.
    assert_eq!(mount["VolumeOptions"]["Labels"]["castoff.resource"], volume.name());

    fake.clear_requests();
    drop(container);
    fake.until(|s| s.requests.len() == 1).await;
    drop(volume);
    drop(network);
    nothing_left(&fake).await;
    let down = [REMOVE, "DELETE /volumes/{id}?force", "DELETE /networks/{id}"];
    assert_eq!(requests(&fake), down);
}

#[tokio::test]
async fn a_named_network_is_looked_for_where_names_may_repeat() {
    let (fake, engine) = setup().await;
    let network =
        Network::builder().with_engine(&engine).with_name("backend").create().await.unwrap();
    assert_eq!(requests(&fake), ["POST /networks/create", "GET /networks?filters"]);
    let twin =
        Network::builder().with_engine(&engine).with_name("backend").create().await.unwrap_err();
    assert_eq!(twin.kind(), ErrorKind::Conflict);
    fake.until(|s| s.networks.iter().filter(|n| n.name == "backend").count() == 1).await;
    assert_eq!(fake.networks()[0].id, network.id(), "the first one stays");

    let (fake, engine) = newer().await;
    let network =
        Network::builder().with_engine(&engine).with_name("backend").create().await.unwrap();
    assert_eq!(requests(&fake), ["POST /networks/create"]);
    drop(network);
}

async fn newer() -> (crate::fake::FakeEngine, castoff::Engine) {
    let fake = crate::fake::FakeEngine::start();
    fake.add_image(IMAGE);
    fake.set_api_version("1.44");
    let engine = connect(config(&fake)).await;
    fake.clear_requests();
    (fake, engine)
}

#[tokio::test]
async fn two_networks_are_joined_before_the_start() {
    let (fake, engine) = setup().await;
    let joined = join_two(&engine).await;
    let create = "POST /networks/create";
    let connect = "POST /networks/{id}/connect";
    assert_eq!(requests(&fake), [create, create, CREATE, connect, START, INSPECT]);
    drop(joined);
    nothing_left(&fake).await;

    let (fake, engine) = newer().await;
    let joined = join_two(&engine).await;
    assert_eq!(requests(&fake), [create, create, CREATE, START, INSPECT]);
    drop(joined);
    nothing_left(&fake).await;
}

#[tokio::test]
async fn a_start_interval_is_sent_to_engines_that_know_it() {
    for (known, (fake, engine)) in [(false, setup().await), (true, newer().await)] {
        let check =
            Healthcheck::shell("true").with_start_interval(std::time::Duration::from_secs(1));
        drop(app(&engine).with_healthcheck(check).without_wait().start().await.unwrap());
        let body = &bodies(&fake, "POST", "/containers/create")[0];
        assert_eq!(body["Healthcheck"]["StartInterval"].is_u64(), known, "{body}");
    }
}

async fn join_two(engine: &castoff::Engine) -> (Container, Network, Network) {
    let one = Network::builder().with_engine(engine).create().await.unwrap();
    let two = Network::builder().with_engine(engine).create().await.unwrap();
    let builder = app(engine).with_network(&one, "a").with_network(&two, ["b", "c"]);
    let container = builder.start().await.unwrap();
    assert_ne!(container.ip(&one).unwrap(), container.ip(&two).unwrap());
    (container, one, two)
}

#[tokio::test]
async fn an_attachment_may_have_a_fixed_address() {
    let (fake, engine) = setup().await;
    let network = Network::builder().with_engine(&engine).create().await.unwrap();
    let attachment = Attachment::new(network.id()).with_ip([172, 18, 0, 9].into());
    let container = app(&engine).with_attachment(attachment).start().await.unwrap();
    let [body] = &bodies(&fake, "POST", "/containers/create")[..] else { panic!() };
    let endpoint = &body["NetworkingConfig"]["EndpointsConfig"][network.id()];
    assert_eq!(endpoint["IPAMConfig"], json!({ "IPv4Address": "172.18.0.9" }));
    drop(container);
}

#[tokio::test]
async fn a_missing_image_is_pulled_and_no_other() {
    let (fake, engine) = setup().await;
    fake.set_pullable("redis:7", PullScript::ok());
    let redis = || Container::builder("redis:7").with_engine(&engine);
    let first = redis().start().await.unwrap();
    let pull = "POST /images/create?fromImage,tag";
    let mut seen = requests(&fake);
    seen.iter_mut().filter(|r| r.starts_with("POST /images")).for_each(|r| *r = pull.into());
    assert_eq!(seen, [CREATE, pull, CREATE, START, INSPECT]);
    fake.clear_requests();
    let second = redis().start().await.unwrap();
    assert_eq!(requests(&fake), [CREATE, START, INSPECT]);
    drop((first, second));
}

#[tokio::test]
async fn pull_policies() {
    let (fake, engine) = setup().await;
    fake.set_pullable(IMAGE, PullScript::ok());
    let always = app(&engine).with_pull_policy(PullPolicy::Always).start().await.unwrap();
    let calls = fake.calls();
    let start = "POST /containers/{id}/start";
    let inspect = "GET /containers/{id}/json";
    assert_eq!(calls, ["POST /images/create", "POST /containers/create", start, inspect]);
    drop(always);

    fake.clear_requests();
    fake.set_pullable("redis:7", PullScript::ok());
    let never =
        Container::builder("redis:7").with_engine(&engine).with_pull_policy(PullPolicy::Never);
    let error = never.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound);
    assert_eq!(fake.calls(), ["POST /containers/create"]);
}

#[tokio::test]
async fn copies_go_in_before_the_start() {
    let (fake, engine) = setup().await;
    let builder = app(&engine)
        .with_copy(CopySource::bytes("a"), "/a")
        .with_copy(CopySource::bytes("b"), "/etc/app/b");
    let container = builder.start().await.unwrap();
    let (head, put) = ("HEAD /containers/{id}/archive?path", "PUT /containers/{id}/archive?path");
    let put_seen: Vec<_> = requests(&fake)
        .into_iter()
        .map(|r| if r.starts_with("PUT") { put.to_owned() } else { r })
        .collect();
    // The root needs no look-up; here neither /etc/app nor /etc exists.
    assert_eq!(put_seen, [CREATE, put, head, head, put, START, INSPECT]);
    drop(container);
}

#[tokio::test]
async fn a_name_of_ones_own_is_the_containers_and_not_its_mark() {
    let (fake, engine) = setup().await;
    let container = app(&engine).with_name("db").start().await.unwrap();
    assert_eq!(requests(&fake), [CREATE, START, INSPECT]);
    assert_eq!(container.name(), "db");
    let found = &fake.containers()[0];
    assert_eq!(found.name, "db");
    assert!(found.labels["castoff.resource"].starts_with("castoff-"));
}

#[tokio::test]
async fn stopping_and_starting_again_learns_the_ports_again() {
    let (fake, engine) = setup().await;
    let container = app(&engine).with_port(80).without_wait().start().await.unwrap();
    let first = container.addr(80).unwrap();
    fake.clear_requests();
    container.stop().await.unwrap();
    assert_eq!(container.addr(80).unwrap_err().kind(), ErrorKind::PortNotPublished);
    container.start().await.unwrap();
    assert_ne!(container.addr(80).unwrap(), first);
    container.restart().await.unwrap();
    let (stop, restart) = ("POST /containers/{id}/stop", "POST /containers/{id}/restart");
    assert_eq!(requests(&fake), [stop, START, INSPECT, restart, INSPECT]);
}
