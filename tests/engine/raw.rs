//! The engine's API without castoff: an assertion should not depend on the code under test.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use castoff::Engine;
use serde_json::{Value, json};

/// Plain HTTP/1.0 requests on the engine's socket. They block for milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    socket: PathBuf,
}

/// The kinds of resources, by the engine's paths for them.
pub(crate) const KINDS: [&str; 3] = ["containers", "networks", "volumes"];

impl Raw {
    pub(crate) fn of(engine: &Engine) -> Raw {
        let socket = engine.endpoint().socket().expect("these tests need a unix socket");
        Raw { socket: socket.to_owned() }
    }

    pub(crate) fn at(socket: PathBuf) -> Raw {
        Raw { socket }
    }

    /// Sends a request. Returns the status and the body, as a string unless it is JSON.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(method, path, "application/json", body.as_bytes())
    }

    /// Sends the same with a body of any type.
    pub(crate) fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, Value) {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok());
        let body = serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()));
        (status.unwrap_or_else(|| panic!("no HTTP answer: {head}")), body)
    }

    /// Inspects a resource such as `containers/NAME`; `None` if it does not exist.
    pub(crate) fn inspect(&self, what: &str) -> Option<Value> {
        let path = match what.split_once('/') {
            Some(("containers" | "images", _)) => format!("/{what}/json"),
            _ => format!("/{what}"),
        };
        match self.call("GET", &path, None) {
            (200, body) => Some(body),
            (404, _) => None,
            // Docker for an image that is removed meanwhile, and Podman for a container.
            (500, body) if body.to_string().contains("layer does not exist") => None,
            (500, body) if body.to_string().contains("no such container") => None,
            (500, body) if body.to_string().contains("image not known") => None,
            // Podman for an unknown image id.
            (500, body) if body.to_string().contains("64-byte hexadecimal") => None,
            other => panic!("inspect of {what}: {other:?}"),
        }
    }

    /// Returns the ids (for volumes, the names) of resources with a label.
    pub(crate) fn labelled(&self, kind: &str, label: &str) -> Vec<String> {
        let filters = json!({ "label": [label] }).to_string();
        let filters: String = form_urlencoded::byte_serialize(filters.as_bytes()).collect();
        let body = self.listed(&format!("/{kind}{}filters={filters}", list(kind)));
        let found = body.get("Volumes").unwrap_or(&body).as_array().cloned().unwrap_or_default();
        let name = |item: &Value| item["Id"].as_str().or(item["Name"].as_str()).map(str::to_owned);
        found.iter().filter_map(name).collect()
    }

    /// Returns a list. Podman and containerd stores fail if an image is removed meanwhile.
    pub(crate) fn listed(&self, path: &str) -> Value {
        let mut answer = (0, Value::Null);
        for _ in 0..20 {
            answer = self.call("GET", path, None);
            if answer.0 == 200 {
                return answer.1;
            }
        }
        panic!("GET {path}: {answer:?}");
    }

    /// Returns the number of containers, networks and volumes with a label.
    pub(crate) fn count(&self, label: &str) -> usize {
        KINDS.iter().map(|kind| self.labelled(kind, label).len()).sum()
    }

    /// Waits until no resource has the label. Returns the time that took.
    pub(crate) fn until_none(&self, label: &str, limit: Duration) -> Duration {
        let began = Instant::now();
        loop {
            let left = self.count(label);
            if left == 0 {
                return began.elapsed();
            }
            assert!(began.elapsed() < limit, "{left} left with {label} after {limit:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Panics unless a resource is gone within a generous bound.
    pub(crate) fn until_gone(&self, what: &str) {
        let began = Instant::now();
        while self.inspect(what).is_some() {
            assert!(began.elapsed() < super::support::PATIENCE, "{what} is still there");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Removes a resource such as `containers/NAME` and returns whether it existed.
    pub(crate) fn remove(&self, what: &str) -> bool {
        self.call("DELETE", &format!("/{what}?force=true&v=true"), None).0 < 300
    }

    /// Creates a container that castoff does not know, removed with the handle.
    pub(crate) fn foreign_container(&self, name: &str) -> Foreign {
        self.foreign_container_of(super::support::BUSYBOX, name)
    }

    /// Creates the same from another image.
    pub(crate) fn foreign_container_of(&self, image: &str, name: &str) -> Foreign {
        let image = image.trim_start_matches("images/");
        let body = json!({ "Image": image, "Cmd": ["sleep", "3600"] });
        let path = format!("/containers/create?name={name}");
        let (status, answer) = self.call("POST", &path, Some(&body));
        assert_eq!(status, 201, "{answer}");
        let (status, answer) = self.call("POST", &format!("/containers/{name}/start"), None);
        assert_eq!(status, 204, "{answer}");
        Foreign { raw: self.clone(), what: format!("containers/{name}") }
    }

    /// Creates a volume that castoff does not know, removed with the handle.
    pub(crate) fn foreign_volume(&self, name: &str) -> Foreign {
        let (status, answer) = self.call("POST", "/volumes/create", Some(&json!({ "Name": name })));
        assert_eq!(status, 201, "{answer}");
        Foreign { raw: self.clone(), what: format!("volumes/{name}") }
    }

    /// Creates a network that castoff does not know, removed with the handle.
    pub(crate) fn foreign_network(&self, name: &str) -> Foreign {
        let body = json!({ "Name": name, "CheckDuplicate": true });
        let (status, answer) = self.call("POST", "/networks/create", Some(&body));
        assert_eq!(status, 201, "{answer}");
        Foreign { raw: self.clone(), what: format!("networks/{name}") }
    }
}

/// A resource on the engine that castoff must not remove.
#[derive(Debug)]
pub(crate) struct Foreign {
    raw: Raw,
    what: String,
}

impl Foreign {
    /// Takes over a kept resource, to remove it in the end.
    pub(crate) fn adopt(raw: &Raw, what: String) -> Foreign {
        Foreign { raw: raw.clone(), what }
    }

    /// Returns the name or id.
    pub(crate) fn name(&self) -> &str {
        self.what.split_once('/').map_or("", |(_, name)| name)
    }

    pub(crate) fn exists(&self) -> bool {
        self.raw.inspect(&self.what).is_some()
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.raw.remove(&self.what);
    }
}

fn list(kind: &str) -> &'static str {
    if kind == "containers" || kind == "images" { "/json?all=true&" } else { "?" }
}
