//! Waits: when they succeed, and their errors when they can't.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use castoff::spec::{Healthcheck, RestartPolicy};
use castoff::wait::{WaitFuture, WaitStrategy, WaitTarget};
use castoff::{Container, ContainerBuilder, Error, ErrorKind, WaitFor};
use tokio::io::AsyncReadExt;

use crate::differences;
use crate::raw::Raw;
use crate::support::{
    AT_ONCE, BUSYBOX, HEALTH, NOSHELL, PATIENCE, WEB, engine, script, sh, sleeper, unique,
};

#[cfg(feature = "https")]
const PYTHON: &str = "castoff.test/python-slim";

/// Runs a start that must fail, and must do so at once.
async fn fails(builder: ContainerBuilder) -> Error {
    let name = unique("fails");
    let began = Instant::now();
    let error = builder.with_name(&name).start().await.unwrap_err();
    assert!(began.elapsed() < AT_ONCE, "{:?}: {error:?}", began.elapsed());
    assert_eq!(error.container(), Some(name.as_str()), "{error:?}");
    Raw::of(&engine().await).until_gone(&format!("containers/{name}"));
    error
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn log_text_regex_times_and_stream() {
    let lines = "echo one; echo ready 1; sleep 0.2; echo ready 22; echo oops >&2; touch /tmp/all; \
                 exec sleep 3600";
    for wait in [
        WaitFor::log("ready").with_times(2).into(),
        WaitFor::log("ready 1\nready 22").into(),
        WaitFor::regex("^ready [0-9]{2}$").into(),
        WaitFor::log("oops").with_stderr_only().into(),
        WaitFor::log(b"22\n".to_vec()).with_stdout_only().with_timeout(AT_ONCE),
    ] {
        let wait: WaitFor = wait;
        let container = script(lines).with_wait(wait).start().await.unwrap();
        // All of them came after the pause; the order of the two streams is not defined.
        let text = container.logs().text().await.unwrap();
        assert!(text.contains("ready 22") || text.contains("oops"), "{text}");
    }
    let wrong = WaitFor::log("oops").with_stdout_only().with_timeout(Duration::from_secs(2));
    let error = fails(script(lines).with_wait(wrong)).await;
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error:?}");
    assert_eq!(error.condition(), Some("log \"oops\" on stdout within 2s"));
    assert!(error.last_probe().unwrap().starts_with("0 of 1 matches in "), "{error:?}");
    assert_eq!(error.log_tail().len(), 4, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn only_lines_of_this_start_count() {
    // From the second run on, it prints `up` only when the test lets it.
    let lines = "echo x >> /runs; test $(wc -l < /runs) = 1 || \
                 while ! test -f /go; do sleep 0.02; done; rm -f /go; echo up; exec sleep 3600";
    let builder = script(lines).with_wait(WaitFor::log("up")).with_stop_timeout(Duration::ZERO);
    let container = builder.start().await.unwrap();
    for run in [2, 3] {
        let ready = AtomicBool::new(false);
        let starting = async {
            if run == 2 {
                container.restart().await.unwrap();
            } else {
                container.stop().await.unwrap();
                container.start().await.unwrap();
            }
            ready.store(true, Ordering::SeqCst);
        };
        let letting_go = async {
            crate::support::eventually("the next run", async || {
                let check = format!("test $(wc -l < /runs) = {run}");
                container.exec(["sh", "-c", &check]).await.is_ok_and(|output| output.success())
            })
            .await;
            assert!(!ready.load(Ordering::SeqCst), "it took the line of an earlier run");
            sh(&container, "touch /go").await;
        };
        tokio::join!(starting, letting_go);
    }
    let ups = container.logs().text().await.unwrap();
    assert_eq!(ups, "up\nup\nup\n");
}

/// Returns a server that listens after 0.7 s; the engine's proxy accepts before that.
fn late_server() -> ContainerBuilder {
    Container::builder(BUSYBOX)
        .with_command(["sh", "-c", "sleep 0.7; exec nc -ll -p 700 -e echo here"])
        .with_port(700)
}

async fn heard(container: &Container) -> String {
    let mut text = String::new();
    let mut stream = tokio::net::TcpStream::connect(container.addr(700).unwrap()).await.unwrap();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_port_counts_when_the_service_listens() {
    let container = late_server().with_wait(WaitFor::port(700)).start().await.unwrap();
    assert_eq!(heard(&container).await, "here\n");
    // This is also the default wait.
    assert_eq!(heard(&late_server().start().await.unwrap()).await, "here\n");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn http_status_and_body() {
    let web = || Container::builder(WEB).with_port(8080);
    drop(web().with_wait(WaitFor::http("/")).start().await.unwrap());
    drop(web().with_wait(WaitFor::http("/missing").with_status(404)).start().await.unwrap());
    let lines = "echo no > /www/state; httpd -p 8080 -h /www; sleep 0.5; echo yes > /www/state; \
                 exec sleep 3600";
    let wait = WaitFor::http("/state").with_port(8080).with_body_test(|body| body == b"yes\n");
    let builder = web().with_command(["sh", "-c", lines]).with_port(9).with_wait(wait);
    let container = builder.start().await.unwrap();
    assert_eq!(sh(&container, "cat /www/state").await, "yes");

    let never =
        WaitFor::http("/missing").with_statuses(200..=299).with_timeout(Duration::from_secs(1));
    let error = fails(web().with_wait(never)).await;
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error:?}");
    assert!(error.last_probe().unwrap().ends_with(": status 404"), "{error:?}");
    assert!(error.condition().unwrap().starts_with("HTTP GET /missing"), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn http_method_header_and_body_of_the_request() {
    let serve = "#!/bin/sh
read -r method path version
while read -r line; do
  line=${line%?}
  test -n \"$line\" || break
  case \"$line\" in [Xx]-[Tt]oken:*secret) token=yes ;; esac
done
test \"$method\" = POST && body=$(head -c 4)
if test \"$method $path $token $body\" = 'POST /check yes ping'; then answer='204 Fine'; else answer='400 Bad'; fi
printf 'HTTP/1.1 %s\\r\\nConnection: close\\r\\n\\r\\n' \"$answer\"
";
    let server = || {
        Container::builder(BUSYBOX)
            .with_copy(castoff::CopySource::bytes(serve).with_mode(0o755), "/serve")
            .with_command(["nc", "-ll", "-p", "700", "-e", "/serve"])
            .with_port(700)
    };
    let right = WaitFor::http("/check").with_method("POST").with_body("ping").with_status(204);
    drop(server().with_wait(right.clone().with_header("X-Token", "secret")).start().await.unwrap());
    let error = fails(server().with_wait(right.with_timeout(Duration::from_secs(1)))).await;
    assert!(error.last_probe().unwrap().contains("status 400"), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn health() {
    let container = Container::builder(HEALTH).with_wait(WaitFor::health()).start().await.unwrap();
    sh(&container, "test -f /tmp/healthy").await;
    // This is also the default wait.
    let container = Container::builder(HEALTH).start().await.unwrap();
    sh(&container, "test -f /tmp/healthy").await;
    let error = fails(sleeper().with_wait(WaitFor::health())).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert!(error.hint().unwrap().contains("with_healthcheck"), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn unhealthy_is_an_error_with_the_checks_output() {
    let check = Healthcheck::shell("echo broken; exit 1")
        .with_interval(Duration::from_millis(100))
        .with_retries(2);
    let (limit, kind) = differences::unhealthy(&engine().await);
    let error = fails(sleeper().with_healthcheck(check).with_startup_timeout(limit)).await;
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.last_probe().is_some_and(|seen| seen.contains("broken")), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn exec_and_file() {
    let lines = "sleep 0.4; echo 42 > /tmp/state; exec sleep 3600";
    for wait in [
        WaitFor::exec(["test", "-f", "/tmp/state"]).into(),
        WaitFor::exec(["cat", "/tmp/state"]).with_output("42").into(),
        WaitFor::exec(["sh", "-c", "cat /tmp/state && exit 7"]).with_exit_code(7).into(),
        WaitFor::file("/tmp/state").into(),
    ] {
        let wait: WaitFor = wait;
        let container = script(lines).with_wait(wait).start().await.unwrap();
        sh(&container, "test -f /tmp/state").await;
    }
    // A file needs no shell or other program.
    let bare = Container::builder(NOSHELL).with_wait(WaitFor::file("/www/index.html"));
    drop(bare.start().await.unwrap());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn exit() {
    let ends = || script("echo bye; exit 4");
    let container = ends().with_wait(WaitFor::exit()).start().await.unwrap();
    assert_eq!(container.state().await.unwrap().exit_code, 4);
    drop(ends().with_wait(WaitFor::exit().with_exit_code(4)).start().await.unwrap());
    let error = fails(ends().with_wait(WaitFor::exit().with_exit_code(0))).await;
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Exited, Some(4)), "{error:?}");
    assert!(error.to_string().contains("exited with code 4, not 0"), "{error}");
    assert_eq!(error.log_tail(), ["bye"]);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn duration() {
    let began = Instant::now();
    drop(sleeper().with_wait(WaitFor::duration(Duration::from_millis(800))).start().await.unwrap());
    assert!(began.elapsed() >= Duration::from_millis(800));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn all_and_any() {
    let lines = "touch /tmp/a; sleep 0.3; echo b; touch /tmp/b; exec sleep 3600";
    let all = WaitFor::all([WaitFor::file("/tmp/a").into(), WaitFor::log("b").into()]);
    let container = script(lines).with_wait(all).start().await.unwrap();
    assert!(container.logs().text().await.unwrap().contains('b'));
    let two = script(lines).with_wait(WaitFor::file("/tmp/a")).with_wait(WaitFor::file("/tmp/b"));
    sh(&two.start().await.unwrap(), "test -f /tmp/b").await;
    let any = WaitFor::any([WaitFor::file("/never").into(), WaitFor::file("/tmp/b").into()]);
    let container = script(lines).with_wait(any).start().await.unwrap();
    sh(&container, "test -f /tmp/b").await;

    let never = WaitFor::all([WaitFor::file("/tmp/a").into(), WaitFor::file("/never").into()]);
    let error = fails(script(lines).with_wait(never.with_timeout(Duration::from_secs(1)))).await;
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error:?}");
    let condition = error.condition().unwrap();
    assert!(condition.contains("file `/tmp/a` and file `/never`"), "{condition}");
    let error = sleeper().with_wait(WaitFor::any([])).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[derive(Debug)]
struct Ticks {
    wanted: usize,
    seen: Arc<AtomicUsize>,
}

impl WaitStrategy for Ticks {
    fn describe(&self) -> String {
        format!("{} ticks", self.wanted)
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            loop {
                let output = target.exec(["grep", "-c", "tick", "/tmp/log"]).await?;
                let ticks = output.stdout_text().trim().parse().unwrap_or(0);
                self.seen.store(ticks, Ordering::SeqCst);
                target.record_probe(format!("{ticks} so far in {}", target.name()));
                if ticks >= self.wanted {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    }

    fn check(&self) -> castoff::Result<()> {
        match self.wanted {
            0 => Err(Error::new(ErrorKind::InvalidInput, "0 ticks need no wait")),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_strategy_of_ones_own_and_a_closure() {
    let ticker = || script("while :; do echo tick >> /tmp/log; sleep 0.05; done");
    let seen = Arc::new(AtomicUsize::new(0));
    let wait = |wanted| Ticks { wanted, seen: seen.clone() };
    drop(ticker().with_wait(wait(5)).start().await.unwrap());
    assert!(seen.load(Ordering::SeqCst) >= 5);
    let limited = WaitFor::from(wait(usize::MAX)).with_timeout(Duration::from_secs(1));
    let error = fails(ticker().with_wait(limited)).await;
    assert_eq!(error.condition(), Some(format!("{} ticks within 1s", usize::MAX).as_str()));
    assert!(error.last_probe().unwrap().contains(" so far in test-fails"), "{error:?}");
    let error = sleeper().with_wait(wait(0)).start().await.unwrap_err();
    assert_eq!(error.to_string(), "0 ticks need no wait");

    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let probe = WaitFor::probe("the third call", move |_target| {
        let call = counter.fetch_add(1, Ordering::SeqCst) + 1;
        async move { if call == 1 { Err(Error::other("not yet")) } else { Ok(call == 3) } }
    });
    drop(sleeper().with_wait(probe).start().await.unwrap());
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

/// Returns a container that runs for a moment, prints the reason, and ends.
fn dying() -> ContainerBuilder {
    script("sleep 0.3; echo dying; exit 3").with_port(700)
}

async fn tells_of_the_end(what: &str, wait: impl Into<WaitFor>) {
    let check = Healthcheck::command(["false"]).with_interval(Duration::from_secs(60));
    let error = fails(dying().with_healthcheck(check).with_wait(wait)).await;
    assert_eq!(error.kind(), ErrorKind::Exited, "{what}: {error:?}");
    assert_eq!(error.exit_code(), Some(3), "{what}: {error:?}");
    assert_eq!(error.log_tail(), ["dying"], "{what}: {error:?}");
    assert_eq!((error.step(), error.image()), (Some("wait"), Some(BUSYBOX)), "{what}: {error:?}");
    assert!(error.condition().is_some(), "{what}: {error:?}");
    assert!(!error.oom_killed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn the_containers_end_ends_waits_for_its_output_and_ports() {
    tokio::join!(
        tells_of_the_end("log", WaitFor::log("never")),
        tells_of_the_end("regex", WaitFor::regex("never")),
        tells_of_the_end("port", WaitFor::port(700)),
        tells_of_the_end("http", WaitFor::http("/")),
        tells_of_the_end("health", WaitFor::health()),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn the_containers_end_ends_waits_inside_it_and_for_time() {
    tokio::join!(
        tells_of_the_end("exec", WaitFor::exec(["false"])),
        tells_of_the_end("file", WaitFor::file("/never")),
        tells_of_the_end("duration", WaitFor::duration(Duration::from_secs(3600))),
        tells_of_the_end("probe", WaitFor::probe("never", |_| async { Ok(false) })),
        tells_of_the_end("own", Ticks { wanted: 1, seen: Arc::default() }),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn the_containers_end_ends_waits_made_of_others() {
    let file = || WaitFor::from(WaitFor::file("/never"));
    let log = || WaitFor::from(WaitFor::log("never"));
    tokio::join!(
        tells_of_the_end("all", WaitFor::all([file(), log()])),
        tells_of_the_end("any", WaitFor::any([file(), log()])),
        tells_of_the_end("any of logs", WaitFor::any([log(), log()])),
        tells_of_the_end("timeout", file().with_timeout(Duration::from_secs(3600))),
    );
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_never_comes_true_tells_what_was_seen_last() {
    let limit = Duration::from_secs(1);
    let talking = || script("echo hello; exec sleep 3600").with_port(700);
    for (wait, condition, seen) in [
        (
            WaitFor::file("/never").with_timeout(limit),
            "file `/never` within 1s",
            "it does not exist",
        ),
        (
            WaitFor::port(700).with_timeout(limit),
            "port 700/tcp to accept connections within 1s",
            "127.0.0.1",
        ),
        (WaitFor::http("/x").with_timeout(limit), "HTTP GET /x within 1s", "127.0.0.1"),
        (
            WaitFor::exec(["false"]).with_timeout(limit),
            "command `false` with code 0 within 1s",
            "exit code 1",
        ),
        (
            WaitFor::log("x").with_times(3).with_timeout(limit),
            "log \"x\" 3 times within 1s",
            "0 of 3 matches in 6 bytes of log",
        ),
        (
            WaitFor::probe("a star", |_| async { Err(Error::other("no star")) })
                .with_timeout(limit),
            "a star within 1s",
            "no star",
        ),
    ] {
        let error = fails(talking().with_wait(wait)).await;
        assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error:?}");
        assert_eq!(error.condition(), Some(condition), "{error:?}");
        assert!(error.last_probe().unwrap().contains(seen), "{error:?}");
        assert_eq!(error.log_tail(), ["hello"], "{error:?}");
        assert_eq!(error.exit_code(), None, "{error:?}");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn out_of_memory_is_told() {
    let hog = script("echo eating; exec tail /dev/zero").with_memory(16 << 20);
    let error = fails(hog.with_memory_swap(16 << 20).with_wait(WaitFor::log("full"))).await;
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Exited, Some(137)), "{error:?}");
    let told = differences::tells_of_oom(&engine().await);
    assert_eq!(error.oom_killed(), told, "{error:?}");
    assert_eq!(format!("{error:?}").contains("out of memory"), told, "{error:?}");
    assert_eq!(error.log_tail(), ["eating"]);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_command_that_is_not_there() {
    let error = fails(Container::builder(BUSYBOX).with_command(["no-such-command"])).await;
    assert_eq!(error.kind(), ErrorKind::Exited, "{error:?}");
    assert_eq!(error.step(), Some("start"), "{error:?}");
    assert!(format!("{error:?}").contains("no-such-command"), "{error:?}");
    let error = fails(Container::builder(NOSHELL).with_command(["sh", "-c", "true"])).await;
    assert_eq!(error.kind(), ErrorKind::Exited, "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_container_that_ends_at_once() {
    for wait in [WaitFor::log("never").into(), WaitFor::from(WaitFor::file("/never"))] {
        let error = fails(script("echo why >&2; exit 9").with_wait(wait)).await;
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Exited, Some(9)), "{error:?}");
        assert_eq!(error.log_tail(), ["why"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_container_that_ends_at_once_is_told_as_such_by_every_wait() {
    let check = || Healthcheck::command(["false"]).with_interval(Duration::from_secs(60));
    for round in 0..3 {
        let waits: [Option<WaitFor>; 9] = [
            None,
            Some(WaitFor::port(700).into()),
            Some(WaitFor::http("/").into()),
            Some(WaitFor::http("/").with_port(700).into()),
            Some(WaitFor::any([WaitFor::port(700).into(), WaitFor::http("/").into()])),
            Some(WaitFor::all([WaitFor::port(700).into(), WaitFor::http("/").into()])),
            Some(WaitFor::exec(["true"]).with_exit_code(9).into()),
            Some(WaitFor::duration(Duration::from_millis(700)).into()),
            Some(WaitFor::health().into()),
        ];
        for wait in waits {
            let builder = script("echo why >&2; exit 9").with_port(700);
            let what = format!("round {round}, {wait:?}");
            let builder = match wait {
                Some(wait) => builder.with_healthcheck(check()).with_wait(wait),
                None => builder,
            };
            let error = fails(builder).await;
            assert_eq!(
                (error.kind(), error.exit_code()),
                (ErrorKind::Exited, Some(9)),
                "{what}: {error:?}"
            );
            assert_eq!(error.log_tail(), ["why"], "{what}: {error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_time_does_not_pass_in_a_container_that_has_ended() {
    // It ends when the time is almost over, so that no later inspection would notice.
    let wait = WaitFor::duration(Duration::from_millis(1_000));
    let error = fails(script("sleep 0.85; exit 3").with_wait(wait)).await;
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Exited, Some(3)), "{error:?}");
    // If the end is waited for, it is not an error.
    let either = WaitFor::any([WaitFor::exit().into(), WaitFor::duration(PATIENCE).into()]);
    drop(script("exit 3").with_wait(either).start().await.unwrap());
}

/// Returns a container that fails twice, and then serves, on another port each time.
fn third_time_lucky(policy: RestartPolicy) -> ContainerBuilder {
    let lines = "echo x >> /runs; n=$(wc -l < /runs); echo run $n; \
                 test $n -ge 3 || { sleep 0.3; exit 4; }; touch /works; echo works; \
                 mkdir -p /www; echo hello > /www/index.html; exec httpd -f -p 700 -h /www";
    script(lines).with_port(700).with_restart_policy(policy)
}

async fn works_the_third_time(what: &str, policy: RestartPolicy, wait: impl Into<WaitFor>) {
    let check = Healthcheck::command(["test", "-f", "/works"])
        .with_interval(Duration::from_millis(200))
        .with_retries(1_000);
    let wait = wait.into();
    let builder = third_time_lucky(policy).with_healthcheck(check);
    let started = builder.with_wait(wait).with_startup_timeout(PATIENCE).start().await;
    let container = started.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let runs = sh(&container, "wc -l < /runs").await;
    assert_eq!(runs, "3", "{what}");
    // The address is that of this run.
    let address = container.addr(700).unwrap();
    crate::support::eventually("it serves", async || {
        tokio::net::TcpStream::connect(address).await.is_ok()
    })
    .await;
}

const RETRIES: RestartPolicy = RestartPolicy::OnFailure { max_retries: Some(5) };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_container_that_is_started_again_is_waited_for_by_its_output_and_ports() {
    tokio::join!(
        works_the_third_time("log", RETRIES, WaitFor::log("works")),
        works_the_third_time(
            "lines",
            RestartPolicy::Always,
            WaitFor::regex("^run [123]$").with_times(3)
        ),
        works_the_third_time("port", RestartPolicy::UnlessStopped, WaitFor::port(700)),
        works_the_third_time("http", RETRIES, WaitFor::http("/")),
        works_the_third_time("health", RestartPolicy::Always, WaitFor::health()),
    );
    let default = third_time_lucky(RETRIES).start().await.unwrap();
    assert_eq!(sh(&default, "wc -l < /runs").await, "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_container_that_is_started_again_is_waited_for_inside_it_and_for_time() {
    let calls = |target: WaitTarget| async move {
        Ok(target.exec(["test", "-f", "/works"]).await?.success())
    };
    tokio::join!(
        works_the_third_time("exec", RETRIES, WaitFor::exec(["test", "-f", "/works"])),
        works_the_third_time("file", RestartPolicy::Always, WaitFor::file("/works")),
        works_the_third_time("duration", RETRIES, WaitFor::duration(Duration::from_secs(1))),
        works_the_third_time("probe", RETRIES, WaitFor::probe("it works", calls)),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_container_has_ended_when_its_restarts_are_used_up() {
    let policy = RestartPolicy::OnFailure { max_retries: Some(2) };
    let dies = || script("echo dying; exit 6").with_port(700).with_restart_policy(policy);
    for wait in [
        WaitFor::log("never").into(),
        WaitFor::from(WaitFor::port(700)),
        WaitFor::exec(["false"]).into(),
    ] {
        let error = fails(dies().with_wait(wait)).await;
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Exited, Some(6)), "{error:?}");
        assert_eq!(error.log_tail(), ["dying"; 3], "{error:?}");
    }
    let ended = dies().with_wait(WaitFor::exit()).start().await.unwrap();
    assert_eq!(ended.logs().text().await.unwrap(), "dying\n".repeat(3));
    assert_eq!(ended.wait().await.unwrap(), 6);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn one_after_the_other() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let probe = WaitFor::probe("asked when the file is there", move |target| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move { Ok(target.exec(["test", "-f", "/tmp/a"]).await?.success()) }
    });
    let waits = [WaitFor::file("/tmp/a").into(), probe.into(), WaitFor::log("b").into()];
    let builder = script("sleep 0.4; touch /tmp/a; echo b; exec sleep 3600");
    let container = builder.with_wait(WaitFor::sequence(waits)).start().await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1, "not asked before");
    drop(container);
    let never = [WaitFor::file("/never").into(), WaitFor::log("b").into()];
    let never = WaitFor::sequence(never).with_timeout(Duration::from_secs(1));
    let error = fails(sleeper().with_wait(never)).await;
    let condition = error.condition().unwrap();
    assert!(condition.contains("file `/never` then log \"b\""), "{condition}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn hooks_run_between_the_start_and_the_waits_and_once_it_is_ready() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (started, ready) = (seen.clone(), seen.clone());
    let builder = sleeper()
        .with_hook_after_start(move |container| {
            started.lock().unwrap().push("started");
            async move { container.exec(["touch", "/made"]).await?.ok().map(drop) }
        })
        .with_wait(WaitFor::file("/made"))
        .with_hook_after_ready(move |container| {
            ready.lock().unwrap().push("ready");
            async move { container.exec(["test", "-f", "/made"]).await?.ok().map(drop) }
        });
    // A clone is a separate container with the same spec.
    let (one, two) = (builder.clone().start().await.unwrap(), builder.create().await.unwrap());
    assert_ne!(one.id(), two.id());
    assert_eq!(*seen.lock().unwrap(), ["started", "ready"]);
    two.start().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["started", "ready", "started", "ready"]);

    let refuse = |_| async { Err(Error::other("the hook does not like it")) };
    for builder in
        [sleeper().with_hook_after_start(refuse), sleeper().with_hook_after_ready(refuse)]
    {
        let error = fails(builder).await;
        assert_eq!(error.to_string(), "the hook does not like it");
        assert!(error.step().unwrap().starts_with("hook after"), "{error:?}");
    }
    let stuck = |_| std::future::pending::<castoff::Result<()>>();
    let stuck = sleeper().with_hook_after_start(stuck);
    let error = fails(stuck.with_startup_timeout(Duration::from_secs(2))).await;
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn the_clone_of_a_builder_says_what_it_can_not_copy_as_well() {
    let builder = sleeper().with_copy(castoff::CopySource::reader(&b"x"[..], 1), "/copied");
    let error = builder.clone().start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert_eq!(sh(&builder.start().await.unwrap(), "cat /copied").await, "x");
    let wrong = sleeper().with_port(0);
    assert_eq!(wrong.clone().start().await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// Returns a server that speaks TLS, for `localhost`, and the certificate of its authority.
#[cfg(feature = "https")]
fn tls_server() -> (ContainerBuilder, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let own = own.signed_by(&key, &issuer).unwrap().pem();
    let serve = "import http.server, ssl
server = http.server.HTTPServer(('', 8443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/tls/own.pem', '/tls/key.pem')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()";
    let builder = Container::builder(PYTHON)
        .with_copy(own.into_bytes(), "/tls/own.pem")
        .with_copy(key.serialize_pem().into_bytes(), "/tls/key.pem")
        .with_command(["python3", "-c", serve])
        .with_port(8443);
    (builder, authority)
}

#[cfg(feature = "https")]
#[tokio::test]
#[ignore = "needs a container engine"]
async fn http_over_tls_takes_any_certificate_or_those_of_one_authority() {
    let (server, authority) = tls_server();
    let http = || WaitFor::http("/");
    drop(server.clone().with_wait(http().with_any_certificate()).start().await.unwrap());
    drop(server.clone().with_wait(http().with_ca(authority.clone())).start().await.unwrap());

    let (_, another) = tls_server();
    let limit = Duration::from_secs(3);
    for wait in [
        http().with_ca(another),
        http().with_ca(authority).with_server_name("elsewhere.example"),
        http(),
    ] {
        let error = fails(server.clone().with_wait(wait.with_timeout(limit))).await;
        assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error:?}");
        assert!(error.last_probe().is_some(), "{error:?}");
    }
    let error = server.with_wait(http().with_ca("no PEM")).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
}
