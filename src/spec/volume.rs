//! [`VolumeSpec`] for a new volume.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::check;
use super::label::validate_user_labels;
use super::redacted::Keys;
use crate::error::{Error, Result};

/// A volume to create (Engine API v1.41, VolumeCreate). `Debug` hides the values of options: the
/// mount options of a network file system may hold a password.
#[non_exhaustive]
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VolumeSpec {
    /// The name; by default castoff makes a unique one.
    pub name: Option<String>,
    /// The driver; by default the engine's, `local`.
    pub driver: Option<String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels besides castoff's own.
    pub labels: BTreeMap<String, String>,
}

impl fmt::Debug for VolumeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VolumeSpec { name, driver, options, labels } = self;
        f.debug_struct("VolumeSpec")
            .field("name", name)
            .field("driver", driver)
            .field("options", &Keys(options))
            .field("labels", labels)
            .finish()
    }
}

impl VolumeSpec {
    /// Creates a spec with the engine's defaults and a unique name.
    #[must_use]
    pub fn new() -> VolumeSpec {
        VolumeSpec::default()
    }

    /// Creates a spec of a volume in memory that several containers can mount. `size` is its limit
    /// in bytes; `None` stands for the kernel's, half of the host's memory.
    ///
    /// It is empty again once no running container has it mounted.
    #[must_use]
    pub fn tmpfs(size: Option<u64>) -> VolumeSpec {
        let mut spec = VolumeSpec { driver: Some("local".to_owned()), ..VolumeSpec::default() };
        let size = size.map(|size| ("o", format!("size={size}")));
        let options = [("type", "tmpfs".to_owned()), ("device", "tmpfs".to_owned())];
        spec.options.extend(options.into_iter().chain(size).map(|(key, v)| (key.to_owned(), v)));
        spec
    }

    /// Sets the name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> VolumeSpec {
        self.name = Some(name.into());
        self
    }

    /// Checks everything that needs no engine.
    ///
    /// # Errors
    ///
    /// Names the field and the value: a malformed name, an empty driver or option, a label of
    /// castoff's own.
    pub fn validate(&self) -> Result<()> {
        check::refuse_nul(self)?;
        if let Some(name) = self.name.as_ref().filter(|name| !check::is_name(name)) {
            let problem = format!("{name:?} must match [a-zA-Z0-9][a-zA-Z0-9_.-]+");
            return Err(Error::invalid("name", problem));
        }
        if self.driver.as_ref().is_some_and(|driver| driver.trim().is_empty()) {
            return Err(Error::invalid("driver", "\"\" does not name a driver"));
        }
        if self.options.contains_key("") {
            return Err(Error::invalid("options", "key \"\" is empty"));
        }
        validate_user_labels(&self.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tmpfs_options() {
        let spec = VolumeSpec::tmpfs(Some(1024));
        let options: Vec<_> = spec.options.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(spec.driver.as_deref(), Some("local"));
        assert_eq!(options, ["device=tmpfs", "o=size=1024", "type=tmpfs"]);
        assert!(!VolumeSpec::tmpfs(None).options.contains_key("o"));
        spec.validate().unwrap();
    }

    #[test]
    fn errors_name_field_and_value() {
        VolumeSpec::new().with_name("data_1").validate().unwrap();
        for name in ["", "a", "_a", "a/b", "a b"] {
            let error = VolumeSpec::new().with_name(name).validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid name: {name:?}")), "{error}");
        }
        let map = |key: &str| BTreeMap::from([(key.to_owned(), String::new())]);
        let fields = [
            VolumeSpec { driver: Some(String::new()), ..VolumeSpec::new() },
            VolumeSpec { options: map(""), ..VolumeSpec::new() },
            VolumeSpec { labels: map("castoff.x"), ..VolumeSpec::new() },
        ];
        for (spec, field) in fields.iter().zip(["driver", "options", "labels"]) {
            let error = spec.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid {field}: ")), "{error}");
        }
    }
}
