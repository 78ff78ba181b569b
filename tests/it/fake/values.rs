//! Names, labels and times in Docker's form.

use std::collections::BTreeMap;

use serde_json::Value;

pub(super) type Labels = BTreeMap<String, String>;

/// Returns the canonical form: both `redis` and `docker.io/library/redis:latest` become
/// `redis:latest`.
pub(super) fn canonical(name: &str) -> String {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("index.docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let tag_at = |name: &str| {
        let slash = name.rfind('/').map_or(0, |at| at + 1);
        name[slash..].find(':').map(|at| slash + at)
    };
    if let Some((name, digest)) = name.split_once('@') {
        let name = tag_at(name).map_or(name, |at| &name[..at]);
        return format!("{name}@{digest}");
    }
    if tag_at(name).is_some() { name.to_owned() } else { format!("{name}:latest") }
}

pub(super) fn labels(value: &Value) -> Labels {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(k, v)| (k.clone(), v.as_str().unwrap_or("").to_owned())).collect()
}

/// Merges `over` into `base`, field by field; `null` changes nothing.
pub(super) fn merge(base: &mut Value, over: &Value) {
    let (Some(base), Some(over)) = (base.as_object_mut(), over.as_object()) else { return };
    for (key, value) in over.iter().filter(|(_, v)| !v.is_null()) {
        base.insert(key.clone(), value.clone());
    }
}

/// Returns whether labels match filters of the form `key` and `key=value`.
pub(super) fn labels_match(labels: &Labels, wanted: Option<&Vec<String>>) -> bool {
    wanted.into_iter().flatten().all(|wanted| match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|v| v == value),
        None => labels.contains_key(wanted),
    })
}

/// Writes nanoseconds since 1970 as `2026-11-23T12:55:00.000000000Z`; 0 is Docker's "never".
pub(super) fn rfc3339(nanos: i64) -> String {
    if nanos == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    let (secs, nanos) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    let (days, rest) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}
