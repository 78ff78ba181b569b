//! The network of an engine: a namespace, a pair of interfaces to reach it, and a way out.

use std::path::Path;

use super::Rig;
use crate::Outcome;
use crate::command::{command, output};

/// A script that starts pasta beside the engine, so that builds reach the same hosts as this
/// machine without a rule in its firewall; it ends with the namespace. Then it becomes the given
/// command inside.
pub(super) const THEN: &str = r#"
base=$1 suite=$2 namespace=$3
shift 3
for loader in "$base/root/$suite"/usr/lib/*-linux-gnu*/ld-linux-*.so.*; do break; done
"$loader" --argv0 pasta --library-path "${loader%/*}" "$base/root/$suite/usr/bin/pasta" \
    --runas 0:0 --config-net --no-map-gw --map-host-loopback none -t none -u none -T none -U none -4 -I out0 \
    --foreground --netns "/run/netns/$namespace" &
exec nsenter --net="/run/netns/$namespace" "$@"
"#;

pub(super) fn namespace(rig: &Rig) -> String {
    format!("castoff-{}", rig.name)
}

/// Returns the namespace's path, for `nsenter`.
pub(super) fn file(rig: &Rig) -> String {
    format!("/run/netns/{}", namespace(rig))
}

/// Creates the namespace, removing an old one first.
pub(super) fn up(rig: &Rig) -> Outcome {
    if Path::new(&file(rig)).exists() {
        down(rig);
    }
    let (inside, number) = (namespace(rig), rig.number);
    let outer = format!("vcastoff{number}");
    ip(&format!("netns add {inside}"))?;
    ip(&format!("-n {inside} link set lo up"))?;
    ip(&format!("link add {outer} type veth peer name host0 netns {inside}"))?;
    ip(&format!("addr add 10.217.{number}.1/30 dev {outer}"))?;
    ip(&format!("link set {outer} up"))?;
    ip(&format!("-n {inside} addr add 10.217.{number}.2/30 dev host0"))?;
    ip(&format!("-n {inside} link set host0 up"))?;
    ip(&format!("netns exec {inside} sysctl -qw net.ipv4.ip_forward=1"))
}

/// Removes the namespace, and with it the interfaces and pasta.
pub(super) fn down(rig: &Rig) {
    // Both are absent if nothing was started.
    drop(ip(&format!("link del vcastoff{}", rig.number)));
    drop(ip(&format!("netns del {}", namespace(rig))));
}

fn ip(words: &str) -> Outcome {
    let mut ip = command("ip");
    ip.args(words.split(' '));
    output(ip).map(drop)
}
