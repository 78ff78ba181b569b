//! [`SweepReport`]: the outcome of the removal of many resources.

use std::time::Duration;

use super::kind::Kind;
use super::listing::within;
use super::removal::{self, Target};
use crate::engine::Client;
use crate::error::{Error, Result};

/// Limit for the removal of one resource, with all attempts.
const REMOVAL_LIMIT: Duration = Duration::from_secs(60);

/// The number of removed resources of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepReport {
    /// Containers.
    pub containers: usize,
    /// Networks.
    pub networks: usize,
    /// Volumes.
    pub volumes: usize,
    /// Images.
    pub images: usize,
}

impl SweepReport {
    pub(super) fn count(&mut self, kind: Kind) {
        let place = match kind {
            Kind::Container => &mut self.containers,
            Kind::Network => &mut self.networks,
            Kind::Volume => &mut self.volumes,
            Kind::Image => &mut self.images,
        };
        *place += 1;
    }

    pub(super) fn add(&mut self, other: SweepReport) {
        self.containers += other.containers;
        self.networks += other.networks;
        self.volumes += other.volumes;
        self.images += other.images;
    }
}

/// The outcome of the removal of several resources: their number, and the last error.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) report: SweepReport,
    pub(super) error: Option<Error>,
}

impl Outcome {
    pub(super) fn add(&mut self, other: Outcome) {
        self.report.add(other.report);
        self.error = other.error.or(self.error.take());
    }

    pub(super) fn result(self) -> Result<SweepReport> {
        self.error.map_or(Ok(self.report), Err)
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Outcome {
        Outcome { error: Some(error), ..Outcome::default() }
    }
}

/// Removes resources kind by kind, those of one kind at the same time. A failure does not stop it.
pub(super) async fn remove_all(engine: &Client, wanted: Vec<(Kind, String)>) -> Outcome {
    let mut all = Outcome::default();
    for kind in Kind::ALL {
        let targets = wanted.iter().filter(|(k, _)| *k == kind);
        let removals = targets.map(|(_, id)| async {
            let target = Target::Known(id.clone());
            within(REMOVAL_LIMIT, "remove", removal::remove(engine, kind, &target)).await
        });
        for outcome in futures_util::future::join_all(removals).await {
            match outcome {
                Ok(_) => all.report.count(kind),
                Err(error) => all.error = Some(error),
            }
        }
    }
    all
}
