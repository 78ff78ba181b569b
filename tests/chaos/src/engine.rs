//! The engine without castoff: what is asserted should not be asked of what is tested.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Outcome;

/// Of everything that a child makes, with the child's name as the value.
pub(crate) const LABEL: &str = "chaos.child";
/// The test image.
pub(crate) const IMAGE: &str = "castoff.test/busybox";

/// Plain HTTP/1.0 requests on the engine's socket.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    socket: String,
}

impl Engine {
    /// The one of `CASTOFF_ENGINE`, which has to be a unix socket.
    pub(crate) fn find() -> Outcome<Engine> {
        let address = std::env::var("CASTOFF_ENGINE").unwrap_or_default();
        let socket = address.strip_prefix("unix://").unwrap_or(&address);
        if socket.starts_with('/') {
            Ok(Engine { socket: socket.to_owned() })
        } else {
            Err("CASTOFF_ENGINE names no unix socket: run `cargo xtask chaos`".into())
        }
    }

    /// Where its socket is.
    pub(crate) fn socket(&self) -> &str {
        &self.socket
    }

    /// Status and body.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Outcome<(u16, Value)> {
        let told = |error: std::io::Error| format!("{method} {path}: {error}");
        let mut stream = UnixStream::connect(&self.socket).map_err(told)?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).map_err(told)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(told)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| format!("{method} {path}: no HTTP answer: {head}"))?;
        Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }

    /// What has a label, as `kind id`. Kinds are asked for in the order in which they go, and not
    /// beyond one that is there: this should not be the load that is measured.
    pub(crate) fn labelled(&self, label: &str) -> Outcome<Vec<String>> {
        let mut found = Vec::new();
        for (kind, path) in [
            ("containers", "/containers/json?all=1&"),
            ("networks", "/networks?"),
            ("volumes", "/volumes?"),
            ("images", "/images/json?all=1&"),
        ] {
            let filter = format!("%7B%22label%22%3A%5B%22{}%22%5D%7D", label.replace('=', "%3D"));
            let body = self.list(kind, &format!("{path}filters={filter}"))?;
            let items = body.get("Volumes").unwrap_or(&body).as_array().cloned();
            for item in items.unwrap_or_default() {
                let id = item["Id"].as_str().or(item["Name"].as_str()).unwrap_or_default();
                found.push(format!("{kind} {id}"));
            }
            if !found.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// Asked again where an image went while the engine looked at all: Docker with the containerd store
    /// answers 404 then, and Podman 500.
    fn list(&self, kind: &str, path: &str) -> Outcome<Value> {
        let mut attempts = 0;
        loop {
            match self.call("GET", path, None)? {
                (200, body) => return Ok(body),
                (404 | 500, _) if kind == "images" && attempts < 10 => {
                    attempts += 1;
                    std::thread::sleep(Duration::from_millis(50));
                }
                (status, body) => return Err(format!("list of {kind}: status {status}: {body}")),
            }
        }
    }

    /// Whether a container runs.
    pub(crate) fn runs(&self, container: &str) -> Outcome<bool> {
        let (_, body) = self.call("GET", &format!("/containers/{container}/json"), None)?;
        Ok(body["State"]["Running"] == true)
    }

    /// A container that castoff knows nothing of.
    pub(crate) fn foreign_container(&self) -> Outcome<Foreign> {
        let name = format!("chaos-foreign-{}", std::process::id());
        let body = json!({ "Image": IMAGE, "Cmd": ["sleep", "36000"] });
        let create = format!("/containers/create?name={name}");
        let (created, answer) = self.call("POST", &create, Some(&body))?;
        let foreign = Foreign { engine: self.clone(), name };
        let start = format!("/containers/{}/start", foreign.name);
        let (started, _) = self.call("POST", &start, None)?;
        if (created, started) == (201, 204) {
            Ok(foreign)
        } else {
            Err(format!("the foreign container does not start: {answer}"))
        }
    }
}

/// It goes with this value, and not before.
pub(crate) struct Foreign {
    engine: Engine,
    name: String,
}

impl Foreign {
    pub(crate) fn check(&self) -> Outcome {
        if self.engine.runs(&self.name)? {
            Ok(())
        } else {
            Err("a foreign container was touched".into())
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let path = format!("/containers/{}?force=1&v=1", self.name);
        if let Err(error) = self.engine.call("DELETE", &path, None) {
            eprintln!("{error}");
        }
    }
}
