//! `cargo xtask demo`: the quickstart example on a real engine, from nothing.
//!
//! It is compiled during the set-up of the engine and the images, as neither needs the other.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::process::{Child, ChildStderr, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::command::{command, open_log, run, tail};
use crate::progress::{self, Going};
use crate::run::cargo;
use crate::{Outcome, engine, images, leftovers, paths};

/// The example as a package of its own, so that dependencies of other examples are not compiled.
const PACKAGE: &str = "castoff-demo";
/// The images that it runs; those that they are based on are provided as well.
const IMAGES: [&str; 3] = ["busybox", "postgres", "redis"];

/// Runs the quickstart example on a real engine.
pub(crate) fn demo() -> Outcome {
    let began = Instant::now();
    let engine = progress::shown(|| {
        let compilation = Compilation::begin()?;
        let engine = engine::up().and_then(|engine| {
            images::provide_some(&engine, &IMAGES)?;
            Ok(engine)
        });
        match engine {
            Ok(engine) => compilation.end().map(|()| engine),
            Err(reason) => {
                compilation.abandon();
                Err(reason)
            }
        }
    })?;
    println!("all is in place after {:.1} s", began.elapsed().as_secs_f64());
    run(cargo(&engine, &["run", "--quiet", "--package", PACKAGE]))?;
    leftovers::check(&engine)
}

/// A run of `cargo build` in parallel with everything else.
struct Compilation {
    cargo: Child,
    reader: JoinHandle<()>,
    began: Instant,
}

impl Compilation {
    fn begin() -> Outcome<Self> {
        let log = paths::scratch("build-demo.log")?;
        let file = open_log(&log)?;
        let mut cargo = command(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
        cargo.args(["build", "--package", PACKAGE]).current_dir(paths::root());
        // Makes cargo report its progress although its output is not a terminal.
        cargo.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "100");
        cargo.env("CARGO_TERM_COLOR", "never");
        cargo.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut cargo = cargo.spawn().map_err(|e| format!("cannot run cargo build: {e}"))?;
        progress::say(&format!("» compile {PACKAGE}, and meanwhile:"));
        let errors = cargo.stderr.take().ok_or("cargo has no standard error")?;
        let reader = thread::spawn(move || read(errors, file));
        Ok(Self { cargo, reader, began: Instant::now() })
    }

    fn end(mut self) -> Outcome {
        let status = self.cargo.wait().map_err(|e| e.to_string())?;
        // The thread never panics, and its output is for people.
        drop(self.reader.join());
        let took = self.began.elapsed().as_secs_f64();
        if !status.success() {
            let log = tail(&paths::scratch("build-demo.log")?);
            return Err(format!("`cargo build --package {PACKAGE}` ended with {status}\n{log}"));
        }
        progress::say(&format!("  compile {PACKAGE}: done within {took:.1} s"));
        Ok(())
    }

    fn abandon(mut self) {
        // The process may have ended already.
        drop(self.cargo.kill());
        drop(self.cargo.wait());
    }
}

/// Shows cargo's progress, and writes everything else to the log.
fn read(errors: ChildStderr, mut log: File) {
    let going = Going::begin("compile");
    let mut line = Vec::new();
    for byte in BufReader::new(errors).bytes().map_while(Result::ok) {
        if byte != b'\r' && byte != b'\n' {
            line.push(byte);
            continue;
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        match how_far(&text) {
            Some(how_far) => going.at(how_far),
            // A log that can't be written does not stop the build.
            None if !text.trim().is_empty() => drop(writeln!(log, "{}", text.trim_end())),
            None => {}
        }
        line.clear();
    }
}

/// Returns the figures of `    Building [=====>     ] 54/143: tokio, serde`.
fn how_far(line: &str) -> Option<String> {
    let (_, rest) = line.trim_start().strip_prefix("Building [")?.split_once("] ")?;
    let (done, all) = rest.split(':').next()?.split_once('/')?;
    let (done, all): (u32, u32) = (done.trim().parse().ok()?, all.trim().parse().ok()?);
    Some(format!("{done} of {all}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_how_far_it_is() {
        let line = "    Building [====>      ] 54/143: tokio, serde_derive";
        assert_eq!(how_far(line).as_deref(), Some("54 of 143"));
        assert_eq!(how_far("   Compiling tokio v1.45.0"), None);
        assert_eq!(how_far("error: Building [x] of"), None);
    }
}
