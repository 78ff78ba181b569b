//! [`Resources`]: the limits of a container.

use serde::{Deserialize, Serialize};

use super::check::fits_i64;
use crate::error::{Error, Result};

/// Limits of memory, CPU and processes (Engine API v1.41, `HostConfig`). `None` stands for the
/// engine's default, which is no limit unless noted.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Memory and swap together in bytes; -1 means no limit. Needs `memory`; `None` stands for
    /// twice that.
    pub memory_swap: Option<i64>,
    /// CPU time in billionths of a CPU: 1 500 000 000 is one and a half CPUs.
    pub nano_cpus: Option<u64>,
    /// The number of processes and threads; -1 means no limit.
    pub pids_limit: Option<i64>,
    /// The size of `/dev/shm` in bytes; `None` stands for 64 MiB.
    pub shm_size: Option<u64>,
    /// Limits per process, as set by `ulimit`.
    pub ulimits: Vec<Ulimit>,
}

/// A limit per process, as set by `setrlimit(2)`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ulimit {
    /// The name in lower case without `RLIMIT_`, such as `nofile`.
    pub name: String,
    /// The limit in force; -1 means no limit.
    pub soft: i64,
    /// The maximum that the process may raise it to; -1 means no limit.
    pub hard: i64,
}

impl Ulimit {
    /// Creates a limit by its name, such as `nofile`; -1 means no limit.
    #[must_use]
    pub fn new(name: impl Into<String>, soft: i64, hard: i64) -> Ulimit {
        Ulimit { name: name.into(), soft, hard }
    }

    fn validate(&self) -> Result<()> {
        let Ulimit { name, soft, hard } = self;
        let fail = |problem: &str| {
            Err(Error::invalid("resources.ulimits", format!("{name:?} ({soft}:{hard}) {problem}")))
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase()) {
            return fail("is not a limit's lower-case name");
        }
        if *soft < -1 || *hard < -1 {
            return fail("is below -1, without limit");
        }
        if *hard != -1 && (*soft == -1 || soft > hard) {
            return fail("has its soft limit above the hard one");
        }
        Ok(())
    }
}

impl Resources {
    /// Checks the engine's rules.
    ///
    /// # Errors
    ///
    /// Names the field below `resources` and the value: numbers out of range, swap without or below
    /// memory, a malformed or repeated ulimit.
    pub fn validate(&self) -> Result<()> {
        fits_i64("resources.memory", self.memory)?;
        fits_i64("resources.nano_cpus", self.nano_cpus)?;
        fits_i64("resources.shm_size", self.shm_size)?;
        if let Some(swap) = self.memory_swap {
            check_swap(swap, self.memory.unwrap_or(0))?;
        }
        if let Some(limit) = self.pids_limit.filter(|limit| *limit < -1) {
            let problem = format!("{limit} is below -1, without limit");
            return Err(Error::invalid("resources.pids_limit", problem));
        }
        for (index, ulimit) in self.ulimits.iter().enumerate() {
            ulimit.validate()?;
            if self.ulimits[..index].iter().any(|earlier| earlier.name == ulimit.name) {
                let problem = format!("{:?} is set twice", ulimit.name);
                return Err(Error::invalid("resources.ulimits", problem));
            }
        }
        Ok(())
    }
}

/// Checks the limit of memory and swap. For the engine, zero in either means unset.
fn check_swap(swap: i64, memory: u64) -> Result<()> {
    let fail = |problem: &str| {
        Err(Error::invalid("resources.memory_swap", format!("{swap} {problem} ({memory})")))
    };
    match u64::try_from(swap) {
        Ok(0) => Ok(()),
        Err(_) if swap < -1 => fail("is below -1, without limit"),
        Ok(_) if memory == 0 => fail("needs a memory limit"),
        Ok(swap) if swap < memory => fail("includes memory and must not be below it"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_limits() {
        Resources::default().validate().unwrap();
        Resources {
            memory: Some(64 << 20),
            memory_swap: Some(64 << 20),
            nano_cpus: Some(1_500_000_000),
            pids_limit: Some(-1),
            shm_size: Some(1 << 30),
            ulimits: vec![Ulimit::new("nofile", 1024, -1), Ulimit::new("core", -1, -1)],
        }
        .validate()
        .unwrap();
    }

    #[test]
    fn errors_name_field_and_value() {
        let none = Resources::default;
        let ulimit = |name: &str, soft, hard| vec![Ulimit::new(name, soft, hard)];
        let twice = [ulimit("core", 0, 0), ulimit("core", 1, 1)].concat();
        for (resources, start) in [
            (Resources { memory: Some(u64::MAX), ..none() }, "memory: 18446744073709551615"),
            (Resources { nano_cpus: Some(u64::MAX), ..none() }, "nano_cpus: 184"),
            (Resources { shm_size: Some(u64::MAX), ..none() }, "shm_size: 184"),
            (Resources { memory_swap: Some(-2), ..none() }, "memory_swap: -2"),
            (Resources { memory_swap: Some(9), ..none() }, "memory_swap: 9 needs"),
            (Resources { memory: Some(9), memory_swap: Some(8), ..none() }, "memory_swap: 8"),
            (Resources { pids_limit: Some(-2), ..none() }, "pids_limit: -2"),
            (Resources { ulimits: ulimit("NOFILE", 1, 1), ..none() }, "ulimits: \"NOFILE\""),
            (Resources { ulimits: ulimit("core", 2, 1), ..none() }, "ulimits: \"core\""),
            (Resources { ulimits: ulimit("core", -1, 1), ..none() }, "ulimits: \"core\""),
            (Resources { ulimits: ulimit("core", -2, 1), ..none() }, "ulimits: \"core\""),
            (Resources { ulimits: twice, ..none() }, "ulimits: \"core\" is set twice"),
        ] {
            let error = resources.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid resources.{start}")), "{error}");
        }
    }
}
