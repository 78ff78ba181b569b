//! ClickHouse, through the crate `clickhouse`.

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::{ClickHouse, ClickHouseServer};
use clickhouse::{Client, Compression};

const PASSWORD: &str = "p@ss:rd %?#=+ü";

struct ClickHouseFixture;

conformance!(ClickHouseFixture);

fn client(server: &ClickHouseServer, password: &str) -> Client {
    Client::default()
        .with_url(server.url())
        .with_user(server.user())
        .with_password(password)
        .with_database(server.database_name())
        .with_compression(Compression::None)
}

impl Fixture for ClickHouseFixture {
    type Module = ClickHouse;
    type Client = Client;
    /// Each takes two seconds and more.
    const STARTS: usize = 10;

    fn module() -> ClickHouse {
        ClickHouse::new().with_user("ann-lee").with_password(PASSWORD).with_database("my shop")
    }

    fn tagged(tag: &str) -> ClickHouse {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (ClickHouse, &'static str) {
        let file = "<yandex><http_port>many</http_port></yandex>";
        (ClickHouse::new().with_config_file("bad.xml", file), "many")
    }

    async fn connect(server: &ClickHouseServer) -> Outcome<Client> {
        Ok(client(server, PASSWORD))
    }

    async fn operate(client: &mut Client, n: usize) -> Outcome {
        let answer: u64 = client.query("SELECT toUInt64(?) + 1").bind(n).fetch_one().await?;
        assert_eq!(answer, n as u64 + 1);
        Ok(())
    }

    async fn intrude(server: &ClickHouseServer) -> Option<Outcome> {
        Some(Self::operate(&mut client(server, "wrong"), 0).await)
    }

    fn sibling(server: &ClickHouseServer) -> Sibling {
        Sibling::busybox(&format!("wget -qO- {}/ping", server.network_url()), "Ok.")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn queries_and_databases_of_ones_own() -> Outcome {
    let server = ClickHouseFixture::module().start().await?;
    assert_eq!(server.query("SELECT currentDatabase(), 'ü'").await?, "my shop\tü\n");
    let error = server.query("SELEKT 1").await.unwrap_err();
    assert!(error.to_string().contains("SELEKT"), "{error:?}");
    assert!(!format!("{error:?}").contains("p@ss"), "{error:?}");
    for name in [server.unique_name(), server.unique_name()] {
        server.query(format!("CREATE DATABASE {name}")).await?;
        server.query(format!("CREATE TABLE {name}.n (n UInt8) ENGINE = Memory")).await?;
    }
    assert_ne!(server.native_addr()?, server.addr());
    Ok(())
}
