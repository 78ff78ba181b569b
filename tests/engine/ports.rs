//! Published ports: one address that works from here.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use castoff::spec::{HostBinding, PullPolicy, RestartPolicy};
use castoff::{Container, ContainerBuilder, ErrorKind, WaitFor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::differences;
use crate::raw::Raw;
use crate::support::{BUSYBOX, REDIS, WEB, eventually, script, sleeper};

/// Returns a server that answers each connection with a word.
fn says(word: &str, port: u16) -> ContainerBuilder {
    let port = port.to_string();
    let serve = ["nc", "-ll", "-p", port.as_str(), "-e", "echo", word];
    Container::builder(BUSYBOX).with_command(serve)
}

async fn heard(address: SocketAddr) -> String {
    let mut text = String::new();
    // Between two runs of a container, Podman takes connections to its port and says nothing, or leads
    // them to where it was; the kernel asks there for two minutes.
    let hearing = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.read_to_string(&mut text).await
    };
    let _ = tokio::time::timeout(Duration::from_secs(3), hearing).await;
    text.trim_end().to_owned()
}

async fn get(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// Returns a port that was free a moment ago, from a range that the kernel never assigns itself.
fn free_port() -> u16 {
    let start = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let free = |port: &u16| {
        TcpListener::bind(("127.0.0.1", *port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", *port)).is_ok()
    };
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let next = || NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::iter::repeat_with(|| start + next()).find(free).unwrap()
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_free_port_is_on_loopback_only() {
    let web = Container::builder(WEB).with_port(8080).start().await.unwrap();
    let address = web.addr(8080).unwrap();
    assert_eq!(address.ip(), Ipv4Addr::LOCALHOST);
    assert!(get(address).await.ends_with("hello\n"));
    let raw = Raw::of(web.engine()).inspect(&format!("containers/{}", web.id())).unwrap();
    let bindings = raw["NetworkSettings"]["Ports"]["8080/tcp"].as_array().unwrap();
    assert_eq!(bindings.len(), 1, "{bindings:?}");
    assert_eq!(bindings[0]["HostIp"], "127.0.0.1");
    // 127.0.0.2 is this machine as well, without a listener.
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], address.port()));
    assert!(TcpStream::connect(elsewhere).await.is_err());
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_fixed_port_is_the_one_asked_for() {
    let port = free_port();
    let container = says("fixed", 700).with_fixed_port(port, 700).start().await.unwrap();
    assert_eq!(container.addr(700).unwrap(), SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(heard(container.addr(700).unwrap()).await, "fixed");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn another_address_of_the_host() {
    let binding = HostBinding::free().with_ip(Ipv4Addr::new(127, 0, 0, 3).into());
    let container = says("three", 700).with_port_binding(700, binding).start().await.unwrap();
    let address = container.addr(700).unwrap();
    assert_eq!(address.ip(), Ipv4Addr::new(127, 0, 0, 3));
    assert_eq!(heard(address).await, "three");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn several_ports_and_protocols() {
    let perl = "use IO::Socket::INET; my $s = IO::Socket::INET->new(Proto => 'udp', \
                LocalPort => 7) or die; $| = 1; print \"up\\n\"; \
                while (my $from = $s->recv(my $data, 1024)) { $s->send(\"echo $data\", 0, $from) }";
    let udp = Container::builder(REDIS).with_entrypoint(["perl", "-e", perl]).with_port("7/udp");
    let udp = udp.with_wait(WaitFor::log("up")).start();
    let tcp = Container::builder(BUSYBOX)
        .with_command(["sh", "-c", "nc -ll -p 701 -e echo one & exec nc -ll -p 702 -e echo two"])
        .with_port(701)
        .with_port("702/tcp")
        .with_wait(WaitFor::port(701))
        .with_wait(WaitFor::port(702))
        .start();
    let (udp, tcp) = tokio::try_join!(udp, tcp).unwrap();
    assert_eq!(heard(tcp.addr(701).unwrap()).await, "one");
    assert_eq!(heard(tcp.addr("702").unwrap()).await, "two");

    let address = udp.addr("7/udp").unwrap();
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(address).await.unwrap();
    let mut buffer = [0; 64];
    // A datagram may always be lost.
    eventually("an answer", async || {
        if socket.send(b"hello").await.is_err() {
            return false;
        }
        tokio::time::timeout(Duration::from_millis(500), socket.readable()).await.is_ok()
    })
    .await;
    let size = socket.recv(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..size], b"echo hello");
    let error = udp.addr(7).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortNotPublished);
    assert!(error.to_string().contains("7/tcp") && error.to_string().contains("7/udp"), "{error}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_port_that_is_not_published_lists_what_is() {
    let web =
        Container::builder(WEB).with_port(8080).with_port(8081).with_wait(WaitFor::port(8080));
    let web = web.start().await.unwrap();
    let error = web.addr(9090).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortNotPublished);
    let text = error.to_string();
    assert!(text.contains("9090/tcp") && text.contains("8080/tcp, 8081/tcp"), "{text}");
    assert_eq!(error.container(), Some(web.name()));

    let exposed = Container::builder(WEB).start().await.unwrap();
    let error = exposed.addr(8080).unwrap_err();
    assert!(error.to_string().contains("published: none; the image exposes it"), "{error}");
    assert!(error.hint().unwrap().contains("with_port(8080)"), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_wait_for_a_port_that_is_not_published_says_so() {
    let error = sleeper().with_wait(WaitFor::port(80)).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortNotPublished, "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_fixed_port_that_a_program_holds() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = says("x", 700).with_fixed_port(port, 700).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortTaken, "{error:?}");
    assert!(format!("{error:?}").contains(&port.to_string()), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_fixed_port_that_another_container_holds() {
    let port = free_port();
    let first = says("first", 700).with_fixed_port(port, 700).start().await.unwrap();
    let error = says("second", 700).with_fixed_port(port, 700).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortTaken, "{error:?}");
    assert!(format!("{error:?}").contains(&port.to_string()), "{error:?}");
    if differences::spares_the_holder_of_a_port(first.engine()) {
        assert_eq!(heard(first.addr(700).unwrap()).await, "first");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_fixed_port_is_free_again_for_the_next_right_after_a_drop() {
    let port = free_port();
    for word in ["one", "two", "three"] {
        let container = says(word, 700).with_fixed_port(port, 700).start().await.unwrap();
        assert_eq!(heard(container.addr(700).unwrap()).await, word);
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn port_zero_is_refused() {
    for builder in [sleeper().with_port(0), sleeper().with_fixed_port(0, 80)] {
        let error = builder.start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
        assert!(error.to_string().contains("port"), "{error}");
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn ports_are_learned_again_after_a_restart() {
    let container = says("again", 700).with_port(700).start().await.unwrap();
    assert_eq!(heard(container.addr(700).unwrap()).await, "again");
    // A process 1 without a handler for SIGTERM does not end on request.
    container.stop_within(Duration::ZERO).await.unwrap();
    let error = container.addr(700).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PortNotPublished);
    assert!(error.hint().unwrap().contains("not running"), "{error:?}");
    container.start().await.unwrap();
    assert_eq!(heard(container.addr(700).unwrap()).await, "again");
    container.kill("KILL").await.unwrap();
    container.wait().await.unwrap();
    container.restart().await.unwrap();
    assert_eq!(heard(container.addr(700).unwrap()).await, "again");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn ports_are_learned_again_when_a_restart_policy_starts_it_again() {
    let lines = "rm -f /die; nc -ll -p 700 -e echo here & \
                 while ! test -f /die; do sleep 0.05; done; exit 1";
    let builder = script(lines).with_port(700).with_restart_policy(RestartPolicy::Always);
    let container = builder.start().await.unwrap();
    let before = container.addr(700).unwrap();
    let stays = differences::ports_stay_over_restarts(container.engine());
    // The script removes the file as it begins; between the runs no command can run.
    let began_anew = async || {
        container.exec(["test", "!", "-e", "/die"]).await.is_ok_and(|output| output.success())
    };
    // It ends on its own, rather than through a handle.
    // Where the container is quicker than the engine, nobody knows how the command ended.
    let _ = container.exec(["touch", "/die"]).await;
    eventually("it serves on another port", async || match container.addr(700) {
        Ok(now) if now != before || stays => heard(now).await == "here" && began_anew().await,
        _ => false,
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_port_that_is_published_by_ipv6_alone_is_reached() {
    for ip in [Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST] {
        let binding = HostBinding::free().with_ip(ip.into());
        let container = says("six", 700).with_port_binding(700, binding).start().await.unwrap();
        let address = container.addr(700).unwrap();
        assert_eq!(address.ip(), Ipv6Addr::LOCALHOST, "{ip}");
        if differences::ipv6_ports_lead_to_ipv4_containers(container.engine()) {
            assert_eq!(heard(address).await, "six", "{ip}");
        } else {
            let hearing = tokio::time::timeout(Duration::from_secs(1), heard(address));
            assert!(hearing.await.map_or(true, |heard| heard.is_empty()), "{ip}");
        }
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn all_ports_that_an_image_exposes_are_published_by_one_word() {
    let redis = Container::builder(REDIS).with_exposed_ports().start().await.unwrap();
    assert_eq!(redis.addr(6379).unwrap().ip(), Ipv4Addr::LOCALHOST);
    let raw = Raw::of(redis.engine()).inspect(&format!("containers/{}", redis.id())).unwrap();
    let bindings = raw["NetworkSettings"]["Ports"]["6379/tcp"].as_array().unwrap();
    assert!(bindings.iter().all(|binding| binding["HostIp"] == "127.0.0.1"), "{bindings:?}");
    let missing = Container::builder("castoff.test/no-such-image").with_exposed_ports();
    let error = missing.with_pull_policy(PullPolicy::Never).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImageNotFound, "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn all_interfaces_are_one_word_as_well() {
    let builder = says("here", 700).with_all_interfaces().with_port(700);
    let container = builder.start().await.unwrap();
    let address = container.addr(700).unwrap();
    // 127.0.0.2 is this machine as well.
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], address.port()));
    assert_eq!(heard(address).await, "here");
    assert_eq!(heard(elsewhere).await, "here");
}
