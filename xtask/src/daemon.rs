//! Daemons that outlive xtask: started detached, logged, and stopped only by their starter.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::{as_root, command, open_log, output, tail};
use crate::endpoint::Endpoint;
use crate::{Outcome, paths};

/// A daemon, named after its log (`target/xtask/<name>.log`) and its pid file (`<name>.pid`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Daemon {
    /// Its name.
    pub(crate) name: &'static str,
    /// The pid file that the daemon itself writes, if it is started through sudo.
    pub(crate) own_pid_file: Option<&'static str>,
}

impl Daemon {
    /// Starts the daemon in a session of its own and waits until the endpoint answers.
    pub(crate) fn start(&self, daemon: &Command, endpoint: &Endpoint) -> Outcome {
        let log = paths::scratch(&format!("{}.log", self.name))?;
        let file = open_log(&log)?;
        let copy = file.try_clone().map_err(|e| e.to_string())?;
        // A child does not lead a process group, so setsid keeps its pid.
        let mut detached = command("setsid");
        detached.arg(daemon.get_program()).args(daemon.get_args());
        for (name, value) in daemon.get_envs() {
            match value {
                Some(value) => detached.env(name, value),
                None => detached.env_remove(name),
            };
        }
        detached.current_dir("/").stdin(Stdio::null()).stdout(file).stderr(copy);
        let mut child = detached.spawn().map_err(|e| format!("cannot start {}: {e}", self.name))?;
        self.note(child.id())?;
        let ready = wait(&mut child, endpoint, Duration::from_secs(60));
        ready.map_err(|reason| format!("{}: {reason}\n{}", self.name, tail(&log)))?;
        let own = self.own_pid_file.and_then(|file| fs::read_to_string(file).ok());
        match own.and_then(|text| text.trim().parse().ok()) {
            Some(pid) => self.note(pid),
            None => Ok(()),
        }
    }

    /// Returns the pid of the daemon that `start` started, while it lives.
    pub(crate) fn running(&self) -> Option<u32> {
        let note = fs::read_to_string(self.pid_file().ok()?).ok()?;
        let (pid, started) = note.trim().split_once(' ')?;
        let pid = pid.parse().ok()?;
        (start_time(pid)? == started).then_some(pid)
    }

    /// Ends the daemon if `start` started it. Returns whether it did.
    pub(crate) fn stop(&self) -> Outcome<bool> {
        let pid = self.running();
        if let Some(pid) = pid {
            let mut kill = as_root("kill");
            kill.args(["-TERM", &pid.to_string()]);
            output(kill)?;
            let deadline = Instant::now() + Duration::from_secs(30);
            while self.running().is_some() {
                if Instant::now() > deadline {
                    return Err(format!("{} (pid {pid}) does not end", self.name));
                }
                thread::sleep(Duration::from_millis(50));
            }
        }
        // The file does not exist if nothing was started.
        drop(fs::remove_file(self.pid_file()?));
        Ok(pid.is_some())
    }

    fn note(&self, pid: u32) -> Outcome {
        let started = start_time(pid).unwrap_or_default();
        paths::write(&self.pid_file()?, &format!("{pid} {started}\n"))
    }

    fn pid_file(&self) -> Outcome<std::path::PathBuf> {
        paths::scratch(&format!("{}.pid", self.name))
    }
}

fn wait(child: &mut Child, endpoint: &Endpoint, limit: Duration) -> Outcome {
    let deadline = Instant::now() + limit;
    while !endpoint.answers() {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("ended at once with {status}"));
        }
        if Instant::now() > deadline {
            return Err(format!("no answer on {endpoint} after {} s", limit.as_secs()));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Returns the start time of a process in the kernel's ticks; `None` if it is gone or a zombie.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may contain anything, even parentheses: count from the last one.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (fields.first() != Some(&"Z")).then(|| fields.get(19).map(|&ticks| ticks.to_owned()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_start_time_and_a_made_up_one_has_none() {
        let ticks = start_time(std::process::id()).unwrap();
        assert!(ticks.parse::<u64>().unwrap() > 0);
        assert_eq!(start_time(u32::MAX), None);
    }
}
