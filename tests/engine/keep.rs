//! Resources that stay for inspection.

use std::io::Write;
use std::sync::OnceLock;

use castoff::config::Config;
use castoff::{Container, Engine};
use rustix::process::Signal;

use crate::children::{Running, told};
use crate::raw::{Foreign, Raw};
use crate::support::{PATIENCE, sleeper, unique};

const HOW: &str = "CASTOFF_TEST_END";
const LABEL: &str = "CASTOFF_TEST_LABEL";

static HELD: OnceLock<Container> = OnceLock::new();

#[test]
#[ignore = "needs a container engine"]
fn child_process_entry() {
    let (Ok(how), Ok(label)) = (std::env::var(HOW), std::env::var(LABEL)) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let start = || sleeper().with_label("test.keep", &label).start();
    let (held, dropped) =
        runtime.block_on(async { (start().await.unwrap(), start().await.unwrap()) });
    println!("\nnames: {} {}", held.name(), dropped.name());
    std::io::stdout().flush().unwrap();
    HELD.set(held).unwrap();
    match how.as_str() {
        "panic" => {
            let _dropped = dropped;
            panic!("on purpose");
        }
        "exit" => {
            runtime.block_on(dropped.remove()).unwrap();
            std::process::exit(3);
        }
        "return" => drop(dropped),
        _ => {
            drop(dropped);
            println!("\nwaits");
            std::io::stdout().flush().unwrap();
            told();
        }
    }
}

/// Returns whether each container stays, the one held to the end and the one dropped, and the
/// messages about them.
fn kept(mode: &str, how: &str) -> ([bool; 2], String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // A separate state directory, since pruning removes everything that was kept in one.
    let state = tempfile::tempdir().unwrap();
    let mut config = Config::from_env();
    config.state_dir = Some(state.path().into());
    let engine = runtime.block_on(Engine::connect_with(config)).unwrap();
    let raw = Raw::of(&engine);
    let label = unique(how);
    let home = state.path().to_str().unwrap();
    let variables = [(HOW, how), (LABEL, &label), ("CASTOFF_KEEP", mode), ("XDG_STATE_HOME", home)];
    let mut child = Running::start("keep::child_process_entry", &variables);
    let names = child.says("names: ");
    let names: Vec<_> = names.split(' ').collect();
    let both: Vec<_> =
        names.iter().map(|name| Foreign::adopt(&raw, format!("containers/{name}"))).collect();
    if how == "kill" {
        child.says("waits");
        if mode != "always" {
            raw.until_gone(&format!("containers/{}", names[1]));
        }
        child.signal(Signal::KILL);
    }
    let status = child.wait();
    let errors = child.errors();
    // The guardian is done once its lock is free.
    for file in std::fs::read_dir(state.path().join("castoff/sessions")).unwrap().flatten() {
        let file = std::fs::File::open(file.path()).unwrap();
        rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    }
    println!("{mode}, {how}: {status}\n{errors}");
    let stay = [both[0].exists(), both[1].exists()];
    let _alone = crate::support::pruning();
    let pruned = runtime.block_on(engine.remove_kept()).unwrap();
    assert!(pruned.containers >= stay.iter().filter(|stays| **stays).count());
    raw.until_none(&format!("test.keep={label}"), PATIENCE);
    (stay, errors)
}

#[test]
#[ignore = "needs a container engine"]
fn always_means_always_and_says_how_to_look_and_to_remove() {
    let (stay, said) = kept("always", "return");
    assert_eq!(stay, [true, true]);
    for words in [" exec -it ", " logs ", " rm -fv ", "remove_kept"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(kept("always", "kill").0, [true, true]);
}

#[test]
#[ignore = "needs a container engine"]
fn on_failure_means_a_panic_or_an_end_without_success() {
    let (stay, said) = kept("on-failure", "panic");
    assert_eq!(stay, [true, true]);
    assert!(said.contains(" exec -it "), "{said}");
    assert_eq!(kept("on-failure", "exit").0, [true, false], "what was dropped before is gone");
    assert_eq!(kept("on-failure", "kill").0, [true, false]);
}

#[test]
#[ignore = "needs a container engine"]
fn on_failure_means_nothing_when_all_is_well() {
    let (stay, said) = kept("on-failure", "return");
    assert_eq!(stay, [false, false]);
    assert!(!said.contains("castoff"), "{said}");
    assert_eq!(kept("never", "panic").0, [false, false]);
}
