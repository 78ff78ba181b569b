//! The guardian itself: when it can't start, is killed or is stopped, and how it appears to others.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use castoff::{Reaper, Volume};
use rustix::process::{Pid, Signal, kill_process};

use crate::children::{Running, guardian_of, token_of, told};
use crate::raw::{Foreign, Raw};
use crate::support::{PATIENCE, engine, eventually, unique};

const LABEL: &str = "CASTOFF_TEST_LABEL";

/// Creates a volume: faster than a container, and guarded in the same way.
async fn volume(label: &str) -> castoff::Result<Volume> {
    Volume::builder().with_label("test.guardian", label).create().await
}

fn say(text: &str) {
    println!("\n{text}");
    std::io::stdout().flush().unwrap();
}

/// Waits until a session has a guardian other than `old`.
fn another(token: &str, old: Option<Pid>) -> Pid {
    let began = Instant::now();
    loop {
        match guardian_of(token) {
            Some(pid) if Some(pid) != old => return pid,
            _ => assert!(began.elapsed() < PATIENCE, "no other guardian stands"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn child_short_of_descriptors() {
    let Ok(label) = std::env::var(LABEL) else { return };
    let engine = engine().await;
    let (mut none, mut held) = (0, Vec::new());
    for free in 0..24 {
        let mut fill: Vec<File> = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            fill.push(file);
        }
        fill.truncate(fill.len().saturating_sub(free));
        held.extend(volume(&label).await);
        none += usize::from(engine.reaper() != Reaper::Guardian);
    }
    assert!(none > 0, "there was no time without a guardian");
    while engine.reaper() != Reaper::Guardian {
        held.push(volume(&label).await.unwrap());
    }
    say(&format!("holds: {}", held.len()));
    told();
    drop(held);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn want_of_descriptors_is_no_reason_to_go_without_a_guardian_for_good() {
    let raw = Raw::of(&engine().await);
    let label = unique("descriptors");
    let before = "ulimit -Sn 64";
    let test = "guardian::child_short_of_descriptors";
    let mut child = Running::start_after(before, test, &[(LABEL, &label)]);
    let held: usize = child.says("holds: ").parse().unwrap();
    let label = format!("test.guardian={label}");
    assert!(raw.count(&label) >= held && held > 0);
    child.kill();
    raw.until_none(&label, PATIENCE);
}

const FREE: &str = "CASTOFF_TEST_FREE";

#[tokio::test]
#[ignore = "needs a container engine"]
async fn child_that_begins_with_few_descriptors() {
    let (Ok(label), Ok(free)) = (std::env::var(LABEL), std::env::var(FREE)) else { return };
    let mut fill: Vec<File> = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        fill.push(file);
    }
    fill.truncate(fill.len().saturating_sub(free.parse().unwrap()));
    let first = volume(&label).await;
    drop(fill);
    say(&format!("first: {}", if first.is_ok() { "made" } else { "failed" }));
    // With and without the result of the first.
    let second = volume(&label).await.unwrap();
    let mut held = vec![second];
    while engine().await.reaper() != Reaper::Guardian {
        held.push(volume(&label).await.unwrap());
    }
    say(&format!("holds: {}", held.len()));
    told();
    drop((first, held));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_start_that_fails_for_want_of_descriptors_is_no_reason_for_the_next_one_to_fail() {
    let raw = Raw::of(&engine().await);
    let mut failed = 0;
    for free in [0, 1, 2, 3, 5, 8] {
        let label = unique("few");
        let variables = [(LABEL, label.as_str()), (FREE, &free.to_string())];
        let test = "guardian::child_that_begins_with_few_descriptors";
        let mut child = Running::start_after("ulimit -Sn 64", test, &variables);
        failed += usize::from(child.says("first: ") == "failed");
        let held: usize = child.says("holds: ").parse().unwrap();
        println!("{free} free: {held} made until a guardian stood");
        child.kill();
        raw.until_none(&format!("test.guardian={label}"), PATIENCE);
    }
    assert!(failed > 0, "no start was short of descriptors");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn child_that_holds_a_volume() {
    let Ok(label) = std::env::var(LABEL) else { return };
    let held = volume(&label).await.unwrap();
    say(&format!("token: {}", token_of(held.name())));
    told();
    for _ in 0..300 {
        drop(volume(&label).await.unwrap());
    }
    let kept = Volume::builder().with_label("test.kept", &label).create().await.unwrap();
    say(&format!("kept: {}", kept.keep()));
    told();
    say("told");
    told();
    drop(held);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_guardian_that_is_killed_is_replaced_while_something_is_held() {
    let raw = Raw::of(&engine().await);
    let label = unique("killed");
    let test = "guardian::child_that_holds_a_volume";
    let mut child = Running::start(test, &[(LABEL, &label)]);
    let token = child.says("token: ");
    let label = format!("test.guardian={label}");
    let mut guardian = another(&token, None);
    for _ in 0..3 {
        kill_process(guardian, Signal::KILL).unwrap();
        guardian = another(&token, Some(guardian));
    }
    assert_eq!(raw.count(&label), 1, "a guardian that is killed removes nothing");
    child.kill();
    raw.until_none(&label, PATIENCE);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn child_that_pauses() {
    let Ok(label) = std::env::var(LABEL) else { return };
    let first = volume(&label).await.unwrap();
    say(&format!("token: {}", token_of(first.name())));
    told();
    first.remove().await.unwrap();
    told();
    assert_eq!(engine().await.reaper(), Reaper::Guardian, "there is one when it is needed");
    let _second = volume(&label).await.unwrap();
    say("holds a second");
    told();
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_guardian_with_nothing_to_guard_ends_and_the_next_resource_has_a_new_one() {
    let raw = Raw::of(&engine().await);
    let label = unique("pauses");
    let mut child = Running::start("guardian::child_that_pauses", &[(LABEL, &label)]);
    let token = child.says("token: ");
    let first = another(&token, None);
    child.tell();
    eventually("the guardian ends", async || guardian_of(&token).is_none()).await;
    child.tell();
    child.says("holds a second");
    assert_ne!(another(&token, None), first);
    child.kill();
    raw.until_none(&format!("test.guardian={label}"), PATIENCE);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_guardian_that_is_stopped_holds_no_drop_up_and_learns_everything_later() {
    let raw = Raw::of(&engine().await);
    let label = unique("stopped");
    let test = "guardian::child_that_holds_a_volume";
    let mut child = Running::start(test, &[(LABEL, &label)]);
    let token = child.says("token: ");
    let guardian = another(&token, None);
    kill_process(guardian, Signal::STOP).unwrap();
    // More messages than the stream has room for.
    child.tell();
    let kept = Foreign::adopt(&raw, format!("volumes/{}", child.says("kept: ")));
    kill_process(guardian, Signal::CONT).unwrap();
    child.tell();
    child.says("told");
    caught_up(guardian);
    child.kill();
    raw.until_none(&format!("test.guardian={label}"), PATIENCE);
    assert!(kept.exists(), "it has heard what is to be kept");
}

/// Waits until a guardian has read all messages, and sleeps.
fn caught_up(guardian: Pid) {
    let began = Instant::now();
    let mut asleep = 0;
    while asleep < 20 {
        let stat = std::fs::read_to_string(format!("/proc/{guardian}/stat")).unwrap();
        asleep = if stat.contains(") S ") { asleep + 1 } else { 0 };
        assert!(began.elapsed() < PATIENCE, "it does not come to rest: {stat}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Kills all processes with this mark, like `pkill -f` or a CI server that looks for it in the
/// environment.
fn kill_what_bears(mark: &str) -> usize {
    let mut killed = 0;
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let bears = |file| {
            let text = std::fs::read(process.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&text).contains(mark)
        };
        let pid = process.file_name().to_str().and_then(|pid| pid.parse().ok());
        if let (true, Some(pid)) = (bears("environ") || bears("cmdline"), pid) {
            kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
            killed += 1;
        }
    }
    killed
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn whoever_ends_a_program_by_its_name_or_environment_leaves_the_guardian() {
    let raw = Raw::of(&engine().await);
    let label = unique("named");
    let test = "guardian::child_that_holds_a_volume";
    let mut child = Running::start(test, &[(LABEL, &label)]);
    let token = child.says("token: ");
    let guardian = another(&token, None);
    let read = |what: &str| std::fs::read(format!("/proc/{guardian}/{what}")).unwrap();
    assert_eq!(String::from_utf8_lossy(&read("cmdline")), "castoff-guard\0");
    assert!(read("environ").iter().all(|byte| *byte == 0), "secrets may be in there");
    assert_eq!(kill_what_bears(&label), 1);
    child.wait();
    raw.until_none(&format!("test.guardian={label}"), PATIENCE);
}

/// A proxy of the engine that holds a call that creates a volume until the gate opens.
struct SlowEngine {
    connections: Arc<AtomicUsize>,
    asked: mpsc::Receiver<()>,
    /// Receives once the volume has been created.
    answered: mpsc::Receiver<()>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl SlowEngine {
    fn start(engine: PathBuf, socket: &Path) -> SlowEngine {
        let listener = UnixListener::bind(socket).unwrap();
        let (ask, asked) = mpsc::channel();
        let (answer, answered) = mpsc::channel();
        let (connections, gate) = (Arc::default(), Arc::default());
        let slow = SlowEngine { connections, asked, answered, gate };
        let (count, gate) = (slow.connections.clone(), slow.gate.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let far = UnixStream::connect(&engine).unwrap();
                let (back, from) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let answer = answer.clone();
                std::thread::spawn(move || pass_back(from, back, &answer));
                let (ask, gate) = (ask.clone(), gate.clone());
                std::thread::spawn(move || pass_on(near, far, &ask, &gate));
            }
        });
        slow
    }

    fn open(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }
}

fn pass_on(
    mut near: UnixStream,
    mut far: UnixStream,
    ask: &mpsc::Sender<()>,
    gate: &(Mutex<bool>, Condvar),
) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = near.read(&mut buffer) {
        let request = String::from_utf8_lossy(&buffer[..read]);
        if request.starts_with("POST") && request.contains("/volumes/create") {
            let _ = ask.send(());
            let open = gate.0.lock().unwrap();
            drop(gate.1.wait_while(open, |open| !*open).unwrap());
        }
        if far.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
    // Its sender is gone; the engine continues with the request, and is not cut off.
}

/// Passes answers back, even if there is no longer a reader.
fn pass_back(mut far: UnixStream, mut near: UnixStream, answer: &mpsc::Sender<()>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = far.read(&mut buffer) {
        if buffer.starts_with(b"HTTP/1.1 201") {
            let _ = answer.send(());
        }
        let _ = near.write_all(&buffer[..read]);
    }
    let _ = near.shutdown(std::net::Shutdown::Both);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_a_slow_engine_makes_of_a_dead_processs_call_is_removed() {
    let engine = engine().await;
    let raw = Raw::of(&engine);
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("slow.sock");
    let slow = SlowEngine::start(engine.endpoint().socket().unwrap().to_owned(), &socket);
    let label = unique("slow");
    let address = format!("unix://{}", socket.display());
    let variables = [(LABEL, label.as_str()), ("CASTOFF_ENGINE", &address)];
    let child = Running::start("guardian::child_that_holds_a_volume", &variables);
    slow.asked.recv_timeout(PATIENCE).unwrap();
    child.kill();
    // The guardian has looked for as long as it does when every call was answered, and longer.
    let (began, before) = (Instant::now(), slow.connections.load(Ordering::SeqCst));
    while slow.connections.load(Ordering::SeqCst) < before + 4 * 11 {
        assert!(began.elapsed() < 3 * PATIENCE, "it does not look any more");
        std::thread::sleep(Duration::from_millis(10));
    }
    slow.open();
    slow.answered.recv_timeout(PATIENCE).unwrap();
    raw.until_none(&format!("test.guardian={label}"), PATIENCE);
}
