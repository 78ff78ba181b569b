//! The checks of a [`ContainerSpec`], one function per concern.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::label::validate_user_labels;
use super::{ContainerSpec, HostBinding, ImageRef, NetworkMode, check};
use crate::error::{Error, Result};

const MAX_HOSTNAME: usize = 63;
const HOST_GATEWAY: &str = "host-gateway";

/// Runs all checks, in the order of the spec's fields.
pub(super) fn container(spec: &ContainerSpec) -> Result<ImageRef> {
    check::refuse_nul(spec)?;
    let image = ImageRef::parse(&spec.image)?;
    identity(spec)?;
    process(spec)?;
    validate_user_labels(&spec.labels)?;
    ports(spec)?;
    mounts(spec)?;
    networks(spec)?;
    hosts(spec)?;
    spec.resources.validate()?;
    security(spec)?;
    stop(spec)?;
    spec.healthcheck.as_ref().map_or(Ok(()), |health| health.validate())?;
    spec.platform.as_ref().map_or(Ok(()), |platform| platform.validate())?;
    Ok(image)
}

fn identity(spec: &ContainerSpec) -> Result<()> {
    if let Some(name) = spec.name.as_ref().filter(|name| !check::is_name(name)) {
        return refuse("name", name, "must match [a-zA-Z0-9][a-zA-Z0-9_.-]+");
    }
    let Some(hostname) = &spec.hostname else { return Ok(()) };
    if hostname.len() > MAX_HOSTNAME {
        return refuse("hostname", hostname, "is longer than 63 bytes");
    }
    let byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let label = |label: &str| !label.is_empty() && label.bytes().all(byte);
    let good = hostname.split('.').all(label) && !hostname.starts_with('-');
    if good { Ok(()) } else { refuse("hostname", hostname, "is not a host name") }
}

fn process(spec: &ContainerSpec) -> Result<()> {
    for key in spec.env.keys() {
        if key.is_empty() {
            return refuse("env", key, "is not a variable's name");
        }
        if key.contains('=') {
            return refuse("env", key, "has an equals sign in its name");
        }
    }
    if let Some(entrypoint) = &spec.entrypoint
        && entrypoint.first().is_some_and(String::is_empty)
        && entrypoint.len() > 1
    {
        return refuse("entrypoint", &format!("{entrypoint:?}"), "starts with an empty program");
    }
    if let Some(user) = spec.user.as_ref().filter(|user| user.trim().is_empty()) {
        return refuse("user", user, "does not name a user");
    }
    match &spec.working_dir {
        Some(path) if !path.starts_with('/') => {
            refuse("working_dir", path, "is not an absolute path")
        }
        _ => Ok(()),
    }
}

fn ports(spec: &ContainerSpec) -> Result<()> {
    let overlap = |a: &HostBinding, b: &HostBinding| {
        let wild = a.ip.is_unspecified() || b.ip.is_unspecified();
        a.port == b.port && (a.ip == b.ip || (wild && a.ip.is_ipv4() == b.ip.is_ipv4()))
    };
    let mut fixed = Vec::new();
    for (port, binding) in &spec.ports {
        let Some(number) = binding.port else { continue };
        if number == 0 {
            let problem = format!("{port} on host port 0: leave the port out for a free one");
            return Err(Error::invalid("ports", problem));
        }
        let clash = fixed.iter().find(|(other, taken): &&(&super::Port, &HostBinding)| {
            other.protocol() == port.protocol() && overlap(taken, binding)
        });
        if let Some((other, _)) = clash {
            let problem = format!("{other} and {port} are both on host port {number}");
            return Err(Error::invalid("ports", problem));
        }
        fixed.push((port, binding));
    }
    Ok(())
}

fn mounts(spec: &ContainerSpec) -> Result<()> {
    let mut targets = BTreeSet::new();
    for mount in &spec.mounts {
        mount.validate()?;
        if !targets.insert(mount.normal_target()) {
            return refuse("mounts", &mount.target, "is the target of two mounts");
        }
    }
    Ok(())
}

fn networks(spec: &ContainerSpec) -> Result<()> {
    if let (Some(mode), Some(attachment)) = (&spec.network_mode, spec.networks.first()) {
        let problem = format!("excludes joining the network {:?}", attachment.network);
        return refuse("network_mode", &mode.to_string(), &problem);
    }
    if let Some(NetworkMode::Container(container)) = &spec.network_mode
        && container.trim().is_empty()
    {
        return refuse("network_mode", "container:", "does not name a container");
    }
    let mut seen = BTreeSet::new();
    for attachment in &spec.networks {
        attachment.validate()?;
        if !seen.insert(&attachment.network) {
            return refuse("networks", &attachment.network, "is joined twice");
        }
    }
    Ok(())
}

fn hosts(spec: &ContainerSpec) -> Result<()> {
    for (host, address) in &spec.extra_hosts {
        if host.is_empty() || host.contains([':', '=']) || host.contains(char::is_whitespace) {
            return refuse("extra_hosts", host, "is not a host name");
        }
        if address != HOST_GATEWAY && address.parse::<IpAddr>().is_err() {
            let problem = format!("(of {host:?}) is neither an IP address nor {HOST_GATEWAY}");
            return refuse("extra_hosts", address, &problem);
        }
    }
    Ok(())
}

fn security(spec: &ContainerSpec) -> Result<()> {
    for key in spec.sysctls.keys() {
        if key.is_empty() || key.contains('=') || key.contains(char::is_whitespace) {
            return refuse("sysctls", key, "is not a kernel parameter's name");
        }
    }
    for (field, names) in [("cap_add", &spec.cap_add), ("cap_drop", &spec.cap_drop)] {
        let shape = |name: &&String| {
            name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if let Some(name) = names.iter().find(shape) {
            return refuse(field, name, "is not a capability such as NET_ADMIN");
        }
    }
    match spec.security_options.iter().find(|option| option.trim().is_empty()) {
        Some(option) => refuse("security_options", option, "is empty"),
        None => Ok(()),
    }
}

fn stop(spec: &ContainerSpec) -> Result<()> {
    if let Some(signal) = spec.stop_signal.as_ref().filter(|signal| !is_signal(signal)) {
        return refuse("stop_signal", signal, "is not a signal such as SIGTERM, TERM or 15");
    }
    match spec.stop_timeout {
        Some(timeout) if i32::try_from(timeout.as_secs()).is_err() => {
            refuse("stop_timeout", &format!("{timeout:?}"), "is longer than 68 years")
        }
        _ => Ok(()),
    }
}

/// Returns whether a text is a signal: a number of 1 to 64, or a name with or without `SIG` and
/// with an offset as in `SIGRTMIN+3`.
fn is_signal(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits(text) {
        return text.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
    }
    let (name, offset) = match text.split_once(['+', '-']) {
        Some((name, offset)) => (name, Some(offset)),
        None => (text, None),
    };
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
        && offset.is_none_or(digits)
}

fn refuse(field: &str, value: &str, problem: &str) -> Result<()> {
    Err(Error::invalid(field, format!("{value:?} {problem}")))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;
    use crate::spec::{Attachment, Healthcheck, Mount, Platform, Port};

    type Change = fn(&mut ContainerSpec);

    fn insert(map: &mut std::collections::BTreeMap<String, String>, key: &str, value: &str) {
        map.insert(key.to_owned(), value.to_owned());
    }

    fn after(change: Change) -> Result<ImageRef> {
        let mut spec = ContainerSpec::new("redis:7");
        change(&mut spec);
        spec.validate()
    }

    #[test]
    fn good_specs() {
        let good: &[Change] = &[
            |_| {},
            |s| s.name = Some("castoff-a1_b.c".into()),
            |s| s.hostname = Some("db.example.com".into()),
            |s| insert(&mut s.env, "A.b-c", "x=y"),
            |s| s.command = Some(vec!["".into()]),
            |s| s.entrypoint = Some(vec![]),
            |s| s.networks = vec![Attachment::new("a"), Attachment::new("b")],
            |s| s.network_mode = Some(NetworkMode::Host),
            |s| insert(&mut s.extra_hosts, "host.docker.internal", "host-gateway"),
            |s| insert(&mut s.extra_hosts, "db", "fd00::1"),
            |s| s.cap_add = vec!["ALL".into(), "CAP_NET_ADMIN".into(), "net_raw".into()],
            |s| insert(&mut s.sysctls, "net.core.somaxconn", "1024"),
            |s| s.mounts = vec![Mount::tmpfs("/a"), Mount::tmpfs("/a/b")],
        ];
        for change in good {
            assert_eq!(after(*change).unwrap().familiar(), "redis:7");
        }
    }

    #[test]
    fn errors_name_field_and_value() {
        let bad: &[(&str, &str, Change)] = &[
            ("image", "\"Redis\"", |s| s.image = "Redis".into()),
            ("image", "\"\"", |s| s.image.clear()),
            ("name", "\"-x\"", |s| s.name = Some("-x".into())),
            ("hostname", "longer", |s| s.hostname = Some("h".repeat(64))),
            ("hostname", "\"a b\"", |s| s.hostname = Some("a b".into())),
            ("hostname", "\"\"", |s| s.hostname = Some(String::new())),
            ("env", "\"\"", |s| insert(&mut s.env, "", "x")),
            ("env", "\"A=B\"", |s| insert(&mut s.env, "A=B", "x")),
            ("env", "\"A\\0\"", |s| insert(&mut s.env, "A\0", "x")),
            ("env.A", "NUL", |s| insert(&mut s.env, "A", "\0")),
            ("command", "\"a\\0\"", |s| s.command = Some(vec!["a\0".into()])),
            ("entrypoint", "empty", |s| s.entrypoint = Some(vec!["".into(), "x".into()])),
            ("user", "\"\"", |s| s.user = Some(String::new())),
            ("working_dir", "\"app\"", |s| s.working_dir = Some("app".into())),
            ("labels", "\"castoff.x\"", |s| insert(&mut s.labels, "castoff.x", "")),
            ("mounts", "\"data\"", |s| s.mounts = vec![Mount::tmpfs("data")]),
            ("mounts", "\"/a/\"", |s| s.mounts = vec![Mount::tmpfs("/a"), Mount::tmpfs("/a/")]),
            ("mounts", "size", |s| s.mounts = vec![Mount::volume("vv", "/a").with_size(1)]),
            ("networks", "\"a\"", |s| s.networks = vec![Attachment::new("a"); 2]),
            ("networks", "\"b c\"", |s| {
                s.networks = vec![Attachment::new("a").with_aliases(["b c"])];
            }),
            ("network_mode", "\"host\" excludes joining the network \"a\"", |s| {
                s.networks = vec![Attachment::new("a")];
                s.network_mode = Some(NetworkMode::Host);
            }),
            ("network_mode", "container:", |s| {
                s.network_mode = Some(NetworkMode::Container(String::new()));
            }),
            ("extra_hosts", "\"nowhere\"", |s| insert(&mut s.extra_hosts, "db", "nowhere")),
            ("extra_hosts", "\"d b\"", |s| insert(&mut s.extra_hosts, "d b", "::1")),
            ("sysctls", "\"\"", |s| insert(&mut s.sysctls, "", "1")),
            ("cap_add", "\"NET-ADMIN\"", |s| s.cap_add = vec!["NET-ADMIN".into()]),
            ("cap_drop", "\"\"", |s| s.cap_drop = vec![String::new()]),
            ("security_options", "\"\"", |s| s.security_options = vec![String::new()]),
            ("resources.pids_limit", "-5", |s| s.resources.pids_limit = Some(-5)),
            ("stop_timeout", "s", |s| s.stop_timeout = Some(Duration::MAX)),
            ("healthcheck.interval", "1ns", |s| {
                let interval = Duration::from_nanos(1);
                s.healthcheck = Some(Healthcheck::shell("x").with_interval(interval));
            }),
            ("platform", "\"/\"", |s| s.platform = Some(Platform::new("", ""))),
        ];
        for (field, value, change) in bad {
            let error = after(*change).expect_err(field).to_string();
            assert!(error.starts_with(&format!("invalid {field}: ")), "{field}: {error}");
            assert!(error.contains(value), "{value}: {error}");
        }
    }

    #[test]
    fn one_host_port_serves_one_port() {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let clash = |a: (Port, HostBinding), b: (Port, HostBinding)| {
            let mut spec = ContainerSpec::new("redis:7");
            spec.ports.extend([a, b]);
            spec.validate().is_err()
        };
        let tcp = |number| Port::tcp(number).unwrap();
        let fixed = HostBinding::fixed;
        assert!(clash((tcp(80), fixed(8080)), (tcp(81), fixed(8080))));
        assert!(clash((tcp(80), fixed(8080)), (tcp(81), fixed(8080).with_ip(any))));
        assert!(clash((tcp(80), fixed(0)), (tcp(81), HostBinding::free())));
        assert!(!clash((tcp(80), fixed(8080)), (tcp(81), fixed(8081))));
        assert!(!clash((tcp(80), fixed(8080)), (Port::udp(80).unwrap(), fixed(8080))));
        assert!(!clash((tcp(80), HostBinding::free()), (tcp(81), HostBinding::free())));
        let other = fixed(8080).with_ip(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
        assert!(!clash((tcp(80), fixed(8080)), (tcp(81), other)));
    }

    #[test]
    fn signals() {
        for good in ["SIGTERM", "TERM", "sigint", "15", "64", "SIGRTMIN+3", "SIGRTMAX-1", "SIGUSR1"]
        {
            assert!(is_signal(good), "{good}");
        }
        for bad in ["", "0", "65", "-9", "SIG TERM", "SIGRTMIN+", "+3", "SIGRTMIN+x"] {
            let mut spec = ContainerSpec::new("redis:7");
            spec.stop_signal = Some(bad.to_owned());
            let error = spec.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid stop_signal: {bad:?}")), "{error}");
        }
    }
}
