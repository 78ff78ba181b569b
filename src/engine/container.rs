//! Containers: the pure lowering from a [`ContainerSpec`] to the create body, and the calls.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use bollard::models::{
    ContainerConfig, ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HealthConfig,
    HostConfig, Mount as MountBody, MountType, NetworkingConfig, PortBinding, ResourcesUlimits,
    RestartPolicy as RestartBody, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, CreateContainerOptionsBuilder, KillContainerOptionsBuilder,
    RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, RestartContainerOptionsBuilder,
    StopContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use tokio::io::AsyncWrite;

use super::exec::until_reset;
use super::failure::{convert, lift};
use super::frames::Frames;
use super::reach::Reach;
use super::{ApiVersion, Client, ContainerDetails, FrameStream};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{
    Attachment, ContainerSpec, HealthTest, Healthcheck, HostBinding, Mount, MountKind,
    RestartPolicy,
};

/// Pauses between inspections of a Podman container that is about to end, in milliseconds: see
/// [`may_be_ending`].
const STOPPED_PAUSES: [u64; 10] = [5, 10, 20, 50, 100, 200, 400, 800, 1_600, 3_200];

/// The body of the engine's create call, bollard's type: what `ContainerBuilder::with_raw` hands to
/// its closure.
#[cfg(feature = "unstable-bollard")]
pub type CreateBody = ContainerCreateBody;
#[cfg(not(feature = "unstable-bollard"))]
pub(crate) type CreateBody = ContainerCreateBody;

/// The request to create a container.
#[derive(Clone, Debug)]
pub(crate) struct Creation {
    pub(crate) name: String,
    pub(crate) platform: Option<String>,
    pub(crate) body: CreateBody,
    /// Networks that must be joined by calls of their own before the start.
    pub(crate) later: Vec<Attachment>,
}

impl Creation {
    /// Sends these labels along with each mount of a volume. An engine that no longer has a volume of
    /// that name makes one for the container, and it then has an owner as well (`VolumeOptions.Labels`
    /// of the Engine API; ignored where the volume exists).
    pub(crate) fn label_volume(&mut self, name: &str, labels: &[(String, String)]) {
        let mounts = self.body.host_config.iter_mut().flat_map(|host| host.mounts.iter_mut());
        for mount in mounts.flatten() {
            if mount.typ == Some(MountType::VOLUME) && mount.source.as_deref() == Some(name) {
                let options = mount.volume_options.get_or_insert_default();
                options.labels.get_or_insert_default().extend(labels.iter().cloned());
            }
        }
    }
}

/// Translates a checked spec into a request. Pure: the same input gives the same output.
///
/// Engines below API 1.44 take one network in the create call; the others are left in
/// [`Creation::later`].
pub(crate) fn lower(
    spec: &ContainerSpec,
    name: &str,
    image: &str,
    labels: &[(String, String)],
    reach: Reach,
    api: ApiVersion,
) -> Creation {
    let at_create = if api >= ApiVersion::new(1, 44) { spec.networks.len() } else { 1 };
    let (first, later) = spec.networks.split_at(at_create.min(spec.networks.len()));
    let mut all_labels: HashMap<_, _> =
        spec.labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    all_labels.extend(labels.iter().cloned());
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        hostname: spec.hostname.clone(),
        user: spec.user.clone(),
        working_dir: spec.working_dir.clone(),
        env: some_list(spec.env.iter().map(|(key, value)| format!("{key}={value}"))),
        cmd: spec.command.clone(),
        entrypoint: spec.entrypoint.clone(),
        tty: spec.tty.then_some(true),
        exposed_ports: some_list(spec.ports.keys().map(ToString::to_string)),
        labels: Some(all_labels),
        stop_signal: spec.stop_signal.clone(),
        stop_timeout: spec.stop_timeout.map(whole_seconds),
        healthcheck: spec.healthcheck.as_ref().map(|check| healthcheck(check, api)),
        networking_config: (!first.is_empty()).then(|| NetworkingConfig {
            endpoints_config: Some(
                first.iter().map(|a| (a.network.clone(), endpoint_settings(a, name))).collect(),
            ),
        }),
        host_config: Some(host_config(spec, reach)),
        ..ContainerCreateBody::default()
    };
    Creation {
        name: name.to_owned(),
        platform: spec.platform.as_ref().map(ToString::to_string),
        body,
        later: later.to_vec(),
    }
}

fn host_config(spec: &ContainerSpec, reach: Reach) -> HostConfig {
    let resources = &spec.resources;
    let network_mode = spec
        .network_mode
        .as_ref()
        .map(ToString::to_string)
        .or_else(|| spec.networks.first().map(|first| first.network.clone()));
    HostConfig {
        memory: resources.memory.map(signed),
        memory_swap: resources.memory_swap,
        nano_cpus: resources.nano_cpus.map(signed),
        pids_limit: resources.pids_limit,
        shm_size: resources.shm_size.map(signed),
        ulimits: some_list(resources.ulimits.iter().map(|limit| ResourcesUlimits {
            name: Some(limit.name.clone()),
            soft: Some(limit.soft),
            hard: Some(limit.hard),
        })),
        network_mode,
        // Never absent: Docker 29 cuts the connection at start without it.
        port_bindings: Some(
            spec.ports
                .iter()
                .map(|(p, b)| (p.to_string(), Some(vec![binding(b, reach)])))
                .collect(),
        ),
        mounts: some_list(spec.mounts.iter().filter_map(mount)),
        tmpfs: some_map(spec.mounts.iter().filter_map(tmpfs)),
        restart_policy: restart_policy(spec.restart),
        cap_add: some_list(spec.cap_add.iter().cloned()),
        cap_drop: some_list(spec.cap_drop.iter().cloned()),
        security_opt: some_list(spec.security_options.iter().cloned()),
        privileged: spec.privileged.then_some(true),
        init: spec.init.then_some(true),
        readonly_rootfs: spec.read_only.then_some(true),
        dns: some_list(spec.dns.iter().map(ToString::to_string)),
        extra_hosts: some_list(spec.extra_hosts.iter().map(|(host, ip)| format!("{host}:{ip}"))),
        sysctls: some_map(spec.sysctls.iter().map(|(k, v)| (k.clone(), v.clone()))),
        ..HostConfig::default()
    }
}

/// Binds a port to loopback by default, or to the address that is reachable from here if loopback
/// is not.
fn binding(binding: &HostBinding, reach: Reach) -> PortBinding {
    let ip =
        if binding.ip.is_loopback() && !reach.bind.is_loopback() { reach.bind } else { binding.ip };
    PortBinding {
        host_ip: Some(ip.to_string()),
        host_port: Some(binding.port.map(|port| port.to_string()).unwrap_or_default()),
    }
}

fn mount(mount: &Mount) -> Option<MountBody> {
    let (typ, source) = match &mount.kind {
        MountKind::Bind { source } => (MountType::BIND, source.to_string_lossy().into_owned()),
        MountKind::Volume { name } => (MountType::VOLUME, name.clone()),
        _ => return None,
    };
    Some(MountBody {
        target: Some(mount.target.clone()),
        source: Some(source),
        typ: Some(typ),
        read_only: mount.read_only.then_some(true),
        ..MountBody::default()
    })
}

fn tmpfs(mount: &Mount) -> Option<(String, String)> {
    let MountKind::Tmpfs { size, mode } = &mount.kind else { return None };
    let mut options = Vec::new();
    options.extend(mount.read_only.then(|| "ro".to_owned()));
    options.extend(size.map(|bytes| format!("size={bytes}")));
    options.extend(mode.map(|mode| format!("mode={mode:o}")));
    Some((mount.target.clone(), options.join(",")))
}

fn restart_policy(policy: RestartPolicy) -> Option<RestartBody> {
    let (name, retries) = match policy {
        RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, None),
        RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        RestartPolicy::OnFailure { max_retries } => {
            (RestartPolicyNameEnum::ON_FAILURE, max_retries.map(i64::from))
        }
        RestartPolicy::No => return None,
    };
    Some(RestartBody { name: Some(name), maximum_retry_count: retries })
}

/// Returns whether an engine may restart a container of this body when it ends.
pub(crate) fn may_restart(body: &CreateBody) -> bool {
    let policy = body.host_config.as_ref().and_then(|host| host.restart_policy.as_ref());
    policy.and_then(|policy| policy.name).is_some_and(|name| {
        !matches!(name, RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO)
    })
}

fn healthcheck(check: &Healthcheck, api: ApiVersion) -> HealthConfig {
    let nanos = |d: Option<Duration>| d.map(|d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX));
    let test = match &check.test {
        HealthTest::Exec(argv) => {
            std::iter::once("CMD".to_owned()).chain(argv.iter().cloned()).collect()
        }
        HealthTest::Shell(script) => vec!["CMD-SHELL".to_owned(), script.clone()],
        HealthTest::Disabled => vec!["NONE".to_owned()],
    };
    HealthConfig {
        test: Some(test),
        interval: nanos(check.interval),
        timeout: nanos(check.timeout),
        retries: check.retries.map(i64::from),
        start_period: nanos(check.start_period),
        // Older engines don't know it.
        start_interval: nanos(check.start_interval.filter(|_| api >= ApiVersion::new(1, 44))),
    }
}

/// Networks that every engine has, and that resolve no names.
const WITHOUT_NAMES: [&str; 5] = ["bridge", "default", "host", "none", "podman"];

/// Returns the settings of a container's endpoint in a network. Its name is an alias there too, and
/// stays one if the container is renamed.
pub(super) fn endpoint_settings(attachment: &Attachment, container: &str) -> EndpointSettings {
    let mut aliases = attachment.aliases.clone();
    if !WITHOUT_NAMES.contains(&&*attachment.network) && !aliases.iter().any(|a| a == container) {
        aliases.push(container.to_owned());
    }
    let ipam = attachment.ip.map(|ip| match ip {
        IpAddr::V4(ip) => EndpointIpamConfig {
            ipv4_address: Some(ip.to_string()),
            ..EndpointIpamConfig::default()
        },
        IpAddr::V6(ip) => EndpointIpamConfig {
            ipv6_address: Some(ip.to_string()),
            ..EndpointIpamConfig::default()
        },
    });
    EndpointSettings {
        aliases: some_list(aliases.into_iter()),
        ipam_config: ipam,
        ..EndpointSettings::default()
    }
}

pub(super) fn some_list<T>(items: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let items: Vec<T> = items.collect();
    (!items.is_empty()).then_some(items)
}

pub(super) fn some_map(
    items: impl Iterator<Item = (String, String)>,
) -> Option<HashMap<String, String>> {
    let items: HashMap<_, _> = items.collect();
    (!items.is_empty()).then_some(items)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Returns whole seconds, rounded up, so that a limit never becomes shorter.
pub(super) fn whole_seconds(duration: Duration) -> i64 {
    let up = u64::from(duration.subsec_nanos() > 0);
    signed(duration.as_secs().saturating_add(up))
}

fn seconds32(duration: Duration) -> i32 {
    i32::try_from(whole_seconds(duration)).unwrap_or(i32::MAX)
}

/// Returns whether Podman may have failed because a container was ending: it looks at the process
/// of a container that it considers running, and fails if that ends meanwhile. Until the cleanup,
/// the state is then `stopped`, which the API does not have and bollard can't read.
fn may_be_ending(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Protocol => true,
        ErrorKind::NotFound => false,
        _ => error.status() == Some(500),
    }
}

impl Client {
    /// Creates a container and returns its id. Never pulls.
    pub(crate) async fn create_container(&self, creation: &Creation) -> Result<String> {
        let mut options = CreateContainerOptionsBuilder::new().name(&creation.name);
        if let Some(platform) = &creation.platform {
            options = options.platform(platform);
        }
        self.docker()
            .create_container(Some(options.build()), creation.body.clone())
            .await
            .map(|created| created.id)
            .map_err(lift("create the container"))
    }

    pub(crate) async fn start_container(&self, id: &str) -> Result<()> {
        self.docker().start_container(id, None).await.map_err(lift("start the container"))
    }

    /// Returns whether a container exists and may have processes.
    pub(crate) async fn container_runs(&self, id: &str) -> Result<bool> {
        match self.inspect_container(id).await {
            // A container that is paused or restarting counts as running.
            Ok(found) => Ok(!matches!(found.state.status.as_str(), "exited" | "stopped" | "dead")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn inspect_container(&self, id: &str) -> Result<ContainerDetails> {
        let mut pauses = STOPPED_PAUSES.iter();
        loop {
            let answer = self.docker().inspect_container(id, None).await;
            let error = match answer.map_err(lift("inspect the container")) {
                Ok(answer) => return Ok(ContainerDetails::read(answer, self.reach())),
                Err(error) => error,
            };
            match pauses.next() {
                Some(pause) if self.is_podman() && may_be_ending(&error) => {
                    tokio::time::sleep(Duration::from_millis(*pause)).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// Stops a container. The process has `grace` to end before it is killed, by default 10 s.
    pub(crate) async fn stop_container(&self, id: &str, grace: Option<Duration>) -> Result<()> {
        let mut options = StopContainerOptionsBuilder::new();
        if let Some(grace) = grace.or(self.default_grace()) {
            options = options.t(seconds32(grace));
        }
        self.patient()
            .stop_container(id, Some(options.build()))
            .await
            .map_err(lift("stop the container"))
    }

    pub(crate) async fn restart_container(&self, id: &str, grace: Option<Duration>) -> Result<()> {
        let mut options = RestartContainerOptionsBuilder::new();
        if let Some(grace) = grace.or(self.default_grace()) {
            options = options.t(seconds32(grace));
        }
        self.patient()
            .restart_container(id, Some(options.build()))
            .await
            .map_err(lift("restart the container"))
    }

    /// Returns the grace to send if none is set. Podman takes a missing one for zero, and kills at
    /// once.
    fn default_grace(&self) -> Option<Duration> {
        self.is_podman().then_some(Duration::from_secs(10))
    }

    pub(crate) async fn kill_container(&self, id: &str, signal: &str) -> Result<()> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        self.docker().kill_container(id, Some(options)).await.map_err(lift("signal the container"))
    }

    pub(crate) async fn rename_container(&self, id: &str, name: &str) -> Result<()> {
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        self.docker().rename_container(id, options).await.map_err(lift("rename the container"))
    }

    pub(crate) async fn pause_container(&self, id: &str) -> Result<()> {
        self.docker().pause_container(id).await.map_err(lift("pause the container"))
    }

    pub(crate) async fn unpause_container(&self, id: &str) -> Result<()> {
        self.docker().unpause_container(id).await.map_err(lift("unpause the container"))
    }

    /// Kills and removes a container with its anonymous volumes.
    ///
    /// Podman 5 waits for the container's stop timeout even if removal is forced, 10 s by default
    /// for a process that ignores SIGTERM, unless the container is stopped with a timeout of 0
    /// beforehand.
    pub(crate) async fn remove_container(&self, id: &str) -> Result<()> {
        if self.is_podman() {
            let at_once = StopContainerOptionsBuilder::new().t(0).build();
            // If it does not run or is gone, the removal finds that out.
            let _ = self.patient().stop_container(id, Some(at_once)).await;
        }
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        self.patient()
            .remove_container(id, Some(options))
            .await
            .map_err(lift("remove the container"))
    }

    /// Attaches to a container's streams: before its start, to receive all of its output. The
    /// output arrives unchanged, and ends with the container.
    pub(crate) async fn attach_container(
        &self,
        id: &str,
        stdin: bool,
        tty: bool,
    ) -> Result<(FrameStream, Pin<Box<dyn AsyncWrite + Send>>)> {
        // No keys to detach, as Podman would take them out of the input.
        let path = format!(
            "/containers/{id}/attach?stream=true&stdin={stdin}&stdout=true&stderr=true&detachKeys="
        );
        let attached = self.dialer().raw(&path, None).await;
        let (received, input) = attached.map_err(lift("attach to the container"))?;
        let frames = Frames::new("read the container's output", tty, received);
        Ok((until_reset(frames, stdin), Box::pin(input)))
    }

    /// Returns the exit code once the container is not running. The engine pushes it.
    pub(crate) async fn wait_container(&self, id: &str) -> Result<i64> {
        use bollard::errors::Error as BollardError;
        let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
        let docker = self.patient();
        let mut answers = std::pin::pin!(docker.wait_container(id, Some(options)));
        match answers.next().await {
            Some(Ok(answer)) => Ok(answer.status_code),
            // bollard reports every code but 0 as an error.
            Some(Err(BollardError::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(convert("wait for the container", error)),
            None => Err(convert(
                "wait for the container",
                BollardError::from(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)),
            )),
        }
    }

    /// Commits a container's file system to an image and returns its id.
    pub(crate) async fn commit_container(
        &self,
        id: &str,
        repository: &str,
        tag: &str,
        labels: &[(String, String)],
    ) -> Result<String> {
        let mut options = CommitContainerOptionsBuilder::new()
            .container(id)
            .repo(repository)
            .tag(tag)
            .pause(true);
        let changes = label_changes(labels);
        if self.is_podman() {
            // Podman takes labels in this form only.
            options = options.changes(&changes);
        }
        let config = ContainerConfig {
            labels: some_map(labels.iter().cloned()),
            ..ContainerConfig::default()
        };
        let answer = self.patient().commit_container(options.build(), config).await;
        // Podman leaves the algorithm out here, and nowhere else.
        let whole = |id: String| if id.contains(':') { id } else { format!("sha256:{id}") };
        answer.map(|made| whole(made.id)).map_err(lift("commit the container"))
    }
}

/// Writes labels as lines of a Dockerfile.
fn label_changes(labels: &[(String, String)]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let lines =
        labels.iter().map(|(key, value)| format!("LABEL {}={}", quoted(key), quoted(value)));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
#[path = "container_tests.rs"]
mod tests;
