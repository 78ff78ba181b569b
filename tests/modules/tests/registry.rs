//! A registry of images, through the crate `ureq` and the distribution API.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::castoff::ErrorKind;
use castoff_modules::{DockerRegistry, DockerRegistryServer};
use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

const PASSWORD: &str = "p@ss/w:rd \"%?#&=+ü";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

struct RegistryFixture;

conformance!(RegistryFixture);

/// Somebody who pushes and pulls.
#[derive(Clone)]
struct Client {
    agent: Agent,
    url: String,
    authorization: String,
}

impl Client {
    fn new(agent: Agent, url: String, password: &str) -> Self {
        let credentials = STANDARD.encode(format!("ann@home:{password}"));
        Client { agent, url, authorization: format!("Basic {credentials}") }
    }

    /// Pushes an image of one small blob, and pulls its manifest.
    fn push(&self, repository: &str, tag: &str) -> Outcome {
        let url = format!("{}/v2/{repository}", self.url);
        let blob = format!("{{\"tag\":\"{tag}\"}}");
        let digest = format!("sha256:{:x}", Sha256::digest(&blob));
        let begun = self
            .agent
            .post(&format!("{url}/blobs/uploads/"))
            .header("Authorization", &self.authorization)
            .send_empty()?;
        let place = begun.headers().get("Location").ok_or("no place")?.to_str()?.to_owned();
        let place = if place.starts_with('/') { format!("{}{place}", self.url) } else { place };
        let with = if place.contains('?') { '&' } else { '?' };
        self.agent
            .put(&format!("{place}{with}digest={digest}"))
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/octet-stream")
            .send(&blob)?;
        let config = format!(
            r#"{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest}","size":{}}}"#,
            blob.len()
        );
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[]}}"#
        );
        let place = format!("{url}/manifests/{tag}");
        self.agent
            .put(&place)
            .header("Authorization", &self.authorization)
            .header("Content-Type", MANIFEST)
            .send(&manifest)?;
        let mut pulled = self
            .agent
            .get(&place)
            .header("Authorization", &self.authorization)
            .header("Accept", MANIFEST)
            .call()?;
        assert_eq!(pulled.body_mut().read_to_string()?, manifest);
        Ok(())
    }
}

async fn push(client: &Client, repository: &str, tag: &str) -> Outcome {
    let (client, repository, tag) = (client.clone(), repository.to_owned(), tag.to_owned());
    tokio::task::spawn_blocking(move || client.push(&repository, &tag)).await?
}

impl Fixture for RegistryFixture {
    type Module = DockerRegistry;
    type Client = Client;

    fn module() -> DockerRegistry {
        DockerRegistry::new().with_user("ann@home", PASSWORD)
    }

    fn tagged(tag: &str) -> DockerRegistry {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (DockerRegistry, &'static str) {
        (DockerRegistry::new().with_config("log.level", "nonsense"), "nonsense")
    }

    async fn connect(server: &DockerRegistryServer) -> Outcome<Client> {
        Ok(Client::new(Agent::new_with_defaults(), server.url(), PASSWORD))
    }

    async fn operate(client: &mut Client, n: usize) -> Outcome {
        push(client, "team/app", &n.to_string()).await
    }

    async fn intrude(server: &DockerRegistryServer) -> Option<Outcome> {
        let client = Client::new(Agent::new_with_defaults(), server.url(), "wrong");
        Some(push(&client, "team/app", "1").await)
    }

    fn sibling(server: &DockerRegistryServer) -> Sibling {
        Sibling::busybox(&format!("wget -O- {}/v2/ 2>&1", server.network_url()), "401")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn repositories_tags_and_deletes() -> Outcome {
    for module in [DockerRegistry::new(), RegistryFixture::module()] {
        let server = module.start().await?;
        let client = RegistryFixture::connect(&server).await?;
        let (one, two) =
            (format!("{}app", server.unique_prefix()), format!("{}app", server.unique_prefix()));
        push(&client, &one, "1").await?;
        push(&client, &one, "2").await?;
        push(&client, &two, "1").await?;
        let mut expected = vec![one.clone(), two];
        expected.sort();
        assert_eq!(server.repositories().await?, expected);
        assert_eq!(server.tags(&one).await?, ["1", "2"]);
        server.delete(&one, "1").await?;
        assert_eq!(server.tags(&one).await?, ["2"]);
        assert!(server.delete(&one, "1").await.is_err());
        assert!(server.tags("never/pushed").await.is_err());
        assert_eq!(server.name_for("a/b:1"), format!("{}/a/b:1", server.addr()));
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn tls_with_users_and_a_certificate_that_can_be_verified() -> Outcome {
    let module = || RegistryFixture::module().with_tls_names(["registry"]);
    let (server, twin) = tokio::try_join!(module().shared(), module().shared())?;
    assert_eq!(server.container().id(), twin.container().id());
    assert!(server.url().starts_with("https://"));
    let https = |ca: Option<&str>| -> Outcome<Agent> {
        let ca = Certificate::from_pem(ca.ok_or("no certificate")?.as_bytes())?;
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[ca])).build();
        Ok(Agent::config_builder().tls_config(tls).build().into())
    };
    let agent = https(server.ca_certificate())?;
    push(&Client::new(agent.clone(), server.url(), PASSWORD), "team/app", "1").await?;
    assert!(push(&Client::new(agent, server.url(), "wrong"), "team/app", "2").await.is_err());
    let other = DockerRegistry::new().with_tls_names(["registry"]).start().await?;
    let stranger = Client::new(https(other.ca_certificate())?, server.url(), PASSWORD);
    assert!(push(&stranger, "team/app", "3").await.is_err(), "another authority");
    assert_eq!(server.repositories().await.unwrap_err().kind(), ErrorKind::Unsupported);
    Ok(())
}
