//! A second run of this binary, with only one of its tests, which is ended in some way.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A child process that never outlives its test.
pub(crate) struct Running {
    child: Child,
    pub(crate) output: BufReader<ChildStdout>,
}

impl Running {
    /// Runs a test such as `module::name`, with these environment variables.
    pub(crate) fn start(test: &str, variables: &[(&str, &str)]) -> Running {
        // A shell that runs the tests in the background makes them and their children ignore
        // SIGINT; `env` restores the default.
        let mut command = Command::new("env");
        command.arg("--default-signal").arg(std::env::current_exe().unwrap());
        Running::spawn(command, test, variables)
    }

    /// Runs the same after a shell command, in a mount namespace in which the command may mount
    /// anything.
    pub(crate) fn start_after(before: &str, test: &str, variables: &[(&str, &str)]) -> Running {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-ec"]);
        command.arg(format!("{before}; exec \"$0\" \"$@\""));
        command.arg(std::env::current_exe().unwrap());
        Running::spawn(command, test, variables)
    }

    /// Runs the same as the first process of a namespace, in which all processes end with it.
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

    /// Waits for a line with this prefix, and returns the rest of it.
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

    /// Lets it continue after it waits in [`told`].
    pub(crate) fn tell(&mut self) {
        use std::io::Write;
        self.child.stdin.as_mut().unwrap().write_all(b"go on\n").unwrap();
    }

    /// Returns its input, for a caller who holds it open after the child's end.
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

    /// Returns its whole stderr, once it has ended.
    pub(crate) fn errors(&mut self) -> String {
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        errors
    }

    /// Kills its guardian, and then the child: as if a whole control group ended.
    pub(crate) fn kill_with_guardian(mut self, token: &str) {
        let guardian = guardian_of(token).expect("it has a guardian");
        // The child would replace a guardian that ends first.
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

/// Waits for [`Running::tell`], in a child process. Ends the process if its input is closed.
pub(crate) fn told() {
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line).unwrap() == 0 {
        std::process::exit(4);
    }
}

/// Returns the guardian of the session whose resources have this token in their names: it holds
/// that session's lock file open.
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

/// Returns the session's token in a name such as `castoff-0123456789-1`.
pub(crate) fn token_of(name: &str) -> &str {
    name.rsplit('-').nth(1).unwrap()
}
