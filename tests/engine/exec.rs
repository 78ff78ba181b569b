//! Commands in running containers.

use std::time::{Duration, Instant};

use castoff::engine::LogStream;
use castoff::{Container, ErrorKind};

use crate::differences;
use crate::support::{AT_ONCE, NOSHELL, script, sleeper};

#[tokio::test]
#[ignore = "needs a container engine"]
async fn output_apart_and_the_exit_code() {
    let container = sleeper().start().await.unwrap();
    let output = container.exec(["sh", "-c", "echo out; echo err >&2; exit 3"]).await.unwrap();
    assert_eq!(output.exit_code, 3);
    assert!(!output.success());
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
    let error = output.ok().unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Exited, Some(3)));
    assert_eq!(error.log_tail(), ["out", "err"]);
    let silent = container.exec(["true"]).await.unwrap().ok().unwrap();
    assert!(silent.stdout.is_empty() && silent.stderr.is_empty());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn words_are_passed_as_they_are() {
    let container = sleeper().start().await.unwrap();
    let words = ["printf", "%s|", "a  b", "$HOME", "", "*", "ü\n"];
    assert_eq!(container.exec(words).await.unwrap().stdout_text(), "a  b|$HOME||*|ü\n|");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn user_environment_and_directory() {
    let container = sleeper().with_env("BASE", "base").start().await.unwrap();
    let output = container
        .exec(["sh", "-c", "id -un; pwd; echo $BASE $MORE"])
        .with_user("app")
        .with_env("MORE", "a=b c")
        .with_working_dir("/home/app")
        .await
        .unwrap()
        .ok()
        .unwrap();
    assert_eq!(output.stdout_text(), "app\n/home/app\nbase a=b c\n");
    let outcome = container.exec(["id"]).with_user("no-such-user").await;
    // Docker refuses, or the command fails: in any case it does not run as another user.
    assert!(outcome.is_err() || !outcome.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn two_megabytes_of_input_come_back() {
    let container = sleeper().start().await.unwrap();
    let bytes: Vec<u8> =
        (0..2_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let output = container.exec(["cat"]).with_stdin(bytes.clone()).await.unwrap();
    assert_eq!(output.exit_code, 0);
    assert!(output.stdout == bytes, "{} bytes of {}", output.stdout.len(), bytes.len());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn input_that_nobody_reads_does_no_harm() {
    let container = sleeper().start().await.unwrap();
    let output = container.exec(["echo", "done"]).with_stdin(vec![b'x'; 1 << 20]).await.unwrap();
    assert_eq!((output.exit_code, output.stdout_text().as_ref()), (0, "done\n"));
    let empty = container.exec(["wc", "-c"]).with_stdin("").await.unwrap();
    assert_eq!(empty.stdout_text().trim(), "0");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn output_streams_while_the_command_runs() {
    let container = sleeper().start().await.unwrap();
    // The command ends only when the test lets it.
    let lines = "echo first; while ! test -f /tmp/go; do sleep 0.02; done; echo last >&2; exit 4";
    let mut stream = container.exec(["sh", "-c", lines]).stream().await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!((first.stream, first.bytes.as_ref()), (LogStream::Stdout, &b"first\n"[..]));
    container.exec(["touch", "/tmp/go"]).await.unwrap().ok().unwrap();
    let last = stream.next().await.unwrap().unwrap();
    assert_eq!((last.stream, last.bytes.as_ref()), (LogStream::Stderr, &b"last\n"[..]));
    assert!(stream.next().await.is_none());
    assert_eq!(stream.exit_code().await.unwrap(), 4);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_terminal() {
    let container = sleeper().start().await.unwrap();
    let lines = "test -t 1 && echo terminal; echo error >&2; exit 5";
    let output = container.exec(["sh", "-c", lines]).with_tty().await.unwrap();
    assert_eq!((output.exit_code, output.stdout_text().as_ref()), (5, "terminal\r\nerror\r\n"));
    assert!(output.stderr.is_empty());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_large_output_is_complete() {
    let container = sleeper().start().await.unwrap();
    let output = container.exec(["seq", "1", "500000"]).await.unwrap().ok().unwrap();
    assert_eq!(output.stdout.len(), 3_388_895);
    assert!(output.stdout.ends_with(b"\n499999\n500000\n"));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_command_that_is_not_there() {
    let container = sleeper().start().await.unwrap();
    let began = Instant::now();
    // Some engines refuse it, others report an exit code like a shell's.
    match container.exec(["no-such-command"]).await {
        Ok(output) => assert!([126, 127].contains(&output.exit_code), "{output:?}"),
        Err(error) => assert!(format!("{error:?}").contains("no-such-command"), "{error:?}"),
    }
    assert!(began.elapsed() < AT_ONCE);
    let error = container.exec(Vec::<String>::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_image_without_a_shell() {
    let container = Container::builder(NOSHELL).start().await.unwrap();
    let help = container.exec(["/httpd", "-m", "secret"]).await.unwrap().ok().unwrap();
    assert!(help.stdout.starts_with(b"$"), "{help:?}");
    match container.exec(["sh", "-c", "true"]).await {
        Ok(output) => assert_ne!(output.exit_code, 0),
        Err(error) => assert!(format!("{error:?}").contains("sh"), "{error:?}"),
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_container_that_does_not_run() {
    let container = sleeper().create().await.unwrap();
    let error = container.exec(["true"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(error.step(), Some("exec"));
    assert!(format!("{error:?}").contains("running"), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_container_that_ends_meanwhile() {
    let container = script("while ! test -f /tmp/end; do sleep 0.02; done").start().await.unwrap();
    let lines = "echo up; touch /tmp/end; exec sleep 3600";
    let mut stream = container.exec(["sh", "-c", lines]).stream().await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().bytes.as_ref(), b"up\n");
    let rest = tokio::time::timeout(Duration::from_secs(20), stream.exit_code()).await.unwrap();
    match rest {
        Ok(code) => assert_eq!(code, differences::KILLED),
        Err(error) => assert!(differences::forgets_execs(container.engine()), "{error:?}"),
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn several_at_once() {
    let container = sleeper().start().await.unwrap();
    let runs = (0..12).map(|n| {
        let exec = container.exec(["sh", "-c", &format!("echo {n}; exit {n}")]);
        async move { (n, exec.await.unwrap()) }
    });
    for (n, output) in futures_util::future::join_all(runs).await {
        assert_eq!(
            (output.exit_code, output.stdout_text().as_ref()),
            (n, format!("{n}\n").as_str())
        );
    }
}
