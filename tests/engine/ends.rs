//! However a process ends, its resources are removed soon after. Each test starts this binary again
//! with one entry as the only test, and ends it.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use castoff::{Container, Engine, Network, Volume};
use rustix::process::Signal;

use crate::children::Running;
use crate::raw::{Foreign, Raw};
use crate::support::{PATIENCE, engine, sleeper, unique};

const HOW: &str = "CASTOFF_TEST_END";
const LABEL: &str = "CASTOFF_TEST_LABEL";
const READY: &str = "child is ready";
const CONTAINERS: usize = 5;

static HELD: OnceLock<(Vec<Container>, Network, Volume)> = OnceLock::new();

/// Runs in the child process. Run on its own, it tests nothing.
#[test]
#[ignore = "needs a container engine"]
fn child_process_entry() {
    let (Ok(how), Ok(label)) = (std::env::var(HOW), std::env::var(LABEL)) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (held, kept) = runtime.block_on(hold(&label));
    HELD.set(held).unwrap();
    println!("\n{READY}: {}", kept.keep());
    std::io::stdout().flush().unwrap();
    match how.as_str() {
        "return" => {}
        "panic" => panic!("on purpose"),
        "exit" => std::process::exit(3),
        "abort" => std::process::abort(),
        "stack" => {
            // The compiler can't turn this into a loop: each call needs its own place.
            fn deeper(n: u64) -> u64 {
                if n == u64::MAX {
                    return n;
                }
                let place = std::hint::black_box([n; 512]);
                deeper(n + 1) + place[(n % 512) as usize]
            }
            println!("{}", deeper(0));
        }
        "fork" => {
            // A child without `exec` inherits the stream to the guardian as well.
            let program = std::process::Command::new("sleep").arg("1").spawn();
            drop(program);
            std::process::exit(3);
        }
        "exec" => {
            use std::os::unix::process::CommandExt;
            let error = std::process::Command::new("true").exec();
            panic!("{error}");
        }
        _ => loop {
            std::thread::park();
        },
    }
}

async fn hold(label: &str) -> ((Vec<Container>, Network, Volume), Container) {
    let net = Network::builder().with_label("test.end", label).create();
    let volume = Volume::builder().with_label("test.end", label).create();
    let (net, volume) = tokio::try_join!(net, volume).unwrap();
    let start = |n| {
        let builder = sleeper().with_label("test.end", label).with_network(&net, format!("c{n}"));
        builder.with_volume(&volume, "/data").start()
    };
    let containers = futures_util::future::try_join_all((0..CONTAINERS).map(start)).await.unwrap();
    let kept = sleeper().with_label("test.kept", label).start().await.unwrap();
    ((containers, net, volume), kept)
}

/// Starts the child, and returns with the name of its kept container once it holds everything.
fn child(how: &str, label: &str, engine: &str) -> (Running, String) {
    let variables = [(HOW, how), (LABEL, label), ("CASTOFF_ENGINE", engine)];
    let mut child = Running::start("ends::child_process_entry", &variables);
    let kept = child.says(&format!("{READY}: "));
    (child, kept)
}

/// Ends a child and returns its exit status. All of its resources are gone by then, and no others.
fn ended(how: &str, signal: Option<Signal>) -> ExitStatus {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let engine = runtime.block_on(engine());
    ended_on(&engine, &engine.endpoint().to_string(), how, signal)
}

/// Ends a child like [`ended`], with the address by which the child finds the engine.
fn ended_on(engine: &Engine, address: &str, how: &str, signal: Option<Signal>) -> ExitStatus {
    let raw = Raw::of(engine);
    let label = unique(how);
    let began = Instant::now();
    let foreign = raw.foreign_container(&unique("foreign"));
    let one_container = began.elapsed();
    let (mut child, kept) = child(how, &label, address);
    let kept = Foreign::adopt(&raw, format!("containers/{kept}"));
    if let Some(signal) = signal {
        let held = format!("test.end={label}");
        assert_eq!(raw.count(&held), CONTAINERS + 2, "the child holds it all");
        child.signal(signal);
    }
    let status = child.wait();
    let began = Instant::now();
    // The guardian lives on, and must not hold the child's output open: a test runner that waits
    // for its end would hang.
    child.output.read_to_end(&mut Vec::new()).unwrap();
    let closed = began.elapsed();
    raw.until_none(&format!("test.end={label}"), PATIENCE);
    let gone = began.elapsed();
    println!("{how}: output closed after {closed:?}, all gone after {gone:?}");
    // A removal that waits for a process to end on its own takes ten seconds.
    let limit = Duration::from_secs(9).max(one_container * 20);
    assert!(gone < limit, "{gone:?}, where a container took {one_container:?}");
    assert!(foreign.exists(), "a container without labels is nobody's to remove");
    assert!(kept.exists(), "what was kept stays");
    status
}

#[test]
#[ignore = "needs a container engine"]
fn return_with_statics_alive() {
    assert!(ended("return", None).success());
}

#[test]
#[ignore = "needs a container engine"]
fn panic() {
    assert_eq!(ended("panic", None).code(), Some(101));
}

#[test]
#[ignore = "needs a container engine"]
fn process_exit() {
    assert_eq!(ended("exit", None).code(), Some(3));
}

#[test]
#[ignore = "needs a container engine"]
fn abort() {
    assert_eq!(ended("abort", None).signal(), Some(6));
}

#[test]
#[ignore = "needs a container engine"]
fn sigkill() {
    assert_eq!(ended("kill", Some(Signal::KILL)).signal(), Some(9));
}

#[test]
#[ignore = "needs a container engine"]
fn sigterm() {
    assert_eq!(ended("term", Some(Signal::TERM)).signal(), Some(15));
}

#[test]
#[ignore = "needs a container engine"]
fn sigint() {
    assert_eq!(ended("int", Some(Signal::INT)).signal(), Some(2));
}

#[test]
#[ignore = "needs a container engine"]
fn stack_overflow() {
    assert_eq!(ended("stack", None).signal(), Some(6));
}

#[test]
#[ignore = "needs a container engine"]
fn a_program_of_its_own_lives_on() {
    assert_eq!(ended("fork", None).code(), Some(3));
}

#[test]
#[ignore = "needs a container engine"]
fn another_program_takes_its_place() {
    assert!(ended("exec", None).success());
}

/// Checks an engine whose socket is reached over TCP on loopback.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a container engine"]
async fn sigkill_with_an_engine_on_tcp() {
    let engine = engine().await;
    let socket = engine.endpoint().socket().unwrap().to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = tokio::net::UnixStream::connect(&socket).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let ending = move || ended_on(&engine, &address, "kill-tcp", Some(Signal::KILL));
    let status = tokio::task::spawn_blocking(ending).await.unwrap();
    assert_eq!(status.signal(), Some(9));
}
