//! This binary once more, with one of its tests as the only one, to be ended in some way.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A child that does not outlive its test, whatever becomes of that.
pub(crate) struct Running {
    child: Child,
    pub(crate) output: BufReader<ChildStdout>,
}

impl Running {
    /// Runs a test such as `module::name`, with these variables.
    pub(crate) fn start(test: &str, variables: &[(&str, &str)]) -> Running {
        // A shell that runs the tests in the background lets them ignore SIGINT, and they their
        // children; `env` makes it count again.
        let mut command = Command::new("env");
        command.arg("--default-signal").arg(std::env::current_exe().unwrap());
        Running::spawn(command, test, variables)
    }

    /// The same after a shell command, in a mount namespace where that may mount what it likes.
    pub(crate) fn start_after(before: &str, test: &str, variables: &[(&str, &str)]) -> Running {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-ec"]);
        command.arg(format!("{before}; exec \"$0\" \"$@\""));
        command.arg(std::env::current_exe().unwrap());
        Running::spawn(command, test, variables)
    }

    /// The same as the first process of a namespace, all of which ends with it.
    pub(crate) fn start_as_first(test: &str, variables: &[(&str, &str)]) -> Running {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--pid", "--fork", "--mount-proc"]);
        command.arg(std::env::current_exe().unwrap());
        Running::spawn(command, test, variables)
    }

    fn spawn(mut command: Command, test: &str, variables: &[(&str, &str)]) -> Running {
        let child = command
            .args(["--exact", test, "--ignored", "--nocapture"])
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Running { child, output }
    }

    /// Waits for a line that begins so, and returns the rest of it.
    pub(crate) fn says(&mut self, prefix: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            if self.output.read_line(&mut line).unwrap() == 0 {
                let mut errors = String::new();
                let _ = self.child.stderr.take().unwrap().read_to_string(&mut errors);
                panic!("the child ended before it said `{prefix}`:\n{errors}");
            }
            if let Some(rest) = line.trim().strip_prefix(prefix) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Lets it go on where it waits for [`told`].
    pub(crate) fn tell(&mut self) {
        use std::io::Write;
        self.child.stdin.as_mut().unwrap().write_all(b"go on\n").unwrap();
    }

    /// Its input, for somebody who holds it open beyond the child's end.
    pub(crate) fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// All that it has written to stderr, once it has ended.
    pub(crate) fn errors(&mut self) -> String {
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        errors
    }

    /// Kills what stands behind it, and then it: as when a whole control group goes.
    pub(crate) fn kill_with_guardian(mut self, token: &str) {
        let guardian = guardian_of(token).expect("it has a guardian");
        // It would replace a guardian that goes first.
        self.signal(Signal::STOP);
        kill_process(guardian, Signal::KILL).unwrap();
        self.signal(Signal::KILL);
        self.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In a child: waits for [`Running::tell`]. Where there is nobody to tell it, it ends.
pub(crate) fn told() {
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line).unwrap() == 0 {
        std::process::exit(4);
    }
}

/// The guardian of the session whose resources have this in their names: it holds that session's
/// lock file open.
pub(crate) fn guardian_of(token: &str) -> Option<Pid> {
    let wanted = format!("-{token}.lock");
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|process| {
        let name = std::fs::read_to_string(process.path().join("comm")).ok()?;
        let held = std::fs::read_link(process.path().join("fd/4")).ok()?;
        let matches = name.trim() == "castoff-guard" && held.to_str()?.ends_with(&wanted);
        let pid = process.file_name().to_str()?.parse().ok()?;
        matches.then(|| Pid::from_raw(pid))?
    })
}

/// The session in a name such as `castoff-0123456789-1`.
pub(crate) fn token_of(name: &str) -> &str {
    name.rsplit('-').nth(1).unwrap()
}
