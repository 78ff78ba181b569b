//! The requested steps, and their order.

use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use super::machine::Machine;
use super::root::{self, Taken};
use crate::command::{command, is_root, logged, output, tail};
use crate::step::Steps;
use crate::{Outcome, paths, progress};

const DEMO_LIMIT: Duration = Duration::from_secs(1800);
const TEST_LIMIT: Duration = Duration::from_secs(3 * 3600);

/// The options of the command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan<'a> {
    demo_only: bool,
    keep: bool,
    cargo_config: Option<&'a Path>,
    test: Vec<&'a str>,
}

impl<'a> Plan<'a> {
    fn new(args: &[&'a str]) -> Outcome<Self> {
        let mut plan = Self::default();
        let mut args = args.iter().copied();
        while let Some(arg) = args.next() {
            match arg {
                "--demo-only" => plan.demo_only = true,
                "--keep" => plan.keep = true,
                "--cargo-config" => {
                    let file = args.next().ok_or("fresh: --cargo-config needs a file")?;
                    plan.cargo_config = Some(Path::new(file));
                }
                "--" => plan.test = args.by_ref().collect(),
                _ => return Err(format!("fresh: no such option: {arg}")),
            }
        }
        Ok(plan)
    }
}

/// Runs the README's two commands on a new machine.
pub(crate) fn fresh(args: &[&str]) -> Outcome {
    let plan = Plan::new(args)?;
    if !is_root() {
        return Err("fresh: mounts and namespaces need root; run it as root".into());
    }
    let mut steps = Steps::default();
    let done = progress::shown(|| run(&plan, &mut steps));
    done.and(steps.finish())
}

fn run(plan: &Plan<'_>, steps: &mut Steps) -> Outcome {
    let toolchain = toolchain()?;
    let root = paths::scratch(&format!("fresh-{}", process::id()))?;
    let (mut machine, hierarchies) = Machine::plan(&root, plan.keep)?;
    let taken = Taken { cargo_config: plan.cargo_config };
    let up = steps.run("a new machine", || root::make(&root, &taken))
        && steps.run("its start", || machine.start(&hierarchies, &toolchain));
    if up {
        let demo = ["cargo", "xtask", "demo"];
        let went = steps.run("cargo xtask demo", || command_in(&machine, &demo, DEMO_LIMIT));
        if went && !plan.demo_only {
            let test = [&["cargo", "xtask", "test"], &plan.test[..]].concat();
            steps.run("cargo xtask test", || command_in(&machine, &test, TEST_LIMIT));
        }
    }
    steps.run("its end", || machine.remove());
    if plan.keep {
        progress::say(&format!("kept: {}", root.display()));
    }
    Ok(())
}

/// Runs a command in the machine and shows the end of its output.
fn command_in(machine: &Machine, args: &[&str], limit: Duration) -> Outcome {
    let log = format!("fresh-{}", args.get(2).unwrap_or(&"command"));
    let _going = progress::Going::begin(&args.join(" "));
    logged(machine.command(args), &log, limit)?;
    progress::say(&tail(&paths::scratch(&format!("{log}.log"))?));
    Ok(())
}

/// Returns the folder of the toolchain that cargo uses here.
fn toolchain() -> Outcome<PathBuf> {
    let mut rustc = command("rustc");
    rustc.args(["--print", "sysroot"]).current_dir(paths::root());
    Ok(output(rustc)?.trim().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_two_dashes_is_for_the_tests() {
        let plan = Plan::new(&["--keep", "--cargo-config", "/c", "--", "nextest", "--x"]).unwrap();
        assert!(plan.keep && !plan.demo_only);
        assert_eq!(plan.cargo_config, Some(Path::new("/c")));
        assert_eq!(plan.test, ["nextest", "--x"]);
        assert!(Plan::new(&["--what"]).is_err());
        assert!(Plan::new(&["--cargo-config"]).is_err());
    }
}
