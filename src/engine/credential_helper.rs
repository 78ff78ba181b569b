//! Docker's credential helpers: programs that store logins, each run as a child with a time limit.
//!
//! The protocol is that of docker-credential-helpers: `docker-credential-NAME get`, the server on
//! stdin, `{"Username": .., "Secret": ..}` on stdout. A helper without a login for the server
//! fails, with "credentials not found in native keychain" on stdout.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal};
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

/// Limit for an answer, in bytes; far more than any login has.
const ANSWER_MAX: usize = 1024 * 1024;

/// Pause between checks whether the caller still waits for the answer.
const ROUND: Duration = Duration::from_millis(50);

/// The answer of a helper. The user `<token>` means that the secret is an identity token.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    pub(super) username: String,
    pub(super) secret: String,
}

/// Asks a helper for the login of a server; `None` if it has none. Blocks at most until `until`, or
/// until the caller has gone: then the helper is killed, with its children.
pub(super) fn ask(
    program: &str,
    server: &str,
    until: Instant,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Option<Answer>> {
    let failed = |kind, why: &str| {
        let message = format!("the credential helper `{program}` {why}");
        let hint = format!(
            "does `echo {server} | {program} get` answer? Else take it out of `credsStore` and \
             `credHelpers` in docker's config.json, or set DOCKER_AUTH_CONFIG"
        );
        Error::new(kind, message).with_hint(hint)
    };
    let broken = |error: io::Error| failed(ErrorKind::Io, "can't be run").with_source(error);
    let mut running = Running::start(program).map_err(broken)?;
    if let Some(mut input) = running.0.stdin.take() {
        // A helper that does not read may answer all the same. A server's name fits in the pipe.
        let _ = input.write_all(server.as_bytes());
    }
    let output = running.0.stdout.take().map(|output| {
        let wanted = || is_wanted() && Instant::now() < until;
        read(output, &wanted)
    });
    let text = output.unwrap_or_else(|| Ok(Some(Vec::new()))).map_err(broken)?;
    let code = match text.is_some() {
        true => running.end(|| is_wanted() && Instant::now() < until).map_err(broken)?,
        false => None,
    };
    let (Some(text), Some(code)) = (text, code) else {
        return Err(failed(ErrorKind::Timeout, "did not answer in time and was killed"));
    };
    if code == 0 {
        // The parser's message is left out, as it may quote the secret.
        let answer = serde_json::from_slice(&text);
        return answer.map(Some).map_err(|_| failed(ErrorKind::Protocol, "gave no login in JSON"));
    }
    let text = String::from_utf8_lossy(&text).to_lowercase();
    if text.contains("credentials not found") {
        return Ok(None);
    }
    Err(failed(ErrorKind::Other, &format!("failed with exit code {code}")))
}

/// A child in a process group of its own, which is killed on drop unless it has ended.
struct Running(Child);

impl Running {
    fn start(program: &str) -> io::Result<Running> {
        let mut command = Command::new(program);
        command.arg("get").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().map(Running)
    }

    /// Returns its exit code (-1 for a signal), or `None` if the caller has gone.
    fn end(&mut self, is_wanted: impl Fn() -> bool) -> io::Result<Option<i32>> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status.code().unwrap_or(-1)));
            }
            if !is_wanted() {
                return Ok(None);
            }
            // It has closed its output, so it is about to end.
            std::thread::sleep(ROUND / 2);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = rustix::process::kill_process_group(Pid::from_child(&self.0), Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

/// Reads all output, or returns `None` if the caller has gone.
fn read(mut output: ChildStdout, is_wanted: &dyn Fn() -> bool) -> io::Result<Option<Vec<u8>>> {
    let round = Timespec { tv_sec: 0, tv_nsec: i64::from(ROUND.subsec_nanos()) };
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    while is_wanted() {
        let mut fds = [PollFd::new(&output, PollFlags::IN)];
        match rustix::event::poll(&mut fds, Some(&round)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match output.read(&mut piece)? {
            0 => return Ok(Some(text)),
            read => text.extend(piece.iter().take(read)),
        }
        if text.len() > ANSWER_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it wrote more than 1 MiB"));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Runs a script as a helper and returns its outcome.
    fn asked(script: &str, limit: Duration) -> Result<Option<Answer>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker-credential-test");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let program = path.display().to_string();
        loop {
            // Another test's fork may hold the script open for writing for a moment.
            let outcome = ask(&program, "r.example", Instant::now() + limit, &|| true);
            let busy = |error: &Error| format!("{error:?}").contains("busy");
            if !outcome.as_ref().is_err_and(busy) {
                return outcome;
            }
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_helper_gets_the_server_and_answers_with_a_login() {
        let script = r#"read server; echo "{\"ServerURL\":\"\",\"Username\":\"$server\",\"Secret\":\"$1\"}""#;
        let answer = asked(script, LONG).unwrap().unwrap();
        assert_eq!((answer.username.as_str(), answer.secret.as_str()), ("r.example", "get"));
    }

    #[test]
    fn a_helper_that_has_nothing_is_no_failure_and_one_that_fails_is_named() {
        let nothing = "echo credentials not found in native keychain; exit 1";
        assert!(asked(nothing, LONG).unwrap().is_none());
        for script in ["echo sesame; exit 3", "echo sesame", "kill -9 $$", "yes sesame"] {
            let error = asked(script, LONG).err().unwrap();
            let text = format!("{error:?}");
            assert!(text.contains("docker-credential-test") && text.contains("credsStore"));
            assert!(!text.contains("sesame"), "{text}");
        }
    }

    #[test]
    fn a_helper_that_hangs_is_killed_with_what_it_has_started() {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        // One hangs with its output open, one with it closed.
        for output in ["", "exec >&-;"] {
            let script = format!("{output} sleep 600 & echo $! $$ >{}; wait", pids.display());
            let error = asked(&script, Duration::from_secs(1)).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
            let text = std::fs::read_to_string(&pids).unwrap();
            for pid in text.split_whitespace() {
                let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat"));
                // A zombie that nobody has reaped counts as dead.
                while stat().is_ok_and(|stat| !stat.contains(") Z ")) {
                    std::thread::sleep(ROUND);
                }
            }
        }
    }
}
