//! The engine's timestamps (RFC 3339) as points in time, and as seconds since 1970 for its `since`
//! parameters.

use std::time::{Duration, SystemTime};

/// Reads `2026-11-23T12:55:50.123456789Z` as `(seconds, nanoseconds)` since 1970. Returns `None`
/// for anything else, including the engine's "never" (year 1).
pub(super) fn unix_time(text: &str) -> Option<(i64, u32)> {
    let (date, rest) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let zone_at = rest.find(['Z', '+', '-'])?;
    let (time, zone) = rest.split_at(zone_at);
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut time = time.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some((seconds - zone_offset(zone)?, nanos))
}

/// The same as a point in time.
pub(super) fn system_time(text: &str) -> Option<SystemTime> {
    let (seconds, nanos) = unix_time(text)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(u64::try_from(seconds).ok()?, nanos))
}

/// Converts a civil date to days, with years that begin on the first of March so that the leap day
/// is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

fn zone_offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let offset = hours.parse::<i64>().ok()? * 3_600 + minutes.parse::<i64>().ok()? * 60;
    Some(if zone.starts_with('-') { -offset } else { offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        assert_eq!(unix_time("1970-01-01T00:00:00Z"), Some((0, 0)));
        assert_eq!(unix_time("2000-02-29T12:00:00.5Z"), Some((951_825_600, 500_000_000)));
        assert_eq!(unix_time("2026-11-23T12:55:50.123456789Z"), Some((1_795_438_550, 123_456_789)));
        assert_eq!(unix_time("2026-11-23T13:55:50+01:00"), Some((1_795_438_550, 0)));
    }

    #[test]
    fn points_in_time() {
        let soon = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        assert_eq!(system_time("1970-01-01T00:00:01.5Z"), Some(soon));
        assert_eq!(system_time("0001-01-01T00:00:00Z"), None);
        assert_eq!(system_time("1970-01-01T00:00:00+01:00"), None, "before 1970");
    }

    #[test]
    fn never_and_nonsense_are_none() {
        for text in ["0001-01-01T00:00:00Z", "", "2026-11-23", "2026-13-01T00:00:00Z", "T", "é-TZ"]
        {
            assert_eq!(unix_time(text), None, "{text}");
        }
    }
}
