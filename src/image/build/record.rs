//! [`Record`]: the steps of a build for its report, collected while they run.

use std::collections::HashMap;
use std::time::Duration;

use super::report::StepReport;
use crate::engine::{BuildEvent, BuildStep};

/// The steps and warnings of a build so far.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The ids in the order of the first event of each step.
    order: Vec<String>,
    steps: HashMap<String, BuildStep>,
    pub(super) warnings: Vec<String>,
}

impl Record {
    pub(super) fn note(&mut self, event: &BuildEvent) {
        match event {
            BuildEvent::Step(step) => {
                let known = self.steps.insert(step.id.clone(), step.clone());
                if known.is_none() {
                    self.order.push(step.id.clone());
                }
            }
            BuildEvent::Warning { message, .. } => self.warnings.push(message.clone()),
            BuildEvent::Log { .. } | BuildEvent::Progress { .. } => {}
        }
    }

    /// Returns the steps that ran or were cached, in the order of their start.
    pub(super) fn steps(&self) -> Vec<StepReport> {
        let mut steps: Vec<&BuildStep> =
            self.order.iter().filter_map(|id| self.steps.get(id)).collect();
        // A stable sort: steps without a start time keep their order.
        steps.sort_by_key(|step| step.started);
        let report = |step: &BuildStep| StepReport {
            name: step.name.clone(),
            cached: step.cached,
            took: took(step),
        };
        let ran = |step: &&BuildStep| step.completed.is_some() || step.cached;
        steps.into_iter().filter(ran).map(report).collect()
    }
}

fn took(step: &BuildStep) -> Duration {
    let times = step.started.zip(step.completed);
    times.and_then(|(start, end)| end.duration_since(start).ok()).unwrap_or_default()
}
