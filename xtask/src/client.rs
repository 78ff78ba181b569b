//! The command-line client that builds and moves images: `docker`, or `podman --url`.

use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::apt;
use crate::command::{command, find, logged, output};
use crate::endpoint::Endpoint;

/// A client of one engine. Both kinds support the verbs that xtask uses.
#[derive(Debug)]
pub(crate) struct Client {
    engine: Endpoint,
    podman: bool,
}

impl Client {
    /// Returns the client for an engine; installs one if there is none.
    pub(crate) fn of(engine: &Endpoint) -> Outcome<Self> {
        let docker = || Self { engine: engine.clone(), podman: false };
        if find("docker").is_some() {
            return Ok(docker());
        }
        if engine.is_podman() && find("podman").is_some() {
            return Ok(Self { engine: engine.clone(), podman: true });
        }
        if !apt::available() {
            return Err("no docker client is installed; it is needed to build the images".into());
        }
        apt::install(&[if apt::has("docker-cli") { "docker-cli" } else { "docker.io" }])?;
        Ok(docker())
    }

    /// Returns a command of the client. The classic builder needs no plugin.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut client = command(if self.podman { "podman" } else { "docker" });
        if self.podman {
            client.args(["--url", self.engine.address()]);
        } else {
            client.env("DOCKER_HOST", self.engine.address()).env_remove("DOCKER_CONTEXT");
            client.env("DOCKER_BUILDKIT", "0");
        }
        client.args(args);
        client
    }

    /// Runs a command silently. Returns its standard output.
    pub(crate) fn output(&self, args: &[&str]) -> Outcome<String> {
        output(self.command(args))
    }

    /// Runs a command with output to a log, within a time limit.
    pub(crate) fn logged(&self, args: &[&str], log: &str, limit: Duration) -> Outcome {
        logged(self.command(args), log, limit)
    }

    /// Returns the id of a local image.
    pub(crate) fn image_id(&self, reference: &str) -> Option<String> {
        let id = self.output(&["image", "inspect", "--format", "{{.Id}}", reference]).ok()?;
        Some(id.trim().to_owned())
    }

    /// Returns a label of a local image.
    pub(crate) fn image_label(&self, reference: &str, label: &str) -> Option<String> {
        let format = format!("{{{{index .Config.Labels {label:?}}}}}");
        let text = self.output(&["image", "inspect", "--format", &format, reference]).ok()?;
        Some(text.trim().to_owned())
    }
}
