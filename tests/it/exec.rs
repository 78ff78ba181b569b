//! Commands in containers: their input, their output, and their ends.

use castoff::engine::LogStream;
use castoff::{Container, ErrorKind};
use serde_json::json;

use crate::fake::{ExecScript, FakeEngine};
use crate::support::*;

async fn with_container() -> (FakeEngine, Container) {
    let (fake, engine) = setup().await;
    let container = running(&engine).await;
    (fake, container)
}

#[tokio::test]
async fn outputs_stay_apart_and_the_code_is_told() {
    let (fake, container) = with_container().await;
    fake.split_streams(2);
    let script = ExecScript::exit(3).stdout("out 1\n").stderr("err\n").stdout("out 2\n");
    fake.on_exec("work *", script);
    let output = container.exec(["work", "hard"]).await.unwrap();
    assert_eq!((output.exit_code, output.success()), (3, false));
    assert_eq!((&output.stdout_text()[..], &output.stderr_text()[..]), ("out 1\nout 2\n", "err\n"));
    let error = output.ok().unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Exited, Some(3)));
    assert_eq!(error.log_tail(), ["out 1", "out 2", "err"]);
}

#[tokio::test]
async fn settings_reach_the_engine() {
    let (fake, container) = with_container().await;
    fake.on_exec("id", ExecScript::ok("ok"));
    let exec = container.exec(["id"]).with_user("nobody").with_env("A", "b=c");
    exec.with_working_dir("/tmp").with_privileged().await.unwrap();
    let expected = json!({
        "AttachStdin": false, "AttachStdout": true, "AttachStderr": true, "Tty": false,
        "Cmd": ["id"], "User": "nobody", "Env": ["A=b=c"], "WorkingDir": "/tmp",
        "Privileged": true,
    });
    assert_eq!(fake.execs()[0].spec, expected);
}

#[tokio::test]
async fn input_is_sent_and_its_end_too() {
    let (fake, container) = with_container().await;
    fake.on_exec("cat", ExecScript::echo());
    let input = b"0123456789".repeat(100_000);
    let output = container.exec(["cat"]).with_stdin(input.clone()).await.unwrap();
    assert!(output.stdout == input, "{} bytes came back", output.stdout.len());
    assert_eq!(fake.execs()[0].stdin.len(), input.len());
    let none = container.exec(["cat"]).with_stdin("").await.unwrap();
    assert_eq!(none.stdout, b"");
}

#[tokio::test]
async fn a_terminal_has_one_output() {
    let (fake, container) = with_container().await;
    fake.on_exec("ls", ExecScript::exit(0).stdout("a").stderr("b"));
    let output = container.exec(["ls"]).with_tty().await.unwrap();
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"ab"[..], &b""[..]));
}

#[tokio::test]
async fn output_is_handed_over_as_it_comes() {
    let (fake, container) = with_container().await;
    fake.on_exec("tail", ExecScript::exit(0).stderr("first").hang());
    let mut stream = container.exec(["tail"]).stream().await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!((first.stream, &first.bytes[..]), (LogStream::Stderr, &b"first"[..]));
    assert!(fake.execs()[0].running);
    fake.only_container().exit(0, false);
    assert!(stream.next().await.is_none());
    assert_eq!(stream.exit_code().await.unwrap(), 137);
}

#[tokio::test]
async fn a_code_that_comes_late_is_waited_for() {
    let (fake, container) = with_container().await;
    fake.on_exec("true", ExecScript::exit(0).lingers(3));
    assert_eq!(container.exec(["true"]).await.unwrap().exit_code, 0);
    assert_eq!(fake.count("GET", "/exec/*/json"), 4);
}

#[tokio::test]
async fn a_wait_takes_a_late_code_as_well() {
    let (fake, engine) = setup().await;
    fake.on_exec("check", ExecScript::exit(0).lingers(1));
    let wait = castoff::WaitFor::exec(["check"]);
    drop(app(&engine).with_wait(wait).start().await.unwrap());
    assert_eq!(fake.execs().len(), 1, "a command that has passed is not run again");
}

#[tokio::test]
async fn what_can_not_be_run_says_so() {
    let (fake, container) = with_container().await;
    let missing = container.exec(["no-such"]).await.unwrap();
    assert_eq!(missing.exit_code, 126);
    fake.on("POST", "/exec/*/start").times(1).cut();
    let cut = container.exec(["x"]).await.unwrap_err();
    assert_eq!((cut.kind(), cut.step()), (ErrorKind::Connection, Some("exec")));
    container.stop().await.unwrap();
    let stopped = container.exec(["x"]).await.unwrap_err();
    assert_eq!((stopped.kind(), stopped.status()), (ErrorKind::Conflict, Some(409)));
    assert!(stopped.to_string().contains("not running"), "{stopped}");
    fake.only_container().vanish();
    let gone = container.exec(["x"]).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}
