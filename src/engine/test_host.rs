//! [`TestHost`]: the environment of this program, which decides whether a child can outlive it.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerInspectResponse;

use super::Endpoint;

/// Limit for the engine to say whether it knows the container that this program runs in.
const LIMIT: Duration = Duration::from_secs(10);

/// The environment that this program runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TestHost {
    /// The machine itself, or an environment with an init of its own, such as a virtual machine.
    Machine,
    /// A process namespace of its own, in which all processes end with the first one.
    PidNamespace,
    /// A container. The id is known if it is one of the engine's own.
    Container { id: Option<String> },
}

impl TestHost {
    /// Returns whether all processes, including a guardian, may end with the first one.
    pub(crate) fn may_end_as_a_whole(&self) -> bool {
        *self != TestHost::Machine
    }

    /// Returns the container that this program runs in, if the engine knows it.
    pub(crate) fn container(&self) -> Option<&str> {
        match self {
            TestHost::Container { id } => id.as_deref(),
            TestHost::Machine | TestHost::PidNamespace => None,
        }
    }
}

/// The environment of this program, in relation to the engine.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) test_host: TestHost,
    /// Whether the engine runs outside of this program's process namespace.
    pub(super) engine_is_outside: bool,
    /// The engine's description of the container that this program runs in.
    pub(super) own: Option<OwnContainer>,
}

/// The container that this program runs in.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnContainer {
    pub(super) id: String,
    /// Whether it shares the machine's network.
    pub(super) has_network_of_machine: bool,
    /// The machine's addresses on the networks that it is in.
    pub(super) gateways: Vec<IpAddr>,
}

impl Place {
    /// Inspects the environment, and asks the engine once if this may be one of its containers.
    pub(super) async fn find(endpoint: &Endpoint, docker: &Docker) -> Place {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let marks = ["/.dockerenv", "/run/.containerenv"];
        let is_marked = marks.iter().any(|mark| Path::new(mark).exists());
        let mounts = text("/proc/self/mountinfo");
        let found = id_in_mounts(&mounts).or_else(|| id_in_groups(&text("/proc/self/cgroup")));
        let named = || Some(text("/etc/hostname").trim().to_owned()).filter(|name| is_id(name, 12));
        let id = found.or_else(|| named().filter(|_| is_marked));
        let own = match id {
            Some(id) => OwnContainer::ask(docker, &id).await,
            None => None,
        };
        let engine_is_outside = match endpoint {
            Endpoint::Unix(socket) => is_outside(socket).await,
            Endpoint::Tcp { .. } => is_marked && !is_first_namespace(),
        };
        let test_host = if let Some(own) = &own {
            TestHost::Container { id: Some(own.id.clone()) }
        } else if is_marked && engine_is_outside {
            TestHost::Container { id: None }
        } else if has_own_processes(engine_is_outside) {
            TestHost::PidNamespace
        } else {
            TestHost::Machine
        };
        tracing::debug!(?test_host, "where this program runs");
        Place { test_host, engine_is_outside, own }
    }
}

impl OwnContainer {
    async fn ask(docker: &Docker, id: &str) -> Option<OwnContainer> {
        let asked = tokio::time::timeout(LIMIT, docker.inspect_container(id, None)).await;
        // An engine that does not know the container is not the one that runs it.
        asked.ok()?.ok().map(OwnContainer::read)
    }

    fn read(answer: ContainerInspectResponse) -> OwnContainer {
        let mode = answer.host_config.and_then(|config| config.network_mode);
        let networks = answer.network_settings.and_then(|settings| settings.networks);
        let networks = networks.unwrap_or_default().into_values();
        OwnContainer {
            id: answer.id.unwrap_or_default(),
            has_network_of_machine: mode.as_deref() == Some("host"),
            gateways: networks.filter_map(|network| network.gateway?.parse().ok()).collect(),
        }
    }
}

/// Returns the container whose files are mounted here: engines mount `/etc/hostname`, `/etc/hosts`
/// and `/etc/resolv.conf` from a directory that is named after the container's id.
fn id_in_mounts(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let own = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/run/.containerenv"];
        let parts = own.contains(&point).then(|| root.split('/'))?;
        parts.rev().find(|part| is_id(part, 64)).map(str::to_owned)
    })
}

/// Returns the container of this control group: `docker/ID`, `docker-ID.scope`, `libpod-ID.scope`.
fn id_in_groups(groups: &str) -> Option<String> {
    let parts = groups.lines().flat_map(|line| line.rsplit('/'));
    let ids = parts.filter_map(|part| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        part.rsplit('-').next().filter(|id| is_id(id, 64))
    });
    ids.map(str::to_owned).next()
}

fn is_id(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns whether this program is in a process namespace of its own, without an init that outlives
/// it.
fn has_own_processes(engine_is_outside: bool) -> bool {
    if is_first_namespace() {
        return false;
    }
    let pid = std::process::id();
    // If `/proc` is that of another namespace, this process has another number there.
    let seen = std::fs::read_link("/proc/self").ok();
    let seen = seen.and_then(|link| link.to_str()?.parse::<u32>().ok());
    if pid == 1 || seen.is_some_and(|seen| seen != pid) {
        return true;
    }
    // Distributions in WSL have namespaces too, with an init that stays.
    let first = std::fs::read_to_string("/proc/1/comm").unwrap_or_default();
    engine_is_outside && !first.trim().starts_with("init") && first.trim() != "systemd"
}

/// Returns whether this is the machine's first process namespace, whose number is fixed
/// (`PROC_PID_INIT_INO` in the kernel's `include/linux/proc_ns.h`).
fn is_first_namespace() -> bool {
    let namespace = std::fs::read_link("/proc/self/ns/pid");
    namespace.is_ok_and(|namespace| namespace == Path::new("pid:[4026531836]"))
}

/// Returns whether the engine runs outside of this program's process namespace: the kernel then has
/// no process id for the other end of its socket (unix(7), `SO_PEERCRED`). An engine in the same
/// container or virtual machine is local, regardless of marker files such as `/.dockerenv`.
#[cfg(unix)]
async fn is_outside(socket: &Path) -> bool {
    if is_first_namespace() {
        return false;
    }
    let Ok(stream) = tokio::net::UnixStream::connect(socket).await else { return false };
    stream.peer_cred().is_ok_and(|peer| peer.pid() == Some(0))
}

#[cfg(not(unix))]
async fn is_outside(_socket: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "9d74c1a110cc8b6daef1385456e7f04942ade2aded8a507bd394777848e8d440";

    #[test]
    fn the_own_container_is_known_by_its_mounts() {
        let docker = format!(
            "145 100 0:52 / / rw - overlay overlay rw\n\
             165 145 254:0 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/vda rw\n"
        );
        assert_eq!(id_in_mounts(&docker).as_deref(), Some(ID));
        let podman = format!(
            "1 2 0:60 /containers/overlay-containers/{ID}/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw\n"
        );
        assert_eq!(id_in_mounts(&podman).as_deref(), Some(ID));
        let others =
            format!("1 2 0:60 /docker/containers/{ID}/hosts /mnt/hosts rw - ext4 /dev/vda rw\n");
        assert_eq!(id_in_mounts(&others), None, "another container's files");
        assert_eq!(id_in_mounts("1 2\n\n"), None);
    }

    #[test]
    fn the_own_container_is_known_by_its_control_group() {
        for group in [
            format!("9:name=systemd:/docker/{ID}\n"),
            format!("0::/system.slice/docker-{ID}.scope\n"),
            format!("0::/machine.slice/libpod-{ID}.scope/container\n"),
        ] {
            assert_eq!(id_in_groups(&group).as_deref(), Some(ID), "{group}");
        }
        assert_eq!(id_in_groups("0::/user.slice/user-1000.slice\n0::/\n"), None);
    }

    #[test]
    fn what_the_engine_says_of_the_own_container_is_read() {
        let answer = serde_json::from_value(serde_json::json!({
            "Id": ID,
            "HostConfig": { "NetworkMode": "bridge" },
            "NetworkSettings": { "Networks": { "bridge": { "Gateway": "172.17.0.1" } } },
        }));
        let own = OwnContainer::read(answer.unwrap());
        assert_eq!((own.id.as_str(), own.has_network_of_machine), (ID, false));
        assert_eq!(own.gateways, [IpAddr::from([172, 17, 0, 1])]);
    }
}
