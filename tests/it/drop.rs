//! Promise 3: a drop is cheap and safe, wherever it happens, and reports when it can't be.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use castoff::{Container, Engine, ErrorKind, Network, Volume};
use tokio::runtime::{Builder, Runtime};

use crate::fake::FakeEngine;
use crate::support::*;

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs a test with a guardian and without one.
fn each(test: impl Fn(&FakeEngine, &Engine)) {
    let runtime = current_thread();
    for (fake, engine) in [runtime.block_on(setup()), runtime.block_on(guarded())] {
        test(&fake, &engine);
        fake.wait_until(is_empty, LONG);
    }
}

fn started(engine: &Engine) -> Container {
    current_thread().block_on(running(engine))
}

#[test]
fn outside_of_a_runtime_and_after_its_end() {
    each(|_, engine| {
        let runtime = multi_thread();
        let (one, two) = runtime.block_on(async { (running(engine).await, running(engine).await) });
        drop(one);
        runtime.shutdown_timeout(LONG);
        drop(two);
    });
}

#[test]
fn in_every_kind_of_runtime() {
    each(|_, engine| {
        current_thread().block_on(async { drop(running(engine).await) });
        multi_thread().block_on(async { drop(running(engine).await) });
        let engine_there = engine.clone();
        multi_thread().block_on(async {
            tokio::spawn(async move { drop(running(&engine_there).await) }).await.unwrap();
        });
        let engine_there = engine.clone();
        let local = tokio::task::LocalSet::new();
        local.block_on(&current_thread(), async {
            tokio::task::spawn_local(async move { drop(running(&engine_there).await) })
                .await
                .unwrap();
        });
    });
}

#[test]
fn while_panicking() {
    each(|_, engine| {
        let container = started(engine);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _container = container;
            // Like a panic, but without a message on the terminal.
            resume_unwind(Box::new("stop"));
        }));
        assert_eq!(*unwound.unwrap_err().downcast::<&str>().unwrap(), "stop");
    });
    each(|_, engine| {
        let engine = engine.clone();
        let runtime = multi_thread();
        let task = runtime.spawn(async move {
            let _container = running(&engine).await;
            resume_unwind(Box::new("stop"));
        });
        let unwound = runtime.block_on(task);
        assert!(unwound.unwrap_err().is_panic());
    });
}

#[test]
fn in_a_threads_locals() {
    thread_local! {
        static HELD: RefCell<Option<Container>> = const { RefCell::new(None) };
    }
    each(|_, engine| {
        let container = started(engine);
        let thread = std::thread::spawn(|| HELD.with(|held| *held.borrow_mut() = Some(container)));
        thread.join().unwrap();
    });
}

#[test]
fn with_a_task_that_its_runtime_never_finished() {
    each(|_, engine| {
        let runtime = multi_thread();
        let container = runtime.block_on(running(engine));
        runtime.spawn(async move {
            let _container = container;
            std::future::pending::<()>().await;
        });
        drop(runtime);
    });
}

#[tokio::test]
async fn eight_go_at_the_same_time() {
    let (fake, engine) = guarded().await;
    let mut all = Vec::new();
    for _ in 0..8 {
        all.push(running(&engine).await);
    }
    let gate = fake.on("DELETE", "/containers/*").gate();
    drop(all);
    assert_eq!(fake.containers().len(), 8, "the drop came back before anything was removed");
    arrived_times(&gate, 8).await;
    gate.release();
    nothing_left(&fake).await;
}

#[tokio::test]
async fn without_a_guardian_a_drop_waits_for_its_removal() {
    let (fake, engine) = setup().await;
    let container = running(&engine).await;
    let gate = fake.on("DELETE", "/containers/*").gate();
    let dropping = std::thread::spawn(move || drop(container));
    arrived(&gate).await;
    assert!(!dropping.is_finished());
    gate.release();
    dropping.join().unwrap();
    assert_eq!(fake.leftovers(), [""; 0]);
}

/// Checks the bound of ten seconds: the slowest test of this tier.
#[tokio::test]
async fn without_a_guardian_a_drop_does_not_wait_forever() {
    let (fake, engine) = setup().await;
    let container = running(&engine).await;
    let gate = fake.on("DELETE", "/containers/*").gate();
    let began = Instant::now();
    tokio::task::spawn_blocking(move || drop(container)).await.unwrap();
    assert!(began.elapsed() < 2 * LONG, "{:?}", began.elapsed());
    assert_eq!(gate.arrivals(), 1);
    gate.release();
    nothing_left(&fake).await;
}

#[tokio::test]
async fn containers_go_before_what_they_use_in_whatever_order_they_are_dropped() {
    for container_first in [true, false] {
        let (fake, engine) = guarded().await;
        let network = Network::builder().with_engine(&engine).create().await.unwrap();
        let volume = Volume::builder().with_engine(&engine).create().await.unwrap();
        let builder = app(&engine).with_network(&network, ()).with_volume(&volume, "/data");
        let container = builder.start().await.unwrap();
        let gate = fake.on("DELETE", "/containers/*").gate();
        if container_first {
            drop(container);
            drop((network, volume));
        } else {
            drop((network, volume));
            drop(container);
        }
        arrived(&gate).await;
        // Another resource comes and goes meanwhile: its calls don't wait for the held one.
        drop(Network::builder().with_engine(&engine).create().await.unwrap());
        fake.until(|s| s.count("DELETE", "*") == 2).await;
        gate.release();
        nothing_left(&fake).await;
        assert_eq!(fake.count("DELETE", "*"), 4, "nothing was tried twice");
    }
}

#[tokio::test]
async fn a_network_joined_later_waits_too() {
    let (fake, engine) = guarded().await;
    let network = Network::builder().with_engine(&engine).create().await.unwrap();
    let container = running(&engine).await;
    container.connect(&network, "late").await.unwrap();
    container.ip(&network).unwrap();
    drop(network);
    drop(container);
    nothing_left(&fake).await;
    let down = ["DELETE /containers/{id}", "DELETE /networks/{id}"];
    assert_eq!(fake.calls()[fake.calls().len() - 2..], down);
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let (fake, engine) = setup().await;
    let active = "error while removing network: network x id y has active endpoints";
    fake.on("DELETE", "/networks/*").times(2).fail(403, active);
    let network = Network::builder().with_engine(&engine).create().await.unwrap();
    network.remove().await.unwrap();
    assert_eq!(fake.count("DELETE", "/networks/*"), 3);

    fake.on("DELETE", "/volumes/*").times(2).fail(409, "remove x: volume is in use - [y]");
    let volume = Volume::builder().with_engine(&engine).create().await.unwrap();
    volume.remove().await.unwrap();
    assert_eq!(fake.count("DELETE", "/volumes/*"), 3);

    fake.on("DELETE", "/containers/*").times(1).fail(500, "driver \"overlay2\" failed to remove");
    fake.on("DELETE", "/containers/*").times(1).cut();
    fake.on("DELETE", "/containers/*").times(1).raw("HTTP/1.1 20");
    let container = running(&engine).await;
    container.remove().await.unwrap();
    assert_eq!(fake.count("DELETE", "/containers/*"), 4);
    assert_eq!(fake.leftovers(), [""; 0]);
}

#[tokio::test]
async fn gone_is_done_whoever_did_it() {
    let (fake, engine) = setup().await;
    let container = running(&engine).await;
    fake.only_container().vanish();
    container.remove().await.unwrap();
    assert_eq!(fake.count("DELETE", "*"), 1);

    let container = running(&engine).await;
    let text = "removal of container x is already in progress";
    fake.on("DELETE", "/containers/*").times(1).fail(409, text);
    container.remove().await.unwrap();
    assert_eq!(fake.count("DELETE", "*"), 2);
}

#[tokio::test]
async fn an_engine_that_was_down_is_asked_again() {
    let (fake, engine) = guarded().await;
    let container = running(&engine).await;
    fake.go_down();
    let removing = tokio::spawn(container.remove());
    let mut removing = std::pin::pin!(removing);
    let early = tokio::time::timeout(Duration::from_millis(60), removing.as_mut()).await;
    assert!(early.is_err(), "{early:?}");
    fake.come_back();
    removing.await.unwrap().unwrap();
    assert_eq!(fake.leftovers(), [""; 0]);

    let container = running(&engine).await;
    fake.go_down();
    drop(container);
    fake.come_back();
    nothing_left(&fake).await;
}

#[tokio::test]
async fn remove_reports_what_went_wrong_and_the_drop_tries_once_more() {
    let (fake, engine) = setup().await;
    let container = running(&engine).await;
    let name = container.name().to_owned();
    fake.on("DELETE", "/containers/*").times(1).fail(400, "bad parameter");
    let error = container.remove().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Engine, Some(400)));
    assert_eq!((error.step(), error.container()), (Some("remove"), Some(&name[..])));
    assert!(error.to_string().contains("bad parameter"), "{error}");
    nothing_left(&fake).await;
    assert_eq!(fake.count("DELETE", "*"), 2);
}

#[tokio::test]
async fn a_removal_goes_on_when_nobody_waits_for_it() {
    let (fake, engine) = setup().await;
    let container = running(&engine).await;
    let gate = fake.on("DELETE", "/containers/*").gate();
    let removing = tokio::spawn(container.remove());
    arrived(&gate).await;
    removing.abort();
    gate.release();
    nothing_left(&fake).await;
    assert_eq!(fake.count("DELETE", "*"), 1);
}

#[tokio::test]
async fn what_is_kept_is_kept_with_what_it_uses() {
    for (fake, engine) in [setup().await, guarded().await] {
        let network = Network::builder().with_engine(&engine).create().await.unwrap();
        let volume = Volume::builder().with_engine(&engine).create().await.unwrap();
        let builder = app(&engine).with_network(&network, ()).with_volume(&volume, "/data");
        let container = builder.start().await.unwrap();
        let name = container.keep();
        drop((network, volume));
        let kept = fake.leftovers();
        assert_eq!((kept.len(), &kept[0]), (3, &format!("container {name}")));
        running(&engine).await.remove().await.unwrap();
        assert_eq!(fake.count("DELETE", "*"), 1, "of the other container only");
        assert_eq!(fake.leftovers(), kept);
    }
}

#[tokio::test]
async fn a_start_waits_for_its_own_name_to_be_free() {
    let (fake, engine) = guarded().await;
    let first = app(&engine).with_name("db").start().await.unwrap();
    let gate = fake.on("DELETE", "/containers/*").gate();
    drop(first);
    arrived(&gate).await;
    let second = tokio::spawn(app(&engine).with_name("db").start());
    let conflicts =
        |s: &crate::fake::State| s.requests.iter().filter(|r| r.status == Some(409)).count() == 1;
    fake.until(conflicts).await;
    assert!(!second.is_finished());
    gate.release();
    let second = second.await.unwrap().unwrap();
    assert_eq!(fake.count("POST", "/containers/create"), 3);
    assert_eq!(fake.leftovers(), ["container db"]);
    drop(second);
}

#[tokio::test]
async fn a_name_that_came_free_meanwhile_is_taken() {
    let (fake, engine) = guarded().await;
    let first = app(&engine).with_name("db").start().await.unwrap();
    let removal = fake.on("DELETE", "/containers/*").times(1).gate();
    drop(first);
    arrived(&removal).await;
    // The engine refuses, and its answer is slower than the removal.
    let refusal = fake.on("POST", "/containers/create").times(1).gate_answer();
    let second = tokio::spawn(app(&engine).with_name("db").start());
    arrived(&refusal).await;
    removal.release();
    fake.until(|s| s.containers.is_empty() && s.connections == 1).await;
    refusal.release();
    drop(second.await.unwrap().unwrap());
    nothing_left(&fake).await;
}

#[tokio::test]
async fn a_start_waits_for_its_own_port_to_be_free() {
    let (fake, engine) = guarded().await;
    let fixed = || app(&engine).with_fixed_port(18_080, 80).without_wait();
    let first = fixed().start().await.unwrap();
    let gate = fake.on("DELETE", "/containers/*").gate();
    drop(first);
    arrived(&gate).await;
    let second = tokio::spawn(fixed().start());
    fake.until(|s| s.requests.iter().any(|r| r.status == Some(500))).await;
    assert!(!second.is_finished());
    gate.release();
    let second = second.await.unwrap().unwrap();
    assert_eq!(second.addr(80).unwrap().port(), 18_080);
    assert_eq!(fake.count("POST", "/containers/*/start"), 3);
    drop(second);
}

#[tokio::test]
async fn a_port_that_came_free_meanwhile_is_taken() {
    let (fake, engine) = guarded().await;
    let fixed = || app(&engine).with_fixed_port(18_082, 80).without_wait();
    let first = fixed().start().await.unwrap();
    let removal = fake.on("DELETE", "/containers/*").times(1).gate();
    drop(first);
    arrived(&removal).await;
    let refusal = fake.on("POST", "/containers/*/start").times(1).gate_answer();
    let second = tokio::spawn(fixed().start());
    arrived(&refusal).await;
    removal.release();
    fake.until(|s| s.containers.len() == 1 && s.connections == 1).await;
    refusal.release();
    drop(second.await.unwrap().unwrap());
    nothing_left(&fake).await;
}

#[tokio::test]
async fn a_network_waits_for_its_own_subnet_to_be_free() {
    let (fake, engine) = guarded().await;
    let subnet = || Network::builder().with_engine(&engine).with_subnet("172.30.7.0/24").create();
    let first = subnet().await.unwrap();
    let gate = fake.on("DELETE", "/networks/*").gate();
    drop(first);
    arrived(&gate).await;
    let second = tokio::spawn(subnet());
    fake.until(|s| s.requests.iter().any(|r| r.status == Some(403))).await;
    assert!(!second.is_finished());
    gate.release();
    drop(second.await.unwrap().unwrap());
    nothing_left(&fake).await;
}

#[tokio::test]
async fn a_port_that_somebody_else_has_is_an_error() {
    let (fake, engine) = setup().await;
    let first = app(&engine).with_fixed_port(18_081, 80).without_wait().start().await.unwrap();
    let second = app(&engine).with_fixed_port(18_081, 80).without_wait();
    let error = second.start().await.unwrap_err();
    assert_eq!((error.kind(), error.step()), (ErrorKind::PortTaken, Some("start")));
    assert!(error.to_string().contains("18081"), "{error}");
    assert_eq!(fake.leftovers(), [format!("container {}", first.name())]);
}

#[tokio::test]
async fn handles_live_in_any_collection() {
    let (fake, engine) = guarded().await;
    let network = Network::builder().with_engine(&engine).create().await.unwrap();
    let mut all: Vec<Box<dyn Send>> = vec![Box::new(network)];
    for _ in 0..3 {
        all.push(Box::new(running(&engine).await));
    }
    drop(all);
    nothing_left(&fake).await;
}

#[tokio::test]
async fn the_last_of_several_handles_removes() {
    let (fake, engine) = setup().await;
    let one = running(&engine).await;
    let two = one.clone();
    drop(one);
    assert_eq!(fake.containers().len(), 1);
    two.stop().await.unwrap();
    two.start().await.unwrap();
    drop(two);
    assert!(fake.containers().is_empty());

    let one = running(&engine).await;
    let two = one.clone();
    one.remove().await.unwrap();
    assert!(fake.containers().is_empty(), "removing does not wait for the others");
    drop(two);
}

/// Runs for [`a_kept_handle_is_dropped_when_nobody_reads_stderr_any_more`], in a process of its
/// own.
#[test]
fn child_whose_stderr_is_closed() {
    if std::env::var_os("CASTOFF_TEST_CLOSED_STDERR").is_none() {
        return;
    }
    let runtime = current_thread();
    let (fake, engine) = runtime.block_on(async {
        let fake = FakeEngine::start();
        fake.add_image(IMAGE);
        let mut config = config(&fake);
        config.keep = castoff::config::KeepPolicy::Always;
        let engine = connect(config).await;
        (fake, engine)
    });
    // Waits for the test, so that stderr is surely closed by now.
    std::io::stdin().read_line(&mut String::new()).unwrap();
    drop(started(&engine));
    let held = started(&engine);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _held = held;
        resume_unwind(Box::new("stop"));
    }));
    assert!(unwound.is_err());
    assert_eq!(fake.containers().len(), 2);
    println!("both are kept");
}

#[test]
fn a_kept_handle_is_dropped_when_nobody_reads_stderr_any_more() {
    use std::process::{Command, Stdio};

    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "drop::child_whose_stderr_is_closed", "--nocapture"])
        .env("CASTOFF_TEST_CLOSED_STDERR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("both are kept"), "{output:?}");
}

/// Lasts a little longer than the first attempts at a removal: some fourteen seconds.
#[tokio::test]
async fn what_is_dropped_while_the_engine_is_away_goes_when_it_is_back() {
    let (fake, engine) = guarded().await;
    let network = Network::builder().with_engine(&engine).create().await.unwrap();
    let start = || app(&engine).with_name("mine").start();
    let container =
        app(&engine).with_name("mine").with_network(&network, "it").start().await.unwrap();
    // The first round makes thirteen attempts.
    fake.on("DELETE", "/containers/*").times(15).fail(503, "starting");
    drop((container, network));
    let tried = |n| move |state: &crate::fake::State| state.count("DELETE", "/containers/*") == n;
    fake.wait_until(tried(13), 3 * LONG);
    // A start does not wait for the attempts in the background.
    let error = start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    fake.wait_until(tried(16), LONG);
    nothing_left(&fake).await;
}
