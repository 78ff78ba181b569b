//! Checks that several specs share.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// Returns whether a text is a name for the engine: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub(super) fn is_name(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// Refuses a NUL byte in any text of the spec, with the field's name. The engine would cut the text
/// there, or fail with an error that names no field.
pub(super) fn refuse_nul(spec: &impl Serialize) -> Result<()> {
    match serde_json::to_value(spec) {
        Ok(value) => walk("", &value),
        Err(error) => Err(Error::invalid("spec", error.to_string())),
    }
}

fn walk(field: &str, value: &Value) -> Result<()> {
    let inside = |key: &str| match (field, key) {
        ("", key) => key.to_owned(),
        (field, key) => format!("{field}.{}", key.escape_debug()),
    };
    match value {
        // The value of a variable may be a secret, so the error has only the variable's name.
        Value::String(text) if text.contains('\0') && field.starts_with("env.") => {
            Err(Error::invalid(field, "the value contains a NUL byte"))
        }
        Value::String(text) if text.contains('\0') => {
            Err(Error::invalid(field, format!("{text:?} contains a NUL byte")))
        }
        Value::Array(items) => items.iter().try_for_each(|item| walk(field, item)),
        Value::Object(entries) => entries.iter().try_for_each(|(key, item)| {
            if key.contains('\0') {
                return Err(Error::invalid(field, format!("key {key:?} contains a NUL byte")));
            }
            walk(&inside(key), item)
        }),
        _ => Ok(()),
    }
}

/// Refuses a number that does not fit the engine's signed 64-bit numbers.
pub(super) fn fits_i64(field: &str, value: Option<u64>) -> Result<()> {
    match value {
        Some(value) if i64::try_from(value).is_err() => {
            Err(Error::invalid(field, format!("{value} does not fit 63 bits")))
        }
        _ => Ok(()),
    }
}

/// Returns whether a duration fits the engine's signed 64-bit nanoseconds, 292 years.
pub(super) fn fits_nanoseconds(duration: Duration) -> bool {
    i64::try_from(duration.as_nanos()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn names() {
        assert!(is_name("a1") && is_name("0_.-"));
        assert!(!is_name("") && !is_name("a") && !is_name("_a") && !is_name("a b"));
    }

    #[test]
    fn nul_is_found_anywhere_and_secrets_stay_out() {
        let nested = BTreeMap::from([("env", BTreeMap::from([("KEY", "sec\0ret")]))]);
        let error = refuse_nul(&nested).unwrap_err().to_string();
        assert_eq!(error, "invalid env.KEY: the value contains a NUL byte");
        let key = BTreeMap::from([("labels", BTreeMap::from([("a\0", "")]))]);
        assert!(refuse_nul(&key).unwrap_err().to_string().starts_with("invalid labels: "));
        let list = BTreeMap::from([("command", vec!["ok", "a\0b"])]);
        let error = refuse_nul(&list).unwrap_err().to_string();
        assert_eq!(error, "invalid command: \"a\\0b\" contains a NUL byte");
    }

    #[test]
    fn numbers_fit_the_engine() {
        assert!(fits_i64("memory", Some(1)).is_ok() && fits_i64("memory", Some(u64::MAX)).is_err());
        assert!(fits_nanoseconds(Duration::from_secs(1)) && !fits_nanoseconds(Duration::MAX));
    }
}
