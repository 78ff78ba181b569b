//! Programs that fork without `exec`: the parent's resources stay the parent's, and a child that
//! uses castoff has a session of its own.

use std::io::Write;
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use castoff::config::Config;
use castoff::{Container, Engine, ErrorKind, Reaper, Volume};
use castoff_modules::Redis;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::children::{Running, token_of, told};
use crate::raw::Raw;
use crate::support::{PATIENCE, engine, sleeper, unique};

const ENTRY: &str = "forks::child_process_entry";
const WHAT: &str = "CASTOFF_TEST_FORK";
const LABEL: &str = "CASTOFF_TEST_LABEL";
/// The number of forks of a program whose threads are busy.
const FORKS: u32 = 40;

/// Forks. The parent gets the child's process id, the child `None`.
#[expect(unsafe_code, reason = "what is tested is what a fork does")]
fn fork() -> Option<Pid> {
    // SAFETY: like any program that forks without `exec`, whether it should or not.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "no fork");
    Pid::from_raw(pid)
}

fn say(text: &str) {
    println!("\n{text}");
    std::io::stdout().flush().unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn container(whose: &str, label: &str) -> Container {
    sleeper().with_label(format!("test.{whose}"), label).start().await.unwrap()
}

/// Returns an engine with a short linger for shared resources.
async fn hasty() -> Engine {
    let mut config = Config::from_env();
    config.linger = Some(Duration::from_millis(300));
    Engine::connect_with(config).await.unwrap()
}

async fn shared(label: &str) -> Container {
    let builder = sleeper().with_label("test.shared", label).with_engine(&hasty().await);
    builder.shared().await.unwrap()
}

/// Runs in the program. Run on its own, it tests nothing.
#[test]
#[ignore = "needs a container engine"]
fn child_process_entry() {
    let (Ok(what), Ok(label)) = (std::env::var(WHAT), std::env::var(LABEL)) else { return };
    let parents = runtime();
    match what.as_str() {
        "sleeps" => {
            let held = parents.block_on(container("parent", &label));
            let lease = parents.block_on(shared(&label));
            if fork().is_none() {
                say("child sleeps");
                told();
                say("child lives");
                told();
            }
            forever((held, lease));
        }
        "uses" => {
            let held = parents.block_on(container("parent", &label));
            if fork().is_none() {
                uses(&label);
            }
            forever(held);
        }
        "inherits" => inherits(&parents, &label),
        "daemon" => {
            let held = parents.block_on(container("parent", &label));
            if fork().is_none() {
                rustix::process::setsid().unwrap();
                if fork().is_none() {
                    uses(&label);
                }
                std::process::exit(0);
            }
            say("parent ends");
            drop(held);
        }
        "load" => under_load(&label),
        "names" => names(&parents),
        _ => unreachable!("{what}"),
    }
}

fn forever<T>(_held: T) -> ! {
    loop {
        std::thread::park();
    }
}

/// Uses castoff in a child. Never returns.
fn uses(label: &str) -> ! {
    told();
    let own = runtime();
    let held = own.block_on(container("child", label));
    assert_eq!(held.engine().reaper(), Reaper::Guardian);
    say(&format!("child holds: {}", token_of(held.name())));
    told();
    let output = own.block_on(async { held.exec(["echo", "hello"]).await.unwrap() });
    assert_eq!(output.stdout, b"hello\n");
    own.block_on(held.remove()).unwrap();
    say("child removed it");
    told();
    let (held, _lease) =
        own.block_on(async { (container("child", label).await, shared(label).await) });
    say(&format!("child holds another: {}", std::process::id()));
    forever(held);
}

fn inherits(parents: &tokio::runtime::Runtime, label: &str) {
    let held = parents.block_on(container("parent", label));
    let volume = parents.block_on(Volume::builder().with_label("test.parent", label).create());
    let volume = volume.unwrap();
    let Some(child) = fork() else {
        let refused = refused(&held, volume);
        drop(held);
        std::process::exit(if refused { 7 } else { 8 });
    };
    let status = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap().1;
    say(&format!("child ended: {:?}", status.exit_status()));
    told();
    let output = parents.block_on(async { held.exec(["echo", "hello"]).await.unwrap() });
    say(&format!("parent: {}", output.stdout_text().trim()));
    parents.block_on(held.remove()).unwrap();
    parents.block_on(volume.remove()).unwrap();
}

/// Returns whether everything that a child may try with its parent's handles fails with an
/// explanation.
fn refused(held: &Container, volume: Volume) -> bool {
    let fails = |result: castoff::Result<()>| {
        let error = result.unwrap_err();
        let says = error.to_string().contains("belongs to process");
        error.kind() == ErrorKind::Conflict && says
    };
    runtime().block_on(async {
        let user = sleeper().with_volume(&volume, "/data").start().await.map(drop);
        let set_up = held.init_once("x", async || Ok::<_, castoff::Error>(())).await.map(drop);
        let kept = held.clone().keep() == held.name();
        kept && fails(held.exec(["true"]).await.map(drop))
            && fails(held.logs().text().await.map(drop))
            && fails(held.inspect().await.map(drop))
            && fails(held.stop().await.map(drop))
            && fails(held.read_file("/etc/passwd").await.map(drop))
            && fails(held.clone().remove().await)
            && fails(volume.remove().await)
            && fails(held.addr(80).map(drop))
            && fails(set_up)
            && fails(user)
    })
}

/// Forks while other threads are using castoff.
fn under_load(label: &str) {
    let at_work = AtomicBool::new(true);
    std::thread::scope(|threads| {
        for thread in 0..3 {
            let at_work = &at_work;
            threads.spawn(move || {
                let own = runtime();
                while at_work.load(Ordering::SeqCst) {
                    own.block_on(async {
                        let volume = Volume::builder().with_label("test.parent", label);
                        drop(volume.create().await.unwrap());
                        if thread == 0 {
                            let volume = Volume::builder().with_label("test.shared", label);
                            drop(volume.with_engine(&hasty().await).shared().await.unwrap());
                        }
                    });
                }
            });
        }
        let failed: Vec<_> = (0..FORKS).filter(|_| !a_child_works(label)).collect();
        at_work.store(false, Ordering::SeqCst);
        say(&format!("failed: {failed:?}"));
    });
}

/// Returns whether a child can create and remove a volume, and end.
fn a_child_works(label: &str) -> bool {
    let Some(child) = fork() else {
        let made = runtime().block_on(async {
            let volume = Volume::builder().with_label("test.child", label).create().await?;
            volume.remove().await
        });
        std::process::exit(if made.is_ok() { 7 } else { 8 });
    };
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some((_, status)) = waitpid(Some(child), WaitOptions::NOHANG).unwrap() {
            return status.exit_status() == Some(7);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    kill_process(child, Signal::KILL).unwrap();
    let _ = waitpid(Some(child), WaitOptions::empty());
    false
}

/// Makes a child and its parent request one name each.
fn names(parents: &tokio::runtime::Runtime) {
    let server = parents.block_on(Redis::new().start()).unwrap();
    let Some(child) = fork() else {
        say(&format!("child's name: {}", server.unique_prefix()));
        std::process::exit(0);
    };
    waitpid(Some(child), WaitOptions::empty()).unwrap();
    say(&format!("parent's name: {}", server.unique_prefix()));
}

struct Program {
    running: Running,
    /// Open until the child is to end; the child has it as well.
    input: ChildStdin,
    raw: Raw,
    label: String,
}

impl Program {
    fn start(what: &str) -> Program {
        let raw = Raw::of(&runtime().block_on(engine()));
        let label = unique(what);
        let mut running = Running::start(ENTRY, &[(WHAT, what), (LABEL, &label)]);
        let input = running.input();
        Program { running, input, raw, label }
    }

    fn tell(&mut self) {
        self.input.write_all(b"go on\n").unwrap();
    }

    /// Kills the parent.
    fn kill(&mut self) {
        self.running.signal(Signal::KILL);
        self.running.wait();
    }

    fn label(&self, whose: &str) -> String {
        format!("test.{whose}={}", self.label)
    }

    fn count(&self, whose: &str) -> usize {
        self.raw.count(&self.label(whose))
    }

    fn until_none(&self, whose: &str) {
        self.raw.until_none(&self.label(whose), PATIENCE);
    }
}

#[test]
#[ignore = "needs a container engine"]
fn what_a_killed_parent_had_goes_while_its_child_lives() {
    let mut program = Program::start("sleeps");
    program.running.says("child sleeps");
    assert_eq!((program.count("parent"), program.count("shared")), (1, 1));
    program.kill();
    program.until_none("parent");
    program.until_none("shared");
    program.tell();
    program.running.says("child lives");
}

#[test]
#[ignore = "needs a container engine"]
fn a_child_has_a_session_of_its_own() {
    let mut program = Program::start("uses");
    program.tell();
    program.running.says("child holds: ");
    assert_eq!((program.count("parent"), program.count("child")), (1, 1));
    program.tell();
    program.running.says("child removed it");
    assert_eq!((program.count("parent"), program.count("child")), (1, 0));
    program.tell();
    let child = program.running.says("child holds another: ");
    assert_eq!((program.count("child"), program.count("shared")), (1, 1));
    kill_process(Pid::from_raw(child.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    program.until_none("child");
    program.until_none("shared");
    assert_eq!(program.count("parent"), 1, "the parent lives");
    program.kill();
    program.until_none("parent");
}

#[test]
#[ignore = "needs a container engine"]
fn handles_that_a_child_inherits_do_nothing_and_say_so() {
    let mut program = Program::start("inherits");
    assert_eq!(program.running.says("child ended: "), "Some(7)", "{}", program.label);
    assert_eq!(program.count("parent"), 2, "the child's end and drops removed nothing");
    program.tell();
    assert_eq!(program.running.says("parent: "), "hello");
    assert!(program.running.wait().success());
    program.until_none("parent");
}

#[test]
#[ignore = "needs a container engine"]
fn a_daemon_goes_on_when_the_program_that_forked_it_has_ended() {
    let mut program = Program::start("daemon");
    program.running.says("parent ends");
    assert!(program.running.wait().success());
    program.until_none("parent");
    program.tell();
    program.running.says("child holds: ");
    assert_eq!(program.count("child"), 1);
    program.tell();
    program.running.says("child removed it");
    program.tell();
    let child = program.running.says("child holds another: ");
    kill_process(Pid::from_raw(child.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    program.until_none("child");
    program.until_none("shared");
}

#[test]
#[ignore = "needs a container engine"]
fn a_fork_may_come_at_any_time() {
    let mut program = Program::start("load");
    assert_eq!(program.running.says("failed: "), "[]");
    program.running.wait();
    for whose in ["parent", "child", "shared"] {
        program.until_none(whose);
    }
}

#[test]
#[ignore = "needs a container engine"]
fn a_child_is_not_given_the_names_that_its_parent_is_given() {
    let mut program = Program::start("names");
    let child = program.running.says("child's name: ");
    assert_ne!(child, program.running.says("parent's name: "));
    assert!(program.running.wait().success());
}
