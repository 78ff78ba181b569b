//! The running machine: namespaces around the root, a network, commands in it, and its removal.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::cgroups::{Hierarchy, hierarchies};
use super::root::{CLONE, TOOLCHAIN};
use crate::command::{command, find, open_log, tail};
use crate::{Outcome, apt, paths};

const START_LIMIT: Duration = Duration::from_secs(30);
/// The name server that slirp4netns provides in its network (slirp4netns(1)).
const RESOLVER: &str = "nameserver 10.0.2.3\n";
/// The variables that configure a proxy for commands.
const PROXIES: [&str; 6] =
    ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// A script that waits until xtask is gone, for whatever reason, and removes the files and the
/// control groups. The processes end with xtask, and the mounts with the processes.
const JANITOR: &str = r#"
root=$1 keep=$2; shift 2
cat >/dev/null
tries=0
for group; do
  while [ -d "$group" ] && [ "$tries" -lt 300 ]; do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || { tries=$((tries + 1)); sleep 0.1; }
  done
done
[ "$keep" = keep ] && exit
tries=0
# What is being killed may still write.
until rm -rf --one-file-system "$root" 2>/dev/null; do
  tries=$((tries + 1)); [ "$tries" -lt 50 ] || exec rm -rf --one-file-system "$root"; sleep 0.2
done
"#;

/// A script that mounts the file systems of a machine, and becomes its first process. `@CGROUPS@`
/// stands for the mounts of control groups.
const FIRST: &str = r#"
set -eu
root=$1 toolchain=$2 place=$3
read -r pid rest </proc/self/stat
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
@CGROUPS@
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir "$root/run/lock"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"
for device in null zero full random urandom tty; do
  : >"$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${number%%:*}" "$root/dev/${number#*:}"; done
mkdir -p "$root$place"
mount --bind "$toolchain" "$root$place"
mount -o remount,bind,ro "$root$place"
cd "$root"; mkdir -p .host; pivot_root . .host
exec chroot . /bin/sh -c '
  umount -l /.host && rmdir /.host
  echo fresh >/proc/sys/kernel/hostname
  until grep -q ^tap0 /proc/net/route; do sleep 0.05; done
  echo '"$pid"' >/.first.new && mv /.first.new /.first
  while :; do sleep 60; done'
"#;

/// A machine that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Machine {
    root: PathBuf,
    janitor: Option<(Child, ChildStdin)>,
    groups: Vec<PathBuf>,
    processes: Vec<Child>,
    /// The host's pid of the machine's first process.
    first: u32,
}

/// Wraps a command so that it is killed when xtask ends, for whatever reason (prctl(2),
/// `PR_SET_PDEATHSIG`).
pub(crate) fn dies_with_us(wrapped: Command) -> Command {
    let mut dies = command("setpriv");
    dies.args(["--pdeathsig", "KILL"]).arg(wrapped.get_program()).args(wrapped.get_args());
    dies
}

/// Wraps a command that starts others in the same way: they are killed as well.
pub(crate) fn all_die_with_us(wrapped: Command) -> Command {
    let mut namespace = Command::new("unshare");
    namespace.args(["--mount", "--mount-proc", "--pid", "--fork", "--kill-child=KILL"]);
    namespace.arg(wrapped.get_program()).args(wrapped.get_args());
    dies_with_us(namespace)
}

impl Machine {
    /// Prepares a machine. Nothing of it exists yet but the process that will remove it.
    pub(crate) fn plan(root: &Path, keep: bool) -> Outcome<(Self, Vec<Hierarchy>)> {
        for program in ["slirp4netns", "unshare", "nsenter", "setpriv"] {
            if find(program).is_none() {
                let package = if program == "slirp4netns" { program } else { "util-linux" };
                apt::install(&[package])?;
            }
        }
        let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hierarchies = hierarchies()?;
        let mut janitor = command("setsid");
        janitor.args(["sh", "-c", JANITOR, "janitor"]).arg(root);
        janitor.arg(if keep { "keep" } else { "remove" });
        janitor.args(hierarchies.iter().map(|one| one.path(&name)));
        let mut janitor = janitor
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| format!("cannot run sh: {e}"))?;
        let input = janitor.stdin.take().ok_or("no standard input")?;
        let mut machine = Self {
            root: root.to_owned(),
            janitor: Some((janitor, input)),
            groups: Vec::new(),
            processes: Vec::new(),
            first: 0,
        };
        for hierarchy in &hierarchies {
            machine.groups.push(hierarchy.group(&name)?);
        }
        fs::create_dir(root).map_err(|e| format!("cannot make {}: {e}", root.display()))?;
        Ok((machine, hierarchies))
    }

    /// Starts it: the first process, and the network's connection to the outside.
    pub(crate) fn start(&mut self, hierarchies: &[Hierarchy], toolchain: &Path) -> Outcome {
        paths::write(&self.root.join("etc/resolv.conf"), RESOLVER)?;
        let log = paths::scratch("fresh-machine.log")?;
        let file = open_log(&log)?;
        let mut mounts = String::new();
        for hierarchy in hierarchies {
            if hierarchy.below(Path::new("/sys/fs/cgroup")) && mounts.is_empty() {
                mounts.push_str("mount -t tmpfs -o mode=755 tmpfs \"$root/sys/fs/cgroup\"\n");
            }
            writeln!(mounts, "{}", hierarchy.mount()).map_err(|e| e.to_string())?;
        }
        let mut first = self.in_groups(&["unshare", "--mount", "--uts", "--ipc", "--net", "--pid"]);
        first.args(["--cgroup", "--propagation", "private", "--fork", "--kill-child=KILL"]);
        first.args(["sh", "-c", &FIRST.replace("@CGROUPS@", &mounts), "first"]);
        first.arg(&self.root).arg(toolchain).arg(TOOLCHAIN);
        self.spawn(first, &file)?;
        let unshare = self.processes.last().map_or(0, Child::id);
        let answer = self.connect(unshare, &file).and_then(|()| self.await_first());
        self.first = answer.map_err(|reason| format!("{reason}\n{}", tail(&log)))?;
        Ok(())
    }

    /// Returns a command in the machine, in the clone.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let first = self.first.to_string();
        let mut inside = self.in_groups(&["nsenter", "--target", &first, "--mount", "--uts"]);
        inside.args(["--ipc", "--net", "--pid", "--cgroup", "--root", "env", "-i", "-C", CLONE]);
        let folders =
            "/root/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        inside.arg(format!("PATH={TOOLCHAIN}/bin:{folders}"));
        inside.args(["HOME=/root", "USER=root", "LANG=C.UTF-8", "TERM=dumb"]);
        for name in PROXIES {
            inside.args(std::env::var(name).map(|value| format!("{name}={value}")));
        }
        inside.args(args);
        inside
    }

    /// Removes all of it.
    pub(crate) fn remove(mut self) -> Outcome {
        self.end()
    }

    /// Returns a command in the machine's control groups that ends with xtask.
    fn in_groups(&self, args: &[&str]) -> Command {
        let mut lines = String::new();
        for group in &self.groups {
            lines.push_str(&format!("echo $$ >'{}/cgroup.procs' && ", group.display()));
        }
        let mut wrapped = Command::new("sh");
        wrapped.args(["-c", &format!("{lines}exec \"$@\""), "in-groups"]).args(args);
        dies_with_us(wrapped)
    }

    fn spawn(&mut self, mut process: Command, log: &File) -> Outcome {
        let streams =
            [log.try_clone(), log.try_clone()].map(|file| file.map_err(|e| e.to_string()));
        let [out, errors] = streams;
        process.current_dir("/").stdin(Stdio::null()).stdout(out?).stderr(errors?);
        let child = process.spawn().map_err(|e| format!("cannot run {process:?}: {e}"))?;
        self.processes.push(child);
        Ok(())
    }

    /// Forwards packets by a process of the host, so that the host's own network does not change.
    fn connect(&mut self, unshare: u32, log: &File) -> Outcome {
        let network = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
        let (own, theirs) = (network("self"), unshare.to_string());
        self.until("it has no network of its own", |_| {
            network(&theirs).filter(|theirs| Some(theirs) != own.as_ref())
        })?;
        let mut slirp = Command::new("slirp4netns");
        slirp.args(["--configure", "--mtu=65520", "--disable-host-loopback"]);
        slirp.args(["--netns-type=path", &format!("/proc/{unshare}/ns/net"), "tap0"]);
        self.spawn(dies_with_us(slirp), log)
    }

    fn await_first(&mut self) -> Outcome<u32> {
        let noted = self.root.join(".first");
        let first = self.until("it does not come up", |_| fs::read_to_string(&noted).ok())?;
        first.trim().parse().map_err(|_| format!("not a process id: {first}"))
    }

    fn until<T>(&mut self, or: &str, mut found: impl FnMut(&Self) -> Option<T>) -> Outcome<T> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(found) = found(self) {
                return Ok(found);
            }
            for process in &mut self.processes {
                if let Ok(Some(status)) = process.try_wait() {
                    return Err(format!("the machine ended with {status}"));
                }
            }
            if Instant::now() > deadline {
                return Err(format!("the machine: {or} after {} s", START_LIMIT.as_secs()));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn end(&mut self) -> Outcome {
        for mut process in self.processes.drain(..) {
            // The process may have ended already.
            drop(process.kill());
            drop(process.wait());
        }
        let Some((mut janitor, input)) = self.janitor.take() else { return Ok(()) };
        drop(input);
        let status = janitor.wait().map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("{} is left", self.root.display())) }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Err(reason) = self.end() {
            eprintln!("{reason}");
        }
    }
}
