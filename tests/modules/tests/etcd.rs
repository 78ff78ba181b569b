//! etcd, through the gateway that it has for JSON, by the crate `ureq`; and through `etcdctl`, which
//! speaks gRPC, from a sibling. (The crates that speak gRPC themselves are built with protoc, which
//! not everybody has.)

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::{Etcd, EtcdServer};
use serde_json::{Value, json};
use ureq::Agent;

const PASSWORD: &str = "p@ss/w:rd \"%?#&=+ü";

struct EtcdFixture;

conformance!(EtcdFixture);

/// A user of the gateway (etcd documentation, "gRPC gateway"): keys and values are base64 there.
#[derive(Clone)]
struct Client {
    agent: Agent,
    url: String,
    token: Option<String>,
}

impl Client {
    async fn connect(url: String, password: Option<&str>) -> Outcome<Self> {
        let mut client = Client { agent: Agent::new_with_defaults(), url, token: None };
        if let Some(password) = password {
            let who = json!({ "name": "root", "password": password });
            let answer = client.call("auth/authenticate", &who).await?;
            client.token = Some(answer["token"].as_str().ok_or("no token")?.to_owned());
        }
        Ok(client)
    }

    async fn put(&self, key: &str, value: &str) -> Outcome {
        let pair = json!({ "key": STANDARD.encode(key), "value": STANDARD.encode(value) });
        self.call("kv/put", &pair).await.map(drop)
    }

    async fn value(&self, key: &str) -> Outcome<String> {
        let found = self.call("kv/range", &json!({ "key": STANDARD.encode(key) })).await?;
        let value =
            found["kvs"][0]["value"].as_str().ok_or_else(|| format!("no {key}: {found}"))?;
        Ok(String::from_utf8(STANDARD.decode(value)?)?)
    }

    async fn call(&self, path: &str, body: &Value) -> Outcome<Value> {
        let mut request = self.agent.post(format!("{}/v3/{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("Authorization", token);
        }
        let body = body.to_string();
        let asked = move || -> Outcome<String> {
            let mut answer = request.content_type("application/json").send(body)?;
            Ok(answer.body_mut().read_to_string()?)
        };
        Ok(serde_json::from_str(&tokio::task::spawn_blocking(asked).await??)?)
    }
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
        (Etcd::new().with_config("no-such-flag", "1"), "no-such-flag")
    }

    async fn connect(server: &EtcdServer) -> Outcome<Client> {
        Client::connect(server.url(), Some(PASSWORD)).await
    }

    async fn operate(client: &mut Client, n: usize) -> Outcome {
        client.put("n", &n.to_string()).await?;
        assert_eq!(client.value("n").await?, n.to_string());
        Ok(())
    }

    async fn intrude(server: &EtcdServer) -> Option<Outcome> {
        let wrong = Client::connect(server.url(), Some("wrong"));
        Some(async { Self::operate(&mut wrong.await?, 0).await }.await)
    }

    fn sibling(server: &EtcdServer) -> Sibling {
        let (url, user) = (server.network_url(), format!("root:{PASSWORD}"));
        let put = ["etcdctl", "--endpoints", &url, "--user", &user, "put", "from", "a sibling"];
        Sibling::command(&put, "OK")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn values_and_prefixes_with_users_and_without() -> Outcome {
    for module in [Etcd::new(), EtcdFixture::module()] {
        let server = module.start().await?;
        let (one, two) = (server.unique_prefix(), server.unique_prefix());
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
    let mut client = Client::connect(server.url(), None).await?;
    EtcdFixture::operate(&mut client, 7).await?;
    let mounts = server.container().exec(["cat", "/proc/mounts"]).await?.ok()?;
    assert!(mounts.stdout_text().contains("tmpfs /castoff/etcd tmpfs"));
    Ok(())
}
