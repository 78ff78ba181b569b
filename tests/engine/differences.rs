//! What Docker and Podman do differently, each with the reason. Nothing is skipped: where an
//! engine can't do something, the tests say what it does instead.

use std::time::Duration;

use castoff::engine::{Engine, EngineKind};

use crate::raw::Raw;

pub(crate) fn is_podman(engine: &Engine) -> bool {
    engine.kind() == EngineKind::Podman
}

/// The name of process 1 with an init, or what the error says where there is none. Docker brings
/// its own; Podman takes `catatonit` from the host, which Debian leaves to a package of its own.
pub(crate) fn init_name(engine: &Engine) -> Result<&'static str, &'static str> {
    let installed = ["/usr/libexec/podman/catatonit", "/usr/bin/catatonit"];
    match is_podman(engine) {
        false => Ok("docker-init"),
        true if installed.iter().any(|path| std::path::Path::new(path).exists()) => Ok("catatonit"),
        true => Err("container-init binary not found"),
    }
}

/// Podman runs healthchecks by systemd timers, so not at all where there is no systemd; castoff
/// runs the check itself there, and the engine's own state never shows it.
pub(crate) fn engine_runs_healthchecks(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// An option of the bridge driver that the engine knows and shows again.
pub(crate) fn bridge_option(engine: &Engine) -> (&'static str, &'static str) {
    if is_podman(engine) { ("mtu", "1400") } else { ("com.docker.network.driver.mtu", "1400") }
}

/// The exit code of a process that was killed with `SIGKILL`.
pub(crate) const KILLED: i64 = 137;

/// Podman forgets the commands of a container that has ended; Docker still has their codes.
pub(crate) fn forgets_execs(engine: &Engine) -> bool {
    is_podman(engine)
}

/// The state of a container that was never started, on both engines.
pub(crate) const CREATED: &str = "created";

/// Docker up to 26 leaves the default route of an internal network and drops what takes it by a
/// firewall rule; Podman sets none.
pub(crate) fn internal_networks_have_no_route(engine: &Engine) -> bool {
    is_podman(engine)
}

/// Docker's default log driver keeps text: bytes that are no UTF-8 are replaced when written.
pub(crate) fn logs_keep_bytes(engine: &Engine) -> bool {
    is_podman(engine)
}

/// How long to wait for a container to be unhealthy. Docker says so when the retries are used up;
/// on Podman castoff runs the check until the startup timeout.
pub(crate) fn unhealthy_limit(engine: &Engine) -> Duration {
    Duration::from_secs(if is_podman(engine) { 3 } else { 60 })
}

/// Podman 4.3 does not note that the kernel ended a container when cgroups are v1.
pub(crate) fn tells_of_oom(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// Podman 4.3 runs no name server in internal networks, and adds no firewall rule for them: on a
/// machine where Docker has closed the forward chain, containers there don't reach each other.
pub(crate) fn internal_networks_work_beside_docker(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// Podman's Docker API makes a bind source that is missing, as Docker does for `-v` alone.
pub(crate) fn makes_missing_bind_sources(engine: &Engine) -> bool {
    is_podman(engine)
}

/// Podman runs the image it has under that name, whatever its platform.
pub(crate) fn checks_platforms(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// Podman before 4.7 writes `host-gateway` into `/etc/hosts` as it is.
pub(crate) fn knows_host_gateway(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// Podman 4.3 takes the size of a tmpfs volume for a quota of the disk, which needs XFS.
pub(crate) fn sizes_tmpfs_volumes(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// With any limit given, Podman 4.3 also sets that of processes to the most there is, which a
/// machine without `CAP_SYS_RESOURCE` refuses.
pub(crate) fn may_refuse_ulimits(engine: &Engine) -> bool {
    is_podman(engine)
}

/// When a second container asks for a port that is taken, Podman 4.3 takes down the forwarding of
/// the first as it cleans up after its failure.
pub(crate) fn spares_the_holder_of_a_port(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// The frontend of BuildKit that came with the engine knows heredocs from Docker 23 on; buildah, from
/// its 1.33 on, which no test bed has.
pub(crate) fn reads_heredocs(engine: &Engine) -> bool {
    !is_podman(engine) && engine.api_version() >= castoff::engine::ApiVersion::new(1, 42)
}

/// The classic builder of Docker 23 to 27 loses images of steps where the store is containerd's: it
/// says that it can't find what it has just made.
pub(crate) fn has_containerd_store(raw: &Raw) -> bool {
    let (_, info) = raw.call("GET", "/info", None);
    info["DriverStatus"].to_string().contains("io.containerd.snapshotter")
}

/// Podman speaks TLS to any registry that its `registries.conf` does not name, those on this machine
/// included; Docker does not.
pub(crate) fn wants_tls_of_registries(engine: &Engine) -> bool {
    is_podman(engine)
}
