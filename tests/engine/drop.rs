//! Drops of handles, in every context.

use std::cell::RefCell;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use castoff::{Container, Engine, Network, Volume};
use tokio::runtime::{Builder, Runtime};

use crate::raw::Raw;
use crate::support::{PATIENCE, engine, sleeper, unique};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Returns a container, the API to look for it, and its path there.
async fn started() -> (Container, Raw, String) {
    let container = sleeper().start().await.unwrap();
    let raw = Raw::of(container.engine());
    let path = format!("containers/{}", container.id());
    (container, raw, path)
}

#[test]
#[ignore = "needs a container engine"]
fn outside_of_a_runtime_and_after_its_shutdown() {
    for runtime in [current_thread(), multi_thread()] {
        let (container, raw, path) = runtime.block_on(started());
        drop(container);
        raw.until_gone(&path);
        let (container, raw, path) = runtime.block_on(started());
        drop(runtime);
        drop(container);
        raw.until_gone(&path);
    }
}

#[test]
#[ignore = "needs a container engine"]
fn inside_of_each_sort_of_runtime() {
    for runtime in [current_thread(), multi_thread()] {
        runtime.block_on(async {
            let (container, raw, path) = started().await;
            drop(container);
            raw.until_gone(&path);
        });
        let (container, raw, path) = runtime.block_on(started());
        runtime.block_on(async { tokio::spawn(async move { drop(container) }).await.unwrap() });
        raw.until_gone(&path);
    }
}

#[test]
#[ignore = "needs a container engine"]
fn in_a_local_set() {
    let runtime = current_thread();
    let local = tokio::task::LocalSet::new();
    let (raw, path) = local.block_on(&runtime, async {
        let dropped = tokio::task::spawn_local(async {
            let (_container, raw, path) = started().await;
            (raw, path)
        });
        dropped.await.unwrap()
    });
    raw.until_gone(&path);
    // The same with the set itself, in a task that never ended.
    let (sender, receiver) = std::sync::mpsc::channel();
    let local = tokio::task::LocalSet::new();
    local.spawn_local(async move {
        let (_container, raw, path) = started().await;
        sender.send((raw, path)).unwrap();
        std::future::pending::<()>().await;
    });
    let (raw, path) = local.block_on(&runtime, async {
        loop {
            match receiver.try_recv() {
                Ok(found) => return found,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    drop(local);
    raw.until_gone(&path);
}

#[test]
#[ignore = "needs a container engine"]
fn while_panicking() {
    let (container, raw, path) = current_thread().block_on(started());
    let thread = std::thread::spawn(move || {
        let _container = container;
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    raw.until_gone(&path);
    // The same in a task, whose runtime catches the panic.
    let runtime = multi_thread();
    let (container, raw, path) = runtime.block_on(started());
    let task = runtime.spawn(async move {
        let _container = container;
        panic!("on purpose");
    });
    assert!(runtime.block_on(task).unwrap_err().is_panic());
    raw.until_gone(&path);
}

#[test]
#[ignore = "needs a container engine"]
fn in_a_task_that_is_aborted_at_shutdown() {
    let runtime = multi_thread();
    let (container, raw, path) = runtime.block_on(started());
    runtime.spawn(async move {
        let _container = container;
        std::future::pending::<()>().await;
    });
    runtime.shutdown_timeout(PATIENCE);
    raw.until_gone(&path);
}

#[test]
#[ignore = "needs a container engine"]
fn in_a_thread_local() {
    thread_local! {
        static HELD: RefCell<Option<Container>> = const { RefCell::new(None) };
    }
    let thread = std::thread::spawn(|| {
        let (container, raw, path) = current_thread().block_on(started());
        HELD.set(Some(container));
        (raw, path)
    });
    let (raw, path) = thread.join().unwrap();
    raw.until_gone(&path);
}

#[test]
#[ignore = "needs a container engine"]
fn from_many_threads_at_once() {
    const THREADS: usize = 8;
    let runtime = multi_thread();
    let label = unique("threads");
    let start = || sleeper().with_label("test.drop", &label).start();
    let starts = futures_util::future::try_join_all((0..THREADS).map(|_| start()));
    let containers = runtime.block_on(starts).unwrap();
    let raw = Raw::of(containers[0].engine());
    let together = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = containers
        .into_iter()
        .map(|container| {
            let together = together.clone();
            std::thread::spawn(move || {
                together.wait();
                let began = Instant::now();
                drop(container);
                began.elapsed()
            })
        })
        .collect();
    for thread in threads {
        let took = thread.join().unwrap();
        // A handover takes microseconds; a removal would take a hundred milliseconds or more.
        println!("dropped in {took:?}");
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    raw.until_none(&format!("test.drop={label}"), PATIENCE);
}

#[test]
#[ignore = "needs a container engine"]
fn each_resource_in_any_order() {
    let runtime = current_thread();
    let label = unique("order");
    let raw = Raw::of(&runtime.block_on(engine()));
    let held = runtime.block_on(async {
        let net = Network::builder().with_label("test.drop", &label).create();
        let volume = Volume::builder().with_label("test.drop", &label).create();
        let (net, volume) = tokio::try_join!(net, volume).unwrap();
        let start = || {
            let builder = sleeper().with_label("test.drop", &label).with_network(&net, ());
            builder.with_volume(&volume, "/data").start()
        };
        let containers = tokio::try_join!(start(), start()).unwrap();
        (volume, net, containers)
    });
    drop(runtime);
    assert_eq!(raw.count(&format!("test.drop={label}")), 4);
    drop(held);
    raw.until_none(&format!("test.drop={label}"), PATIENCE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_start_that_is_given_up_leaves_nothing() {
    given_up(engine().await).await;
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_start_that_is_given_up_leaves_nothing_on_one_thread() {
    given_up(engine().await).await;
}

/// Drops starts at points spread over a whole start.
async fn given_up(engine: Engine) {
    let raw = Raw::of(&engine);
    let label = unique("cancel");
    let all = async {
        let net = Network::builder().with_label("test.drop", &label).create().await?;
        let other = Network::builder().with_label("test.drop", &label).create().await?;
        let volume = Volume::builder().with_label("test.drop", &label).create().await?;
        let builder = sleeper().with_label("test.drop", &label).with_copy(b"x", "/a/b");
        let builder = builder.with_network(&net, "a").with_network(&other, "b");
        let container = builder.with_volume(&volume, "/data").start().await?;
        Ok::<_, castoff::Error>((container, net, other, volume))
    };
    // The duration of a whole start, over which the points are spread.
    let began = Instant::now();
    drop(all.await.unwrap());
    let whole = began.elapsed();
    for part in [0, 1, 2, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95] {
        let start = async {
            let net = Network::builder().with_label("test.drop", &label).create().await?;
            let builder = sleeper().with_label("test.drop", &label).with_network(&net, "a");
            let builder = builder.with_copy(b"x", "/a/b");
            Ok::<_, castoff::Error>((builder.start().await?, net))
        };
        match tokio::time::timeout(whole * part / 100, start).await {
            Ok(done) => drop(done.unwrap()),
            Err(_) => println!("given up after {part} %"),
        }
    }
    raw.until_none(&format!("test.drop={label}"), PATIENCE);
    // A call that was under way may have made something since, and that goes as well.
    Volume::create().await.unwrap().remove().await.unwrap();
    raw.until_none(&format!("test.drop={label}"), PATIENCE);
}
