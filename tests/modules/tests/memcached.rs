//! Memcached, through the crate `async-memcached`.

use async_memcached::{AsciiProtocol, Client};
use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::{Memcached, MemcachedServer};

struct MemcachedFixture;

conformance!(MemcachedFixture);

impl Fixture for MemcachedFixture {
    type Module = Memcached;
    type Client = Client;

    fn module() -> Memcached {
        Memcached::new()
    }

    fn tagged(tag: &str) -> Memcached {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (Memcached, &'static str) {
        (Memcached::new().with_arguments(["--no-such-option"]), "no-such-option")
    }

    async fn connect(server: &MemcachedServer) -> Outcome<Client> {
        let addr = server.url().replace("memcache://", "tcp://");
        Client::new(addr).await.map_err(|error| format!("{error:?}").into())
    }

    async fn operate(client: &mut Client, n: usize) -> Outcome {
        let value = n.to_string();
        client.set("n", value.as_str(), None, None).await.map_err(|e| format!("{e:?}"))?;
        let read = client.get("n").await.map_err(|e| format!("{e:?}"))?.ok_or("no value")?;
        assert_eq!(read.data.as_deref(), Some(value.as_bytes()));
        Ok(())
    }

    async fn intrude(_: &MemcachedServer) -> Option<Outcome> {
        None
    }

    fn sibling(server: &MemcachedServer) -> Sibling {
        let addr = server.network_addr().replace(':', " ");
        Sibling::busybox(&format!("printf 'version\\r\\nquit\\r\\n' | nc {addr}"), "VERSION 1.")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn memory_statistics_prefixes_and_flush() -> Outcome {
    let server = Memcached::new().with_memory(32).start().await?;
    assert_eq!(server.stats().await?["limit_maxbytes"], (32 << 20).to_string());
    let mut client = MemcachedFixture::connect(&server).await?;
    let (one, two) = (server.unique_prefix(), server.unique_prefix());
    assert_ne!(one, two);
    for prefix in [&one, &two] {
        let key = format!("{prefix}key");
        client
            .set(key.as_str(), prefix.as_str(), None, None)
            .await
            .map_err(|e| format!("{e:?}"))?;
    }
    assert_eq!(server.stats().await?["curr_items"], "2");
    let read = client.get(format!("{one}key")).await.map_err(|e| format!("{e:?}"))?;
    assert_eq!(read.and_then(|value| value.data).as_deref(), Some(one.as_bytes()));
    server.flush().await?;
    let gone = client.get(format!("{two}key")).await.map_err(|e| format!("{e:?}"))?;
    assert!(gone.is_none());
    Ok(())
}
