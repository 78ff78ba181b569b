//! An engine of the test's own, which is stopped, killed and restarted while castoff uses it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use castoff::{Engine, ErrorKind, Volume};
use rustix::process::{Pid, Signal, kill_process};

use crate::children::{Running, told};
use crate::raw::Raw;
use crate::support::{AT_ONCE, BUSYBOX, PATIENCE, engine, sleeper};

const LABEL: &str = "CASTOFF_TEST_LABEL";

/// A dockerd with a directory of its own, without a network.
struct Daemon {
    home: tempfile::TempDir,
    process: Option<Child>,
}

impl Daemon {
    async fn start() -> Daemon {
        let mut daemon = Daemon { home: tempfile::tempdir().unwrap(), process: None };
        daemon.up();
        let image =
            request(&socket_of(&engine().await), "GET", "/images/castoff.test%2Fbusybox/get", &[]);
        let answer = request(&daemon.socket(), "POST", "/images/load", &image);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains(BUSYBOX), "{answer}");
        daemon
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("engine.sock")
    }

    fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Starts it and waits until it answers.
    fn up(&mut self) {
        let place = |name: &str| self.home.path().join(name);
        let log = std::fs::File::options().create(true).append(true).open(place("log")).unwrap();
        // In a network namespace of its own: without a bridge it would remove that of the other
        // engine on this machine.
        let mut daemon = Command::new("unshare");
        daemon.args(["--net", "dockerd"]);
        daemon.arg("--host").arg(self.address()).arg("--data-root").arg(place("data"));
        daemon.arg("--exec-root").arg(place("exec")).arg("--pidfile").arg(place("pid"));
        daemon.args(["--bridge=none", "--iptables=false", "--storage-driver=vfs"]);
        daemon.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap()));
        daemon.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        // Left by a killed engine: these numbers may be other processes' by now.
        for pid in ["pid", "exec/containerd/containerd.pid"] {
            let _ = std::fs::remove_file(place(pid));
        }
        self.process = Some(daemon.spawn().expect("this test needs dockerd and unshare"));
        let began = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            let log = || std::fs::read_to_string(place("log")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "it does not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it, with all of its containers or without, depending on the signal.
    fn down(&mut self, signal: Signal) {
        let mut process = self.process.take().unwrap();
        kill_process(Pid::from_child(&process), signal).unwrap();
        process.wait().unwrap();
    }

    fn raw(&self) -> Raw {
        Raw::at(self.socket())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.down(Signal::TERM);
        }
    }
}

fn socket_of(engine: &Engine) -> PathBuf {
    engine.endpoint().socket().unwrap().to_owned()
}

/// Sends a request and returns the raw answer.
fn request(socket: &std::path::Path, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Length: {length}\r\n\r\n")
        .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(answer.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&answer[..end]));
    answer.split_off(end)
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn child_process_entry() {
    let Ok(label) = std::env::var(LABEL) else { return };
    let volume = Volume::builder().with_label("test.restart", &label).create().await.unwrap();
    let start = || sleeper().with_label("test.restart", &label).with_volume(&volume, "/v").start();
    let held = tokio::try_join!(start(), start(), start()).unwrap();
    println!("\nholds");
    std::io::stdout().flush().unwrap();
    told();
    drop(held);
}

fn holder(daemon: &Daemon, label: &str) -> Running {
    let address = daemon.address();
    let variables = [(LABEL, label), ("CASTOFF_ENGINE", &address)];
    let mut child = Running::start("restart::child_process_entry", &variables);
    child.says("holds");
    assert_eq!(daemon.raw().count(&format!("test.restart={label}")), 4);
    child
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a container engine"]
async fn an_engine_may_be_restarted_at_any_time() {
    let mut daemon = Daemon::start().await;
    let raw = daemon.raw();

    // While containers run, with a call in flight, and with a handle that is dropped meanwhile.
    let engine = Engine::connect_to(&daemon.address()).await.unwrap();
    let start = || sleeper().with_engine(&engine).with_label("test.restart", "own").start();
    let (dropped, held) = (start().await.unwrap(), start().await.unwrap());
    let mut call = held.exec(["sh", "-c", "echo on; sleep 600"]).stream().await.unwrap();
    call.next().await.unwrap().unwrap();
    daemon.down(Signal::KILL);
    drop(dropped);
    let refused = start().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Connection, "{refused:?}");
    daemon.up();
    let cut = tokio::time::timeout(PATIENCE, call.exit_code()).await.unwrap().unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::Connection, "{cut:?}");
    assert!(cut.to_string().contains("cut"), "{cut}");
    held.remove().await.unwrap();
    raw.until_none("test.restart=own", PATIENCE);

    // While the guardian waits.
    let child = holder(&daemon, "waits");
    daemon.down(Signal::TERM);
    daemon.up();
    child.kill();
    raw.until_none("test.restart=waits", AT_ONCE);

    // While it removes: first during a removal, then without an engine.
    let child = holder(&daemon, "removes");
    child.kill();
    while raw.count("test.restart=removes") == 4 {
        std::thread::yield_now();
    }
    daemon.down(Signal::KILL);
    daemon.up();
    raw.until_none("test.restart=removes", PATIENCE);
    let child = holder(&daemon, "later");
    daemon.down(Signal::TERM);
    child.kill();
    daemon.up();
    raw.until_none("test.restart=later", PATIENCE);
}
