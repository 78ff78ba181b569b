//! [`Healthcheck`]: the engine's check whether a container works.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check;
use super::redacted::{Presence, Program};
use crate::error::{Error, Result};

const SHORTEST: Duration = Duration::from_millis(1);

/// A command that the engine runs in the container (Engine API v1.41, ContainerCreate,
/// `Healthcheck`). Durations are zero, which means the default, or at least one millisecond.
///
/// ```
/// use std::time::Duration;
/// use castoff::spec::Healthcheck;
///
/// let ready = Healthcheck::command(["pg_isready", "-U", "postgres"])
///     .with_interval(Duration::from_millis(250));
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Healthcheck {
    /// The command.
    pub test: HealthTest,
    /// The time between two checks; `None` stands for the image's, or else 30 s.
    pub interval: Option<Duration>,
    /// Limit for the time of a check; `None` stands for the image's, or else 30 s.
    pub timeout: Option<Duration>,
    /// The time after the start in which failures do not count; `None` stands for the image's, or
    /// else 0 s.
    pub start_period: Option<Duration>,
    /// The time between two checks in the start period; `None` stands for the image's, or else 5 s.
    /// Needs Engine API v1.44; for an older engine it is left out, with a warning in the log.
    pub start_interval: Option<Duration>,
    /// The number of failures in a row that make the container unhealthy; `None` stands for the
    /// image's, or else 3.
    pub retries: Option<u32>,
}

/// The command of a [`Healthcheck`]: exit code 0 is healthy.
///
/// `Debug` hides arguments and shell lines, which may hold a password.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthTest {
    /// A program and its arguments.
    Exec(Vec<String>),
    /// A line for the container's shell.
    Shell(String),
    /// No check, even if the image has one.
    Disabled,
}

impl fmt::Debug for HealthTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HealthTest::Exec(command) => f.debug_tuple("Exec").field(&Program(command)).finish(),
            HealthTest::Shell(_) => f.debug_tuple("Shell").field(&Presence(true)).finish(),
            HealthTest::Disabled => f.write_str("Disabled"),
        }
    }
}

impl Healthcheck {
    /// Creates a check that runs a line in the container's shell, `/bin/sh -c` unless the image
    /// sets another.
    #[must_use]
    pub fn shell(line: impl Into<String>) -> Healthcheck {
        Healthcheck::of(HealthTest::Shell(line.into()))
    }

    /// Creates a check that runs a program, without a shell.
    #[must_use]
    pub fn command<I>(command: I) -> Healthcheck
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Healthcheck::of(HealthTest::Exec(command.into_iter().map(Into::into).collect()))
    }

    /// Creates a check that disables the image's.
    #[must_use]
    pub fn disabled() -> Healthcheck {
        Healthcheck::of(HealthTest::Disabled)
    }

    fn of(test: HealthTest) -> Healthcheck {
        Healthcheck {
            test,
            interval: None,
            timeout: None,
            start_period: None,
            start_interval: None,
            retries: None,
        }
    }

    /// Sets the time between two checks.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Healthcheck {
        self.interval = Some(interval);
        self
    }

    /// Sets the limit for the time of a check.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Healthcheck {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the time after the start in which failures do not count.
    #[must_use]
    pub fn with_start_period(mut self, period: Duration) -> Healthcheck {
        self.start_period = Some(period);
        self
    }

    /// Sets the time between two checks in the start period; needs Engine API v1.44.
    #[must_use]
    pub fn with_start_interval(mut self, interval: Duration) -> Healthcheck {
        self.start_interval = Some(interval);
        self
    }

    /// Sets the number of failures in a row that make the container unhealthy.
    #[must_use]
    pub fn with_retries(mut self, retries: u32) -> Healthcheck {
        self.retries = Some(retries);
        self
    }

    /// Checks the engine's rules.
    ///
    /// # Errors
    ///
    /// Names the field below `healthcheck` and the value: an empty test, or a duration that is
    /// neither zero nor at least a millisecond, or above 292 years.
    pub fn validate(&self) -> Result<()> {
        match &self.test {
            HealthTest::Shell(line) if line.trim().is_empty() => {
                return Err(Error::invalid("healthcheck.test", format!("{line:?} runs nothing")));
            }
            HealthTest::Exec(command) if command.first().is_none_or(String::is_empty) => {
                return Err(Error::invalid(
                    "healthcheck.test",
                    format!("{command:?} runs nothing"),
                ));
            }
            _ => {}
        }
        for (field, duration) in [
            ("interval", self.interval),
            ("timeout", self.timeout),
            ("start_period", self.start_period),
            ("start_interval", self.start_interval),
        ] {
            let Some(duration) = duration.filter(|duration| !duration.is_zero()) else { continue };
            if duration < SHORTEST || !check::fits_nanoseconds(duration) {
                return Err(Error::invalid(
                    format!("healthcheck.{field}"),
                    format!("{duration:?} must be zero, or 1 ms to 292 years"),
                ));
            }
        }
        match self.retries {
            Some(retries) if i32::try_from(retries).is_err() => {
                Err(Error::invalid("healthcheck.retries", format!("{retries} is too many")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_checks() {
        Healthcheck::disabled().validate().unwrap();
        Healthcheck::command(["true"]).with_interval(Duration::ZERO).validate().unwrap();
        Healthcheck::shell("exit 0")
            .with_interval(SHORTEST)
            .with_timeout(SHORTEST)
            .with_start_period(SHORTEST)
            .with_start_interval(SHORTEST)
            .with_retries(1)
            .validate()
            .unwrap();
    }

    #[test]
    fn errors_name_field_and_value() {
        let short = Duration::from_micros(999);
        for (check, start) in [
            (Healthcheck::shell(" "), "test: \" \""),
            (Healthcheck::command([""]), "test: [\"\"]"),
            (Healthcheck::command(Vec::<String>::new()), "test: []"),
            (Healthcheck::shell("x").with_interval(short), "interval: 999µs"),
            (Healthcheck::shell("x").with_timeout(short), "timeout: 999µs"),
            (Healthcheck::shell("x").with_start_period(short), "start_period: 999µs"),
            (Healthcheck::shell("x").with_start_interval(Duration::MAX), "start_interval: 184"),
            (Healthcheck::shell("x").with_retries(u32::MAX), "retries: 4294967295"),
        ] {
            let error = check.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid healthcheck.{start}")), "{error}");
        }
    }
}
