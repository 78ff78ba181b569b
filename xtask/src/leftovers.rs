//! The check after every run: the engine has no resources of castoff's, and no guardian lives.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::endpoint::{Endpoint, strings};

/// The query `{"label":["castoff.session"]}`, encoded; images have another one.
const FILTER: &str = "filters=%7B%22label%22%3A%5B%22castoff.session%22%5D%7D";
const IMAGE_FILTER: &str = "filters=%7B%22label%22%3A%5B%22castoff.image.session%22%5D%7D";
/// The name of the process that removes the leftovers of a killed test.
const GUARDIAN: &str = "castoff-guard";
/// Limit for removals after the tests' processes have ended.
const LIMIT: Duration = Duration::from_secs(15);
/// Limit for guardians. One whose engine is gone, like fake ones, waits a minute for its return;
/// one whose process was killed within a create call looks two minutes for the result.
const GUARDIAN_LIMIT: Duration = Duration::from_secs(150);

/// Waits until nothing is left. Fails with a list otherwise.
pub(crate) fn check(engine: &Endpoint) -> Outcome {
    let began = Instant::now();
    loop {
        let mut left = resources(engine)?;
        let limit = if left.is_empty() { GUARDIAN_LIMIT } else { LIMIT };
        left.extend(guardians());
        if left.is_empty() {
            println!("nothing is left on {engine}");
            return Ok(());
        }
        if began.elapsed() > limit {
            return Err(format!("left on {engine}:\n  {}", left.join("\n  ")));
        }
        thread::sleep(Duration::from_millis(250));
    }
}

fn resources(engine: &Endpoint) -> Outcome<Vec<String>> {
    let kinds = [
        ("container", "/containers/json?all=1&", "Id"),
        ("network", "/networks?", "Id"),
        ("volume", "/volumes?", "Name"),
        ("image", "/images/json?all=0&", "Id"),
    ];
    let mut left = Vec::new();
    for (kind, path, key) in kinds {
        let (filter, label, named) = match kind {
            "image" => (IMAGE_FILTER, "castoff.image.session", "castoff.image.resource"),
            _ => (FILTER, "castoff.session", "Name"),
        };
        let body = engine.get(&format!("{path}{filter}"))?;
        let names = strings(&body, named);
        let sessions = strings(&body, label);
        for (index, id) in strings(&body, key).iter().enumerate() {
            let name = names.get(index).filter(|name| *name != id && !name.is_empty());
            let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
            let session = sessions.get(index).map_or("?", String::as_str);
            left.push(format!("{kind} {id}{name} of session {session}"));
        }
    }
    Ok(left)
}

fn guardians() -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let guardians = processes.filter(|process| {
        let name = fs::read_to_string(process.path().join("comm"));
        // A zombie of another process holds nothing.
        let status = fs::read_to_string(process.path().join("status")).unwrap_or_default();
        name.is_ok_and(|name| name.trim() == GUARDIAN) && !status.contains("State:\tZ")
    });
    guardians.map(|process| format!("process {GUARDIAN} {:?}", process.file_name())).collect()
}
