//! Snapshots of the lowering: the exact body that the engine receives.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::*;
use crate::spec::{NetworkMode, Port, RestartPolicy, Ulimit};

const LOCAL: Reach =
    Reach { bind: IpAddr::V4(Ipv4Addr::LOCALHOST), address: IpAddr::V4(Ipv4Addr::LOCALHOST) };
const OLD: ApiVersion = ApiVersion::new(1, 41);
const NEW: ApiVersion = ApiVersion::new(1, 44);

/// Returns the body as JSON with sorted keys.
fn body(spec: &ContainerSpec, reach: Reach, api: ApiVersion) -> String {
    let labels = [("castoff.session".to_owned(), "s".to_owned())];
    let creation = lower(spec, "castoff-s-1", "redis:7", &labels, reach, api);
    let value = serde_json::to_value(&creation.body).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

fn with_networks() -> ContainerSpec {
    let mut spec = ContainerSpec::new("redis:7");
    let ip = IpAddr::from([172, 30, 0, 9]);
    spec.networks.push(Attachment::new("net-a").with_aliases(["cache", "redis"]));
    spec.networks.push(Attachment::new("net-b").with_ip(ip));
    spec
}

fn with_everything() -> ContainerSpec {
    let mut spec = ContainerSpec::new("redis:7");
    let text = |text: &str| text.to_owned();
    spec.env = BTreeMap::from([(text("A"), text("1")), (text("B"), text("x=y"))]);
    spec.command = Some(vec![text("redis-server"), text("--save")]);
    spec.entrypoint = Some(vec![text("/entry")]);
    spec.user = Some(text("1000:1000"));
    spec.working_dir = Some(text("/data"));
    spec.hostname = Some(text("cache"));
    spec.labels.insert(text("team"), text("blue"));
    spec.ports.insert(Port::tcp(6379).unwrap(), HostBinding::free());
    spec.ports.insert(Port::udp(53).unwrap(), HostBinding::fixed(5353));
    spec.mounts.push(Mount::bind("/srv", "/srv").with_read_only());
    spec.mounts.push(Mount::volume("vol", "/vol"));
    spec.mounts.push(Mount::tmpfs("/tmp").with_size(1024).with_mode(0o1777));
    spec.mounts.push(Mount::tmpfs("/plain"));
    spec.network_mode = Some(NetworkMode::Container(text("other")));
    spec.extra_hosts.insert(text("db"), text("host-gateway"));
    spec.dns.push(IpAddr::from([9, 9, 9, 9]));
    spec.resources.memory = Some(64 << 20);
    spec.resources.memory_swap = Some(-1);
    spec.resources.nano_cpus = Some(500_000_000);
    spec.resources.pids_limit = Some(64);
    spec.resources.shm_size = Some(1 << 20);
    spec.resources.ulimits.push(Ulimit::new("nofile", 64, 128));
    spec.sysctls.insert(text("net.core.somaxconn"), text("64"));
    spec.cap_add.push(text("NET_ADMIN"));
    spec.cap_drop.push(text("ALL"));
    spec.security_options.push(text("no-new-privileges"));
    spec.privileged = true;
    spec.init = true;
    spec.read_only = true;
    spec.tty = true;
    spec.restart = RestartPolicy::OnFailure { max_retries: Some(3) };
    spec.stop_signal = Some(text("SIGINT"));
    spec.stop_timeout = Some(Duration::from_millis(1_500));
    spec.healthcheck = Some(
        Healthcheck::shell("redis-cli ping")
            .with_interval(Duration::from_millis(250))
            .with_retries(4),
    );
    spec.platform = Some("linux/arm64/v8".parse().unwrap());
    spec
}

#[test]
fn a_plain_spec_sends_little() {
    let spec = ContainerSpec::new("redis:7");
    insta::assert_snapshot!(body(&spec, LOCAL, OLD), @r#"
    {
      "HostConfig": {
        "PortBindings": {}
      },
      "Image": "redis:7",
      "Labels": {
        "castoff.session": "s"
      }
    }
    "#);
}

#[test]
fn every_field_is_sent() {
    insta::assert_snapshot!(body(&with_everything(), LOCAL, OLD));
    let creation = lower(&with_everything(), "n", "redis:7", &[], LOCAL, OLD);
    assert_eq!(creation.platform.as_deref(), Some("linux/arm64/v8"));
}

#[test]
fn old_engines_join_one_network_at_create_and_the_rest_later() {
    let creation = lower(&with_networks(), "n", "redis:7", &[], LOCAL, OLD);
    assert_eq!(creation.later.len(), 1);
    assert_eq!(creation.later[0].network, "net-b");
    insta::assert_snapshot!(body(&with_networks(), LOCAL, OLD), @r#"
    {
      "HostConfig": {
        "NetworkMode": "net-a",
        "PortBindings": {}
      },
      "Image": "redis:7",
      "Labels": {
        "castoff.session": "s"
      },
      "NetworkingConfig": {
        "EndpointsConfig": {
          "net-a": {
            "Aliases": [
              "cache",
              "redis",
              "castoff-s-1"
            ]
          }
        }
      }
    }
    "#);
}

#[test]
fn newer_engines_join_all_networks_at_create() {
    let creation = lower(&with_networks(), "n", "redis:7", &[], LOCAL, NEW);
    assert!(creation.later.is_empty());
    let sent = body(&with_networks(), LOCAL, NEW);
    assert!(sent.contains("net-a") && sent.contains(r#""IPv4Address": "172.30.0.9""#), "{sent}");
}

#[test]
fn loopback_gives_way_only_where_it_could_not_be_reached() {
    let far = Reach { bind: IpAddr::from([0, 0, 0, 0]), address: IpAddr::from([192, 0, 2, 1]) };
    let chosen = IpAddr::from([10, 0, 0, 1]);
    for (binding, reach, expected) in [
        (HostBinding::free(), LOCAL, "127.0.0.1"),
        (HostBinding::free(), far, "0.0.0.0"),
        (HostBinding::free().with_ip(chosen), LOCAL, "10.0.0.1"),
        (HostBinding::fixed(80).with_ip(chosen), far, "10.0.0.1"),
    ] {
        assert_eq!(super::binding(&binding, reach).host_ip.as_deref(), Some(expected));
    }
}

#[test]
fn seconds_are_rounded_up() {
    assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
    assert_eq!(whole_seconds(Duration::from_secs(3)), 3);
    assert_eq!(whole_seconds(Duration::ZERO), 0);
    assert_eq!(seconds32(Duration::MAX), i32::MAX);
}
