//! Networks: which containers find each other, and when networks are removed.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};

use castoff::spec::{Attachment, NetworkMode};
use castoff::{Container, ErrorKind, Network};
use serde_json::json;

use crate::differences;
use crate::raw::Raw;
use crate::support::{BUSYBOX, WEB, engine, eventually, printed, sh, sleeper, unique};

/// Returns a /24 that no other test has, in 10.213.0.0/16, which nothing else uses on a test
/// machine. Processes are spread over it by their id.
fn subnet() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = u8::try_from(std::process::id() % 256).unwrap();
    format!("10.{}.{process}.0/24", 213 + n)
}

/// Returns the response of a web server with that name to a container in these networks.
async fn fetched(from: &Container, name: &str) -> Option<String> {
    // The time limit is nc's own: it tries for two seconds. With one, busybox's wget crashes.
    let get = format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {name} 8080 | tail -n 1");
    let output = from.exec(["sh", "-c", &get]).await.unwrap();
    Some(output.stdout_text().trim_end().to_owned()).filter(|text| !text.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn aliases_and_names_resolve() {
    let net = Network::create().await.unwrap();
    let name = unique("web");
    let builder = Container::builder(WEB).with_name(&name).with_network(&net, ["one", "two"]);
    let web = builder.start().await.unwrap();
    let client = sleeper().with_network(&net, ()).start().await.unwrap();
    for host in ["one", "two", &name, &web.ip(&net).unwrap().to_string()] {
        assert_eq!(fetched(&client, host).await.as_deref(), Some("hello"), "{host}");
    }
    assert!(fetched(&client, "three").await.is_none());
    let inside = sh(&web, "hostname -i").await;
    assert_eq!(inside, web.ip(&net).unwrap().to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_container_that_somebody_renames_is_found_under_the_name_of_its_handle() {
    let net = Network::create().await.unwrap();
    let web = Container::builder(WEB).with_network(&net, ()).start().await.unwrap();
    let joined = Container::builder(WEB).start().await.unwrap();
    joined.connect(&net, ()).await.unwrap();
    let client = sleeper().with_network(&net, ()).start().await.unwrap();
    let raw = Raw::of(web.engine());
    for container in [&web, &joined] {
        let other = unique("renamed");
        let path = format!("/containers/{}/rename?name={other}", container.id());
        assert_eq!(raw.call("POST", &path, None).0, 204);
        assert_eq!(container.inspect().await.unwrap().name, other);
        assert_eq!(fetched(&client, container.name()).await.as_deref(), Some("hello"));
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_container_in_two_networks() {
    let (one, two) = tokio::try_join!(Network::create(), Network::create()).unwrap();
    let builder = Container::builder(WEB).with_network(&one, "web-one");
    let web = builder.with_network(&two, ["web-two"]).start().await.unwrap();
    let in_one = sleeper().with_network(&one, ()).start();
    let in_two = sleeper().with_network(&two, ()).start();
    let (in_one, in_two) = tokio::try_join!(in_one, in_two).unwrap();
    assert_ne!(web.ip(&one).unwrap(), web.ip(&two).unwrap());
    assert_eq!(fetched(&in_one, "web-one").await.as_deref(), Some("hello"));
    assert_eq!(fetched(&in_two, "web-two").await.as_deref(), Some("hello"));
    // Each alias works in its own network only.
    assert!(fetched(&in_one, "web-two").await.is_none());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_published_port_works_with_a_network() {
    let net = Network::create().await.unwrap();
    let builder = Container::builder(WEB).with_network(&net, "web").with_port(8080);
    let web = builder.start().await.unwrap();
    tokio::net::TcpStream::connect(web.addr(8080).unwrap()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn networks_are_apart() {
    let (one, two) = tokio::try_join!(Network::create(), Network::create()).unwrap();
    let web = Container::builder(WEB).with_network(&one, "web").start().await.unwrap();
    let other = sleeper().with_network(&two, ()).start().await.unwrap();
    assert!(fetched(&other, "web").await.is_none());
    // Another engine that starts on this machine, in a test of restarts, resets the firewall.
    let address = web.ip(&one).unwrap().to_string();
    let apart = async || fetched(&other, &address).await.is_none();
    eventually("the networks are apart", apart).await;
    let error = web.ip(&two).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(one.name()), "{error}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_fixed_address_in_a_subnet_of_ones_own() {
    let subnet = subnet();
    let address: IpAddr = subnet.replace(".0/24", ".77").parse().unwrap();
    let gateway: IpAddr = subnet.replace(".0/24", ".254").parse().unwrap();
    let builder = Network::builder().with_subnet_and_gateway(&subnet, gateway);
    let net = builder.create().await.unwrap();
    let attachment = Attachment::new(net.name()).with_ip(address).with_aliases(["fixed"]);
    let container = sleeper().with_attachment(attachment).start().await.unwrap();
    assert_eq!(container.ip(&net).unwrap(), address);
    assert_eq!(sh(&container, "hostname -i").await, address.to_string());
    let route = sh(&container, "ip route | awk '/default/ {print $3}'").await;
    assert_eq!(route, gateway.to_string());
    drop(container);
    net.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn joining_and_leaving_while_it_runs() {
    let net = Network::create().await.unwrap();
    let web = Container::builder(WEB).start().await.unwrap();
    let client = sleeper().with_network(&net, ()).start().await.unwrap();
    assert!(fetched(&client, "late").await.is_none());
    web.connect(&net, "late").await.unwrap();
    let address = web.ip(&net).unwrap();
    eventually("the alias", async || fetched(&client, "late").await.is_some()).await;
    assert_eq!(fetched(&client, &address.to_string()).await.as_deref(), Some("hello"));
    web.disconnect(&net).await.unwrap();
    assert!(web.ip(&net).is_err());
    assert!(fetched(&client, &address.to_string()).await.is_none());
    let error = web.disconnect(&net).await.unwrap_err();
    assert_eq!((error.step(), error.container()), (Some("disconnect"), Some(web.name())));
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_internal_network_has_no_way_out() {
    let inside = Network::builder().with_internal().create().await.unwrap();
    let web = Container::builder(WEB).with_network(&inside, "web").start();
    let client = sleeper().with_network(&inside, ()).start();
    let (web, client) = tokio::try_join!(web, client).unwrap();
    let address = web.ip(&inside).unwrap().to_string();
    let works = differences::internal_networks_work_beside_docker(inside.engine());
    if works {
        assert_eq!(fetched(&client, &address).await.as_deref(), Some("hello"));
        assert_eq!(fetched(&client, "web").await.as_deref(), Some("hello"));
    }
    let raw = Raw::of(inside.engine());
    let inspect = raw.inspect(&format!("networks/{}", inside.id())).unwrap();
    assert_eq!(inspect["Internal"], true);
    // From outside there is no way in, and from another network there never is one: a container
    // that is in both shows that the address works.
    let outside = Network::create().await.unwrap();
    let both = sleeper().with_network(&outside, ()).with_network(&inside, ()).start();
    let both = both.await.unwrap();
    assert_eq!(fetched(&both, &address).await.is_some(), works);
    if differences::internal_networks_have_no_route(inside.engine()) {
        assert_eq!(sh(&client, "ip route | grep -c default || true").await, "0");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn the_options_of_a_network_reach_the_engine() {
    let name = unique("net");
    let option = differences::bridge_option(&engine().await);
    let builder = Network::builder().with_name(&name).with_label("team", "a").with_attachable();
    let builder = builder.with_driver("bridge").with_option(option.0, option.1);
    let net = builder.create().await.unwrap();
    let raw = Raw::of(net.engine()).inspect(&format!("networks/{name}")).unwrap();
    assert_eq!(raw["Driver"], "bridge");
    assert_eq!(raw["Labels"]["team"], "a");
    assert!(raw["Labels"]["castoff.session"].is_string());
    assert_eq!(raw["Options"][option.0], option.1);
    assert_eq!(net.name(), name);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn ipv6_addresses() {
    let n = subnet().split('.').nth(1).unwrap().parse::<u16>().unwrap();
    let range = format!("fd00:{n:x}:{:x}::/64", std::process::id() % 0xffff);
    let net = Network::builder().with_ipv6().with_subnet(range).with_subnet(subnet());
    let net = net.create().await.unwrap();
    let seen = printed(
        Container::builder(BUSYBOX).with_network(&net, ()),
        "ip -6 addr show dev eth0 scope global | grep -c inet6 || true",
    );
    assert_eq!(seen.await, "1");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_network_goes_after_its_containers_whatever_is_dropped_first() {
    let raw = Raw::of(&engine().await);
    for network_first in [true, false] {
        let net = Network::create().await.unwrap();
        let id = format!("networks/{}", net.id());
        let start = || sleeper().with_network(&net, ()).start();
        let (one, two) = tokio::try_join!(start(), start()).unwrap();
        if network_first {
            drop(net);
            assert!(raw.inspect(&id).is_some(), "containers use it");
            drop(one);
            sh(&two, "ip route | grep -q default").await;
            drop(two);
        } else {
            drop((one, two, net));
        }
        raw.until_gone(&id);
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_network_joined_at_run_time_goes_after_the_container_as_well() {
    let raw = Raw::of(&engine().await);
    let net = Network::create().await.unwrap();
    let id = format!("networks/{}", net.id());
    let container = sleeper().start().await.unwrap();
    container.connect(&net, ()).await.unwrap();
    drop(net);
    assert!(raw.inspect(&id).is_some());
    drop(container);
    raw.until_gone(&id);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_name_that_is_taken_is_a_conflict_and_stays() {
    let engine = engine().await;
    let raw = Raw::of(&engine);
    let name = unique("net");
    let foreign = raw.foreign_network(&name);
    let error = Network::builder().with_name(&name).create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(error.to_string().contains(&name), "{error}");
    eventually("ours alone is gone", async || {
        raw.labelled("networks", "castoff.session").iter().all(|id| {
            raw.inspect(&format!("networks/{id}")).is_none_or(|net| net["Name"] != name.as_str())
        })
    })
    .await;
    assert!(foreign.exists());
    drop(foreign);

    let ours = Network::builder().with_name(&name).create().await.unwrap();
    let error = Network::builder().with_name(&name).create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    ours.remove().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_network_that_others_are_in_stays_and_the_error_names_them() {
    let engine = engine().await;
    let raw = Raw::of(&engine);
    let name = unique("inside");
    let foreign = raw.foreign_container(&name);
    let net = Network::create().await.unwrap();
    let path = format!("/networks/{}/connect", net.id());
    let (status, answer) = raw.call("POST", &path, Some(&json!({ "Container": name })));
    assert_eq!(status, 200, "{answer}");
    let network = format!("networks/{}", net.id());
    let error = net.remove().await.unwrap_err();
    let named = error.hint().is_some_and(|hint| hint.contains(&name));
    assert_eq!(named, differences::forbids_to_remove_used_networks(&engine), "{error:?}");
    assert!(foreign.exists() && raw.inspect(&network).is_some());
    drop(foreign);
    // The removal goes on in the background.
    eventually("the network goes", async || raw.inspect(&network).is_none()).await;
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_subnet_or_a_name_of_our_own_is_free_again_after_a_drop() {
    let (subnet, name) = (subnet(), unique("net"));
    for _ in 0..3 {
        let net = Network::builder().with_subnet(&subnet).with_name(&name).create().await.unwrap();
        let container = sleeper().with_network(&net, ()).start().await.unwrap();
        drop((net, container));
    }
    let net = Network::builder().with_subnet(&subnet).create().await.unwrap();
    let error = Network::builder().with_subnet(&subnet).create().await.unwrap_err();
    assert!(!format!("{error:?}").is_empty());
    assert_eq!(error.step(), Some("create"), "{error:?}");
    drop(net);
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn bad_values_are_refused() {
    let builders = [
        Network::builder().with_subnet("10.0.0.0"),
        Network::builder().with_name("host"),
        Network::builder().with_label("castoff.x", ""),
    ];
    for builder in builders {
        assert_eq!(builder.create().await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let net = Network::create().await.unwrap();
    let error = sleeper().with_network(&net, "not a host").start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_container_reaches_a_port_of_the_loopback_here_and_nobody_else_does() {
    let service = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = service.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut guest, _)) = service.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut guest, b"from the host\n").await;
        }
    });
    let ask = format!("nc host.docker.internal {port} < /dev/null");
    let net = Network::builder().create().await.unwrap();
    let other = Network::builder().create().await.unwrap();
    let stranger = sleeper().with_network(&other, ()).start().await.unwrap();
    for own in [false, true] {
        let builder = sleeper().with_host_port(port);
        let builder = if own { builder.with_network(&net, ()) } else { builder };
        let container = builder.start().await.unwrap();
        assert_eq!(sh(&container, &ask).await, "from the host", "own network: {own}");
        let hosts = sh(&container, "grep host.docker.internal /etc/hosts").await;
        let gateway = hosts.split_whitespace().next().unwrap().to_owned();
        let place = format!("{gateway}:{port}");
        // It is an address of this machine, so others can connect there: they receive nothing.
        let elsewhere = format!("nc -w 3 {gateway} {port} < /dev/null || true");
        assert_eq!(sh(&stranger, &elsewhere).await, "", "own network: {own}");
        drop(container);
        eventually("it ends with the container", async || {
            tokio::net::TcpStream::connect(&place).await.is_err()
        })
        .await;
    }
    let host = sleeper().with_network_mode(NetworkMode::Host).with_host_port(port);
    assert_eq!(host.start().await.unwrap_err().kind(), ErrorKind::InvalidInput);
}
