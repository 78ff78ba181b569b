//! Elasticsearch and OpenSearch nodes: [`Elasticsearch`] and [`OpenSearch`] describe one,
//! [`ElasticsearchServer`] and [`OpenSearchServer`] are handles to running ones.
//!
//! **Not run in castoff's CI**, as its image is not available there: it is written from the image's
//! documentation. `cargo xtask test --registry` runs it if a registry is reachable.

use std::fmt::Display;

use castoff::{Container, ContainerBuilder, Module, Result};

use crate::http::{Request, Response, until_answer};
use crate::shape::{SLOW, Service, module, server};
use crate::url::encode;

/// The port that the node listens on in its container.
pub const PORT: u16 = 9200;
const HEALTH: &str = "/_cluster/health?wait_for_status=yellow&timeout=1s";
const HEAP: &str = "-Xms512m -Xmx512m";

/// A description of an Elasticsearch node. Nothing happens before [`start`](Self::start).
///
/// By default: image `docker.elastic.co/elasticsearch/elasticsearch:8.15.0`; a cluster of one, by
/// plain HTTP, with the user `elastic` and the password `changeme`, and 512 MiB of heap. It is
/// ready when the cluster's health is yellow.
#[cfg(feature = "elasticsearch")]
#[must_use = "nothing is started before `start()`"]
pub struct Elasticsearch {
    container: ContainerBuilder,
    password: String,
}

#[cfg(feature = "elasticsearch")]
impl Elasticsearch {
    /// Describes a node with all defaults.
    pub fn new() -> Self {
        Elasticsearch {
            container: Container::builder("docker.elastic.co/elasticsearch/elasticsearch:8.15.0")
                .with_port(PORT)
                .with_startup_timeout(SLOW),
            password: "changeme".into(),
        }
    }

    /// Sets the password of `elastic`. Default: `changeme`.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }

    /// Sets an environment variable of the image: `indices.query.bool.max_clause_count`.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.container = self.container.with_env(key, value);
        self
    }
}

#[cfg(feature = "elasticsearch")]
module!(Elasticsearch => ElasticsearchServer, "docker.elastic.co/elasticsearch/elasticsearch");

#[cfg(feature = "elasticsearch")]
impl Module for Elasticsearch {
    type Server = ElasticsearchServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        let health = Request::new("GET", HEALTH).with_basic_auth("elastic", &self.password);
        Ok(container
            .with_env("discovery.type", "single-node")
            .with_env("xpack.security.http.ssl.enabled", "false")
            .with_env("cluster.routing.allocation.disk.threshold_enabled", "false")
            .with_env("ES_JAVA_OPTS", HEAP)
            .with_env("ELASTIC_PASSWORD", &self.password)
            .with_wait(until_answer("Elasticsearch to be healthy", PORT, health, healthy)))
    }

    async fn into_server(self, container: Container) -> Result<ElasticsearchServer> {
        Ok(ElasticsearchServer { service: Service::new(container, PORT)?, password: self.password })
    }
}

/// An Elasticsearch node, removed with its data when this handle is dropped.
#[cfg(feature = "elasticsearch")]
#[must_use = "the node is removed when its handle is dropped"]
pub struct ElasticsearchServer {
    service: Service,
    password: String,
}

#[cfg(feature = "elasticsearch")]
server!(ElasticsearchServer);

#[cfg(feature = "elasticsearch")]
impl ElasticsearchServer {
    /// Returns the URL for a client on this machine: `http://elastic:changeme@127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        url(Some(&self.password), self.addr())
    }

    /// Returns the URL for a client in a network that the node is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        url(Some(&self.password), self.network_addr())
    }

    /// Returns the password of `elastic`.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Creates an index, with settings and mappings in JSON, or none.
    ///
    /// # Errors
    /// Fails if the node refuses, or can't be reached.
    ///
    /// # Cancel safety
    /// It may be created even if the future is dropped.
    pub async fn create_index(&self, name: &str, body: Option<&str>) -> Result<()> {
        let request = Request::new("PUT", format!("/{}", encode(name)));
        let request = request.with_basic_auth("elastic", &self.password);
        request.with_json(body.unwrap_or("{}")).send_ok(self.addr()).await.map(drop)
    }
}

/// A description of an OpenSearch node. Nothing happens before [`start`](Self::start).
///
/// By default: image `opensearchproject/opensearch:2.17.0`; a cluster of one without the security
/// plugin, and 512 MiB of heap. It is ready when the cluster's health is yellow.
#[cfg(feature = "opensearch")]
#[must_use = "nothing is started before `start()`"]
pub struct OpenSearch {
    container: ContainerBuilder,
}

#[cfg(feature = "opensearch")]
impl OpenSearch {
    /// Describes a node with all defaults.
    pub fn new() -> Self {
        OpenSearch {
            container: Container::builder("opensearchproject/opensearch:2.17.0")
                .with_port(PORT)
                .with_startup_timeout(SLOW),
        }
    }

    /// Sets an environment variable of the image: `indices.query.bool.max_clause_count`.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.container = self.container.with_env(key, value);
        self
    }
}

#[cfg(feature = "opensearch")]
module!(OpenSearch => OpenSearchServer, "opensearchproject/opensearch");

#[cfg(feature = "opensearch")]
impl Module for OpenSearch {
    type Server = OpenSearchServer;

    fn builder_mut(&mut self) -> &mut ContainerBuilder {
        &mut self.container
    }

    fn configure(&self, container: ContainerBuilder) -> Result<ContainerBuilder> {
        let health = Request::new("GET", HEALTH);
        Ok(container
            .with_env("discovery.type", "single-node")
            .with_env("DISABLE_SECURITY_PLUGIN", "true")
            .with_env("DISABLE_INSTALL_DEMO_CONFIG", "true")
            .with_env("cluster.routing.allocation.disk.threshold_enabled", "false")
            .with_env("OPENSEARCH_JAVA_OPTS", HEAP)
            .with_wait(until_answer("OpenSearch to be healthy", PORT, health, healthy)))
    }

    async fn into_server(self, container: Container) -> Result<OpenSearchServer> {
        Ok(OpenSearchServer { service: Service::new(container, PORT)? })
    }
}

/// An OpenSearch node, removed with its data when this handle is dropped.
#[cfg(feature = "opensearch")]
#[must_use = "the node is removed when its handle is dropped"]
pub struct OpenSearchServer {
    service: Service,
}

#[cfg(feature = "opensearch")]
server!(OpenSearchServer);

#[cfg(feature = "opensearch")]
impl OpenSearchServer {
    /// Returns the URL for a client on this machine: `http://127.0.0.1:49153`.
    #[must_use]
    pub fn url(&self) -> String {
        url(None, self.addr())
    }

    /// Returns the URL for a client in a network that the node is in.
    #[must_use]
    pub fn network_url(&self) -> String {
        url(None, self.network_addr())
    }

    /// Creates an index, with settings and mappings in JSON, or none.
    ///
    /// # Errors
    /// Fails if the node refuses, or can't be reached.
    ///
    /// # Cancel safety
    /// It may be created even if the future is dropped.
    pub async fn create_index(&self, name: &str, body: Option<&str>) -> Result<()> {
        let request = Request::new("PUT", format!("/{}", encode(name)));
        request.with_json(body.unwrap_or("{}")).send_ok(self.addr()).await.map(drop)
    }
}

fn healthy(answer: &Response) -> bool {
    answer.status == 200 && !answer.body.contains(r#""timed_out":true"#)
}

fn url(password: Option<&str>, addr: impl Display) -> String {
    match password {
        Some(password) => format!("http://elastic:{}@{addr}", encode(password)),
        None => format!("http://{addr}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::json_of;

    #[cfg(feature = "elasticsearch")]
    #[test]
    fn elasticsearch_is_as_its_image_has_it() {
        insta::assert_snapshot!(json_of(Elasticsearch::new().with_password("sesame")));
    }

    #[cfg(feature = "opensearch")]
    #[test]
    fn opensearch_is_as_its_image_has_it() {
        insta::assert_snapshot!(json_of(OpenSearch::new()));
    }

    #[test]
    fn a_cluster_is_healthy_when_it_did_not_time_out() {
        let answer = Response::of;
        assert!(healthy(&answer(200, r#"{"status":"yellow","timed_out":false}"#)));
        assert!(!healthy(&answer(200, r#"{"status":"red","timed_out":true}"#)));
        assert!(!healthy(&answer(401, "")));
        assert_eq!(url(Some("p@"), "h:1"), "http://elastic:p%40@h:1");
        assert_eq!(url(None, "h:1"), "http://h:1");
    }
}
