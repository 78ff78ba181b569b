//! Ready-made services for [castoff]: a typed handle over a real container.
//!
//! Each module is a feature of its own, none on by default, and two types: one that describes the
//! server, and one that is running. The latter is removed when it is dropped, as a
//! [`Container`](castoff::Container) is.
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
//! | feature | describes | runs | image by default |
//! | --- | --- | --- | --- |
//! | `postgres` | `Postgres` | `PostgresServer` | `postgres:17` |
//! | `redis` | `Redis` | `RedisServer` | `redis:7` |
//!
//! # What they have in common
//!
//! * **Made for tests.** Data lies in memory and is not synced to disk, unless asked for.
//! * **Ready means ready.** Each is asked in its own protocol from the host, not by its log.
//! * **Everything else** that castoff can set for a container goes through `customize`: networks,
//!   limits, volumes, more waits.
//! * **Other images**: `with_tag` for another version, `with_image` for a relative, and castoff's
//!   `CASTOFF_IMAGE_SUBSTITUTES` and `CASTOFF_IMAGE_PREFIX` for a mirror.
//! * **Passwords** are never part of `Debug` output.
//!
//! # Writing one yourself
//!
//! This crate uses castoff's public API only. A module is a struct around a
//! [`ContainerBuilder`](castoff::ContainerBuilder), a wait made by
//! [`WaitFor::probe`](castoff::WaitFor::probe), and a struct around the container that comes out.

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

mod background;
mod http;
mod probe;
mod shape;
#[cfg(feature = "tls")]
pub mod tls;
mod unique;
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
pub use registry::{Registry, RegistryServer};
#[cfg(feature = "vault")]
pub use vault::{Vault, VaultServer};
#[cfg(feature = "webdriver")]
pub use webdriver::{WebDriver, WebDriverServer};
#[cfg(feature = "zookeeper")]
pub use zookeeper::{ZooKeeper, ZooKeeperServer};
