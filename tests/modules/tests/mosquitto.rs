//! Mosquitto, through the crate `rumqttc`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::castoff::{Container, CopySource, ErrorKind, Module, Network};
use castoff_modules::{Mosquitto, MosquittoServer};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const USER: &str = "ann@home #1";
const PASSWORD: &str = "p@ss/w:rd \"%?#&=+ü\\ $x '\t\r\n";

struct MosquittoFixture;

conformance!(MosquittoFixture);

struct Client(AsyncClient, EventLoop);

/// How a client reaches a broker; with a name of its own, since a second one of the same name
/// would end the first.
fn options(addr: SocketAddr, login: Option<(&str, &str)>) -> MqttOptions {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut options = MqttOptions::new(name, addr.ip().to_string(), addr.port());
    options.set_keep_alive(Duration::from_secs(60));
    if let Some((user, password)) = login {
        options.set_credentials(user, password);
    }
    options
}

async fn open(options: MqttOptions) -> Outcome<Client> {
    let (client, events) = AsyncClient::new(options, 16);
    let mut client = Client(client, events);
    client.until(|packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await?;
    Ok(client)
}

async fn log_in(server: &MosquittoServer, password: &str) -> Outcome<Client> {
    open(options(server.addr(), Some((server.user().ok_or("no user")?, password)))).await
}

async fn anybody(server: &MosquittoServer) -> Outcome<Client> {
    open(options(server.addr(), None)).await
}

impl Client {
    /// The first packet that is what was waited for; any trouble ends it.
    async fn until<T>(&mut self, wanted: impl Fn(Packet) -> Option<T>) -> Outcome<T> {
        tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                if let Event::Incoming(packet) = self.1.poll().await?
                    && let Some(found) = wanted(packet)
                {
                    return Ok(found);
                }
            }
        })
        .await?
    }

    async fn subscribe(&mut self, topic: &str) -> Outcome {
        self.0.subscribe(topic, QoS::AtLeastOnce).await?;
        self.until(|packet| matches!(packet, Packet::SubAck(_)).then_some(())).await
    }

    /// The next message.
    async fn hear(&mut self) -> Outcome<(String, String)> {
        let said = |packet| match packet {
            Packet::Publish(said) => Some((said.topic, said.payload)),
            _ => None,
        };
        let (topic, payload) = self.until(said).await?;
        Ok((topic, String::from_utf8_lossy(&payload).into_owned()))
    }

    async fn say(&mut self, topic: &str, text: &str) -> Outcome {
        Ok(self.0.publish(topic, QoS::AtLeastOnce, false, text).await?)
    }
}

impl Fixture for MosquittoFixture {
    type Module = Mosquitto;
    type Client = Client;

    fn module() -> Mosquitto {
        Mosquitto::new().with_user(USER, PASSWORD)
    }

    fn tagged(tag: &str) -> Mosquitto {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (Mosquitto, &'static str) {
        (Mosquitto::new().with_config("no_such_setting", "1"), "no_such_setting")
    }

    async fn connect(server: &MosquittoServer) -> Outcome<Client> {
        log_in(server, server.password().ok_or("no password")?).await
    }

    async fn operate(client: &mut Client, n: usize) -> Outcome {
        let topic = format!("talk/{n}");
        client.subscribe(&topic).await?;
        client.say(&topic, "hello").await?;
        assert_eq!(client.hear().await?, (topic, "hello".to_owned()));
        Ok(())
    }

    async fn intrude(server: &MosquittoServer) -> Option<Outcome> {
        Some(async { Self::operate(&mut log_in(server, "wrong").await?, 0).await }.await)
    }

    fn sibling(server: &MosquittoServer) -> Sibling {
        let addr = server.network_addr();
        let (host, _) = addr.split_once(':').unwrap_or_default();
        let command = ["mosquitto_sub", "-h", host, "-u", USER, "-P", PASSWORD, "-C", "1", "-t"];
        Sibling::command(&[&command[..], &["$SYS/broker/version"]].concat(), "mosquitto version")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn by_default_anybody_gets_in_and_nothing_is_on_disk() -> Outcome {
    let server = Mosquitto::new().start().await?;
    MosquittoFixture::operate(&mut anybody(&server).await?, 1).await?;
    assert!(server.user().is_none() && server.websocket_url().is_none());
    assert_eq!(server.url(), format!("mqtt://{}", server.addr()));
    let mounts = server.container().exec(["cat", "/proc/mounts"]).await?.ok()?;
    assert!(mounts.stdout_text().contains("tmpfs /mosquitto/data tmpfs"));
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn credentials_arrive_whatever_they_contain() -> Outcome {
    for password in [PASSWORD, " ", ":", "$7$101$x$y", "🗝", &"long".repeat(500)] {
        let server = Mosquitto::new().with_user("ä b/c+", password).with_user("bob", "x");
        let server = server.start().await.map_err(|error| format!("{password:?}: {error:?}"))?;
        MosquittoFixture::operate(&mut log_in(&server, password).await?, 1).await?;
        open(options(server.addr(), Some(("bob", "x")))).await?;
        assert!(anybody(&server).await.is_err());
        assert!(open(options(server.addr(), Some(("bob", password)))).await.is_err());
        assert!(password != PASSWORD || !format!("{server:?}").contains("p@ss"));
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn rules_say_who_may_do_what() -> Outcome {
    let server = Mosquitto::new()
        .with_user("ann", "x")
        .with_user("bob", "x")
        .with_acl("user ann\ntopic readwrite #")
        .with_acl("user bob\ntopic read open/#")
        .start()
        .await?;
    let mut bob = open(options(server.addr(), Some(("bob", "x")))).await?;
    bob.subscribe("#").await?;
    server.publish("closed/1", "no").await?;
    server.publish("open/1", "yes").await?;
    assert_eq!(bob.hear().await?, ("open/1".to_owned(), "yes".to_owned()));
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_is_retained_is_there_for_whoever_comes_later() -> Outcome {
    let server = Mosquitto::new().start().await?;
    let (one, two) = (server.unique_prefix(), server.unique_prefix());
    assert_ne!(one, two);
    let long = "x".repeat(100_000);
    server.retain(&format!("{one}limit"), &long).await?;
    server.retain(&format!("{two}limit"), "30").await?;
    let mut client = anybody_with(&server, 1 << 20).await?;
    client.subscribe(&format!("{one}#")).await?;
    assert_eq!(client.hear().await?, (format!("{one}limit"), long));
    server.retain(&format!("{one}limit"), "").await?;
    assert_eq!(client.hear().await?.1, "");
    let mut other = anybody(&server).await?;
    other.subscribe("+/limit").await?;
    assert_eq!(other.hear().await?, (format!("{two}limit"), "30".to_owned()));

    for topic in ["", "a/#", "+", "\0"] {
        let error = server.publish(topic, "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{topic:?}");
    }
    Ok(())
}

/// With room for packets of this size.
async fn anybody_with(server: &MosquittoServer, size: usize) -> Outcome<Client> {
    let mut options = options(server.addr(), None);
    options.set_max_packet_size(size, size);
    open(options).await
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn settings_and_websockets_are_there_on_request() -> Outcome {
    let server = Mosquitto::new()
        .with_websockets()
        .with_config("max_packet_size", "1000")
        .with_config_file("max_inflight_messages 5")
        .start()
        .await?;
    server.publish("a", "x".repeat(900)).await?;
    let error = server.publish("a", "x".repeat(2000)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");

    let url = server.websocket_url().ok_or("no websockets")?;
    let mut stream = TcpStream::connect(url.trim_start_matches("ws://")).await?;
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                   Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"HTTP/1.1 101");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn durable_messages_outlive_a_restart() -> Outcome {
    let server = Mosquitto::new().with_durability().start().await?;
    server.retain("kept", "yes").await?;
    server.container().restart().await?;
    let mut client = anybody(&server).await?;
    client.subscribe("kept").await?;
    assert_eq!(client.hear().await?.1, "yes");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn tls_is_spoken_by_whoever_trusts_its_authority() -> Outcome {
    let net = Network::create().await?;
    let server = MosquittoFixture::module()
        .with_tls()
        .customize(|container| container.with_network(&net, "broker"))
        .start()
        .await?;
    assert!(server.url().starts_with("mqtts://"));
    let ca = server.ca_certificate().ok_or("no certificate")?;
    let login = server.user().zip(server.password());
    for round in 0..2 {
        let mut trusting = options(server.addr(), login);
        trusting.set_transport(Transport::tls(ca.into(), None, None));
        MosquittoFixture::operate(&mut open(trusting).await?, round).await?;
        server.container().restart().await?;
    }
    let stranger = Mosquitto::new().with_tls().start().await?;
    let mut deceived = options(server.addr(), login);
    let other = stranger.ca_certificate().ok_or("no certificate")?;
    deceived.set_transport(Transport::tls(other.into(), None, None));
    assert!(open(deceived).await.is_err(), "it is trusted without reason");
    assert!(open(options(server.addr(), login)).await.is_err(), "it speaks plainly");
    server.publish("a", "b").await?;

    // By its alias the certificate is right as well.
    let image = Mosquitto::new().builder_mut().spec().image.clone();
    let command = ["-h", "broker", "-p", "8883", "--cafile", "/ca.crt", "-u", USER, "-P", PASSWORD];
    let out = Container::builder(image)
        .with_entrypoint(["mosquitto_sub"])
        .with_command([&command[..], &["-C", "1", "-t", "$SYS/broker/version"]].concat())
        .with_copy(CopySource::bytes(ca), "/ca.crt")
        .with_network(&net, ())
        .run()
        .await?;
    assert!(out.stdout_text().contains("mosquitto version"), "{}", out.stderr_text());
    Ok(())
}
