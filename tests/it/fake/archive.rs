//! Archives that are put into containers and taken out again.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::containers::find;
use super::http::{Request, Response, fault};
use super::routes::{Reply, not_found};
use super::state::State;

pub(super) fn put(state: &mut State, request: &Request, id: &str) -> Reply {
    let id = find(state, id)?;
    let path = trim(request.get("path"));
    if let Some(container) = state.container_mut(&id) {
        container.archives.push((path, request.raw.clone()));
    }
    Ok(Response::empty(200))
}

pub(super) fn get(state: &mut State, request: &Request, id: &str) -> Reply {
    let id = find(state, id)?;
    let path = trim(request.get("path"));
    let Some(container) = state.container(&id) else { return Err(not_found()) };
    let mut newest = container.archives.iter().rev();
    let found = newest.find_map(|(at, tar)| taken_out(at, tar, &path));
    let (is_dir, size, body) = found.ok_or_else(|| {
        let text = format!("Could not find the file {path} in container {id}");
        fault(404, text)
    })?;
    let mode: u32 = if is_dir { 0o755 | 1 << 31 } else { 0o644 };
    let name = path.rsplit('/').next().unwrap_or("");
    let stat = json!({ "name": name, "size": size, "mode": mode,
        "mtime": "2026-01-01T00:00:00Z", "linkTarget": "" });
    let headers = vec![
        ("Content-Type", "application/x-tar".to_owned()),
        ("X-Docker-Container-Path-Stat", STANDARD.encode(stat.to_string())),
    ];
    Ok(Response { status: 200, headers, body })
}

fn trim(path: &str) -> String {
    let path = path.trim_end_matches('/');
    if path.is_empty() { "/".to_owned() } else { path.to_owned() }
}

/// Returns the archive itself if it was put at this very path, or else its entry of that path.
fn taken_out(at: &str, tar: &Arc<Vec<u8>>, path: &str) -> Option<(bool, u64, Vec<u8>)> {
    if at == path {
        return Some((true, 4096, tar.to_vec()));
    }
    let mut rest = &tar[..];
    while rest.len() >= 512 && rest[0] != 0 {
        let text = |range: std::ops::Range<usize>| {
            let field = &rest[range];
            let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).trim().to_owned()
        };
        let size = u64::from_str_radix(&text(124..136), 8).ok()?;
        let blocks = usize::try_from(size.div_ceil(512)).ok()?;
        let end = 512 + blocks * 512;
        let name = text(0..100);
        let name = name.trim_start_matches("./").trim_matches('/').to_owned();
        let full = format!("{}/{name}", at.trim_end_matches('/'));
        if full == path {
            let mut out = rest.get(..end)?.to_vec();
            out.resize(end + 1024, 0);
            return Some((rest[156] == b'5', size, out));
        }
        rest = rest.get(end..)?;
    }
    None
}
