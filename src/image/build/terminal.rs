//! Display of a build in a terminal, in the style of `docker buildx`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ImageBuilder;
use super::report::line;
use crate::engine::{BuildEvent, BuildStep};

/// Interval at which the times of the running steps are redrawn.
const TICK: Duration = Duration::from_millis(100);

impl ImageBuilder {
    /// Shows the build on stderr while it runs: a line for each step with its time or `CACHED`, and
    /// the last line of output of running steps. If stderr is no terminal, a line is written when a
    /// step begins and ends, with all output between. Feature `progress`.
    pub fn show_progress(self) -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        self.show(screen)
    }

    pub(super) fn show(self, screen: MultiProgress) -> Self {
        let shown = Arc::new(Mutex::new(Shown { screen, steps: HashMap::new() }));
        self.with_event_listener(move |event| {
            shown.lock().unwrap_or_else(PoisonError::into_inner).event(event);
        })
    }
}

struct Shown {
    screen: MultiProgress,
    steps: HashMap<String, Running>,
}

struct Running {
    number: usize,
    name: String,
    bar: Option<ProgressBar>,
    /// Whether the step was shown as ended.
    done: bool,
    /// Output without an end of line so far.
    open: String,
}

impl Shown {
    fn event(&mut self, event: BuildEvent) {
        match event {
            BuildEvent::Step(step) => self.step(step),
            BuildEvent::Log { step, text, .. } => self.output(&step, &text),
            BuildEvent::Progress { step, part, current, total } => {
                let Some(Running { bar: Some(bar), .. }) = self.steps.get(&step) else { return };
                let done = super::report::bytes(current);
                let of = total.map(|total| format!(" / {}", super::report::bytes(total)));
                bar.set_message(line(&format!("{part} {done}{}", of.unwrap_or_default())));
            }
            BuildEvent::Warning { message, .. } => self.print(&format!("WARNING {message}")),
        }
    }

    fn step(&mut self, step: BuildStep) {
        let number = self.steps.len() + 1;
        let running = self.steps.entry(step.id.clone()).or_insert_with(|| Running {
            number,
            name: line(&step.name),
            bar: None,
            done: false,
            open: String::new(),
        });
        if running.done {
            return;
        }
        let (number, name) = (running.number, running.name.clone());
        if step.cached || step.completed.is_some() || step.error.is_some() {
            running.done = true;
            if let Some(bar) = running.bar.take() {
                bar.finish_and_clear();
            }
            let took = step.started.zip(step.completed);
            let took = took.and_then(|(start, end)| end.duration_since(start).ok());
            let end = match (&step.error, step.cached) {
                (Some(error), _) => format!("ERROR {}", line(error)),
                (None, true) => "CACHED".to_owned(),
                (None, false) => format!("{:.1}s", took.unwrap_or_default().as_secs_f64()),
            };
            self.print(&format!("#{number} {name} {end}"));
        } else if step.started.is_some() && running.bar.is_none() {
            if self.screen.is_hidden() {
                self.print(&format!("#{number} {name}"));
                return;
            }
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{prefix} {elapsed} {wide_msg:.dim}") {
                bar.set_style(style);
            }
            let bar = self.screen.add(bar.with_prefix(format!("#{number} {name}")));
            bar.enable_steady_tick(TICK);
            running.bar = Some(bar);
        }
    }

    fn output(&mut self, step: &str, text: &str) {
        let hidden = self.screen.is_hidden();
        let Some(running) = self.steps.get_mut(step) else { return };
        running.open.push_str(text);
        let Some(end) = running.open.rfind('\n') else { return };
        let rest = running.open.split_off(end + 1);
        let lines = std::mem::replace(&mut running.open, rest);
        let number = running.number;
        if let (false, Some(bar)) = (hidden, &running.bar) {
            bar.set_message(line(lines.lines().last().unwrap_or_default()));
            return;
        }
        for line in lines.lines() {
            self.print(&format!("#{number} {line}"));
        }
    }

    fn print(&self, text: &str) {
        if self.screen.is_hidden() {
            // A closed stderr must not end the build.
            crate::stderr::say(format_args!("{text}"));
        } else {
            let _ = self.screen.println(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use indicatif::InMemoryTerm;

    use super::*;
    use crate::engine::LogStream;

    #[test]
    fn steps_that_ended_stay_on_the_screen() {
        let term = InMemoryTerm::new(10, 80);
        let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
        let builder = crate::Image::builder(".").show(MultiProgress::with_draw_target(target));
        let tell = builder.listeners[0].clone();
        let start = SystemTime::UNIX_EPOCH;
        let step = |id: &str, name: &str| BuildStep {
            id: id.into(),
            name: name.into(),
            started: Some(start),
            ..BuildStep::default()
        };
        tell(BuildEvent::Step(BuildStep { cached: true, ..step("a", "[1/2] FROM x") }));
        tell(BuildEvent::Step(step("b", "[2/2] RUN y")));
        let (id, stream) = ("b".to_owned(), LogStream::Stdout);
        tell(BuildEvent::Log { step: id, stream, text: "one\ntwo\n".into() });
        tell(BuildEvent::Step(BuildStep {
            completed: Some(start + Duration::from_millis(1500)),
            ..step("b", "[2/2] RUN y")
        }));
        assert_eq!(term.contents(), "#1 [1/2] FROM x CACHED\n#2 [2/2] RUN y 1.5s");
    }
}
