//! Reads the text of a `HEALTHCHECK`.

use std::time::Duration;

use super::Command;
use super::flags::Flags;
use super::lines::keyword;
use super::read::{Read, command};
use crate::spec::Healthcheck;

pub(super) fn read(flags: &mut Flags, rest: &str) -> Read<Healthcheck> {
    let (kind, command_text) = keyword(rest);
    let mut check = match kind.to_ascii_uppercase().as_str() {
        "NONE" if command_text.is_empty() => return Ok(Healthcheck::disabled()),
        "NONE" => return Err("NONE takes no command".into()),
        "CMD" => match command(command_text)? {
            Command::Shell(line) if line.is_empty() => {
                return Err("CMD takes a command".into());
            }
            Command::Shell(line) => Healthcheck::shell(line),
            Command::Exec(words) if words.is_empty() => {
                return Err("CMD takes a command".into());
            }
            Command::Exec(words) => Healthcheck::command(words),
        },
        _ => return Err("it takes NONE, or CMD with a command".into()),
    };
    let mut duration = |name: &str| -> Read<Option<Duration>> {
        match flags.text(name)? {
            // An empty value stands for the default, like no flag at all.
            Some(text) if text.is_empty() => Ok(None),
            Some(text) => match go_duration(&text) {
                Some(time) if time.is_zero() || time >= Duration::from_millis(1) => Ok(Some(time)),
                Some(_) => Err(format!("--{name} is less than a millisecond").into()),
                None => Err(format!("`{text}` is no duration").into()),
            },
            None => Ok(None),
        }
    };
    check.interval = duration("interval")?;
    check.timeout = duration("timeout")?;
    check.start_period = duration("start-period")?;
    check.start_interval = duration("start-interval")?;
    if let Some(text) = flags.text("retries")?.filter(|text| !text.is_empty()) {
        check.retries = Some(text.parse().map_err(|_| format!("`{text}` is no number"))?);
    }
    Ok(check)
}

/// Reads a duration as Go does: `1m30s`, `1.5h`, `300ms`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|char: char| !(char.is_ascii_digit() || char == '.'))?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end =
            rest.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(rest.len());
        seconds += number
            * match &rest[..end] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[end..];
    }
    // Rounded, as `0.3` is a little less than three tenths.
    let nanos = (seconds * 1e9).round();
    (nanos < 9.2e18).then(|| Duration::from_nanos(nanos as u64))
}
