//! Every wait against a scripted engine, and promise 6: no wait outlives the container that it
//! waits for.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use castoff::spec::Healthcheck;
use castoff::wait::{WaitFuture, WaitStrategy, WaitTarget};
use castoff::{Container, Engine, Error, ErrorKind, Result, WaitFor};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::fake::{ExecScript, FakeContainer, FakeEngine, Stream, frame};
use crate::support::*;

const SOON: Duration = Duration::from_millis(200);

async fn start(engine: &Engine, wait: impl Into<WaitFor>) -> Result<Container> {
    app(engine).with_wait(wait).start().await
}

/// Begins a start, and waits until its log is followed.
async fn following(
    fake: &FakeEngine,
    engine: &Engine,
    wait: impl Into<WaitFor>,
) -> (JoinHandle<Result<Container>>, FakeContainer) {
    let starting = tokio::spawn(app(engine).with_wait(wait).start());
    fake.until(|s| s.followers == 1).await;
    (starting, fake.only_container())
}

#[tokio::test]
async fn a_text_may_be_cut_anywhere() {
    let (fake, engine) = setup().await;
    fake.split_streams(3);
    let (starting, container) = following(&fake, &engine, WaitFor::log("is ready")).await;
    container.log_frame(Stream::Stdout, "server is re");
    container.log_frame(Stream::Stdout, "ady");
    drop(starting.await.unwrap().unwrap());
}

#[tokio::test]
async fn half_a_frame_is_half_a_frame() {
    let (fake, engine) = setup().await;
    let (starting, container) = following(&fake, &engine, WaitFor::log("ready")).await;
    let wire = frame(Stream::Stderr, "ready\n");
    container.log_raw(&wire[..5]);
    container.log_raw(&wire[5..10]);
    container.log_raw(&wire[10..]);
    drop(starting.await.unwrap().unwrap());
}

#[tokio::test]
async fn two_streams_are_not_one_text() {
    let (fake, engine) = setup().await;
    let (starting, container) = following(&fake, &engine, WaitFor::log("ready")).await;
    container.log_frame(Stream::Stdout, "rea");
    container.log_frame(Stream::Stderr, "dy");
    container.exit(0, false);
    let error = starting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exited);
    assert_eq!(error.last_probe(), Some("0 of 1 matches in 5 bytes of log"));
}

#[tokio::test]
async fn times_are_counted() {
    let (fake, engine) = setup().await;
    let wait = WaitFor::log("tick").with_times(3);
    let (starting, container) = following(&fake, &engine, wait).await;
    container.log(Stream::Stdout, "tick\ntick\n");
    container.log(Stream::Stderr, "tick\n");
    drop(starting.await.unwrap().unwrap());

    let (fake, engine) = setup().await;
    let (starting, container) = following(&fake, &engine, WaitFor::log("tick").with_times(3)).await;
    container.log(Stream::Stdout, "tick\ntick\n");
    container.exit(1, false);
    let error = starting.await.unwrap().unwrap_err();
    assert_eq!(error.last_probe(), Some("2 of 3 matches in 10 bytes of log"));
    assert_eq!(error.condition(), Some("log \"tick\" 3 times"));
}

#[tokio::test]
async fn a_pattern_sees_lines() {
    let (fake, engine) = setup().await;
    let wait = WaitFor::regex(r"^listening on \d+$");
    let (starting, container) = following(&fake, &engine, wait).await;
    container.log(Stream::Stdout, "not listening on 80\nlistening on x\nlistening on 80\n");
    drop(starting.await.unwrap().unwrap());
}

#[tokio::test]
async fn one_stream_is_asked_for_where_one_counts() {
    let (fake, engine) = setup().await;
    fake.log_on_start("ready\n");
    fake.on_start(|container| container.exit(2, false));
    let error = start(&engine, WaitFor::log("ready").with_stderr_only()).await.unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Exited, Some(2)));
    let asked = |s: &crate::fake::Recorded| {
        s.path.ends_with("/logs") && s.get("stdout") == "false" && s.get("stderr") == "true"
    };
    assert!(fake.requests().iter().any(asked));
    drop(start(&engine, WaitFor::log("ready").with_stdout_only()).await.unwrap());
}

#[tokio::test]
async fn newer_and_older_ways_to_send_logs() {
    let (fake, engine) = setup().await;
    fake.multiplexed_logs();
    fake.log_on_start("ready\n");
    drop(start(&engine, WaitFor::log("ready\n")).await.unwrap());
    let terminal = app(&engine).with_tty().with_wait(WaitFor::log("ready\n"));
    drop(terminal.start().await.unwrap());
}

#[tokio::test]
async fn only_lines_of_this_start_count_after_a_restart() {
    let (fake, engine) = setup().await;
    let starts = Arc::new(AtomicUsize::new(0));
    let counter = starts.clone();
    fake.on_start(move |container| {
        let n = counter.fetch_add(1, Ordering::SeqCst);
        let text = if n == 0 { "ready\n" } else { "starting\n" };
        container.log(Stream::Stdout, text);
    });
    let container = Arc::new(start(&engine, WaitFor::log("ready")).await.unwrap());
    fake.until(|s| s.followers == 0).await;
    fake.clear_requests();
    let again = container.clone();
    let restarting = tokio::spawn(async move { again.restart().await });
    fake.until(|s| s.followers == 1).await;
    let requests = fake.requests();
    let logs = requests.iter().find(|r| r.path.ends_with("/logs")).unwrap();
    let (seconds, nanos) = logs.get("since").split_once('.').unwrap();
    assert!(seconds.parse::<u64>().unwrap() > 1_700_000_000 && nanos.len() == 9, "{logs}");
    assert_eq!(starts.load(Ordering::SeqCst), 2);
    assert!(!restarting.is_finished());
    fake.only_container().log(Stream::Stdout, "ready\n");
    restarting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_container_that_ends_tells_how() {
    let (fake, engine) = setup().await;
    fake.on_start(|container| {
        for n in 0..30 {
            container.log(Stream::Stderr, format!("line {n}\n"));
        }
        container.exit(137, true);
    });
    let waits: [WaitFor; 6] = [
        WaitFor::log("never").into(),
        WaitFor::port(80).into(),
        WaitFor::http("/").with_port(80).into(),
        WaitFor::probe("never", |_| async { Ok(false) }).into(),
        WaitFor::duration(LONG).into(),
        WaitFor::health().into(),
    ];
    for wait in waits {
        let health = Healthcheck::shell("true");
        let builder = app(&engine).with_port(80).with_healthcheck(health).with_wait(wait.clone());
        let error = tokio::time::timeout(LONG, builder.start()).await.unwrap().unwrap_err();
        let ended =
            error.kind() == ErrorKind::Exited || error.kind() == ErrorKind::PortNotPublished;
        assert!(ended, "{wait:?}: {error:?}");
        assert_eq!((error.exit_code(), error.oom_killed()), (Some(137), true), "{error:?}");
        assert_eq!(error.log_tail().len(), 20);
        assert_eq!(error.log_tail()[19], "line 29");
        let first = ["line 0", "line 1", "line 2", "line 3", "line 4"];
        assert_eq!(error.log_head(), first, "what is wrong is often said first");
        assert!(format!("{error:?}").contains("out of memory"), "{error:?}");
    }
}

#[tokio::test]
async fn want_of_memory_is_told_also_when_the_engine_notes_it_late() {
    let (fake, engine) = setup().await;
    fake.on_start(|container| container.exit(137, false));
    let limited = app(&engine).with_memory(16 << 20).with_wait(WaitFor::log("never"));
    let starting = tokio::spawn(limited.start());
    fake.until(|s| s.requests.iter().any(|r| r.path.ends_with("/events"))).await;
    fake.only_container().out_of_memory_after_all();
    let error = starting.await.unwrap().unwrap_err();
    assert!(error.oom_killed(), "{error:?}");

    // Without a memory limit, castoff does not wait for that event.
    let events = fake.requests().iter().filter(|r| r.path.ends_with("/events")).count();
    let error = app(&engine).with_wait(WaitFor::log("never")).start().await.unwrap_err();
    assert!(!error.oom_killed(), "{error:?}");
    assert_eq!(fake.requests().iter().filter(|r| r.path.ends_with("/events")).count(), events);
}

#[tokio::test]
async fn a_container_that_ends_while_it_is_waited_for() {
    let waits: [WaitFor; 9] = [
        WaitFor::log("never").into(),
        WaitFor::port(80).into(),
        WaitFor::http("/").with_port(80).into(),
        WaitFor::exec(["never"]).into(),
        WaitFor::file("/never").into(),
        WaitFor::probe("never", |_| async { Ok(false) }).into(),
        WaitFor::duration(6 * LONG).into(),
        WaitFor::health().into(),
        WaitFor::any([WaitFor::log("never").into(), WaitFor::file("/never").into()]),
    ];
    // A port without a listener.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for wait in waits {
        let (fake, engine) = setup().await;
        fake.publish("80/tcp", closed);
        let health = Healthcheck::shell("true");
        let builder = app(&engine).with_port(80).with_healthcheck(health).with_wait(wait.clone());
        let starting = tokio::spawn(builder.start());
        let watched =
            |s: &crate::fake::State| s.followers > 0 || s.count("POST", "/containers/*/wait") > 0;
        fake.until(watched).await;
        fake.only_container().exit(3, false);
        let ended = tokio::time::timeout(LONG, starting).await;
        let error = ended.unwrap_or_else(|_| panic!("{wait:?} outlives its container"));
        let error = error.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Exited, Some(3)), "{error:?}");
    }
}

#[tokio::test]
async fn a_wait_that_is_done_does_not_take_the_watch_along() {
    for together in [true, false] {
        let (fake, engine) = setup().await;
        fake.log_on_start("ready\n");
        fake.on_exec("never", ExecScript::exit(1));
        let (log, exec) = (WaitFor::log("ready"), WaitFor::exec(["never"]));
        let builder = match together {
            true => app(&engine).with_wait(WaitFor::all([log.into(), exec.into()])),
            false => app(&engine).with_wait(log).with_wait(exec),
        };
        let starting = tokio::spawn(builder.start());
        fake.until(|s| s.execs.len() > 2).await;
        fake.only_container().exit(4, false);
        let ended = tokio::time::timeout(LONG, starting).await;
        let error = ended.expect("the wait outlives its container").unwrap().unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Exited, Some(4)), "{error:?}");
    }
}

#[tokio::test]
async fn the_end_may_be_what_is_waited_for() {
    let (fake, engine) = setup().await;
    fake.exit_on_start(0);
    drop(start(&engine, WaitFor::exit()).await.unwrap());
    drop(start(&engine, WaitFor::exit().with_exit_code(0)).await.unwrap());
    let never = WaitFor::probe("never", |_| async { Ok(false) });
    drop(start(&engine, WaitFor::any([WaitFor::exit().into(), never.into()])).await.unwrap());
    let yes = WaitFor::probe("yes", |_| async { Ok(true) });
    drop(start(&engine, WaitFor::all([WaitFor::exit().into(), yes.into()])).await.unwrap());
    let error = start(&engine, WaitFor::exit().with_exit_code(7)).await.unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Exited, Some(0)));
    assert!(error.to_string().contains("not 7"), "{error}");
}

#[tokio::test]
async fn an_unhealthy_container_is_no_ready_one() {
    let (fake, engine) = setup().await;
    let builder = || app(&engine).with_healthcheck(Healthcheck::shell("pg_isready"));
    let starting = tokio::spawn(builder().start());
    fake.until(|s| s.followers == 1).await;
    fake.only_container().health("starting");
    fake.only_container().health_with("unhealthy", "no response\n");
    let error = starting.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("unhealthy"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unhealthy);
    assert_eq!(error.last_probe(), Some("no response"));
    assert_eq!(error.condition(), Some("healthcheck to pass"));

    fake.on_start(|container| container.health_with("unhealthy", "from the start"));
    let error = builder().start().await.unwrap_err();
    assert_eq!(error.last_probe(), Some("from the start"));
}

#[tokio::test]
async fn health_without_a_healthcheck_is_refused() {
    let (_fake, engine) = setup().await;
    let error = start(&engine, WaitFor::health()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.hint().unwrap().contains("with_healthcheck"));
}

#[tokio::test]
async fn the_images_healthcheck_counts_as_well() {
    let (fake, engine) = setup().await;
    let check = json!({ "Healthcheck": { "Test": ["CMD", "check"] } });
    fake.add_image_with(IMAGE, &check);
    let starting = tokio::spawn(app(&engine).start());
    fake.until(|s| s.followers == 1).await;
    fake.only_container().health("healthy");
    drop(starting.await.unwrap().unwrap());
    // The default wait can be turned off.
    drop(app(&engine).with_healthcheck(Healthcheck::disabled()).start().await.unwrap());
}

#[tokio::test]
async fn a_port_that_drops_its_guests_is_not_open_yet() {
    let (fake, engine) = setup().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    fake.publish("80/tcp", listener.local_addr().unwrap().port());
    let serving = tokio::spawn(async move {
        for _ in 0..3 {
            drop(listener.accept().await.unwrap());
        }
        listener.accept().await.unwrap()
    });
    let container = app(&engine).with_port(80).start().await.unwrap();
    let kept = serving.await.unwrap();
    drop((container, kept));
}

/// Serves each request the next of these answers, and the last one repeatedly. Returns the port and
/// the requests.
fn serve(answers: &'static [&'static str]) -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, requests) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut answers = answers.iter();
        let mut last = "";
        while let Ok((mut stream, _)) = listener.accept() {
            last = answers.next().copied().unwrap_or(last);
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).unwrap_or(0);
            let _ = stream.write_all(last.as_bytes());
            if asked.send(String::from_utf8_lossy(&buffer[..read]).into_owned()).is_err() {
                return;
            }
        }
    });
    (port, requests)
}

#[tokio::test]
async fn an_http_answer_has_to_be_the_right_one() {
    let (fake, engine) = setup().await;
    let (port, requests) = serve(&[
        "",
        "not HTTP",
        "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsoon",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes",
    ]);
    fake.publish("80/tcp", port);
    let wait = WaitFor::http("/health?deep=1")
        .with_method("POST")
        .with_header("X-Key", "k")
        .with_body("ping")
        .with_status(200)
        .with_body_test(|body| body == b"yes");
    drop(app(&engine).with_port(80).with_wait(wait).start().await.unwrap());
    let asked: Vec<_> = (0..5).map(|_| requests.recv().unwrap()).collect();
    assert!(asked[4].starts_with("POST /health?deep=1 HTTP/1.1\r\n"), "{}", asked[4]);
    assert!(asked[4].to_lowercase().contains("\r\nx-key: k\r\n"), "{}", asked[4]);
}

#[tokio::test]
async fn a_body_that_is_long_or_has_no_end_is_judged_by_what_came() {
    let more = [b"data: ready\n\n".to_vec(), vec![b'x'; 3 << 20]];
    for (body, times) in more.into_iter().zip([1, 20]) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // No length, and no end while the client listens.
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let head = b"HTTP/1.1 200 OK\r\n\r\ndata: ready\n\n";
            let _ = stream.write_all(head);
            for _ in 0..times {
                let _ = stream.write_all(&body);
            }
            while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
        });
        let (fake, engine) = setup().await;
        fake.publish("80/tcp", port);
        let wait = WaitFor::http("/")
            .with_request_timeout(LONG)
            .with_body_test(|body| body.starts_with(b"data: ready") && body.len() <= 1 << 20);
        drop(app(&engine).with_port(80).with_wait(wait.with_timeout(LONG)).start().await.unwrap());
    }
}

#[tokio::test]
async fn a_try_ends_with_its_own_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // The first request gets no answer.
    std::thread::spawn(move || {
        let (silent, _) = listener.accept().unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        drop(silent);
    });
    let (fake, engine) = setup().await;
    fake.publish("80/tcp", port);
    let wait = WaitFor::http("/").with_request_timeout(SOON).with_timeout(LONG);
    drop(app(&engine).with_port(80).with_wait(wait).start().await.unwrap());
}

#[tokio::test]
async fn an_http_wait_says_what_it_saw() {
    let (fake, engine) = setup().await;
    let (port, _requests) = serve(&["HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"]);
    fake.publish("80/tcp", port);
    let builder = app(&engine).with_port(80).with_wait(WaitFor::http("/").with_timeout(SOON));
    let error = builder.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert!(error.last_probe().unwrap().ends_with("status 404"), "{error:?}");
    assert_eq!(error.condition(), Some("HTTP GET / within 200ms"));

    let none = start(&engine, WaitFor::http("/")).await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::PortNotPublished);
    let several = app(&engine).with_port(80).with_port(81).with_wait(WaitFor::http("/"));
    let error = several.start().await.unwrap_err();
    assert!(error.to_string().contains("80/tcp, 81/tcp"), "{error}");
    let other = app(&engine).with_port(80).with_wait(WaitFor::port(5432));
    let error = other.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortNotPublished);
    assert!(error.to_string().contains("published: 80/tcp"), "{error}");
}

#[tokio::test]
async fn a_command_is_run_until_it_succeeds() {
    let (fake, engine) = setup().await;
    fake.on_exec("check", ExecScript::exit(1).stderr("not yet\n").times(2));
    fake.on_exec("check", ExecScript::ok("fine\n"));
    drop(start(&engine, WaitFor::exec(["check"])).await.unwrap());
    assert_eq!(fake.execs().len(), 3);

    fake.on_exec("code", ExecScript::exit(3).stdout("some output"));
    drop(
        start(&engine, WaitFor::exec(["code"]).with_exit_code(3).with_output("me out"))
            .await
            .unwrap(),
    );
    let error = start(&engine, WaitFor::exec(["code"]).with_timeout(SOON)).await.unwrap_err();
    assert_eq!(error.last_probe(), Some("exit code 3, output ends with `some output`"));
}

#[tokio::test]
async fn a_command_may_be_refused_at_first() {
    let (fake, engine) = setup().await;
    fake.on_exec("check", ExecScript::exit(0));
    fake.on("POST", "/containers/*/exec").times(2).fail(409, "Container x is paused");
    drop(start(&engine, WaitFor::exec(["check"])).await.unwrap());
    assert_eq!(fake.count("POST", "/containers/*/exec"), 3);
}

#[tokio::test]
async fn a_file_is_looked_for_until_it_is_there() {
    let (fake, engine) = setup().await;
    let starting = tokio::spawn(app(&engine).with_wait(WaitFor::file("/run/ready")).start());
    fake.until(|s| s.count("HEAD", "/containers/*/archive") >= 2).await;
    fake.only_container().put_archive("/run/ready", [0; 1024]);
    drop(starting.await.unwrap().unwrap());
}

#[tokio::test]
async fn probes_and_strategies_of_ones_own() {
    let (_fake, engine) = setup().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let probe = WaitFor::probe("three calls", move |target| {
        let n = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(target.name().starts_with("castoff-") && target.image() == IMAGE);
            match n {
                0 => Ok(false),
                1 => Err(Error::other("not so fast")),
                _ => Ok(true),
            }
        }
    });
    drop(start(&engine, probe).await.unwrap());
    assert_eq!(calls.load(Ordering::SeqCst), 3);

    let error = start(&engine, Own).await.unwrap_err();
    assert_eq!((error.kind(), error.condition()), (ErrorKind::Other, Some("a thing of my own")));
    assert_eq!(error.last_probe(), Some("half of it"));
}

#[derive(Debug)]
struct Own;

impl WaitStrategy for Own {
    fn describe(&self) -> String {
        "a thing of my own".into()
    }

    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            target.record_probe("half of it");
            Err(Error::other("it broke"))
        })
    }
}

#[tokio::test]
async fn all_any_and_their_limits() {
    let (fake, engine) = setup().await;
    fake.log_on_start("one\ntwo\n");
    let (one, two, never) = (WaitFor::log("one"), WaitFor::log("two"), WaitFor::log("never"));
    drop(start(&engine, WaitFor::all([one.clone().into(), two.clone().into()])).await.unwrap());
    drop(start(&engine, WaitFor::any([never.clone().into(), two.clone().into()])).await.unwrap());
    drop(app(&engine).with_wait(one.clone()).with_wait(two.clone()).start().await.unwrap());
    drop(start(&engine, WaitFor::duration(Duration::from_millis(1))).await.unwrap());

    let all = WaitFor::all([one.into(), never.clone().into()]).with_timeout(SOON);
    let error = start(&engine, all).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert_eq!(error.condition(), Some("(log \"one\" and log \"never\") within 200ms"));

    let short = WaitFor::any([never.clone().with_timeout(SOON), never.with_timeout(SOON)]);
    let error = start(&engine, short).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
}

#[tokio::test]
async fn a_wait_in_vain_tells_the_whole_story() {
    let (fake, engine) = setup().await;
    fake.log_on_start("starting\nstill starting\n");
    let builder = app(&engine).with_name("db").with_wait(WaitFor::log("ready").with_times(2));
    let error = builder.with_startup_timeout(SOON).start().await.unwrap_err();
    let story = format!("{error:?}");
    let first = story.lines().next().unwrap();
    assert!(first.starts_with("the container was not ready after "), "{story}");
    let rest: Vec<_> = story.lines().skip(1).map(str::trim).collect();
    let expected = [
        "image:      app:1",
        "container:  db",
        "step:       wait",
        "condition:  log \"ready\" 2 times",
        "last probe: 0 of 2 matches in 24 bytes of log",
        "last log lines:",
        "| starting",
        "| still starting",
    ];
    assert_eq!(rest, expected, "{story}");
}

#[tokio::test]
async fn a_container_that_ends_before_anybody_waits() {
    let (fake, engine) = setup().await;
    fake.log_on_start("usage: app FILE\n");
    fake.exit_on_start(64);
    let error = app(&engine).start().await.unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Exited, Some(64)));
    assert_eq!(error.log_tail(), ["usage: app FILE"]);
    // Without a wait, castoff does not check whether it runs.
    drop(app(&engine).without_wait().start().await.unwrap());
}

#[tokio::test]
async fn log_consumers_get_everything_from_the_first_line_on() {
    let (fake, engine) = setup().await;
    fake.log_on_start("first\n");
    let (lines, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let builder = app(&engine).with_log_consumer(move |frame| {
        let _ = lines.send(String::from_utf8_lossy(&frame.bytes).into_owned());
    });
    let container = builder.start().await.unwrap();
    fake.only_container().log(Stream::Stderr, "second\n");
    assert_eq!(seen.recv().await.unwrap(), "first\n");
    assert_eq!(seen.recv().await.unwrap(), "second\n");
    drop(container);
    assert_eq!(seen.recv().await, None);
}
