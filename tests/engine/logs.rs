//! The output of containers.

use std::time::SystemTime;

use castoff::engine::LogStream;
use castoff::spec::RestartPolicy;
use castoff::{Container, ErrorKind, WaitFor};

use crate::differences;
use crate::support::{eventually, script, texts};

/// Returns a container that has written its output and ended.
async fn ended(lines: &str) -> Container {
    let container = script(lines).without_wait().start().await.unwrap();
    container.wait().await.unwrap();
    container
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn frames_are_typed_and_complete() {
    let container = ended("echo one; echo two >&2; printf three").await;
    let mut frames = container.logs().frames();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(frame) = frames.next().await {
        let frame = frame.unwrap();
        let part = if frame.stream == LogStream::Stderr { &mut stderr } else { &mut stdout };
        part.extend_from_slice(&frame.bytes);
    }
    assert_eq!(stderr, b"two\n");
    assert_eq!(String::from_utf8_lossy(&stdout).trim_end(), "one\nthree");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn lines_are_whole_and_know_their_stream() {
    let container =
        ended("echo one; sleep 0.1; echo two >&2; sleep 0.1; printf 'three\\n\\nfive'").await;
    let mut lines = container.logs().lines();
    let mut seen = Vec::new();
    while let Some(line) = lines.next().await {
        let line = line.unwrap();
        seen.push((line.stream == LogStream::Stderr, line.text));
    }
    let expected = [(false, "one"), (true, "two"), (false, "three"), (false, ""), (false, "five")];
    assert_eq!(seen, expected.map(|(stderr, text)| (stderr, text.to_owned())));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn one_stream_alone_and_the_last_lines() {
    let container = ended("seq 1 50; seq 101 105 >&2").await;
    let stderr: Vec<_> = (101..=105).map(|n| n.to_string()).collect();
    assert_eq!(texts(container.logs().with_stderr_only().lines()).await, stderr);
    assert_eq!(texts(container.logs().with_stdout_only().lines()).await.len(), 50);
    assert_eq!(texts(container.logs().with_tail(0).lines()).await.len(), 0);
    assert_eq!(texts(container.logs().with_tail(7).lines()).await.len(), 7);
    assert_eq!(texts(container.logs().lines()).await.len(), 55);
    let last = ended("seq 1 50").await;
    assert_eq!(texts(last.logs().with_tail(2).lines()).await, ["49", "50"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn following_brings_lines_as_they_are_written_until_the_end() {
    let lines = "trap 'echo last; exit' USR1; echo first; while :; do sleep 0.02; done";
    let container = script(lines).start().await.unwrap();
    let mut followed = container.logs().with_follow().lines();
    assert_eq!(followed.next().await.unwrap().unwrap().text, "first");
    // Without following, the log ends here.
    assert_eq!(texts(container.logs().lines()).await, ["first"]);
    // By a signal: a command in the container that ended it would be killed with it.
    container.kill("USR1").await.unwrap();
    assert_eq!(followed.next().await.unwrap().unwrap().text, "last");
    assert!(followed.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn following_goes_on_over_the_runs_of_a_restart_policy() {
    // The pause after the last line ensures that the end has a later time than the line.
    let lines = "echo run >> /runs; echo run $(wc -l < /runs); sleep 0.3; exit 1";
    let policy = RestartPolicy::OnFailure { max_retries: Some(2) };
    let container =
        script(lines).with_restart_policy(policy).without_wait().create().await.unwrap();
    container.start().await.unwrap();
    let (all, last) = (container.logs().with_follow(), container.logs().with_follow().with_tail(1));
    let (all, last) = tokio::join!(texts(all.lines()), texts(last.lines()));
    assert_eq!(all, ["run 1", "run 2", "run 3"]);
    // It began with the last line so far, and missed none after it.
    assert!(!last.is_empty() && all.ends_with(&last), "{last:?}");
    assert_eq!(
        texts(container.logs().with_follow().with_tail(2).lines()).await,
        ["run 2", "run 3"]
    );
    assert_eq!(container.wait().await.unwrap(), 1);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn timestamps_begin_each_line() {
    let container = ended("echo one; echo two").await;
    for (line, text) in
        texts(container.logs().with_timestamps().lines()).await.iter().zip(["one", "two"])
    {
        let (time, rest) = line.split_once(' ').unwrap();
        assert_eq!(rest, text);
        assert!(time.starts_with("20") && time.as_bytes()[10] == b'T', "{line}");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn since_leaves_out_what_is_older() {
    let lines = "echo old; while ! test -f /tmp/go; do sleep 0.02; done; echo new; exec sleep 3600";
    let container = script(lines).with_wait(WaitFor::log("old")).start().await.unwrap();
    // The first line has arrived and the second is still to come: often within one second.
    let between = SystemTime::now();
    container.exec(["touch", "/tmp/go"]).await.unwrap().ok().unwrap();
    eventually("the second line", async || container.logs().text().await.unwrap().contains("new"))
        .await;
    assert_eq!(texts(container.logs().with_since(between).lines()).await, ["new"]);
    let long_ago = SystemTime::UNIX_EPOCH;
    assert_eq!(texts(container.logs().with_since(long_ago).lines()).await, ["old", "new"]);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn since_tells_two_runs_apart() {
    let container = script("cat /runs 2>/dev/null; echo run $(cat /runs | wc -l); echo x >> /runs")
        .with_copy(b"", "/runs")
        .without_wait()
        .start()
        .await
        .unwrap();
    container.wait().await.unwrap();
    let between = SystemTime::now();
    container.start().await.unwrap();
    container.wait().await.unwrap();
    assert_eq!(texts(container.logs().with_since(between).lines()).await, ["x", "run 1"]);
    assert_eq!(texts(container.logs().lines()).await, ["run 0", "x", "run 1"]);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn long_lines_are_one_line() {
    // Engines cut lines into pieces of 16 KiB.
    let container = ended("head -c 100000 /dev/zero | tr '\\0' a; echo; echo end").await;
    let lines = texts(container.logs().lines()).await;
    assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [100_000, 3]);
    assert_eq!(container.logs().text().await.unwrap().len(), 100_005);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_terminals_output_is_one_stream() {
    let builder = script("echo one; echo two >&2").with_tty().without_wait();
    let container = builder.start().await.unwrap();
    container.wait().await.unwrap();
    assert_eq!(container.logs().text().await.unwrap(), "one\r\ntwo\r\n");
    assert_eq!(texts(container.logs().lines()).await, ["one", "two"]);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn bytes_that_are_no_text() {
    let container = ended("printf 'a\\377b\\0c\\n'").await;
    let frame = container.logs().frames().next().await.unwrap().unwrap();
    let kept = differences::logs_keep_bytes(container.engine());
    let expected = if kept { b"a\xffb\0c\n".to_vec() } else { "a\u{fffd}b\0c\n".into() };
    assert_eq!(frame.bytes, expected);
    assert_eq!(container.logs().text().await.unwrap(), "a\u{fffd}b\0c\n");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn no_output_is_no_line() {
    let container = ended("true").await;
    assert_eq!(container.logs().text().await.unwrap(), "");
    assert!(container.logs().with_follow().lines().next().await.is_none());
}

/// Prints all bytes, in an order that does not look like text.
const EVERY_BYTE: &str =
    "i=0; while test $i -lt 256; do printf \"\\\\$(printf %03o $i)\"; i=$((i+1)); done";

#[tokio::test]
#[ignore = "needs a container engine"]
async fn run_returns_the_bytes_that_were_written() {
    let every: Vec<u8> = (0..=255).collect();
    let output = script(EVERY_BYTE).run().await.unwrap();
    assert_eq!((output.stdout, output.from_log), (every, false));
    let input: Vec<u8> =
        (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let output = script("cat; echo end >&2; exit 3").with_stdin(input.clone()).run().await.unwrap();
    assert!(output.stdout == input, "{} bytes of {}", output.stdout.len(), input.len());
    assert_eq!((output.exit_code, output.stderr_text().as_ref()), (3, "end\n"));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn run_keeps_what_its_limit_allows() {
    let error = script("head -c 100001 /dev/zero").with_output_limit(100_000).run().await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
    assert!(error.to_string().contains("the container was removed"), "{error:?}");
    let output = script("head -c 100000 /dev/zero").with_output_limit(100_000).run().await;
    assert_eq!(output.unwrap().stdout.len(), 100_000);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_looks_like_a_frame_on_a_terminal_is_output() {
    let lines = "printf '\\001\\000\\000\\000\\000\\000\\000\\002hi'";
    let expected = b"\x01\0\0\0\0\0\0\x02hi";
    let output = script(lines).with_tty().run().await.unwrap();
    assert_eq!(output.stdout, expected);
    let container = script("exec sleep 3600").start().await.unwrap();
    let output = container.exec(["sh", "-c", lines]).with_tty().await.unwrap();
    assert_eq!(output.stdout, expected);
    // A log receives whole lines.
    let waited = script(&format!("{lines}; echo; exec sleep 3600")).with_tty();
    drop(waited.with_wait(WaitFor::log("hi")).start().await.unwrap());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn input_ends_on_a_terminal() {
    let container = script("exec sleep 3600").start().await.unwrap();
    for input in ["one\ntwo\n", "one\ntwo", ""] {
        let count = format!("{}", input.len());
        let output = container.exec(["wc", "-c"]).with_tty().with_stdin(input).await.unwrap();
        assert!(output.stdout_text().trim_end().ends_with(&count), "{output:?}");
        let output = script("wc -c").with_tty().with_stdin(input).run().await.unwrap();
        assert!(output.stdout_text().trim_end().ends_with(&count), "{output:?}");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn consumers_get_every_run_on_a_thread_of_their_own() {
    let (sender, frames) = std::sync::mpsc::channel();
    let container = script("echo run")
        .with_log_consumer(|_| panic!("a consumer that panics"))
        .with_log_consumer(move |frame| drop(sender.send(frame.bytes)))
        .without_wait()
        .create()
        .await
        .unwrap();
    for _ in 0..3 {
        container.start().await.unwrap();
        // This blocks the test's only thread.
        let frame = frames.recv_timeout(crate::support::PATIENCE).unwrap();
        assert_eq!(frame.as_ref(), b"run\n");
        container.wait().await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn until_leaves_out_what_is_newer() {
    let lines = "echo old; while ! test -f /tmp/go; do sleep 0.02; done; echo new; exec sleep 3600";
    let container = script(lines).with_wait(WaitFor::log("old")).start().await.unwrap();
    let between = SystemTime::now();
    container.exec(["touch", "/tmp/go"]).await.unwrap().ok().unwrap();
    eventually("the second line", async || container.logs().text().await.unwrap().contains("new"))
        .await;
    assert_eq!(texts(container.logs().with_until(between).lines()).await, ["old"]);
}
