//! ZooKeeper, through the crate `zookeeper-client`.

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::castoff::ErrorKind;
use castoff_modules::{ZooKeeper, ZooKeeperServer};
use zookeeper_client::{Acls, Client, CreateMode};

struct ZooKeeperFixture;

conformance!(ZooKeeperFixture);

impl Fixture for ZooKeeperFixture {
    type Module = ZooKeeper;
    type Client = Client;

    fn module() -> ZooKeeper {
        ZooKeeper::new()
    }

    fn tagged(tag: &str) -> ZooKeeper {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (ZooKeeper, &'static str) {
        (ZooKeeper::new().with_config("tickTime", "often"), "often")
    }

    async fn connect(server: &ZooKeeperServer) -> Outcome<Client> {
        Ok(Client::connect(&server.url()).await?)
    }

    async fn operate(client: &mut Client, n: usize) -> Outcome {
        let mode = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
        let (_, sequence) = client.create("/n-", n.to_string().as_bytes(), &mode).await?;
        let (data, _) = client.get_data(&format!("/n-{sequence}")).await?;
        assert_eq!(data, n.to_string().into_bytes());
        Ok(())
    }

    async fn intrude(_: &ZooKeeperServer) -> Option<Outcome> {
        None
    }

    fn sibling(server: &ZooKeeperServer) -> Sibling {
        let addr = server.network_url().replace(':', " ");
        Sibling::busybox(&format!("echo srvr | nc {addr}"), "Mode: standalone")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn trees_of_ones_own() -> Outcome {
    let server = ZooKeeper::new().start().await?;
    let (one, two) = (server.chroot().await?, server.chroot().await?);
    let (one, two) = (Client::connect(&one).await?, Client::connect(&two).await?);
    let mode = CreateMode::Persistent.with_acls(Acls::anyone_all());
    one.create("/item", b"tea", &mode).await?;
    assert!(two.check_stat("/item").await?.is_none());
    two.create("/item", b"cake", &mode).await?;
    assert_eq!(one.get_data("/item").await?.0, b"tea");

    server.create("/ünder", b"data").await?;
    let again = server.create("/ünder", b"data").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict, "{again:?}");
    let orphan = server.create("/no/parent", b"").await.unwrap_err();
    assert_eq!(orphan.kind(), ErrorKind::NotFound, "{orphan:?}");
    let none = server.create("no path", b"").await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::InvalidInput, "{none:?}");
    Ok(())
}
