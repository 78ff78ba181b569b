//! One round: children are started, end, and are looked after.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::Outcome;
use crate::child::{LIVING, Role};
use crate::engine::{Engine, LABEL};
use crate::place::{self, Place};
use crate::report::Report;
use crate::way::Way;

/// How long what is shared stays in these programs.
const LINGER: &str = "500ms";
/// What is left then is left for good.
const LEAKED: Duration = Duration::from_secs(15);
/// How long a look goes on at what seems clean: what was being created when its sender died may
/// come late.
const QUIET: Duration = Duration::from_millis(1_000);
const LOOK: Duration = Duration::from_millis(40);

/// A child that does not outlive this program.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
    place: Place,
    name: String,
}

impl Running {
    fn start(role: &Role, place: Place) -> Outcome<Running> {
        let (variable, value) = role.variable();
        let mut command =
            place.command(&role.name, &[(variable, &value), ("CASTOFF_LINGER", LINGER)])?;
        let child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.map_err(|error| format!("a child does not start: {error}"))?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Running { child, output, place, name: role.name.clone() })
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = self.output.read_line(&mut line);
        line.trim().to_owned()
    }

    /// Waits for its end in its way. Whoever holds its output then would make this wait on.
    fn ended(&mut self, way: Way, delay: Duration) -> Outcome {
        if self.line() != "begins" {
            return Err(format!("{} ({way:?}) ended before it began", self.name));
        }
        if let Some(signal) = way.signal() {
            std::thread::sleep(delay);
            kill_process(Pid::from_child(&self.child), signal).map_err(|e| e.to_string())?;
        }
        match way {
            Way::Cancel => {
                if self.line() == "dropped" {
                    return Ok(());
                }
                return Err("a child ended before it dropped what it had".into());
            }
            Way::KillByName | Way::KillGroup | Way::KillUnit | Way::KillHost => {
                std::thread::sleep(delay);
                self.killed(way)?;
            }
            _ => {}
        }
        self.child.wait().map_err(|error| error.to_string())?;
        self.output.read_to_end(&mut Vec::new()).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Kills it together with what is killed along in that way.
    fn killed(&self, way: Way) -> Outcome {
        match way {
            Way::KillByName => place::run(Command::new("pkill").args(["-KILL", "-f", &self.name])),
            Way::KillGroup => {
                // It was started as the leader of a group of its own.
                kill_process_group(Pid::from_child(&self.child), Signal::KILL)
                    .map_err(|error| error.to_string())
            }
            _ => self.place.kill(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long it took until nothing has the label any more; or what is left.
fn cleaned(
    engine: &Engine,
    label: &str,
    quiet: Duration,
) -> Outcome<Result<Duration, Vec<String>>> {
    let began = Instant::now();
    let mut clean = None;
    loop {
        let left = engine.labelled(label)?;
        let now = began.elapsed();
        match (left.is_empty(), clean) {
            (true, None) => clean = Some(now),
            (true, Some(since)) if now - since > quiet => return Ok(Ok(since)),
            (true, Some(_)) => {}
            (false, _) if now > LEAKED => return Ok(Err(left)),
            (false, _) => clean = None,
        }
        std::thread::sleep(LOOK);
    }
}

/// Whether nothing was left.
pub(crate) fn round(
    engine: &Engine,
    number: usize,
    ways: &[Way],
    random: &mut fastrand::Rng,
    report: &mut Report,
) -> Outcome<bool> {
    let scope = format!("chaos-{}-{number}", std::process::id());
    let roles: Vec<(Way, Role)> = (0..random.usize(1..=3))
        .map(|child| {
            let way = ways[random.usize(..ways.len())];
            let role = Role {
                name: format!("{scope}-{child}"),
                way: Some(way),
                delay: Duration::from_micros(random.u64(..2_500_000)),
                seed: random.u64(..),
                scope: scope.clone(),
            };
            (way, role)
        })
        .collect();
    let outcomes: Vec<_> = std::thread::scope(|threads| {
        let children: Vec<_> =
            roles.iter().map(|(way, role)| threads.spawn(|| one(engine, *way, role))).collect();
        children.into_iter().map(|child| child.join().map_err(|_| "a thread panicked")).collect()
    });
    let mut good = true;
    for ((way, role), outcome) in roles.iter().zip(outcomes) {
        match outcome?? {
            Ok(took) => {
                report.add(&way.name(), took);
                report.add(&format!("({} at once)", roles.len()), took);
            }
            Err(left) => {
                good = false;
                report.leak(format!(
                    "{way:?} after {:?}, {}: {}",
                    role.delay,
                    role.name,
                    left.join(", ")
                ));
            }
        }
    }
    // When the last of them has gone, so does what they shared.
    match cleaned(engine, &format!("chaos.scope={scope}"), Duration::ZERO)? {
        Ok(took) => report.add("(shared, after the linger)", took),
        Err(left) => {
            good = false;
            report.leak(format!("shared by {scope}: {}", left.join(", ")));
        }
    }
    Ok(good)
}

fn one(engine: &Engine, way: Way, role: &Role) -> Outcome<Result<Duration, Vec<String>>> {
    let mut child = Running::start(role, Place::of(Some(way), &role.name, engine)?)?;
    child.ended(way, role.delay)?;
    let label = format!("{LABEL}={}", role.name);
    if !way.leaves_it_to_the_next() {
        return cleaned(engine, &label, QUIET);
    }
    // What it shared with those of its round is looked for with them.
    let next = Sibling::next(engine, way, role)?;
    let outcome = cleaned(engine, &label, QUIET)?;
    next.end(engine)?;
    Ok(outcome)
}

/// A program that goes on all the while.
pub(crate) struct Sibling {
    running: Running,
    holds: Vec<String>,
    name: String,
    scope: String,
}

impl Sibling {
    pub(crate) fn start(engine: &Engine) -> Outcome<Sibling> {
        let name = format!("chaos-sibling-{}", std::process::id());
        let (way, delay, seed) = (None, Duration::ZERO, 0);
        let role = Role { name: name.clone(), way, delay, seed, scope: LIVING.into() };
        let sibling = Sibling::of(&role, Place::Beside)?;
        sibling.check(engine)?;
        Ok(sibling)
    }

    /// The session after one whose guardian was killed as well, where that one ran.
    fn next(engine: &Engine, way: Way, dead: &Role) -> Outcome<Sibling> {
        let name = format!("{}-next", dead.name);
        let place = if way.in_a_container() { Place::host(&name, engine) } else { Place::Beside };
        Sibling::of(&Role { name, way: None, ..dead.clone() }, place)
    }

    fn of(role: &Role, place: Place) -> Outcome<Sibling> {
        let (name, scope) = (role.name.clone(), role.scope.clone());
        let mut running = Running::start(role, place)?;
        let line = running.line();
        let holds = line.strip_prefix("holds ").ok_or("the sibling does not start")?;
        let holds = holds.split(' ').map(str::to_owned).collect();
        Ok(Sibling { running, holds, name, scope })
    }

    /// That all it has is there and runs.
    pub(crate) fn check(&self, engine: &Engine) -> Outcome {
        for container in &self.holds {
            if !engine.runs(container)? {
                return Err(format!("container {container} of a living program was touched"));
            }
        }
        let all = engine.labelled(&format!("{LABEL}={}", self.name))?;
        if all.len() == 2 { Ok(()) } else { Err(format!("of 2, a living program has {all:?}")) }
    }

    /// Ends it in peace, and waits until what it shared is gone as well.
    pub(crate) fn end(mut self, engine: &Engine) -> Outcome {
        drop(self.running.child.stdin.take());
        self.running.child.wait().map_err(|error| error.to_string())?;
        let own = Some(format!("{LABEL}={}", self.name));
        // Others of a round go on with what they share.
        let shared = (self.scope == LIVING).then(|| format!("chaos.scope={LIVING}"));
        for label in own.into_iter().chain(shared) {
            if let Err(left) = cleaned(engine, &label, QUIET)? {
                return Err(format!("left of the living program: {left:?}"));
            }
        }
        Ok(())
    }
}
