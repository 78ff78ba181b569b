//! [`Platform`]: operating system and architecture of an image.

use std::fmt;
use std::str::FromStr;

use super::as_text;
use crate::error::{Error, Result};

/// A platform such as `linux/arm64/v8` (Engine API v1.41, ContainerCreate, `platform`).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// The operating system, in Go's spelling: `linux`, `windows`.
    pub os: String,
    /// The architecture, in Go's spelling: `amd64`, `arm64`.
    pub architecture: String,
    /// The architecture's variant, such as `v8`; `None` by default.
    pub variant: Option<String>,
}

impl Platform {
    /// A platform without a variant; [`FromStr`] also checks and normalizes.
    #[must_use]
    pub fn new(os: impl Into<String>, architecture: impl Into<String>) -> Platform {
        Platform { os: os.into(), architecture: architecture.into(), variant: None }
    }

    /// Sets the variant, such as `v8`.
    #[must_use]
    pub fn with_variant(mut self, variant: impl Into<String>) -> Platform {
        self.variant = Some(variant.into());
        self
    }

    /// Returns whether this platform meets a request. Variants are compared only if both have one.
    pub(crate) fn fits(&self, asked: &Platform) -> bool {
        let variants = self.variant.as_ref().zip(asked.variant.as_ref());
        self.os == asked.os
            && self.architecture == asked.architecture
            && variants.is_none_or(|(own, asked)| own == asked)
    }

    /// Checks the spelling of the parts.
    ///
    /// # Errors
    ///
    /// Names the field `platform` and the value if a part is empty or has characters other than
    /// letters, digits, `_`, `.` and `-`.
    pub fn validate(&self) -> Result<()> {
        let good = |part: &String| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        };
        if good(&self.os) && good(&self.architecture) && self.variant.as_ref().is_none_or(good) {
            return Ok(());
        }
        Err(refused(&self.to_string()))
    }
}

/// Writes the engine's form: `linux/arm64/v8`.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// Parses `os/architecture` with an optional variant, in any case; the kernel's names `x86_64` and
/// `aarch64` become Go's.
impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Platform> {
        let lower = text.to_ascii_lowercase();
        let mut parts = lower.split('/');
        let (Some(os), Some(architecture), variant, None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refused(text));
        };
        let architecture = match architecture {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let mut platform = Platform::new(os, architecture);
        platform.variant = variant.map(str::to_owned);
        platform.validate().map_err(|_| refused(text))?;
        Ok(platform)
    }
}

as_text!(Platform);

mod sealed {
    pub trait Sealed {}
}

/// What names a platform: text such as `"linux/arm64"`, or a [`Platform`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a platform",
    label = "expected text such as \"linux/arm64\", or a `Platform`"
)]
pub trait IntoPlatform: sealed::Sealed {
    /// The platform.
    ///
    /// # Errors
    ///
    /// Names the field `platform` and the value when it is none.
    fn into_platform(self) -> Result<Platform>;
}

impl sealed::Sealed for &str {}
impl IntoPlatform for &str {
    fn into_platform(self) -> Result<Platform> {
        self.parse()
    }
}

impl sealed::Sealed for String {}
impl IntoPlatform for String {
    fn into_platform(self) -> Result<Platform> {
        self.parse()
    }
}

impl sealed::Sealed for &String {}
impl IntoPlatform for &String {
    fn into_platform(self) -> Result<Platform> {
        self.parse()
    }
}

impl sealed::Sealed for Platform {}
impl IntoPlatform for Platform {
    fn into_platform(self) -> Result<Platform> {
        self.validate()?;
        Ok(self)
    }
}

impl sealed::Sealed for &Platform {}
impl IntoPlatform for &Platform {
    fn into_platform(self) -> Result<Platform> {
        self.clone().into_platform()
    }
}

fn refused(text: &str) -> Error {
    Error::invalid("platform", format!("{text:?} is not like linux/amd64 or linux/arm64/v8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_normalizes() {
        for (text, shown) in [
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64/v8"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), shown);
        }
        let built = Platform::new("linux", "arm").with_variant("v7");
        assert_eq!(built, "linux/arm/v7".parse().unwrap());
    }

    #[test]
    fn everything_that_names_a_platform() {
        let arm = Platform::new("linux", "arm64");
        let named = |platform: Result<Platform>| platform.unwrap() == arm;
        assert!(named("linux/aarch64".into_platform()));
        assert!(named(String::from("linux/arm64").into_platform()));
        assert!(named((&arm).into_platform()) && named(arm.clone().into_platform()));
        assert!(Platform::new("linux", "").into_platform().is_err());
    }

    #[test]
    fn variants_count_where_both_have_one() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        let fits = |own: &str, asked: &str| platform(own).fits(&platform(asked));
        assert!(fits("linux/arm64/v8", "linux/arm64"));
        assert!(fits("linux/amd64", "linux/amd64"));
        assert!(!fits("linux/amd64", "linux/arm64"));
        assert!(!fits("linux/arm/v6", "linux/arm/v7"));
    }

    #[test]
    fn errors_name_field_and_value() {
        for text in ["", "linux", "linux/", "/amd64", "linux/arm/", "a/b/c/d", "linux/a b"] {
            let error = text.parse::<Platform>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid platform: {text:?}")), "{error}");
        }
        assert!(Platform::new("", "amd64").validate().is_err());
    }

    proptest! {
        #[test]
        fn what_parses_round_trips(text in "\\PC{0,20}|[a-z0-9/]{0,12}") {
            if let Ok(platform) = text.parse::<Platform>() {
                prop_assert_eq!(platform.to_string().parse::<Platform>().unwrap(), platform);
            }
        }
    }
}
