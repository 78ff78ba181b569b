//! [`ContainerDetails`]: the result of an inspect, in castoff's own types.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, HealthStatusEnum, PortMap,
    RestartPolicyNameEnum,
};

use super::reach::Reach;
use super::timestamp::unix_time;
use crate::error::{Error, ErrorKind, Result};
use crate::spec::{Port, RestartPolicy};

/// The result of inspecting a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerDetails {
    /// The id, 64 hexadecimal digits.
    pub id: String,
    /// The name, without a leading slash.
    pub name: String,
    /// The image it was created from, by the name used then.
    pub image: String,
    /// Whether it runs, and how it ended.
    pub state: ContainerState,
    /// Published ports, with the addresses that reach them from here.
    pub ports: BTreeMap<Port, Vec<SocketAddr>>,
    /// Ports that the image or the builder exposes, in order.
    pub exposed_ports: Vec<Port>,
    /// The networks it is part of, by name.
    pub networks: BTreeMap<String, NetworkEndpoint>,
    /// Its environment, by name.
    pub env: BTreeMap<String, String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it has a health check, from the image or from the builder.
    pub has_healthcheck: bool,
    /// Whether it has a terminal.
    pub tty: bool,
    pub(crate) healthcheck_test: Vec<String>,
    pub(crate) host_network: bool,
    /// The restart policy, and the number of restarts so far.
    pub(crate) restart: RestartPolicy,
    pub(crate) restarts: u64,
    /// Whether its memory is limited to less than the machine's.
    pub(crate) memory_limited: bool,
    /// The times when this run began and when the previous one ended, by the engine's clock.
    pub(crate) started: Option<(i64, u32)>,
    pub(crate) finished: Option<(i64, u32)>,
}

/// Whether a container runs, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerState {
    /// The engine's name for its state: `created`, `running`, `paused`, `restarting`, `exited`,
    /// `dead`.
    pub status: String,
    /// Whether its process runs: true while it is paused, false while it waits for a restart.
    pub running: bool,
    /// Whether it has ended and waits for a restart by its policy. Podman never reports that.
    pub restarting: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// The exit code of its last run; 0 before the first one has ended.
    pub exit_code: i64,
    /// Whether the kernel killed it for lack of memory.
    pub oom_killed: bool,
    /// The engine's message if it could not be started.
    pub error: String,
    /// The result of its health check, if it has one.
    pub health: Option<Health>,
    /// The output of its last health check.
    pub health_output: Option<String>,
}

/// The result of a container's health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Health {
    /// Undecided so far.
    Starting,
    /// The last check passed.
    Healthy,
    /// The allowed number of checks failed in a row.
    Unhealthy,
}

/// A container's endpoint in a network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkEndpoint {
    /// The network's id.
    pub network_id: String,
    /// The container's IPv4 address there, or else its IPv6 address; `None` while it doesn't run.
    pub ip: Option<IpAddr>,
    /// The network's gateway.
    pub gateway: Option<IpAddr>,
    /// The names that resolve to it in the network.
    pub aliases: Vec<String>,
}

impl ContainerDetails {
    /// Returns the address of a published port. `host` is the address of a container in the host's
    /// own network.
    pub(crate) fn addr(&self, port: Port, host: IpAddr) -> Result<SocketAddr> {
        if self.host_network {
            return Ok(SocketAddr::new(host, port.number()));
        }
        if let Some(address) = self.ports.get(&port).and_then(|found| found.first()) {
            return Ok(*address);
        }
        let list = |ports: Vec<String>| match ports.is_empty() {
            true => "none".to_owned(),
            false => ports.join(", "),
        };
        let published = list(self.ports.keys().map(ToString::to_string).collect());
        let mut message = format!("port {port} is not published; published: {published}");
        if self.exposed_ports.contains(&port) && self.state.running {
            message.push_str("; the image exposes it");
        }
        let hint = match self.state.running {
            true => format!("publish it with `.with_port({})`", port.number()),
            false => "the container is not running, so none of its ports is".to_owned(),
        };
        Err(Error::new(ErrorKind::PortNotPublished, message).with_hint(hint))
    }

    /// Returns a time after the last line of the previous run and before the first one of this run.
    ///
    /// The start itself is too late: a process writes before its engine has noted that it started.
    /// The end of the previous run is too early: its last lines get their time when the engine
    /// reads them. The whole start lies between the two, so a third of that time is after the
    /// former and well before the latter.
    pub(crate) fn between_runs(&self) -> Option<(i64, u32)> {
        const SECOND: i128 = 1_000_000_000;
        let nanos = |(seconds, nanos)| i128::from(seconds) * SECOND + i128::from(nanos);
        let (finished, started) = (nanos(self.finished?), nanos(self.started?));
        let between = finished + ((started - finished) / 3).clamp(0, SECOND);
        let seconds = i64::try_from(between.div_euclid(SECOND)).ok()?;
        Some((seconds, u32::try_from(between.rem_euclid(SECOND)).ok()?))
    }

    pub(super) fn read(answer: ContainerInspectResponse, reach: Reach) -> Self {
        let config = answer.config.unwrap_or_default();
        let settings = answer.network_settings.unwrap_or_default();
        let state = answer.state.unwrap_or_default();
        let started = state.started_at.as_deref().and_then(unix_time);
        let finished = state.finished_at.as_deref().and_then(unix_time);
        let host = answer.host_config.unwrap_or_default();
        let test = config.healthcheck.and_then(|check| check.test).unwrap_or_default();
        ContainerDetails {
            id: answer.id.unwrap_or_default(),
            name: answer.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            image: config.image.unwrap_or_default(),
            state: read_state(state),
            ports: read_ports(settings.ports.unwrap_or_default(), reach),
            exposed_ports: exposed(config.exposed_ports.unwrap_or_default()),
            networks: read_networks(settings.networks.unwrap_or_default()),
            env: env_pairs(config.env.unwrap_or_default()),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            has_healthcheck: !test.is_empty() && test.first().is_some_and(|kind| kind != "NONE"),
            tty: config.tty.unwrap_or_default(),
            healthcheck_test: test,
            host_network: host.network_mode.as_deref() == Some("host"),
            restart: read_policy(host.restart_policy),
            restarts: answer.restart_count.and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
            memory_limited: host.memory.is_some_and(|limit| limit > 0),
            started,
            finished,
        }
    }
}

/// Environment variables by name, from `NAME=value`.
pub(super) fn env_pairs(env: Vec<String>) -> BTreeMap<String, String> {
    let pair = |text: String| match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (text, String::new()),
    };
    env.into_iter().map(pair).collect()
}

/// The ports that are exposed, in order, from `80/tcp`.
pub(super) fn exposed(ports: Vec<String>) -> Vec<Port> {
    let mut ports: Vec<Port> = ports.iter().filter_map(|port| port.parse().ok()).collect();
    ports.sort_unstable();
    ports
}

fn read_policy(policy: Option<bollard::models::RestartPolicy>) -> RestartPolicy {
    let Some(policy) = policy else { return RestartPolicy::No };
    match policy.name {
        Some(RestartPolicyNameEnum::ALWAYS) => RestartPolicy::Always,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => RestartPolicy::UnlessStopped,
        Some(RestartPolicyNameEnum::ON_FAILURE) => RestartPolicy::OnFailure {
            // 0 means no limit.
            max_retries: policy
                .maximum_retry_count
                .and_then(|most| u32::try_from(most).ok())
                .filter(|most| *most > 0),
        },
        _ => RestartPolicy::No,
    }
}

fn read_state(state: bollard::models::ContainerState) -> ContainerState {
    let health = state.health.unwrap_or_default();
    ContainerState {
        status: state.status.unwrap_or(ContainerStateStatusEnum::EMPTY).to_string(),
        // Docker counts a container that waits for a restart as running.
        running: state.running.unwrap_or_default() && !state.restarting.unwrap_or_default(),
        restarting: state.restarting.unwrap_or_default(),
        paused: state.paused.unwrap_or_default(),
        exit_code: state.exit_code.unwrap_or_default(),
        oom_killed: state.oom_killed.unwrap_or_default(),
        error: state.error.unwrap_or_default(),
        health: match health.status {
            Some(HealthStatusEnum::STARTING) => Some(Health::Starting),
            Some(HealthStatusEnum::HEALTHY) => Some(Health::Healthy),
            Some(HealthStatusEnum::UNHEALTHY) => Some(Health::Unhealthy),
            _ => None,
        },
        health_output: health.log.and_then(|mut log| log.pop()).and_then(|last| last.output),
    }
}

/// Reads one address per binding, IPv4 before IPv6: an engine may list both, with different ports.
fn read_ports(ports: PortMap, reach: Reach) -> BTreeMap<Port, Vec<SocketAddr>> {
    let read_binding = |binding: bollard::models::PortBinding| {
        let port = binding.host_port?.parse().ok().filter(|port| *port != 0)?;
        let bound = binding.host_ip.and_then(|ip| ip.parse::<IpAddr>().ok());
        let any_by_ipv6 = bound == Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let ip = match bound {
            // All of the machine's IPv6 addresses: its loopback if the machine is this one. Of
            // another machine only one address is known, which works if the engine's socket accepts
            // both.
            Some(IpAddr::V6(ip)) if ip.is_unspecified() && reach.address.is_loopback() => {
                IpAddr::V6(Ipv6Addr::LOCALHOST)
            }
            // A specific address is used as it is, unless it is a loopback on another machine.
            Some(ip) if !ip.is_unspecified() && (ip != reach.bind || ip != reach.address) => {
                if ip.is_loopback() && !reach.address.is_loopback() { reach.address } else { ip }
            }
            _ => reach.address,
        };
        Some((any_by_ipv6, SocketAddr::new(ip, port)))
    };
    ports
        .into_iter()
        .filter_map(|(port, bindings)| {
            let mut found: Vec<(bool, SocketAddr)> =
                bindings.unwrap_or_default().into_iter().filter_map(read_binding).collect();
            // Docker publishes on all addresses twice, by IPv4 and by IPv6: the former is enough.
            if found.iter().any(|(any_by_ipv6, _)| !any_by_ipv6) {
                found.retain(|(any_by_ipv6, _)| !any_by_ipv6);
            }
            found.sort_by_key(|(_, address)| address.is_ipv6());
            Some((port.parse().ok()?, found.into_iter().map(|(_, address)| address).collect()))
        })
        .filter(|(_, found): &(Port, Vec<SocketAddr>)| !found.is_empty())
        .collect()
}

fn read_networks(
    networks: std::collections::HashMap<String, bollard::models::EndpointSettings>,
) -> BTreeMap<String, NetworkEndpoint> {
    let address = |text: Option<String>| text.and_then(|text| text.parse::<IpAddr>().ok());
    networks
        .into_iter()
        .map(|(name, settings)| {
            let mut aliases = settings.aliases.unwrap_or_default();
            aliases.extend(settings.dns_names.unwrap_or_default());
            aliases.sort();
            aliases.dedup();
            let endpoint = NetworkEndpoint {
                network_id: settings.network_id.unwrap_or_default(),
                ip: address(settings.ip_address).or_else(|| address(settings.global_ipv6_address)),
                gateway: address(settings.gateway).or_else(|| address(settings.ipv6_gateway)),
                aliases,
            };
            (name, endpoint)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Reach = Reach {
        bind: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    };

    fn ports(json: &str, reach: Reach) -> BTreeMap<Port, Vec<SocketAddr>> {
        read_ports(serde_json::from_str(json).unwrap(), reach)
    }

    fn tcp(port: u16) -> Port {
        Port::tcp(port).unwrap()
    }

    #[test]
    fn the_address_is_the_one_that_works_from_here() {
        let both =
            r#"{"80/tcp":[{"HostIp":"::","HostPort":"2"},{"HostIp":"0.0.0.0","HostPort":"1"}]}"#;
        let found = ports(both, LOCAL);
        assert_eq!(found[&tcp(80)], vec!["127.0.0.1:1".parse().unwrap()]);
        let far = Reach { bind: IpAddr::from([0, 0, 0, 0]), address: IpAddr::from([192, 0, 2, 1]) };
        let found = ports(both, far);
        assert_eq!(found[&tcp(80)], vec!["192.0.2.1:1".parse().unwrap()]);
    }

    #[test]
    fn what_is_published_by_ipv6_alone_is_published() {
        for host in ["::", "::1"] {
            let json = format!(r#"{{"80/tcp":[{{"HostIp":"{host}","HostPort":"2"}}]}}"#);
            assert_eq!(ports(&json, LOCAL)[&tcp(80)], vec!["[::1]:2".parse().unwrap()], "{host}");
        }
    }

    #[test]
    fn between_two_runs_there_is_a_moment() {
        let runs = |finished, started| {
            ContainerDetails { finished, started, ..ContainerDetails::default() }.between_runs()
        };
        assert_eq!(runs(Some((10, 900_000_000)), Some((11, 200_000_000))), Some((11, 0)));
        assert_eq!(runs(Some((10, 0)), Some((100, 0))), Some((11, 0)));
        assert_eq!(runs(None, Some((100, 0))), None, "the first run");
    }

    #[test]
    fn a_binding_to_an_address_of_its_own_keeps_it() {
        let found = ports(r#"{"80/tcp":[{"HostIp":"127.0.0.2","HostPort":"9"}]}"#, LOCAL);
        assert_eq!(found[&tcp(80)], vec!["127.0.0.2:9".parse().unwrap()]);
    }

    #[test]
    fn exposed_but_not_published_is_no_port_yet() {
        assert!(ports(r#"{"80/tcp":null,"81/tcp":[],"x":null}"#, LOCAL).is_empty());
        assert!(ports(r#"{"80/tcp":[{"HostIp":"","HostPort":"0"}]}"#, LOCAL).is_empty());
        assert_eq!(
            ports(r#"{"80/tcp":[{"HostIp":"","HostPort":"7"}]}"#, LOCAL)[&tcp(80)],
            vec!["127.0.0.1:7".parse().unwrap()]
        );
    }
}
