//! One container for all users with the same spec, in threads and in processes.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use castoff::config::Config;
use castoff::{Container, ContainerBuilder, Engine, Error, ErrorKind, Network, Volume, WaitFor};
use futures_util::future::join_all;

use crate::children::{Running, told};
use crate::raw::{Foreign, Raw};
use crate::support::{BUSYBOX, PATIENCE, WEB, engine, eventually, pruning, sleeper, unique};

const LABEL: &str = "CASTOFF_TEST_LABEL";
const READY: &str = "CASTOFF_TEST_READY";
const ENTRY: &str = "shared::child_process_entry";
/// Long enough to observe that it stays, short enough to wait for.
const LINGER: Duration = Duration::from_millis(700);

/// Returns an engine with a short linger for shared resources.
async fn hasty() -> Engine {
    let mut config = Config::from_env();
    config.linger = Some(LINGER);
    Engine::connect_with(config).await.unwrap()
}

fn labelled(label: &str) -> ContainerBuilder {
    sleeper().with_label("test.shared", label)
}

/// Joins in a child process, prints the id, and waits to be ended.
#[tokio::test]
#[ignore = "needs a container engine"]
async fn child_process_entry() {
    let Ok(label) = std::env::var(LABEL) else { return };
    let mut builder = labelled(&label).with_engine(&hasty().await);
    if let Ok(ready) = std::env::var(READY) {
        builder = builder.with_wait(WaitFor::file(ready));
    }
    println!("\nsharing");
    let container = builder.shared().await.unwrap();
    println!("\nid: {}", container.id());
    std::io::stdout().flush().unwrap();
    if container.init_once("child", async || Ok::<_, Error>(())).await.unwrap() {
        println!("\nsets up");
        std::io::stdout().flush().unwrap();
    }
    told();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a container engine"]
async fn threads_get_the_same_one_and_it_goes_a_while_after_the_last() {
    let engine = hasty().await;
    let (raw, label) = (Raw::of(&engine), unique("threads"));
    let start = || tokio::spawn(labelled(&label).with_engine(&engine).shared());
    let all = join_all((0..8).map(|_| start())).await;
    let mut all: Vec<Container> = all.into_iter().map(|one| one.unwrap().unwrap()).collect();
    let shared = format!("test.shared={label}");
    let found = raw.labelled("containers", &shared);
    assert_eq!(found.len(), 1, "one for all");
    assert!(all.iter().all(|one| one.id() == found[0]));
    let labels = raw.inspect(&format!("containers/{}", found[0])).unwrap();
    let labels = &labels["Config"]["Labels"];
    assert!(labels["castoff.shared"].is_string() && labels["castoff.owner"].is_null(), "{labels}");

    let last = all.pop().unwrap();
    drop(all);
    let again = labelled(&label).with_engine(&engine).shared().await.unwrap();
    assert_eq!(again.id(), last.id());
    drop((last, again));
    // It still exists for the next user, who joins while it lingers.
    let next = labelled(&label).with_engine(&engine).shared().await.unwrap();
    assert_eq!(next.id(), found[0]);
    drop(next);
    let took = raw.until_none(&shared, PATIENCE);
    assert!(took >= LINGER / 2, "gone after {took:?} already");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_differs_in_anything_is_another_one() {
    let engine = hasty().await;
    let label = unique("differs");
    let one = || labelled(&label).with_engine(&engine);
    let named = || {
        let mut config = engine.config().clone();
        config.session = Some("other-session".into());
        Engine::connect_with(config)
    };
    let variants = [
        one().shared().await,
        one().with_env("A", "1").shared().await,
        one().with_env("A", "2").shared().await,
        one().with_copy(b"1", "/copied").shared().await,
        one().with_copy(b"2", "/copied").shared().await,
        one().with_copy(castoff::CopySource::bytes("2").with_mode(0o600), "/copied").shared().await,
        #[cfg(feature = "unstable-bollard")]
        one().with_raw(|body| body.domainname = Some("raw".into())).shared().await,
        one().shared_as("scope").await,
        one().with_engine(&named().await.unwrap()).shared().await,
    ];
    let mut ids: Vec<_> = variants.iter().map(|one| one.as_ref().unwrap().id()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), variants.len());
    let again = one().with_copy(b"2", "/copied").with_wait(WaitFor::file("/bin/sh")).shared().await;
    assert_eq!(again.unwrap().id(), variants[4].as_ref().unwrap().id(), "waits are no difference");
    let once = castoff::CopySource::reader(&b"x"[..], 1);
    let error = one().with_copy(once, "/copied").shared().await.unwrap_err();
    assert_eq!(error.kind(), castoff::ErrorKind::InvalidInput);
    drop(variants);
    Raw::of(&engine).until_none(&format!("test.shared={label}"), PATIENCE);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn processes_get_the_same_one_and_it_goes_when_all_are_killed() {
    let label = unique("processes");
    let raw = Raw::of(&engine().await);
    let start = |_| Running::start(ENTRY, &[(LABEL, &label)]);
    let mut children: Vec<Running> = (0..4).map(start).collect();
    let ids: Vec<String> = children.iter_mut().map(|child| child.says("id: ")).collect();
    let shared = format!("test.shared={label}");
    assert_eq!(raw.labelled("containers", &shared), ids[..1]);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let last = children.pop().unwrap();
    children.into_iter().for_each(Running::kill);
    // The guardians of the killed processes let go; the last user still has it, well after the
    // linger.
    let still = std::time::Instant::now();
    eventually("the linger is over", async || still.elapsed() > 2 * LINGER).await;
    assert_eq!(raw.labelled("containers", &shared), ids[..1]);
    last.kill();
    let took = raw.until_none(&shared, PATIENCE);
    assert!(took >= LINGER / 2, "{took:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_maker_that_is_killed_leaves_nothing_half_made() {
    let label = unique("half");
    let engine = hasty().await;
    let raw = Raw::of(&engine);
    let mut maker = Running::start(ENTRY, &[(LABEL, &label), (READY, "/never")]);
    maker.says("sharing");
    let shared = format!("test.shared={label}");
    let first = std::cell::RefCell::new(String::new());
    eventually("the first one is created", async || {
        raw.labelled("containers", &shared).pop().map(|id| *first.borrow_mut() = id).is_some()
    })
    .await;
    let mut waiting = Box::pin(labelled(&label).with_engine(&engine).shared());
    let early = tokio::time::timeout(Duration::from_millis(500), &mut waiting).await;
    assert!(early.is_err(), "nobody joins what is not ready");
    maker.kill();
    let made = waiting.await.unwrap();
    assert_ne!(made.id(), *first.borrow());
    assert_eq!(raw.labelled("containers", &shared), [made.id()]);
    made.remove().await.unwrap();
    assert_eq!(raw.count(&shared), 0, "the last user removes at once");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn one_that_is_gone_or_has_ended_is_made_anew() {
    let label = unique("anew");
    let engine = hasty().await;
    let raw = Raw::of(&engine);
    let start = || labelled(&label).with_engine(&engine).shared();
    let first = start().await.unwrap();
    assert!(raw.remove(&format!("containers/{}", first.id())));
    let second = start().await.unwrap();
    assert_ne!(first.id(), second.id());
    let kill = format!("/containers/{}/kill", second.id());
    assert_eq!(raw.call("POST", &kill, None).0, 204);
    let exited = async || !second.state().await.unwrap().running;
    eventually("it has ended", exited).await;
    let third = start().await.unwrap();
    assert_ne!(third.id(), second.id());
    assert_eq!(start().await.unwrap().id(), third.id());
    drop((first, second, third));
    raw.until_none(&format!("test.shared={label}"), PATIENCE);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn removing_one_handle_leaves_it_to_the_others_and_keeping_it_to_everybody() {
    let label = unique("others");
    // A separate state directory, since pruning removes everything that was kept in one.
    let state = tempfile::tempdir().unwrap();
    let mut config = Config::from_env();
    (config.linger, config.state_dir) = (Some(LINGER), Some(state.path().into()));
    let engine = Engine::connect_with(config).await.unwrap();
    let raw = Raw::of(&engine);
    let start = || labelled(&label).with_engine(&engine).shared();
    let (one, two) = (start().await.unwrap(), start().await.unwrap());
    let id = two.id().to_owned();
    one.remove().await.unwrap();
    assert_eq!(start().await.unwrap().id(), id);
    let _alone = tokio::task::spawn_blocking(pruning).await.unwrap();
    let kept = Foreign::adopt(&raw, format!("containers/{}", two.keep()));
    let began = std::time::Instant::now();
    eventually("the linger is over", async || began.elapsed() > 2 * LINGER).await;
    assert!(kept.exists());
    let joined = start().await.unwrap();
    assert_eq!(joined.id(), id, "and it is shared still");
    drop(joined);
    engine.remove_kept().await.unwrap();
    eventually("it is pruned when nobody uses it", async || {
        engine.remove_kept().await.unwrap();
        !kept.exists()
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn letting_go_while_another_makes_it_is_safe() {
    let label = unique("cancel");
    let engine = hasty().await;
    let raw = Raw::of(&engine);
    let never = || labelled(&label).with_engine(&engine).with_wait(WaitFor::file("/never"));
    let mut making = Box::pin(never().shared());
    let created = async {
        eventually("it is created", async || raw.count(&format!("test.shared={label}")) == 1).await;
    };
    tokio::select! {
        _ = &mut making => panic!("it is never ready"),
        () = created => {}
    }
    let waiting = tokio::time::timeout(Duration::from_millis(300), never().shared()).await;
    assert!(waiting.is_err());
    drop(making);
    // Its place is free, and the abandoned one does not block it.
    let made = labelled(&label).with_engine(&engine).shared().await.unwrap();
    drop(made);
    raw.until_none(&format!("test.shared={label}"), PATIENCE);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn networks_and_volumes_are_shared_with_the_containers_in_them() {
    let label = unique("together");
    let engine = hasty().await;
    let raw = Raw::of(&engine);
    let net = || Network::builder().with_engine(&engine).with_label("test.shared", &label).shared();
    let volume =
        || Volume::builder().with_engine(&engine).with_label("test.shared", &label).shared();
    let (one, two) = (net().await.unwrap(), net().await.unwrap());
    assert_eq!((one.id(), one.name()), (two.id(), two.name()));
    let other = Network::builder().with_engine(&engine).with_label("test.shared", &label);
    assert_ne!(other.shared_as("other").await.unwrap().id(), one.id());
    let data = volume().await.unwrap();
    assert_eq!(volume().await.unwrap().name(), data.name());
    let inside = |net: &Network| {
        labelled(&label)
            .with_engine(&engine)
            .with_network(net, "web")
            .with_volume(&data, "/data")
            .shared()
    };
    let (first, second) = (inside(&one).await.unwrap(), inside(&two).await.unwrap());
    assert_eq!(first.id(), second.id());
    let runs = AtomicUsize::new(0);
    for _ in 0..2 {
        let set_up = async || {
            runs.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Error>(())
        };
        data.init_once("seed", set_up).await.unwrap();
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    // A network that was removed by hand does not affect later users.
    drop((first, second, one, two, data));
    raw.until_none(&format!("test.shared={label}"), PATIENCE);
    let gone = net().await.unwrap();
    assert!(raw.remove(&format!("networks/{}", gone.id())));
    let anew = net().await.unwrap();
    assert_ne!(anew.id(), gone.id());
    drop((gone, anew));
    raw.until_none(&format!("test.shared={label}"), PATIENCE);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a container engine"]
async fn a_lock_is_held_by_one_user_of_a_container_at_a_time() {
    let label = unique("lock");
    let engine = hasty().await;
    let container = labelled(&label).with_engine(&engine).shared().await.unwrap();
    let joined = labelled(&label).with_engine(&engine).shared().await.unwrap();
    let held = container.try_lock("part 1").await.unwrap().unwrap();
    assert!(joined.try_lock("part 1").await.unwrap().is_none());
    assert!(joined.try_lock("part 2").await.unwrap().is_some());
    drop(held);
    assert!(joined.try_lock("part 1").await.unwrap().is_some());
    // A container that is not shared has locks as well, and they are its own.
    let alone = labelled(&label).with_engine(&engine).start().await.unwrap();
    let _held = alone.try_lock("part 1").await.unwrap().unwrap();
    assert!(alone.clone().try_lock("part 1").await.unwrap().is_none());
    assert!(container.try_lock("part 1").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a container engine"]
async fn set_up_happens_once_and_again_after_a_failure() {
    let label = unique("once");
    let engine = hasty().await;
    let container = labelled(&label).with_engine(&engine).shared().await.unwrap();
    let runs = AtomicUsize::new(0);
    let failing = async || {
        runs.fetch_add(1, Ordering::SeqCst);
        Err::<(), _>(castoff::Error::other("on purpose"))
    };
    container.init_once("schema", failing).await.unwrap_err();
    let (gate, open) = tokio::sync::watch::channel(false);
    let succeeding = async || {
        runs.fetch_add(1, Ordering::SeqCst);
        open.clone().wait_for(|open| *open).await.unwrap();
        Ok::<_, castoff::Error>(())
    };
    let all = join_all((0..6).map(|_| container.init_once("schema", succeeding)));
    let opening = async {
        eventually("one of them is at it", async || runs.load(Ordering::SeqCst) == 2).await;
        gate.send(true).unwrap();
    };
    let (ran, ()) = tokio::join!(all, opening);
    let ran: Vec<bool> = ran.into_iter().map(Result::unwrap).collect();
    assert_eq!(ran.iter().filter(|ran| **ran).count(), 1, "{ran:?}");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert!(container.init_once("another", async || Ok::<_, Error>(())).await.unwrap());

    // A dropped set-up counts as not done.
    let never = container.init_once("never", async || {
        std::future::pending::<()>().await;
        Ok::<_, castoff::Error>(())
    });
    assert!(tokio::time::timeout(Duration::from_millis(200), never).await.is_err());
    assert!(container.init_once("never", async || Ok::<_, Error>(())).await.unwrap());

    // It is done for other processes as well, until the container is replaced.
    let mut first = Running::start(ENTRY, &[(LABEL, &label)]);
    assert_eq!(first.says("id: "), container.id());
    first.says("sets up");
    let mut second = Running::start(ENTRY, &[(LABEL, &label)]);
    assert_eq!(second.says("id: "), container.id());
    assert!(!container.init_once("child", async || Ok::<_, Error>(())).await.unwrap());
    second.tell();
    first.tell();
    assert!(second.wait().success() && first.wait().success());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut second.output, &mut said).unwrap();
    assert!(!said.contains("sets up"), "{said}");
    container.remove().await.unwrap();
    Raw::of(&engine).until_none(&format!("test.shared={label}"), PATIENCE);
    let anew = labelled(&label).with_engine(&engine).shared().await.unwrap();
    assert!(anew.init_once("schema", async || Ok::<_, Error>(())).await.unwrap());
    // The same for a container that is not shared.
    let own = Container::builder(BUSYBOX).with_command(["sleep", "3600"]).start().await.unwrap();
    assert!(own.init_once("schema", async || Ok::<_, Error>(())).await.unwrap());
    assert!(!own.init_once("schema", async || Ok::<_, Error>(())).await.unwrap());
    drop(anew);
    Raw::of(&engine).until_none(&format!("test.shared={label}"), PATIENCE);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn conditions_that_differ_in_anything_are_waited_for_by_whoever_joins() {
    let label = unique("conditions");
    let engine = hasty().await;
    let start = |wait: WaitFor| {
        let web = Container::builder(WEB).with_port(8080).with_label("test.shared", &label);
        web.with_engine(&engine)
            .with_startup_timeout(Duration::from_secs(4))
            .with_wait(wait)
            .shared()
    };
    let one = start(WaitFor::http("/").into()).await.unwrap();
    let never = [
        WaitFor::http("/").with_status(418).into(),
        WaitFor::http("/").with_body_test(|_| false).into(),
        WaitFor::http("/").with_body_test(|_| false).with_identity("never").into(),
        WaitFor::any([WaitFor::http("/").with_statuses(500..=599).into()]),
        WaitFor::probe("ready", |_| async { Ok(false) }).into(),
    ];
    for wait in never {
        let what = format!("{wait:?}");
        let error = start(wait).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{what}: {error:?}");
    }
    assert_eq!(start(WaitFor::http("/").into()).await.unwrap().id(), one.id());
    drop(one);
    Raw::of(&engine).until_none(&format!("test.shared={label}"), PATIENCE);

    // Closures are equal only if they have the same identity.
    for (identity, wanted) in [(Some("probe-1"), 1), (None, 2)] {
        let calls = std::sync::Arc::new(AtomicUsize::new(0));
        let counted = || {
            let calls = calls.clone();
            let probe = WaitFor::probe("ready", move |_| {
                calls.fetch_add(1, Ordering::SeqCst);
                async { Ok(true) }
            });
            match identity {
                Some(identity) => probe.with_identity(identity).into(),
                None => WaitFor::from(probe),
            }
        };
        let (one, two) = (start(counted()).await.unwrap(), start(counted()).await.unwrap());
        assert_eq!(one.id(), two.id());
        assert_eq!(calls.load(Ordering::SeqCst), wanted, "{identity:?}");
        drop((one, two));
        Raw::of(&engine).until_none(&format!("test.shared={label}"), PATIENCE);
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn one_that_is_paused_goes_on_when_it_is_joined() {
    let label = unique("paused");
    let engine = hasty().await;
    let start = || labelled(&label).with_engine(&engine).shared();
    let one = start().await.unwrap();
    one.pause().await.unwrap();
    let two = start().await.unwrap();
    assert_eq!(one.id(), two.id());
    assert!(!two.state().await.unwrap().paused);
    assert!(two.exec(["true"]).await.unwrap().success());
    drop((one, two));
    Raw::of(&engine).until_none(&format!("test.shared={label}"), PATIENCE);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn one_with_a_name_of_its_own_is_made_anew_while_others_hold_what_has_ended() {
    let label = unique("named");
    let engine = hasty().await;
    let start = || labelled(&label).with_name(&label).with_engine(&engine).shared();
    let first = start().await.unwrap();
    first.kill("KILL").await.unwrap();
    first.wait().await.unwrap();
    let second = start().await.unwrap();
    assert_ne!(first.id(), second.id());
    assert_eq!(second.inspect().await.unwrap().name, label);
    // Users of the old one can still inspect it.
    assert_eq!(first.state().await.unwrap().exit_code, 137);
    drop((first, second));
    Raw::of(&engine).until_none(&format!("test.shared={label}"), PATIENCE);
}
