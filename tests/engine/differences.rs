//! What Docker and Podman do differently, each with the reason. Nothing is skipped: where an
//! engine can't do something, the tests say what it does instead.

use std::time::Duration;

use castoff::ErrorKind;
use castoff::engine::{Engine, EngineKind};

use crate::raw::Raw;

/// What an engine does in its own way in a range of its versions: from the first, which is included, to
/// the last, which is not.
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

/// Seen with Podman 4.3 and 5.8: what changed between them is told of all before 5.0, unless the version
/// is known.
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

/// The first two numbers of a version such as `20.10.24+dfsg1`.
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

/// How many seconds the step takes that a test gives up: where engines end it with its build, a test
/// would not live to see the end of it; where it goes on, its images go after it.
pub(crate) fn step_given_up(engine: &Engine) -> u32 {
    if does(engine, What::StepsOutliveTheirBuild) { 5 } else { 3600 }
}

pub(crate) fn is_podman(engine: &Engine) -> bool {
    engine.kind() == EngineKind::Podman
}

/// The names of process 1 with an init, and what the error says where there is none. Docker brings its
/// own; Podman takes `catatonit` from its host, which Debian leaves to a package of its own.
pub(crate) fn init_names(engine: &Engine) -> (&'static [&'static str], &'static str) {
    match is_podman(engine) {
        false => (&["docker-init"], "Docker has one"),
        true => (&["catatonit", "podman-init"], "container-init binary not found"),
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

/// How long to wait for a container to be unhealthy, and the kind of the error. Docker says so when
/// the retries are used up; on Podman castoff runs the check until the startup timeout.
pub(crate) fn unhealthy(engine: &Engine) -> (Duration, ErrorKind) {
    match is_podman(engine) {
        true => (Duration::from_secs(3), ErrorKind::WaitTimeout),
        false => (Duration::from_secs(60), ErrorKind::Unhealthy),
    }
}

/// Podman 4 does not note that the kernel ended a container when cgroups are v1.
pub(crate) fn tells_of_oom(engine: &Engine) -> bool {
    !does(engine, What::NoOomFlag)
}

/// Podman 4.3 runs no name server in internal networks, and adds no firewall rule for them: on a
/// machine where Docker has closed the forward chain, containers there don't reach each other.
pub(crate) fn internal_networks_work_beside_docker(engine: &Engine) -> bool {
    !does(engine, What::ClosedInternalNetworks)
}

/// Podman keeps the host ports that it has chosen over the runs of a container; Docker chooses anew.
pub(crate) fn ports_stay_over_restarts(engine: &Engine) -> bool {
    is_podman(engine)
}

/// Podman holds a port of an IPv6 address, and leads nothing to a container that has none of its own.
pub(crate) fn ipv6_ports_lead_to_ipv4_containers(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// Podman's Docker API makes a bind source that is missing, as Docker does for `-v` alone.
pub(crate) fn makes_missing_bind_sources(engine: &Engine) -> bool {
    is_podman(engine)
}

/// Podman 4 runs the image it has under that name, whatever its platform.
pub(crate) fn checks_platforms(engine: &Engine) -> bool {
    !does(engine, What::AnyPlatform)
}

/// Podman before 4.7 writes `host-gateway` into `/etc/hosts` as it is.
pub(crate) fn knows_host_gateway(engine: &Engine) -> bool {
    !does(engine, What::LiteralHostGateway)
}

/// Podman 4.3 takes the size of a tmpfs volume for a quota of the disk, which needs XFS.
pub(crate) fn sizes_tmpfs_volumes(engine: &Engine) -> bool {
    !is_podman(engine)
}

/// Podman takes no labels for a volume that it makes since a container names it.
pub(crate) fn labels_volumes_made_for_containers(engine: &Engine) -> bool {
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
