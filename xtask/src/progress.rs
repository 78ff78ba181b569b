//! Progress of running jobs: an animated line on a terminal, or else a plain line now and then.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, io, thread};

static BOARD: Mutex<Board> = Mutex::new(Board { jobs: Vec::new(), next: 0, drawn: false });

/// The interval of the animated line.
const MOVES: Duration = Duration::from_millis(100);
/// The interval of plain lines.
const PLAIN: Duration = Duration::from_secs(20);

/// The running jobs, and whether the animated line is on the terminal.
#[derive(Debug)]
struct Board {
    jobs: Vec<(u64, Job)>,
    next: u64,
    drawn: bool,
}

#[derive(Debug)]
struct Job {
    what: String,
    how_far: String,
    began: Instant,
}

/// A job that is shown until this is dropped.
#[derive(Debug)]
pub(crate) struct Going(u64);

impl Going {
    /// Adds a job to the board.
    pub(crate) fn begin(what: &str) -> Self {
        let mut board = board();
        board.next += 1;
        let id = board.next;
        let (what, how_far) = (what.to_owned(), String::new());
        board.jobs.push((id, Job { what, how_far, began: Instant::now() }));
        Self(id)
    }

    /// Sets the progress of the job.
    pub(crate) fn at(&self, how_far: String) {
        if let Some((_, job)) = board().jobs.iter_mut().find(|(id, _)| *id == self.0) {
            job.how_far = how_far;
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        board().jobs.retain(|(id, _)| *id != self.0);
    }
}

/// Prints a permanent line above the animated one.
pub(crate) fn say(line: &str) {
    let mut board = board();
    board.clear();
    println!("{line}");
}

/// Removes the animated line, before other output.
pub(crate) fn clear() {
    board().clear();
}

/// Shows the running jobs during the work.
pub(crate) fn shown<T>(work: impl FnOnce() -> T) -> T {
    let ended = AtomicBool::new(false);
    let began = Instant::now();
    thread::scope(|scope| {
        let showing = scope.spawn(|| show(began, &ended));
        // This also works if the work panics, as the scope waits for the thread.
        let _end = End(&ended, showing.thread().clone());
        work()
    })
}

struct End<'a>(&'a AtomicBool, thread::Thread);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.unpark();
    }
}

fn show(began: Instant, ended: &AtomicBool) {
    let moves = io::stderr().is_terminal();
    let width = env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(80);
    for turn in 0.. {
        thread::park_timeout(if moves { MOVES } else { PLAIN });
        let mut board = board();
        board.clear();
        if ended.load(Ordering::SeqCst) {
            return;
        }
        let jobs: Vec<&Job> = board.jobs.iter().map(|(_, job)| job).collect();
        if jobs.is_empty() {
            continue;
        }
        if moves {
            let spinner = ["|", "/", "-", "\\"][turn % 4];
            let line = line(&jobs, spinner, began, Instant::now());
            eprint!("{}", cut(&line, width - 1));
            // If this fails, the next turn shows it.
            drop(io::stderr().flush());
            board.drawn = true;
        } else {
            println!("{}", line(&jobs, "…", began, Instant::now()));
        }
    }
}

/// Formats `| 41 s: compile 54 of 143 (41 s), debootstrap bookworm (12 s)`.
fn line(jobs: &[&Job], mark: &str, began: Instant, now: Instant) -> String {
    let seconds = |since: Instant| now.saturating_duration_since(since).as_secs();
    let jobs: Vec<String> = jobs
        .iter()
        .map(|job| {
            let space = if job.how_far.is_empty() { "" } else { " " };
            format!("{}{space}{} ({} s)", job.what, job.how_far, seconds(job.began))
        })
        .collect();
    format!("{mark} {} s: {}", seconds(began), jobs.join(", "))
}

fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

impl Board {
    /// Removes the animated line: a return to its start, and "erase in line" (ECMA-48).
    fn clear(&mut self) {
        if self.drawn {
            eprint!("\r\x1b[2K");
            self.drawn = false;
        }
    }
}

fn board() -> MutexGuard<'static, Board> {
    BOARD.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_goes_on_how_far_it_is_and_for_how_long() {
        let now = Instant::now();
        let job = |what: &str, how_far: &str, seconds| Job {
            what: what.into(),
            how_far: how_far.into(),
            began: now - Duration::from_secs(seconds),
        };
        let (one, two) = (job("compile", "54 of 143", 41), job("debootstrap", "", 12));
        let text = line(&[&one, &two], "|", now - Duration::from_secs(42), now);
        assert_eq!(text, "| 42 s: compile 54 of 143 (41 s), debootstrap (12 s)");
        assert_eq!(cut(&text, 10), "| 42 s: c…");
        assert_eq!(cut("short", 10), "short");
    }

    #[test]
    fn a_job_is_on_the_board_until_it_ends() {
        let listed = |id| board().jobs.iter().any(|(known, _)| *known == id);
        let going = Going::begin("something");
        let id = going.0;
        going.at("1 of 2".into());
        assert!(listed(id));
        drop(going);
        assert!(!listed(id));
        assert_eq!(shown(|| 7), 7);
    }
}
