//! Kafka brokers: [`Kafka`] and [`Redpanda`] describe one, [`KafkaServer`] and [`RedpandaServer`]
//! are handles to running ones.
//!
//! ```no_run
//! # #[cfg(feature = "kafka")]
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::Kafka;
//!
//! let broker = Kafka::new().shared().await?;
//! broker.create_topic("letters", 3).await?;
//! println!("bootstrap from {}", broker.bootstrap_servers());
//! # Ok(())
//! # }
//! ```
//!
//! A broker tells its clients its address, but its port on this machine is known only once it runs.
//! So its start waits in the container for that address, and the wait sends it: before the broker
//! listens, and again after a restart, when the port is another one.
//!
//! **Not run in castoff's CI**, as the images are not available there: it is written from their
//! documentation. `cargo xtask test --registry` runs it if a registry is reachable.

use std::io;

use castoff::wait::{ProbeWait, WaitTarget};
use castoff::{Container, ContainerBuilder, Error, ErrorKind, Module, Result, WaitFor};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::probe::exchange;
use crate::shape::{Service, module, server};
use crate::unique::token;

/// The port for clients on this machine, in the container.
pub const PORT: u16 = 9092;
/// The port for clients in a network that the broker is in.
pub const NETWORK_PORT: u16 = 9093;
/// The file from which the start reads the broker's addresses.
const ADVERTISED: &str = "/tmp/castoff-advertised";
/// Limit for the length of an answer, in bytes.
const LONGEST: u32 = 1 << 20;
const METADATA: u16 = 3;
const API_VERSIONS: u16 = 18;

/// Defines the handle of one of the two, with the command that creates a topic, whose name follows.
macro_rules! broker {
    ($(#[$about:meta])* $server:ident, $create:expr) => {
        $(#[$about])*
        #[must_use = "the broker is removed when its handle is dropped"]
        pub struct $server {
            service: Service,
        }

        server!($server);

        impl $server {
            /// Returns the bootstrap address for a client on this machine: `127.0.0.1:49153`.
            #[must_use]
            pub fn bootstrap_servers(&self) -> String {
                self.addr().to_string()
            }

            /// Returns the bootstrap address for a client in a network that the broker is in.
            #[must_use]
            pub fn network_bootstrap_servers(&self) -> String {
                format!("{}:{NETWORK_PORT}", self.container().name())
            }

            /// Creates a topic with this number of partitions, with the tool in the container.
            ///
            /// # Errors
            /// Fails with the tool's output if it fails.
            ///
            /// # Cancel safety
            /// It may be created even if the future is dropped.
            pub async fn create_topic(&self, name: &str, partitions: u32) -> Result<()> {
                let partitions = partitions.to_string();
                let command = $create.into_iter().chain([name, "--partitions", &partitions]);
                self.container().exec(command).await?.ok().map(drop)
            }

            /// Returns a unique name for a topic or a group: `castoff-` and twelve characters.
            #[must_use]
            pub fn unique_name(&self) -> String {
                format!("castoff-{}", token())
            }
        }
    };
}

/// A description of a Kafka broker. Nothing happens before [`start`](Self::start).
///
/// By default: image `apache/kafka:3.9.0`; one node that is broker and controller, without
/// ZooKeeper or credentials; internal topics with one replica; 512 MiB of heap. It is ready when it
/// answers in its own protocol, and lists itself.
#[cfg(feature = "kafka")]
#[must_use = "nothing is started before `start()`"]
pub struct Kafka {
    container: ContainerBuilder,
}

#[cfg(feature = "kafka")]
impl Kafka {
    /// Describes a broker with all defaults.
    pub fn new() -> Self {
        Kafka { container: Container::builder("apache/kafka:3.9.0").with_port(PORT) }
    }

    /// Sets an option of `server.properties`: `auto.create.topics.enable`, `message.max.bytes`.
    pub fn with_config(mut self, key: impl AsRef<str>, value: impl Into<String>) -> Self {
        let variable = key.as_ref().replace('_', "__").replace('-', "___").replace('.', "_");
        let variable = format!("KAFKA_{}", variable.to_uppercase());
        self.container = self.container.with_env(variable, value);
        self
    }
}

#[cfg(feature = "kafka")]
module!(Kafka => KafkaServer, "apache/kafka");

#[cfg(feature = "kafka")]
impl Module for Kafka {
    type Server = KafkaServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, mut container: ContainerBuilder) -> Result<ContainerBuilder> {
        let settings = [
            ("KAFKA_NODE_ID", "1"),
            ("KAFKA_PROCESS_ROLES", "broker,controller"),
            ("KAFKA_LISTENERS", "HOST://:9092,NETWORK://:9093,CONTROLLER://:9094"),
            (
                "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
                "HOST:PLAINTEXT,NETWORK:PLAINTEXT,CONTROLLER:PLAINTEXT",
            ),
            ("KAFKA_INTER_BROKER_LISTENER_NAME", "NETWORK"),
            ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
            ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9094"),
            ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
            ("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1"),
            ("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1"),
            ("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0"),
            ("KAFKA_HEAP_OPTS", "-Xms512m -Xmx512m"),
        ];
        for (key, value) in settings {
            if !container.spec().env.contains_key(key) {
                container = container.with_env(key, value);
            }
        }
        let start = "export KAFKA_ADVERTISED_LISTENERS=\"HOST://$1,NETWORK://$2\"; \
             exec /etc/kafka/docker/run";
        Ok(told_where(container, start).with_wait(wait("Kafka")))
    }

    async fn into_server(self, container: Container) -> Result<KafkaServer> {
        Ok(KafkaServer { service: Service::new(container, PORT)? })
    }
}

#[cfg(feature = "kafka")]
broker! {
    /// A Kafka broker, removed with its data when this handle is dropped.
    KafkaServer, ["/opt/kafka/bin/kafka-topics.sh", "--bootstrap-server", "localhost:9093", "--create", "--topic"]
}

/// A description of a Redpanda broker. Nothing happens before [`start`](Self::start).
///
/// By default: image `redpandadata/redpanda:v24.2.7`; one node in development mode, on one core,
/// without credentials. It is ready when it answers in Kafka's protocol, and lists itself.
#[cfg(feature = "redpanda")]
#[must_use = "nothing is started before `start()`"]
pub struct Redpanda {
    container: ContainerBuilder,
}

#[cfg(feature = "redpanda")]
impl Redpanda {
    /// Describes a broker with all defaults.
    pub fn new() -> Self {
        Redpanda { container: Container::builder("redpandadata/redpanda:v24.2.7").with_port(PORT) }
    }
}

#[cfg(feature = "redpanda")]
module!(Redpanda => RedpandaServer, "redpandadata/redpanda");

#[cfg(feature = "redpanda")]
impl Module for Redpanda {
    type Server = RedpandaServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        let start = "exec /entrypoint.sh redpanda start --mode dev-container --smp 1 \
             --kafka-addr HOST://0.0.0.0:9092,NETWORK://0.0.0.0:9093 \
             --advertise-kafka-addr \"HOST://$1,NETWORK://$2\"";
        Ok(told_where(container, start).with_wait(wait("Redpanda")))
    }

    async fn into_server(self, container: Container) -> Result<RedpandaServer> {
        Ok(RedpandaServer { service: Service::new(container, PORT)? })
    }
}

#[cfg(feature = "redpanda")]
broker! {
    /// A Redpanda broker, removed with its data when this handle is dropped.
    RedpandaServer, ["rpk", "topic", "create"]
}

/// Makes the container wait for its addresses, and then start with these lines, in which `$1` is
/// the address for this machine and `$2` the one for networks. Addresses from before a restart do
/// not count.
fn told_where(container: ContainerBuilder, start: &str) -> ContainerBuilder {
    if container.spec().entrypoint.is_some() {
        return container;
    }
    let lines = format!(
        "rm -f {ADVERTISED}; until [ -f {ADVERTISED} ]; do sleep 0.05; done; \
         set -- $(cat {ADVERTISED}); {start}"
    );
    container.with_entrypoint(["sh", "-c", &lines])
}

/// Returns a wait that sends the container its addresses until it has them, and waits for the
/// broker.
fn wait(name: &str) -> ProbeWait {
    WaitFor::probe(
        format!("{name} to list itself in its own metadata"),
        |target: WaitTarget| async move {
            let addr = target.addr(PORT)?;
            let asking = async {
                let mut stream = TcpStream::connect(addr).await?;
                brokers(&mut stream).await
            };
            match asking.await {
                Ok(0) => target.record_probe("it knows of no broker"),
                Ok(_) => return Ok(true),
                Err(error) => target.record_probe(format!("{addr}: {error}")),
            }
            let tell = format!(
                "[ -f {ADVERTISED} ] || {{ echo \"$1 $2\" > {ADVERTISED}.new && \
             mv {ADVERTISED}.new {ADVERTISED}; }}"
            );
            let network = format!("{}:{NETWORK_PORT}", target.name());
            let told = target.exec(["sh", "-c", &tell, "sh", &addr.to_string(), &network]).await?;
            if told.success() {
                return Ok(false);
            }
            let said = told.stderr_text().trim().to_owned();
            Err(Error::new(ErrorKind::Other, format!("can't tell it where it is: {said}")))
        },
    )
}

/// Returns the number of brokers that a broker lists (Apache Kafka documentation, "Protocol":
/// `ApiVersions` version 0, `Metadata` version 1).
async fn brokers(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<u32> {
    let versions = exchange(stream, &request(API_VERSIONS, 0, &[]), LONGEST).await?;
    if versions.get(4..6) != Some(&[0, 0]) {
        return Err(io::Error::other("it refuses to tell its versions"));
    }
    let all_topics = (-1_i32).to_be_bytes();
    let metadata = exchange(stream, &request(METADATA, 1, &all_topics), LONGEST).await?;
    let count = metadata.get(4..8).and_then(|count| count.try_into().ok());
    Ok(u32::from_be_bytes(count.unwrap_or_default()))
}

/// Writes a request: key, version, number and client name, after the length of all.
fn request(key: u16, version: u16, body: &[u8]) -> Vec<u8> {
    const WHO: &[u8] = b"\0\x07castoff";
    let number = 1_u32.to_be_bytes();
    let message = [&key.to_be_bytes()[..], &version.to_be_bytes(), &number, WHO, body].concat();
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::json_of;
    use tokio::io::AsyncWriteExt;

    #[cfg(feature = "kafka")]
    #[test]
    fn kafka_is_as_its_image_has_it() {
        let module = Kafka::new().with_config("auto.create.topics.enable", "false");
        insta::assert_snapshot!(json_of(module));
    }

    #[cfg(feature = "redpanda")]
    #[test]
    fn redpanda_is_as_its_image_has_it() {
        insta::assert_snapshot!(json_of(Redpanda::new()));
    }

    #[test]
    fn a_request_has_its_length_and_who_asks() {
        let request = request(API_VERSIONS, 0, b"x");
        assert_eq!(request, b"\0\0\0\x12\0\x12\0\0\0\0\0\x01\0\x07castoffx");
    }

    #[tokio::test]
    async fn a_broker_that_knows_of_itself_is_ready() {
        for (answers, expected) in [
            (&b"\0\0\0\x0a\0\0\0\x01\0\0\0\0\0\0\0\0\0\x08\0\0\0\x01\0\0\0\x01"[..], Some(1)),
            (b"\0\0\0\x0a\0\0\0\x01\0\0\0\0\0\0\0\0\0\x08\0\0\0\x01\0\0\0\0", Some(0)),
            (b"\0\0\0\x06\0\0\0\x01\0\x23", None),
            (b"HTTP/1.1 400 Bad Request\r\n", None),
        ] {
            let (mut ours, mut theirs) = tokio::io::duplex(1024);
            theirs.write_all(answers).await.unwrap();
            theirs.shutdown().await.unwrap();
            assert_eq!(brokers(&mut ours).await.ok(), expected);
        }
    }
}
