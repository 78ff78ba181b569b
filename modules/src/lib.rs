//! Ready-made services for [castoff]: a typed handle over a real container.
//!
//! Each module is a feature of its own, none on by default, and has two types: one describes the
//! server, the other is a handle to a running one. The server is removed when its handle is
//! dropped, like a [`Container`](castoff::Container).
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # async fn run() -> castoff::Result<()> {
//! use castoff_modules::Postgres;
//!
//! let pg = Postgres::new()
//!     .with_database("shop")
//!     .with_init_sql("CREATE TABLE item (id int PRIMARY KEY, name text)")
//!     .start()
//!     .await?;
//! println!("connect to {}", pg.url());
//! # Ok(())
//! # }
//! ```
//!
//! | feature | describes | runs | image by default | for each test |
//! | --- | --- | --- | --- | --- |
//! | `postgres` | `Postgres` | `PostgresServer` | `postgres:17` | a database, cloned: `database()`, `database_from()`, `database_from_sql()`; snapshots |
//! | `mariadb` | `MariaDb` | `MariaDbServer` | `mariadb:11` | a database: `database()`, `database_from()` |
//! | `redis` | `Redis` | `RedisServer` | `redis:7` | a numbered database: `database()`; `unique_prefix()` |
//! | `valkey` | `Valkey` | `ValkeyServer` | `valkey/valkey:8` | a numbered database: `database()`; `unique_prefix()` |
//! | `memcached` | `Memcached` | `MemcachedServer` | `memcached:1.6` | `unique_prefix()` for keys |
//! | `rabbitmq` | `RabbitMq` | `RabbitMqServer` | `rabbitmq:4` | a virtual host: `vhost()` |
//! | `nats` | `Nats` | `NatsServer` | `nats:2` | an account with JetStream: `account()`; `unique_prefix()` |
//! | `mosquitto` | `Mosquitto` | `MosquittoServer` | `eclipse-mosquitto:2` | `unique_prefix()` for topics |
//! | `etcd` | `Etcd` | `EtcdServer` | `quay.io/coreos/etcd:v3.5.21` | `unique_prefix()` for keys |
//! | `zookeeper` | `ZooKeeper` | `ZooKeeperServer` | `zookeeper:3.9` | a tree: `chroot()` |
//! | `nginx` | `Nginx` | `NginxServer` | `nginx:1` | `unique_path()` |
//! | `registry` | `DockerRegistry` | `DockerRegistryServer` | `registry:2` | `unique_prefix()` for repositories |
//! | `openldap` | `OpenLdap` | `OpenLdapServer` | `osixia/openldap:1.5.0` | an organizational unit: `unit()` |
//! | `openssh` | `OpenSsh` | `OpenSshServer` | `lscr.io/linuxserver/openssh-server` | a directory: `directory()` |
//! | `clickhouse` | `ClickHouse` | `ClickHouseServer` | `clickhouse/clickhouse-server:24.8` | `unique_name()` |
//! | `webdriver` | `WebDriver` | `WebDriverServer` | `selenium/standalone-chromium` | a session |
//! | `mysql` | `MySql` | `MySqlServer` | `mysql:8.4` | as MariaDB |
//!
//! These are not run in castoff's CI, as their images are not available there:
//!
//! | feature | describes | runs | image by default | for each test |
//! | --- | --- | --- | --- | --- |
//! | `kafka` | `Kafka` | `KafkaServer` | `apache/kafka:3.9.0` | `unique_name()` |
//! | `redpanda` | `Redpanda` | `RedpandaServer` | `redpandadata/redpanda:v24.2.7` | `unique_name()` |
//! | `mongodb` | `MongoDb` | `MongoDbServer` | `mongo:8.0` | `unique_name()` |
//! | `elasticsearch` | `Elasticsearch` | `ElasticsearchServer` | `docker.elastic.co/elasticsearch/elasticsearch:8.15.0` | an index of one's own |
//! | `opensearch` | `OpenSearch` | `OpenSearchServer` | `opensearchproject/opensearch:2.17.0` | an index of one's own |
//! | `minio` | `Minio` | `MinioServer` | `minio/minio:RELEASE.2025-04-22T22-12-26Z` | `unique_name()` |
//! | `localstack` | `LocalStack` | `LocalStackServer` | `localstack/localstack:4.0` |  |
//! | `neo4j` | `Neo4j` | `Neo4jServer` | `neo4j:5` |  |
//! | `cassandra` | `Cassandra` | `CassandraServer` | `cassandra:5.0` | `unique_name()` |
//! | `scylla` | `Scylla` | `ScyllaServer` | `scylladb/scylla:6.2` | `unique_name()` |
//! | `mssql` | `MsSql` | `MsSqlServer` | `mcr.microsoft.com/mssql/server:2022-latest` | `unique_name()` |
//! | `vault` | `Vault` | `VaultServer` | `hashicorp/vault:1.18` |  |
//! | `keycloak` | `Keycloak` | `KeycloakServer` | `quay.io/keycloak/keycloak:26.0` | a realm: `with_realm()` |
//!
//! The feature `tls` adds certificates for the servers that can speak TLS, and `full` is all of
//! them.
//!
//! castoff's [guide](https://docs.rs/castoff/latest/castoff/guide/modules/) lists the readiness
//! check of each, and how these were verified.
//!
//! # What they have in common
//!
//! * **Made for tests.** Data is in memory and is not synced to disk, unless requested.
//! * **Ready means ready.** Each server is probed in its own protocol from the host, not by its
//!   log.
//! * **Time enough**: a minute to be ready, and three for servers that start slowly (RabbitMQ,
//!   Elasticsearch, Cassandra and the like); `with_startup_timeout` in `customize` sets another
//!   limit.
//! * **One for many tests**: `shared()` in place of `start()` joins the server that another test
//!   has started, in this process or another. A database, a virtual host, an account or a prefix of
//!   its own keeps each test apart.
//! * **Everything else** that castoff can set for a container is available through `customize`:
//!   networks, limits, volumes, more waits.
//! * **Two addresses**: `url()` for this program, `network_url()` for containers in the same
//!   network.
//! * **Other images**: `with_tag` for another version, `with_image` for a compatible image, and
//!   castoff's `CASTOFF_IMAGE_SUBSTITUTES` and `CASTOFF_IMAGE_PREFIX` for a mirror.
//! * **Passwords** are never part of `Debug` output.
//!
//! # Writing your own
//!
//! This crate uses castoff's public API only. A module is a type that implements
//! [`Module`](castoff::Module): a [`ContainerBuilder`](castoff::ContainerBuilder), a wait made by
//! [`WaitFor::probe`](castoff::WaitFor::probe), and a handle around the started container.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// These macros panic when the output is closed, in drops as well.
#![deny(clippy::print_stderr, clippy::print_stdout, clippy::dbg_macro)]

#[cfg(any(feature = "cassandra", feature = "scylla"))]
pub mod cassandra;
#[cfg(feature = "clickhouse")]
pub mod clickhouse;
#[cfg(any(feature = "elasticsearch", feature = "opensearch"))]
pub mod elasticsearch;
#[cfg(feature = "etcd")]
pub mod etcd;
#[cfg(any(feature = "kafka", feature = "redpanda"))]
pub mod kafka;
#[cfg(feature = "keycloak")]
pub mod keycloak;
#[cfg(feature = "localstack")]
pub mod localstack;
#[cfg(feature = "memcached")]
pub mod memcached;
#[cfg(feature = "minio")]
pub mod minio;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "mosquitto")]
pub mod mosquitto;
#[cfg(feature = "mssql")]
pub mod mssql;
#[cfg(any(feature = "mariadb", feature = "mysql"))]
pub mod mysql;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "neo4j")]
pub mod neo4j;
#[cfg(feature = "nginx")]
pub mod nginx;
#[cfg(feature = "openldap")]
pub mod openldap;
#[cfg(feature = "openssh")]
pub mod openssh;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
#[cfg(any(feature = "redis", feature = "valkey"))]
pub mod redis;
#[cfg(feature = "registry")]
pub mod registry;
#[cfg(feature = "vault")]
pub mod vault;
#[cfg(feature = "webdriver")]
pub mod webdriver;
#[cfg(feature = "zookeeper")]
pub mod zookeeper;

#[cfg_attr(not(feature = "full"), allow(dead_code, unused, reason = "each module uses some of it"))]
mod background;
#[cfg(any(feature = "mariadb", feature = "mysql", feature = "postgres", feature = "registry"))]
#[cfg_attr(not(feature = "full"), allow(dead_code, unused, reason = "each module uses some of it"))]
mod fingerprint;
#[cfg_attr(not(feature = "full"), allow(dead_code, unused, reason = "each module uses some of it"))]
mod http;
#[cfg(any(feature = "mariadb", feature = "mysql", feature = "postgres"))]
mod liveness;
#[cfg_attr(not(feature = "full"), allow(dead_code, unused, reason = "each module uses some of it"))]
mod per_process;
#[cfg_attr(not(feature = "full"), allow(dead_code, unused, reason = "each module uses some of it"))]
mod probe;
#[cfg_attr(not(feature = "full"), allow(dead_code, unused, reason = "each module uses some of it"))]
mod shape;
#[cfg(feature = "tls")]
#[cfg_attr(not(feature = "full"), allow(dead_code, unused, reason = "each module uses some of it"))]
mod tls;
#[cfg_attr(not(feature = "full"), allow(dead_code, unused, reason = "each module uses some of it"))]
mod unique;
#[cfg_attr(not(feature = "full"), allow(dead_code, unused, reason = "each module uses some of it"))]
mod url;

pub use castoff;

#[cfg(feature = "cassandra")]
pub use cassandra::{Cassandra, CassandraServer};
#[cfg(feature = "scylla")]
pub use cassandra::{Scylla, ScyllaServer};
#[cfg(feature = "clickhouse")]
pub use clickhouse::{ClickHouse, ClickHouseServer};
#[cfg(feature = "elasticsearch")]
pub use elasticsearch::{Elasticsearch, ElasticsearchServer};
#[cfg(feature = "opensearch")]
pub use elasticsearch::{OpenSearch, OpenSearchServer};
#[cfg(feature = "etcd")]
pub use etcd::{Etcd, EtcdServer};
#[cfg(feature = "kafka")]
pub use kafka::{Kafka, KafkaServer};
#[cfg(feature = "redpanda")]
pub use kafka::{Redpanda, RedpandaServer};
#[cfg(feature = "keycloak")]
pub use keycloak::{Keycloak, KeycloakServer};
#[cfg(feature = "localstack")]
pub use localstack::{LocalStack, LocalStackServer};
#[cfg(feature = "memcached")]
pub use memcached::{Memcached, MemcachedServer};
#[cfg(feature = "minio")]
pub use minio::{Minio, MinioServer};
#[cfg(feature = "mongodb")]
pub use mongodb::{MongoDb, MongoDbServer};
#[cfg(feature = "mosquitto")]
pub use mosquitto::{Mosquitto, MosquittoServer};
#[cfg(feature = "mssql")]
pub use mssql::{MsSql, MsSqlServer};
#[cfg(feature = "mariadb")]
pub use mysql::{MariaDb, MariaDbServer};
#[cfg(feature = "mysql")]
pub use mysql::{MySql, MySqlServer};
#[cfg(feature = "nats")]
pub use nats::{Nats, NatsServer};
#[cfg(feature = "neo4j")]
pub use neo4j::{Neo4j, Neo4jServer};
#[cfg(feature = "nginx")]
pub use nginx::{Nginx, NginxServer};
#[cfg(feature = "openldap")]
pub use openldap::{OpenLdap, OpenLdapServer};
#[cfg(feature = "openssh")]
pub use openssh::{OpenSsh, OpenSshServer};
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresServer};
#[cfg(feature = "rabbitmq")]
pub use rabbitmq::{RabbitMq, RabbitMqServer};
#[cfg(feature = "redis")]
pub use redis::{Redis, RedisServer};
#[cfg(feature = "valkey")]
pub use redis::{Valkey, ValkeyServer};
#[cfg(feature = "registry")]
pub use registry::{DockerRegistry, DockerRegistryServer};
#[cfg(feature = "vault")]
pub use vault::{Vault, VaultServer};
#[cfg(feature = "webdriver")]
pub use webdriver::{WebDriver, WebDriverServer};
#[cfg(feature = "zookeeper")]
pub use zookeeper::{ZooKeeper, ZooKeeperServer};

/// Checks that the README's example compiles.
#[cfg(all(doctest, feature = "postgres"))]
#[doc = include_str!("../README.md")]
struct Readme;
