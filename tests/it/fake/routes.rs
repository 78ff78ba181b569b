//! The routing of requests, and the answers about the engine as a whole.

use std::sync::Arc;

use serde_json::{Value, json};

use super::containers;
use super::http::{Fault, Request, Response, fault};
use super::images;
use super::nets;
use super::state::{Shared, State};
use super::stream::Feed;
use super::values::merge;

/// The answer to a request.
pub(super) enum Answer {
    Full(Response),
    Feed(Feed),
}

impl From<Result<Response, Fault>> for Answer {
    fn from(result: Result<Response, Fault>) -> Self {
        Self::Full(result.unwrap_or_else(Response::from))
    }
}

impl From<Result<Feed, Fault>> for Answer {
    fn from(result: Result<Feed, Fault>) -> Self {
        result.map_or_else(|fault| Self::Full(fault.into()), Self::Feed)
    }
}

pub(super) type Reply = Result<Response, Fault>;

/// Handles a request.
pub(super) fn route(shared: &Arc<Shared>, request: &Request) -> Answer {
    let path = request.path.trim_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    if let Err(fault) = shared.read(|state| check_version(state, request)) {
        return Answer::Full(fault.into());
    }
    match parts[0] {
        "containers" => containers::route(shared, request, &parts[1..]),
        "exec" => super::exec::route(shared, request, &parts[1..]),
        "images" | "commit" | "build" => images::route(shared, request, &parts),
        "networks" => shared.update(|s| nets::networks(s, request, &parts[1..])).into(),
        "volumes" => shared.update(|s| nets::volumes(s, request, &parts[1..])).into(),
        "events" => shared.read(|s| Feed::events(s, request)).into(),
        _ => shared.read(|s| system(s, request)).into(),
    }
}

pub(super) fn not_found() -> Fault {
    fault(404, "page not found")
}

fn check_version(state: &State, request: &Request) -> Result<(), Fault> {
    let minor = |v: &str| v.split_once('.').and_then(|(_, m)| m.parse::<u32>().ok()).unwrap_or(0);
    let (ours, asked) = (state.api_version(), request.version.as_deref().unwrap_or("1.0"));
    // Docker 29 refuses older versions; a request without a version uses the newest.
    if minor(ours) >= 53 && request.version.is_some() && minor(asked) < 44 {
        let text = format!(
            "client version {asked} is too old. Minimum supported API version is 1.44, please \
             upgrade your client to a newer version"
        );
        return Err(fault(400, text));
    }
    if minor(asked) <= minor(ours) {
        return Ok(());
    }
    let text =
        format!("client version {asked} is too new. Maximum supported API version is {ours}");
    Err(fault(400, text))
}

fn system(state: &State, request: &Request) -> Reply {
    let api = state.api_version();
    match (request.method.as_str(), request.path.as_str()) {
        ("GET" | "HEAD", "/_ping") => Ok(Response {
            status: 200,
            headers: vec![("Content-Type", "text/plain; charset=utf-8".into())],
            body: b"OK".to_vec(),
        }),
        ("GET", "/version") => Ok(Response::json(
            200,
            &json!({
                "Platform": { "Name": "" }, "Version": "20.10.24", "ApiVersion": api,
                "MinAPIVersion": "1.12", "GitCommit": "fa4e1e1", "GoVersion": "go1.19.8",
                "Os": "linux", "Arch": "amd64", "KernelVersion": "6.1.0", "BuildTime": "",
                "Components": [{ "Name": "Engine", "Version": "20.10.24",
                    "Details": { "ApiVersion": api, "Os": "linux", "Arch": "amd64" } }],
            }),
        )),
        ("GET", "/info") => Ok(Response::json(200, &info(state))),
        ("POST", "/auth") => {
            Ok(Response::json(200, &json!({ "Status": "Login Succeeded", "IdentityToken": "" })))
        }
        _ => Err(not_found()),
    }
}

fn info(state: &State) -> Value {
    let running = state.containers.iter().filter(|c| c.is_running()).count();
    let mut info = json!({
        "ID": "FAKE:ENGINE", "Name": "fake", "ServerVersion": "20.10.24", "OSType": "linux",
        "OperatingSystem": "Fake Linux", "Architecture": "x86_64", "Driver": "overlay2",
        "DriverStatus": [["Backing Filesystem", "extfs"]], "NCPU": 2, "MemTotal": 4_294_967_296_u64,
        "CgroupVersion": "2", "CgroupDriver": "systemd", "SecurityOptions": ["name=seccomp"],
        "KernelVersion": "6.1.0", "DockerRootDir": "/var/lib/docker",
        "IndexServerAddress": "https://index.docker.io/v1/",
        "Containers": state.containers.len(), "ContainersRunning": running,
        "Images": state.images.len(), "Labels": [], "Warnings": null,
    });
    merge(&mut info, &Value::Object(state.info.clone()));
    info
}
