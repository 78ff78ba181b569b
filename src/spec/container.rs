//! [`ContainerSpec`]: the parameters of a container.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::redacted::{Keys, Program};
use super::{
    Attachment, Healthcheck, HostBinding, ImageRef, Mount, NetworkMode, Platform, Port, Resources,
    RestartPolicy, spec_hash, validate,
};
use crate::error::Result;

/// A container to create (Engine API v1.41, ContainerCreate).
///
/// Fields at their defaults leave the decision to the image or the engine. `Debug` hides what is
/// often secret: the values of the environment and the arguments of commands. Serialization does not:
/// it writes all that reading it again needs.
///
/// [`ContainerBuilder::from_spec`](crate::ContainerBuilder::from_spec) starts one.
///
/// ```
/// use castoff::spec::ContainerSpec;
///
/// let mut spec = ContainerSpec::new("redis:7");
/// spec.command = Some(vec!["redis-server".into(), "--save".into(), String::new()]);
/// assert_eq!(spec.validate()?.repository(), "library/redis");
/// # Ok::<(), castoff::Error>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerSpec {
    /// The image, in any form that [`ImageRef`] reads.
    pub image: String,
    /// The name; by default castoff makes a unique one.
    pub name: Option<String>,
    /// Environment variables, besides the image's own.
    pub env: BTreeMap<String, String>,
    /// The command; `None` stands for the image's.
    pub command: Option<Vec<String>>,
    /// The entrypoint; `None` stands for the image's, an empty list for none at all.
    pub entrypoint: Option<Vec<String>>,
    /// The user as `name`, `uid` or `uid:gid`; `None` stands for the image's.
    pub user: Option<String>,
    /// The absolute working directory; `None` stands for the image's.
    pub working_dir: Option<String>,
    /// The host name; `None` stands for the short container id.
    pub hostname: Option<String>,
    /// Labels besides castoff's own.
    pub labels: BTreeMap<String, String>,
    /// The published ports.
    pub ports: BTreeMap<Port, HostBinding>,
    /// Host directories, volumes and memory inside the container.
    pub mounts: Vec<Mount>,
    /// The networks to join; empty stands for the engine's default network.
    pub networks: Vec<Attachment>,
    /// A network stack other than the container's own; excludes `networks`.
    pub network_mode: Option<NetworkMode>,
    /// Lines of `/etc/hosts`: a host name, and its address or `host-gateway`, the engine's host.
    pub extra_hosts: BTreeMap<String, String>,
    /// The name servers; empty stands for the engine's choice.
    pub dns: Vec<IpAddr>,
    /// Limits of memory, CPU and processes.
    pub resources: Resources,
    /// Kernel parameters of the container's namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// Capabilities to add to the engine's default set.
    pub cap_add: Vec<String>,
    /// Capabilities to drop from it.
    pub cap_drop: Vec<String>,
    /// Security options, such as `no-new-privileges`.
    pub security_options: Vec<String>,
    /// Whether the container has all capabilities and devices; `false` by default.
    pub privileged: bool,
    /// Whether the engine runs a small init as process 1, which reaps orphans; `false` by default.
    pub init: bool,
    /// Whether the root file system is read-only; `false` by default.
    pub read_only: bool,
    /// Whether the process has a terminal, which merges stderr into stdout; `false` by default.
    pub tty: bool,
    /// The policy for restarts by the engine.
    pub restart: RestartPolicy,
    /// The signal that asks the process to end; `None` stands for the image's, or else SIGTERM.
    pub stop_signal: Option<String>,
    /// The time that the process has to end before it is killed, in whole seconds; `None` stands
    /// for the engine's default of 10 s.
    pub stop_timeout: Option<Duration>,
    /// The health check; `None` stands for the image's.
    pub healthcheck: Option<Healthcheck>,
    /// The platform to choose from a multi-platform image; `None` stands for the engine's own.
    pub platform: Option<Platform>,
}

impl ContainerSpec {
    /// Returns whether a port of the host is given by its number.
    pub(crate) fn has_fixed_port(&self) -> bool {
        self.ports.values().any(|binding| binding.port.is_some())
    }

    /// Creates a spec for a container of this image, with defaults for everything else.
    #[must_use]
    pub fn new(image: impl Into<String>) -> ContainerSpec {
        ContainerSpec { image: image.into(), ..ContainerSpec::default() }
    }

    /// Checks everything that needs no engine, and parses the image's name.
    ///
    /// # Errors
    ///
    /// The first problem found, naming the field and the value: a malformed name, path, address or
    /// number, a NUL byte anywhere, two mounts on one target, two ports on one host port, one
    /// network twice, networks together with a network mode, or a label of castoff's own.
    pub fn validate(&self) -> Result<ImageRef> {
        validate::container(self)
    }

    /// Returns 64 hex digits that are equal in all processes for equal specs, and for no others.
    ///
    /// It may change with castoff's version.
    #[must_use]
    pub fn stable_hash(&self) -> String {
        spec_hash(self)
    }
}

impl fmt::Debug for ContainerSpec {
    #[expect(clippy::too_many_lines, reason = "one for each field")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Destructured, so that a new field can't be forgotten here.
        let ContainerSpec {
            image,
            name,
            env,
            command,
            entrypoint,
            user,
            working_dir,
            hostname,
            labels,
            ports,
            mounts,
            networks,
            network_mode,
            extra_hosts,
            dns,
            resources,
            sysctls,
            cap_add,
            cap_drop,
            security_options,
            privileged,
            init,
            read_only,
            tty,
            restart,
            stop_signal,
            stop_timeout,
            healthcheck,
            platform,
        } = self;
        f.debug_struct("ContainerSpec")
            .field("image", image)
            .field("name", name)
            .field("env", &Keys(env))
            .field("command", &command.as_deref().map(Program))
            .field("entrypoint", &entrypoint.as_deref().map(Program))
            .field("user", user)
            .field("working_dir", working_dir)
            .field("hostname", hostname)
            .field("labels", labels)
            .field("ports", ports)
            .field("mounts", mounts)
            .field("networks", networks)
            .field("network_mode", network_mode)
            .field("extra_hosts", extra_hosts)
            .field("dns", dns)
            .field("resources", resources)
            .field("sysctls", sysctls)
            .field("cap_add", cap_add)
            .field("cap_drop", cap_drop)
            .field("security_options", security_options)
            .field("privileged", privileged)
            .field("init", init)
            .field("read_only", read_only)
            .field("tty", tty)
            .field("restart", restart)
            .field("stop_signal", stop_signal)
            .field("stop_timeout", stop_timeout)
            .field("healthcheck", healthcheck)
            .field("platform", platform)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_read_back_as_it_was_written() {
        let mut spec = ContainerSpec::new("redis:7");
        spec.ports.insert(Port::udp(53).unwrap(), HostBinding::fixed(5353));
        spec.mounts = vec![Mount::tmpfs("/data").with_size(1 << 20), Mount::bind("/a", "/b")];
        spec.networks = vec![Attachment::new("net").with_aliases(["cache"])];
        spec.network_mode = Some(NetworkMode::Container("other".into()));
        spec.restart = RestartPolicy::OnFailure { max_retries: Some(3) };
        spec.healthcheck = Some(Healthcheck::shell("true").with_interval(Duration::from_secs(1)));
        spec.platform = Some(Platform::new("linux", "arm64"));
        spec.stop_timeout = Some(Duration::from_millis(1_500));
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ContainerSpec>(&json).unwrap(), spec);

        let short = r#"{ "image": "redis:7", "ports": { "53/udp": {} } }"#;
        let short: ContainerSpec = serde_json::from_str(short).unwrap();
        assert_eq!(short.ports[&Port::udp(53).unwrap()], HostBinding::free());
        assert!(serde_json::from_str::<ContainerSpec>(r#"{ "imgae": "redis:7" }"#).is_err());
    }

    #[test]
    fn debug_shows_no_password() {
        let mut spec = ContainerSpec::new("postgres:17");
        spec.env.insert("POSTGRES_PASSWORD".into(), "sesame".into());
        spec.command = Some(["server", "--password", "sesame"].map(str::to_owned).to_vec());
        spec.entrypoint = Some(["sh", "-c", "echo sesame"].map(str::to_owned).to_vec());
        for check in [Healthcheck::shell("ping -psesame"), Healthcheck::command(["p", "sesame"])] {
            spec.healthcheck = Some(check);
            let text = format!("{spec:?} {spec:#?}");
            assert!(!text.contains("sesame"), "{text}");
            for shown in ["postgres:17", "POSTGRES_PASSWORD", "server", "2 arguments"] {
                assert!(text.contains(shown), "{shown}: {text}");
            }
        }
    }
}
