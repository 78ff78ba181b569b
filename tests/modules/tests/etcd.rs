//! etcd, through the crate `etcd-client`.

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::{Etcd, EtcdServer};
use etcd_client::{Client, ConnectOptions};

const PASSWORD: &str = "p@ss/w:rd \"%?#&=+ü";

struct EtcdFixture;

conformance!(EtcdFixture);

async fn connect(server: &EtcdServer, password: &str) -> Outcome<Client> {
    let options = ConnectOptions::new().with_user("root", password);
    Ok(Client::connect([server.url()], Some(options)).await?)
}

impl Fixture for EtcdFixture {
    type Module = Etcd;
    type Client = Client;

    fn module() -> Etcd {
        Etcd::new().with_root_password(PASSWORD)
    }

    fn tagged(tag: &str) -> Etcd {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (Etcd, &'static str) {
        (Etcd::new().with_flag("no-such-flag", "1"), "no-such-flag")
    }

    async fn connect(server: &EtcdServer) -> Outcome<Client> {
        connect(server, PASSWORD).await
    }

    async fn operate(client: &mut Client, n: usize) -> Outcome {
        client.put("n", n.to_string(), None).await?;
        let found = client.get("n", None).await?;
        assert_eq!(found.kvs()[0].value_str()?, n.to_string());
        Ok(())
    }

    async fn intrude(server: &EtcdServer) -> Option<Outcome> {
        Some(async { Self::operate(&mut connect(server, "wrong").await?, 0).await }.await)
    }

    fn sibling(server: &EtcdServer) -> Sibling {
        Sibling::busybox(&format!("wget -qO- {}/health", server.network_url()), "true")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn values_and_prefixes_with_users_and_without() -> Outcome {
    for recipe in [Etcd::new(), EtcdFixture::module()] {
        let server = recipe.start().await?;
        let (one, two) = (server.prefix(), server.prefix());
        for prefix in [&one, &two] {
            server.put(format!("{prefix}ü"), b"\0any \xff").await?;
        }
        let key = format!("{one}ü");
        assert_eq!(server.value(&key).await?.as_deref(), Some(&b"\0any \xff"[..]));
        assert_eq!(server.delete_prefix(&one).await?, 1);
        assert_eq!(server.value(&key).await?, None);
        assert_eq!(server.delete_prefix("").await?, 1);
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn data_is_in_memory_and_without_a_password_anybody_may() -> Outcome {
    let server = Etcd::new().start().await?;
    let mut client = Client::connect([server.url()], None).await?;
    EtcdFixture::operate(&mut client, 7).await?;
    let mounts = server.container().exec(["cat", "/proc/mounts"]).await?.ok()?;
    assert!(mounts.stdout_text().contains("tmpfs /castoff/etcd tmpfs"));
    Ok(())
}
