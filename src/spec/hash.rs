//! The stable hash of a spec.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The prefix of the text that is hashed. Increment it when the canonical form below changes.
const FORMAT: &str = "castoff-spec-2\n";

/// 64 hex digits of SHA-256 over the value's canonical JSON: objects sorted by key, no white space.
///
/// Maps must have keys that serialize to text, as those of all specs do; a value that JSON cannot
/// express is hashed by serde's message about it.
pub(crate) fn spec_hash(spec: &impl Serialize) -> String {
    let value = serde_json::to_value(spec).unwrap_or_else(|error| error.to_string().into());
    let mut text = String::from(FORMAT);
    write_canonical(&mut text, &value);
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Writes canonical JSON. Sorts keys itself, as serde_json keeps insertion order once any crate
/// enables `preserve_order`.
fn write_canonical(out: &mut String, value: &Value) {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                let _ = write!(out, "{}:", Value::from(key.as_str()));
                write_canonical(out, value);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, value) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write_canonical(out, value);
            }
            out.push(']');
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;
    use crate::spec::{
        Attachment, ContainerSpec, Healthcheck, HostBinding, Mount, NetworkMode, Platform, Port,
        RestartPolicy, Ulimit,
    };

    type Mutation = fn(&mut ContainerSpec);

    /// One mutation for each field, and some for nested ones.
    const MUTATIONS: &[Mutation] = &[
        |s| s.image.push('x'),
        |s| s.name = Some("n".into()),
        |s| assert!(s.env.insert("A".into(), "1".into()).is_none()),
        |s| assert!(s.env.insert("A".into(), "2".into()).is_none()),
        |s| s.command = Some(vec![]),
        |s| s.command = Some(vec!["a".into(), "b".into()]),
        |s| s.command = Some(vec!["a b".into()]),
        |s| s.entrypoint = Some(vec!["a b".into()]),
        |s| s.user = Some("n".into()),
        |s| s.working_dir = Some("n".into()),
        |s| s.hostname = Some("n".into()),
        |s| assert!(s.labels.insert("A".into(), "1".into()).is_none()),
        |s| assert!(s.ports.insert(Port::tcp(80).unwrap(), HostBinding::free()).is_none()),
        |s| assert!(s.ports.insert(Port::udp(80).unwrap(), HostBinding::free()).is_none()),
        |s| assert!(s.ports.insert(Port::tcp(80).unwrap(), HostBinding::fixed(80)).is_none()),
        |s| s.mounts.push(Mount::bind("/a", "/b")),
        |s| s.mounts.push(Mount::bind("/a", "/b").with_read_only()),
        |s| s.mounts.push(Mount::volume("/a", "/b")),
        |s| s.mounts.push(Mount::tmpfs("/b").with_size(1)),
        |s| s.mounts.push(Mount::tmpfs("/b").with_mode(1)),
        |s| s.networks.push(Attachment::new("n")),
        |s| s.networks.push(Attachment::new("n").with_aliases(["a"])),
        |s| s.network_mode = Some(NetworkMode::Host),
        |s| s.network_mode = Some(NetworkMode::Container("x".into())),
        |s| assert!(s.extra_hosts.insert("A".into(), "1".into()).is_none()),
        |s| s.dns.push(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        |s| s.resources.memory = Some(1),
        |s| s.resources.memory_swap = Some(1),
        |s| s.resources.nano_cpus = Some(1),
        |s| s.resources.pids_limit = Some(1),
        |s| s.resources.shm_size = Some(1),
        |s| s.resources.ulimits.push(Ulimit::new("core", 1, 2)),
        |s| assert!(s.sysctls.insert("A".into(), "1".into()).is_none()),
        |s| s.cap_add.push("A".into()),
        |s| s.cap_drop.push("A".into()),
        |s| s.security_options.push("A".into()),
        |s| s.privileged = true,
        |s| s.init = true,
        |s| s.read_only = true,
        |s| s.tty = true,
        |s| s.restart = RestartPolicy::Always,
        |s| s.restart = RestartPolicy::OnFailure { max_retries: None },
        |s| s.stop_signal = Some("n".into()),
        |s| s.stop_timeout = Some(Duration::from_secs(1)),
        |s| s.stop_timeout = Some(Duration::from_nanos(1)),
        |s| s.healthcheck = Some(Healthcheck::disabled()),
        |s| s.healthcheck = Some(Healthcheck::shell("x")),
        |s| s.healthcheck = Some(Healthcheck::shell("x").with_retries(1)),
        |s| s.platform = Some(Platform::new("linux", "arm")),
    ];

    #[test]
    fn every_field_counts() {
        let base = ContainerSpec::new("redis:7");
        let mut hashes = BTreeSet::from([base.stable_hash()]);
        let mut touched = BTreeSet::new();
        let before = serde_json::to_value(&base).unwrap();
        for mutate in MUTATIONS {
            let mut spec = base.clone();
            mutate(&mut spec);
            assert!(hashes.insert(spec.stable_hash()), "{spec:?}");
            let after = serde_json::to_value(&spec).unwrap();
            let fields = after.as_object().unwrap().iter();
            touched.extend(fields.filter(|(k, v)| before[*k] != **v).map(|(k, _)| k.clone()));
        }
        let all: BTreeSet<_> = before.as_object().unwrap().keys().cloned().collect();
        assert_eq!(touched, all, "a new field needs a mutation");
    }

    #[test]
    fn order_of_insertion_does_not_matter() {
        let pairs: Vec<_> = (0..40).map(|n| (format!("K{n}"), n.to_string())).collect();
        let forward: HashMap<_, _> = pairs.iter().cloned().collect();
        let backward: HashMap<_, _> = pairs.iter().rev().cloned().collect();
        assert_eq!(spec_hash(&forward), spec_hash(&backward));

        let mut a = ContainerSpec::new("redis:7");
        let mut b = a.clone();
        a.env.extend(pairs.iter().cloned());
        b.env.extend(pairs.iter().rev().cloned());
        assert_eq!(a.stable_hash(), b.stable_hash());
    }

    /// Pinned: with another value, processes of two builds would no longer share containers. Either
    /// increment `FORMAT` or keep the form.
    #[test]
    fn golden() {
        let mut spec = ContainerSpec::new("redis:7");
        spec.env.insert("A".into(), "\"ü\n".into());
        spec.ports.insert(Port::tcp(6379).unwrap(), HostBinding::free());
        spec.mounts.push(Mount::tmpfs("/data").with_size(1 << 40));
        assert_eq!(
            spec.stable_hash(),
            "f0bf2fb9b839ea40857dba7ff125df47c9b8a4b91146f122a2e7da0639e72177"
        );
    }
}
