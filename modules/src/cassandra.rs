//! Cassandra and ScyllaDB nodes: [`Cassandra`] and [`Scylla`] describe one, [`CassandraServer`] and
//! [`ScyllaServer`] are handles to running ones.
//!
//! **Not run in castoff's CI**, as the images are not available there: it is written from their
//! documentation. `cargo xtask test --registry` runs it if a registry is reachable.

use std::io;

use castoff::wait::ProbeWait;
use castoff::{Container, ContainerBuilder, Module, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::probe::{Answer, until_ready};
use crate::shape::{SLOW, Service, module, server};
use crate::unique::token;

/// The port for CQL in the container.
pub const PORT: u16 = 9042;
/// Limit for the length of an answer, in bytes.
const LONGEST: u32 = 64 << 10;
const ERROR: u8 = 0x00;
const STARTUP: u8 = 0x01;
const READY: u8 = 0x02;
const AUTHENTICATE: u8 = 0x03;

/// A module and a handle for one of the two.
macro_rules! node {
    (
        $feature:literal, $(#[$about:meta])* $module:ident, $name:literal, $repository:literal,
        $tag:literal, $server:ident, $described:ident, $(#[$running:meta])*
    ) => {
        $(#[$about])*
        #[cfg(feature = $feature)]
        #[must_use = "nothing is started before `start()`"]
        pub struct $module {
            container: ContainerBuilder,
        }

        #[cfg(feature = $feature)]
        impl $module {
            /// Describes a node with all defaults.
            pub fn new() -> Self {
                let image = concat!($repository, ":", $tag);
                $module { container: Container::builder(image).with_port(PORT).with_startup_timeout(SLOW) }
            }
        }

        #[cfg(feature = $feature)]
        module!($module => $server, $repository);

        #[cfg(feature = $feature)]
        impl Module for $module {
            type Server = $server;

            fn builder_mut(&mut self) -> &mut ContainerBuilder {
                &mut self.container
            }

            fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
                Ok($described(container).with_wait(wait($name)))
            }

            async fn into_server(self, container: Container) -> Result<$server> {
                Ok($server { service: Service::new(container, PORT)? })
            }
        }

        $(#[$running])*
        #[cfg(feature = $feature)]
        #[must_use = "the node is removed when its handle is dropped"]
        pub struct $server {
            service: Service,
        }

        #[cfg(feature = $feature)]
        server!($server);

        #[cfg(feature = $feature)]
        impl $server {
            /// Returns the contact point for a client on this machine: `127.0.0.1:49153`.
            #[must_use]
            pub fn url(&self) -> String {
                self.addr().to_string()
            }

            /// Returns the contact point for a client in a network that the node is in.
            #[must_use]
            pub fn network_url(&self) -> String {
                self.network_addr()
            }

            /// Runs statements with `cqlsh` in the container. Returns its output.
            ///
            /// # Errors
            /// Fails with the output of `cqlsh` if a statement fails.
            ///
            /// # Cancel safety
            /// It may continue after the future is dropped.
            pub async fn cql(&self, statements: impl AsRef<str>) -> Result<String> {
                let command = ["cqlsh", "-e", statements.as_ref()];
                Ok(self.container().exec(command).await?.ok()?.stdout_text().into_owned())
            }

            /// Returns a unique name for a keyspace, to be created by the test: `castoff_` and
            /// twelve characters.
            #[must_use]
            pub fn unique_name(&self) -> String {
                format!("castoff_{}", token())
            }
        }
    };
}

node! {
    "cassandra",
    /// A description of a Cassandra node. Nothing happens before [`start`](Self::start).
    ///
    /// By default: image `cassandra:5.0`; a cluster of one that does not wait for others, with 512
    /// MiB of heap; data in memory. It is ready when it opens a session by CQL.
    Cassandra, "Cassandra", "cassandra", "5.0", CassandraServer, cassandra,
    /// A Cassandra node, removed with its data when this handle is dropped.
}

node! {
    "scylla",
    /// A description of a ScyllaDB node. Nothing happens before [`start`](Self::start).
    ///
    /// By default: image `scylladb/scylla:6.2`; a cluster of one in development mode, on one core
    /// with 768 MiB. It is ready when it opens a session by CQL.
    Scylla, "ScyllaDB", "scylladb/scylla", "6.2", ScyllaServer, scylla,
    /// A ScyllaDB node, removed with its data when this handle is dropped.
}

#[cfg(feature = "cassandra")]
fn cassandra(mut container: ContainerBuilder) -> ContainerBuilder {
    const DATA: &str = "/var/lib/cassandra";

    if container.spec().mounts.iter().all(|mount| mount.target != DATA) {
        container = container.with_tmpfs(DATA);
    }
    for (key, value) in [
        ("MAX_HEAP_SIZE", "512M"),
        ("HEAP_NEWSIZE", "128M"),
        ("JVM_OPTS", "-Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.initial_token=0"),
        ("CASSANDRA_SNITCH", "GossipingPropertyFileSnitch"),
    ] {
        if !container.spec().env.contains_key(key) {
            container = container.with_env(key, value);
        }
    }
    container
}

#[cfg(feature = "scylla")]
fn scylla(container: ContainerBuilder) -> ContainerBuilder {
    if container.spec().command.is_some() {
        return container;
    }
    let mode = ["--developer-mode", "1", "--overprovisioned", "1"];
    let size = ["--smp", "1", "--memory", "768M", "--skip-wait-for-gossip-to-settle", "0"];
    container.with_command(mode.into_iter().chain(size))
}

fn wait(name: &str) -> ProbeWait {
    until_ready(format!("{name} to take a session"), PORT, |mut stream| async move {
        session(&mut stream).await
    })
}

/// Opens a session (Apache Cassandra's `native_protocol_v4.spec`, sections 2 and 4).
async fn session(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Answer> {
    let body = b"\0\x01\0\x0bCQL_VERSION\0\x053.0.0";
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let head = [&[4, 0, 0, 0, STARTUP][..], &length.to_be_bytes()].concat();
    stream.write_all(&[&head[..], body].concat()).await?;
    let mut head = [0; 5];
    stream.read_exact(&mut head).await?;
    let length = stream.read_u32().await?.min(LONGEST);
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).await?;
    let said = |from: usize| crate::probe::text(body.get(from..).unwrap_or_default());
    Ok(match head[4] {
        READY => Answer::Ready("a session".into()),
        AUTHENTICATE => Answer::Ready(format!("authentication by {}", said(2))),
        ERROR => Answer::NotYet(said(6)),
        other => Answer::NotYet(format!("a message of kind {other}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::json_of;

    #[cfg(feature = "cassandra")]
    #[test]
    fn cassandra_is_as_its_image_has_it() {
        insta::assert_snapshot!(json_of(Cassandra::new()));
    }

    #[cfg(feature = "scylla")]
    #[test]
    fn scylla_is_as_its_image_has_it() {
        insta::assert_snapshot!(json_of(Scylla::new()));
    }

    #[tokio::test]
    async fn a_session_or_a_demand_to_authenticate_is_ready() {
        for (sent, ready) in [
            (&b"\x84\0\0\0\x02\0\0\0\0"[..], true),
            (b"\x84\0\0\0\x03\0\0\0\x04\0\x02pw", true),
            (b"\x84\0\0\0\0\0\0\0\x08\0\0\x10\x02\0\x02no", false),
        ] {
            let (mut ours, mut theirs) = tokio::io::duplex(256);
            theirs.write_all(sent).await.unwrap();
            let answer = session(&mut ours).await.unwrap();
            assert_eq!(matches!(answer, Answer::Ready(_)), ready, "{answer:?}");
        }
    }
}
