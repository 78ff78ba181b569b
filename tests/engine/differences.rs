//! The differences between Docker and Podman, each with the reason. No test is skipped: if an
//! engine lacks a feature, the tests check its behavior instead.

use std::time::Duration;

use castoff::Engine;
use castoff::ErrorKind;
use castoff::engine::EngineKind;

use crate::raw::Raw;

/// A difference of an engine in a range of its versions: from the first, inclusive, to the last,
/// exclusive.
struct Range {
    what: What,
    engine: EngineKind,
    from: (u32, u32),
    to: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    NoOomFlag,
    AnyPlatform,
    LiteralHostGateway,
    StepsOutliveTheirBuild,
    ClosedInternalNetworks,
}

const EVER: (u32, u32) = (u32::MAX, 0);

/// Observed with Podman 4.3 and 5.8. A difference between them is assigned to all versions before
/// 5.0, unless the exact version is known.
const RANGES: [Range; 5] = [
    Range { what: What::NoOomFlag, engine: EngineKind::Podman, from: (0, 0), to: (5, 0) },
    Range { what: What::AnyPlatform, engine: EngineKind::Podman, from: (0, 0), to: (5, 0) },
    Range { what: What::LiteralHostGateway, engine: EngineKind::Podman, from: (0, 0), to: (4, 7) },
    Range {
        what: What::ClosedInternalNetworks,
        engine: EngineKind::Podman,
        from: (0, 0),
        to: (5, 0),
    },
    Range {
        what: What::StepsOutliveTheirBuild,
        engine: EngineKind::Podman,
        from: (5, 0),
        to: EVER,
    },
];

fn does(engine: &Engine, what: What) -> bool {
    let version = version(engine.version());
    let fits = |range: &Range| {
        range.what == what
            && range.engine == engine.kind()
            && (range.from..range.to).contains(&version)
    };
    RANGES.iter().any(fits)
}

/// Returns the first two numbers of a version such as `20.10.24+dfsg1`.
fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse().ok());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

#[test]
fn a_difference_belongs_to_a_range_of_versions() {
    assert_eq!((version("5.8.6"), version("20.10.24+dfsg1")), ((5, 8), (20, 10)));
    assert_eq!((version("28"), version("")), ((28, 0), (0, 0)));
    assert!(RANGES.iter().all(|range| range.from < range.to));
}

/// Returns the duration, in seconds, of a step in an abandoned build. If the engine ends it with
/// its build, no test would live to see its own end; if it continues, its images are removed after
/// it.
pub(crate) fn step_given_up(engine: &Engine) -> u32 {
    if does(engine, What::StepsOutliveTheirBuild) { 5 } else { 3600 }
}

pub(crate) fn is_podman(engine: &Engine) -> bool {
    engine.kind() == EngineKind::Podman
}

/// Returns the names of process 1 with an init, and the error's text if there is none. Docker
/// brings its own; Podman takes `catatonit` from its host, which Debian has in a package of its
/// own.
pub(crate) fn init_names(engine: &Engine) -> (&'static [&'static str], &'static str) {
    match is_podman(engine) {
        false => (&["docker-init"], "Docker has one"),
        true => (&["catatonit", "podman-init"], "container-init binary not found"),
    }
}

/// Returns whether the engine runs health checks. Podman uses systemd timers, and so runs none
/// without systemd; castoff then runs the check itself, and the engine's own state never shows it.
pub(crate) fn engine_runs_healthchecks(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// Returns an option of the bridge driver that the engine knows and reports back.
pub(crate) fn bridge_option(engine: &Engine) -> (&'static str, &'static str) {
    if is_podman(engine) { ("mtu", "1400") } else { ("com.docker.network.driver.mtu", "1400") }
}

/// The exit code of a process that was killed with `SIGKILL`.
pub(crate) const KILLED: i64 = 137;

/// Returns whether the engine forgets a container's commands when it ends. Docker still has their
/// codes.
pub(crate) fn forgets_execs(engine: &Engine) -> bool {
    is_podman(engine)
}

/// The state of a container that was never started, the same on both engines.
pub(crate) const CREATED: &str = "created";

/// Returns whether an internal network has no default route. Docker up to 26 leaves it and drops
/// its traffic by a firewall rule; Podman sets none.
pub(crate) fn internal_networks_have_no_route(engine: &Engine) -> bool {
    is_podman(engine)
}

/// Returns whether logs keep all bytes. Docker's default log driver replaces bytes that are no
/// UTF-8.
pub(crate) fn logs_keep_bytes(engine: &Engine) -> bool {
    is_podman(engine)
}

/// Returns the time to wait for an unhealthy container, and the kind of the error. Docker reports
/// it when the retries are used up; on Podman castoff runs the check until the startup timeout.
pub(crate) fn unhealthy(engine: &Engine) -> (Duration, ErrorKind) {
    match is_podman(engine) {
        true => (Duration::from_secs(3), ErrorKind::WaitTimeout),
        false => (Duration::from_secs(60), ErrorKind::Unhealthy),
    }
}

/// Returns whether the engine notes that the kernel killed a container. Podman 4 does not with
/// cgroups v1.
pub(crate) fn tells_of_oom(engine: &Engine) -> bool {
    !does(engine, What::NoOomFlag)
}

/// Returns whether internal networks work beside Docker. Podman 4.3 runs no name server in them and
/// adds no firewall rule for them: if Docker has closed the forward chain, containers there can't
/// reach each other.
pub(crate) fn internal_networks_work_beside_docker(engine: &Engine) -> bool {
    !does(engine, What::ClosedInternalNetworks)
}

/// Returns whether host ports stay the same over restarts. Podman keeps its choice, Docker chooses
/// again.
pub(crate) fn ports_stay_over_restarts(engine: &Engine) -> bool {
    is_podman(engine)
}

/// Returns whether IPv6 ports lead to containers without an IPv6 address. Podman binds the port,
/// but forwards nothing to them.
pub(crate) fn ipv6_ports_lead_to_ipv4_containers(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// Returns whether the engine creates a missing bind source. Podman's Docker API does; Docker only
/// for `-v`.
pub(crate) fn makes_missing_bind_sources(engine: &Engine) -> bool {
    is_podman(engine)
}

/// Returns whether the engine checks an image's platform. Podman 4 runs the image of that name
/// anyway.
pub(crate) fn checks_platforms(engine: &Engine) -> bool {
    !does(engine, What::AnyPlatform)
}

/// Returns whether the engine resolves `host-gateway`. Podman before 4.7 writes it into
/// `/etc/hosts` unchanged.
pub(crate) fn knows_host_gateway(engine: &Engine) -> bool {
    !does(engine, What::LiteralHostGateway)
}

/// Returns whether tmpfs volumes can have a size. Podman 4.3 takes it for a disk quota, which needs
/// XFS.
pub(crate) fn sizes_tmpfs_volumes(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// Podman answers 500, and its error names the network alone.
pub(crate) fn forbids_to_remove_used_networks(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// Podman takes no labels for a volume that it makes since a container names it.
pub(crate) fn labels_volumes_made_for_containers(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// Returns whether a limit may be refused. Podman 4.3 then also sets the limit for processes to the
/// maximum, which a machine without `CAP_SYS_RESOURCE` refuses.
pub(crate) fn may_refuse_ulimits(engine: &Engine) -> bool {
    is_podman(engine)
}

/// Returns whether a port's holder is unaffected when a second container requests the port. Podman
/// 4.3 removes the holder's forwarding in the cleanup after the failure.
pub(crate) fn spares_the_holder_of_a_port(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// Returns whether the engine's builder reads heredocs: BuildKit's built-in frontend does since
/// Docker 23, buildah since 1.33, which no test bed has.
pub(crate) fn reads_heredocs(engine: &Engine) -> bool {
    !is_podman(engine) && engine.api_version() >= castoff::engine::ApiVersion::new(1, 42)
}

/// Returns whether the engine has a containerd store. With one, the classic builder of Docker 23 to
/// 27 loses intermediate images: it fails to find the image that it has just made.
pub(crate) fn has_containerd_store(raw: &Raw) -> bool {
    let (_, info) = raw.call("GET", "/info", None);
    info["DriverStatus"].to_string().contains("io.containerd.snapshotter")
}

/// Returns whether the engine requires TLS of registries. Podman does unless its `registries.conf`
/// names them, even on this machine; Docker does not there.
pub(crate) fn wants_tls_of_registries(engine: &Engine) -> bool {
    is_podman(engine)
}
