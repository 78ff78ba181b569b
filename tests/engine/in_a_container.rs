//! The program runs in a container, as its first process: the resources that end with it, and those
//! that the next one finds. Each test runs this binary in a container of its own, with the engine's
//! socket.

use std::sync::OnceLock;

use castoff::{Container, Network, Volume};
use serde_json::json;

use crate::children::Running;
use crate::raw::{Foreign, Raw};
use crate::support::{PATIENCE, WEB, engine, eventually, pruning, sleeper, unique};

const HOW: &str = "CASTOFF_TEST_END";
const LABEL: &str = "CASTOFF_TEST_LABEL";
const ENTRY: &str = "in_a_container::child_process_entry";
/// An image with the C library that this binary is linked to.
const IMAGE: &str = "castoff.test/debian";

static HELD: OnceLock<Held> = OnceLock::new();
static SHARED: OnceLock<Container> = OnceLock::new();

struct Held {
    containers: Vec<Container>,
    net: Network,
    volume: Volume,
    shared: Container,
}

/// Runs in the container. Run on its own, it tests nothing.
#[test]
#[ignore = "needs a container engine"]
fn child_process_entry() {
    let (Ok(how), Ok(label)) = (std::env::var(HOW), std::env::var(LABEL)) else { return };
    assert_eq!(std::process::id(), 1, "it is the container's first process");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match how.as_str() {
        "next" => runtime.block_on(async {
            sleeper()
                .with_label("test.host", &label)
                .start()
                .await
                .unwrap()
                .remove()
                .await
                .unwrap();
        }),
        "prune" => runtime.block_on(async {
            engine().await.remove_kept().await.unwrap();
        }),
        "port" => runtime.block_on(port(&label)),
        "busy" => {
            let first = runtime.block_on(hold(&label));
            drop(HELD.set(first));
            for n in 0..4 {
                runtime.spawn(busy(label.clone(), n));
            }
            // The other threads continue while the exit waits for the removals.
            std::process::exit(3);
        }
        how => {
            let held = runtime.block_on(hold(&label));
            match how {
                "drop" => drop(held),
                "drop-others" => {
                    let Held { containers, net, volume, shared } = held;
                    drop((containers, net, volume));
                    drop(SHARED.set(shared));
                }
                _ => drop(HELD.set(held)),
            }
            match how {
                "exit" => std::process::exit(3),
                "hold" => loop {
                    std::thread::park();
                },
                _ => {}
            }
        }
    }
}

/// Holds two containers and one of each other kind, one of them shared; a program that is to be
/// killed also keeps one.
async fn hold(label: &str) -> Held {
    let net = Network::builder().with_label("test.host", label).create().await.unwrap();
    let volume = Volume::builder().with_label("test.host", label).create().await.unwrap();
    let start = |n| {
        let builder = sleeper().with_label("test.host", label).with_network(&net, format!("c{n}"));
        builder.with_volume(&volume, "/data").start()
    };
    let containers = vec![start(1).await.unwrap(), start(2).await.unwrap()];
    if std::env::var(HOW).unwrap() == "hold" {
        sleeper().with_label("test.kept", label).start().await.unwrap().keep();
    }
    let shared = sleeper().with_label("test.host", label).shared_as(label).await.unwrap();
    Held { containers, net, volume, shared }
}

/// Creates containers in sequence, shared and not, and drops each.
async fn busy(label: String, n: usize) {
    for round in 0.. {
        let builder = sleeper().with_label("test.host", &label);
        let made = match round % 2 {
            0 => builder.start().await,
            _ => builder.shared_as(format!("{label}-{n}")).await,
        };
        drop(made);
    }
}

/// Checks that a published port can be reached from here, and is bound on that address alone.
async fn port(label: &str) {
    let web = Container::builder(WEB).with_label("test.host", label).with_port(8080);
    let web = web.start().await.unwrap();
    let address = web.addr(8080).unwrap();
    assert!(!address.ip().is_loopback() && !address.ip().is_unspecified(), "{address}");
    tokio::net::TcpStream::connect(address).await.unwrap();
    let raw = Raw::of(web.engine()).inspect(&format!("containers/{}", web.id())).unwrap();
    let bound = &raw["NetworkSettings"]["Ports"]["8080/tcp"];
    assert_eq!(bound.as_array().unwrap().len(), 1, "{bound}");
    assert_eq!(bound[0]["HostIp"], address.ip().to_string());
}

/// A container with this binary in it.
struct Host {
    raw: Raw,
    name: String,
    _container: Foreign,
}

impl Host {
    fn start(raw: &Raw, socket: &str, how: &str, label: &str) -> Host {
        let name = unique("host");
        let binary = std::env::current_exe().unwrap();
        let body = json!({
            "Image": IMAGE,
            "Cmd": ["/test", "--exact", ENTRY, "--ignored", "--nocapture"],
            "Env": [
                format!("{HOW}={how}"),
                format!("{LABEL}={label}"),
                "CASTOFF_ENGINE=unix:///engine.sock",
            ],
            "HostConfig": {
                "Binds": [
                    format!("{}:/test:ro", binary.display()),
                    format!("{socket}:/engine.sock"),
                ],
            },
        });
        let path = format!("/containers/create?name={name}");
        let (status, answer) = raw.call("POST", &path, Some(&body));
        assert_eq!(status, 201, "{answer}");
        let container = Foreign::adopt(raw, format!("containers/{name}"));
        let (status, answer) = raw.call("POST", &format!("/containers/{name}/start"), None);
        assert_eq!(status, 204, "{answer}");
        Host { raw: raw.clone(), name, _container: container }
    }

    /// Waits for its end, and returns the exit code.
    fn wait(&self) -> i64 {
        let path = format!("/containers/{}/wait", self.name);
        let (status, answer) = self.raw.call("POST", &path, None);
        assert_eq!(status, 200, "{answer}");
        let code = answer["StatusCode"].as_i64().unwrap();
        let logs = format!("/containers/{}/logs?stdout=true&stderr=true", self.name);
        println!("{}: code {code}\n{}", self.name, self.raw.call("GET", &logs, None).1);
        code
    }

    fn kill(&self) {
        let path = format!("/containers/{}/kill", self.name);
        let (status, answer) = self.raw.call("POST", &path, None);
        assert_eq!(status, 204, "{answer}");
        self.wait();
    }
}

async fn set_up() -> (Raw, String) {
    let engine = engine().await;
    let socket = engine.endpoint().socket().unwrap().canonicalize().unwrap();
    (Raw::of(&engine), socket.to_str().unwrap().to_owned())
}

/// Runs a program that ends on its own. All of its resources are gone by then.
async fn ended(how: &str) -> i64 {
    let (raw, socket) = set_up().await;
    let label = unique(how);
    let code = Host::start(&raw, &socket, how, &label).wait();
    assert_eq!(raw.count(&format!("test.host={label}")), 0, "nothing is left when it has ended");
    code
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_return_with_statics_alive_leaves_nothing() {
    assert_eq!(ended("return").await, 0);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn process_exit_leaves_nothing() {
    assert_eq!(ended("exit").await, 3);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_other_threads_make_while_the_process_ends_leaves_nothing() {
    assert_eq!(ended("busy").await, 3);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_drop_right_before_the_end_leaves_nothing() {
    assert_eq!(ended("drop").await, 0);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn the_last_share_of_something_shared_leaves_nothing() {
    assert_eq!(ended("drop-others").await, 0);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_process_namespace_that_ends_leaves_nothing() {
    let raw = Raw::of(&engine().await);
    for (how, code) in [("return", 0), ("exit", 3), ("drop", 0)] {
        let label = unique(how);
        let mut first = Running::start_as_first(ENTRY, &[(HOW, how), (LABEL, &label)]);
        assert_eq!(first.wait().code(), Some(code), "{}", first.errors());
        assert_eq!(raw.count(&format!("test.host={label}")), 0, "{how}");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_published_port_is_reached_and_bound_on_the_gateways_address_alone() {
    assert_eq!(ended("port").await, 0);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_a_killed_container_left_goes_with_the_next_start_in_another_one() {
    let _alone = pruning();
    let (raw, socket) = set_up().await;
    let (dead, living) = (unique("dead"), unique("living"));
    let hosts = [&dead, &living].map(|label| Host::start(&raw, &socket, "hold", label));
    let [dead, living] = [dead, living].map(|label| format!("test.host={label}"));
    for label in [&dead, &living] {
        eventually("it holds everything", async || raw.count(label) == 5).await;
    }
    let kept = [&dead, &living].map(|label| {
        let id = raw.labelled("containers", &label.replace("host", "kept")).remove(0);
        let note = raw.labelled("volumes", &format!("castoff.keeps=container {id}")).remove(0);
        [format!("containers/{id}"), format!("volumes/{note}")]
    });
    // Somebody else commits an image of the first one's container, and makes a container of that.
    let image = unique("committed");
    let of = raw.labelled("containers", &dead).remove(0);
    let commit = format!("/commit?container={of}&repo={image}");
    assert_eq!(raw.call("POST", &commit, Some(&json!({}))).0, 201);
    let _image = Foreign::adopt(&raw, format!("images/{image}"));
    let inherits = raw.foreign_container_of(&image, &unique("inherits"));
    let kept = kept.map(|both| both.map(|what| Foreign::adopt(&raw, what)));
    hosts[0].kill();
    assert_eq!(raw.count(&dead), 6, "nobody is left to remove it");
    let next = unique("next");
    assert_eq!(Host::start(&raw, &socket, "next", &next).wait(), 0);
    let is_gone = async || raw.count(&dead) == 1;
    eventually("all is gone but the container that only looks like it", is_gone).await;
    assert!(inherits.exists());
    drop(inherits);
    assert_eq!(raw.count(&living), 5, "what the living have stays");
    assert!(kept.iter().flatten().all(Foreign::exists), "and so does what was kept");
    hosts[1].kill();
    assert_eq!(Host::start(&raw, &socket, "next", &next).wait(), 0);
    raw.until_none(&living, PATIENCE);
    assert_eq!(Host::start(&raw, &socket, "prune", &next).wait(), 0);
    assert!(!kept.iter().flatten().any(Foreign::exists), "what was kept is pruned, notes and all");
}
