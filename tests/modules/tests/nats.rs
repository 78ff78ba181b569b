//! NATS, through the crate `async-nats`.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::Config;
use async_nats::{Client, ConnectOptions, jetstream};
use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::castoff::{ErrorKind, Network};
use castoff_modules::nats::Account;
use castoff_modules::{Nats, NatsServer};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

const USER: &str = "ann@home";
const PASSWORD: &str = "p@ss/w:rd \"%?#&=+ü\\ $x '\t";
const SCOPE: &str = "CASTOFF_CHILD_SCOPE";

struct NatsFixture;

conformance!(NatsFixture);

async fn open(url: &str) -> Outcome<Client> {
    Ok(ConnectOptions::new().connect(url).await?)
}

/// The client takes no credentials from a URL.
async fn enter(account: &Account) -> Outcome<Client> {
    Ok(options(account).connect(account.url()).await?)
}

fn options(account: &Account) -> ConnectOptions {
    let (user, password) = (account.user().to_owned(), account.password().to_owned());
    ConnectOptions::with_user_and_password(user, password)
}

async fn log_in(server: &NatsServer, password: &str) -> Outcome<Client> {
    let user = server.user().ok_or("no user")?.to_owned();
    let options = ConnectOptions::with_user_and_password(user, password.to_owned());
    Ok(options.connect(format!("nats://{}", server.addr())).await?)
}

/// Publishes to a stream, which acknowledges it.
async fn keep(client: &Client, stream: &str) -> Outcome<u64> {
    let jetstream = jetstream::new(client.clone());
    let subjects = vec![format!("{stream}.>")];
    let config = Config { name: stream.to_owned(), subjects, ..Default::default() };
    jetstream.get_or_create_stream(config).await?;
    Ok(jetstream.publish(format!("{stream}.n"), "x".into()).await?.await?.sequence)
}

/// Says something on a subject, and hears it.
async fn talk(client: &Client, n: usize) -> Outcome {
    use futures_util::StreamExt;
    let mut heard = client.subscribe("talk.>").await?;
    client.publish("talk.n", n.to_string().into()).await?;
    let message = tokio::time::timeout(Duration::from_secs(10), heard.next()).await?;
    assert_eq!(message.ok_or("the server hung up")?.payload, n.to_string());
    Ok(())
}

impl Fixture for NatsFixture {
    type Module = Nats;
    type Client = Client;

    fn module() -> Nats {
        Nats::new().with_user(USER, PASSWORD)
    }

    fn tagged(tag: &str) -> Nats {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (Nats, &'static str) {
        (Nats::new().with_config_file("no_such_setting: 1"), "no_such_setting")
    }

    async fn connect(server: &NatsServer) -> Outcome<Client> {
        log_in(server, server.password().ok_or("no password")?).await
    }

    async fn operate(client: &mut Client, n: usize) -> Outcome {
        talk(client, n).await?;
        keep(client, "kept").await.map(drop)
    }

    async fn intrude(server: &NatsServer) -> Option<Outcome> {
        Some(async { Self::operate(&mut log_in(server, "wrong").await?, 0).await }.await)
    }

    fn sibling(server: &NatsServer) -> Sibling {
        let addr = server.network_addr().replace(':', " ");
        // It answers PONG to none but its users.
        let connect = r#"CONNECT {"verbose":false,"user":"castoff-1","pass":"castoff-1"}"#;
        let say = format!("(printf '%s\\r\\nPING\\r\\n' '{connect}'; sleep 1) | nc {addr}");
        Sibling::busybox(&say, "PONG")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn by_default_anybody_gets_in_and_has_jetstream() -> Outcome {
    let server = Nats::new().start().await?;
    let client = open(&server.url()).await?;
    assert_eq!(keep(&client, "kept").await?, 1);
    assert_eq!(keep(&client, "kept").await?, 2);
    server.delete_streams().await?;
    assert_eq!(keep(&client, "kept").await?, 1);
    assert!(server.user().is_none() && server.token().is_none());
    assert!(server.monitoring_url().is_none());
    assert_ne!(server.unique_prefix(), server.unique_prefix());
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn credentials_arrive_whatever_they_contain() -> Outcome {
    for password in [PASSWORD, "$HOME", "12", "true", " a\r\nb {c} # d; ", "$1$x", "🗝", "\u{7f}"]
    {
        let server = Nats::new().with_user("a \"b\" $c", password).with_user("bob", "x");
        let server = server.start().await.map_err(|error| format!("{password:?}: {error:?}"))?;
        talk(&log_in(&server, password).await?, 1).await?;
        let bob = ConnectOptions::with_user_and_password("bob".into(), "x".into());
        talk(&bob.connect(server.url()).await?, 2).await?;
        assert!(open(&format!("nats://{}", server.addr())).await.is_err());
        assert!(password != PASSWORD || !format!("{server:?}").contains("p@ss"));
    }
    let server = Nats::new().with_token("t%kn\" x").start().await?;
    let options = ConnectOptions::with_token(server.token().ok_or("no token")?.to_owned());
    talk(&options.connect(format!("nats://{}", server.addr())).await?, 1).await?;
    assert!(open(&format!("nats://{}", server.addr())).await.is_err());
    assert_eq!(server.account().await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(server.delete_streams().await.unwrap_err().kind(), ErrorKind::Unsupported);
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn settings_and_monitoring_are_there_on_request() -> Outcome {
    let server = Nats::new()
        .with_monitoring()
        .without_jetstream()
        .with_config_file("max_payload: 12345")
        .start()
        .await?;
    let client = open(&server.url()).await?;
    assert_eq!(client.server_info().max_payload, 12345);
    assert!(keep(&client, "kept").await.is_err());

    let url = server.monitoring_url().ok_or("no monitoring")?;
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await?;
    stream.write_all(b"GET /varz HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert!(answer.contains("\"max_payload\": 12345"), "{answer}");

    // Accounts need no JetStream.
    let account = server.account().await?;
    talk(&enter(&account).await?, 1).await
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn durable_streams_outlive_a_kill() -> Outcome {
    let server = Nats::new().with_durability().start().await?;
    assert_eq!(keep(&open(&server.url()).await?, "kept").await?, 1);
    server.container().kill("SIGKILL").await?;
    server.container().wait().await?;
    server.container().start().await?;
    assert_eq!(keep(&open(&server.url()).await?, "kept").await?, 2);
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn tests_do_not_meet_in_accounts_of_their_own() -> Outcome {
    let server = NatsFixture::module().start().await?;
    let everybody = NatsFixture::connect(&server).await?;
    assert_eq!(keep(&everybody, "kept").await?, 1);

    let mut accounts = Vec::new();
    for _ in 0..40 {
        accounts.push(server.account().await?);
    }
    assert_eq!(names(&accounts).len(), accounts.len());
    for account in &accounts {
        let client = enter(account).await?;
        talk(&client, 1).await?;
        assert_eq!(keep(&client, "kept").await?, 1);
    }
    assert_eq!(keep(&everybody, "kept").await?, 2);
    server.delete_streams().await?;
    assert_eq!(keep(&enter(&accounts[0]).await?, "kept").await?, 2);
    assert_eq!(keep(&everybody, "kept").await?, 1);
    Ok(())
}

fn names(accounts: &[Account]) -> BTreeSet<String> {
    accounts.iter().map(|account| account.name().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a container engine"]
async fn accounts_claimed_at_once_differ() -> Outcome {
    let server = Arc::new(Nats::new().with_accounts(24).start().await?);
    for _ in 0..5 {
        let claims: Vec<_> = (0..20)
            .map(|_| Arc::clone(&server))
            .map(|server| tokio::spawn(async move { server.account().await }))
            .collect();
        let mut accounts = Vec::new();
        for claim in claims {
            accounts.push(claim.await??);
        }
        assert_eq!(names(&accounts).len(), accounts.len());
        for account in &accounts {
            assert_eq!(keep(&enter(account).await?, "kept").await?, 1);
        }
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_account_is_empty_again_whoever_had_it() -> Outcome {
    let server = Nats::new().with_accounts(1).start().await?;
    let account = server.account().await?;
    let client = enter(&account).await?;
    keep(&client, "kept").await?;

    // As long as a client is in it nobody gets it.
    drop(account);
    let error = server.account().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(error.to_string().contains("all 1 accounts"), "{error}");
    assert_eq!(keep(&client, "kept").await?, 1, "its streams were not deleted");
    client.drain().await?;
    drop(client);

    let account = server.account().await?;
    assert_eq!(keep(&enter(&account).await?, "kept").await?, 1);

    // It keeps the server, and needs no runtime to go.
    let id = server.container().id().to_owned();
    drop(server);
    assert_eq!(account.container().id(), id);
    assert_eq!(keep(&enter(&account).await?, "kept").await?, 2);
    std::thread::spawn(move || drop(account)).join().map_err(|_| "the drop panicked")?;
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_a_killed_process_had_comes_free() -> Outcome {
    let scope = format!("killed-{}", std::process::id());
    let server = Nats::new().with_accounts(3).shared_as(&scope).await?;
    let own = server.account().await?;

    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--ignored", "--nocapture", "--exact", "child_that_claims_two"]);
    child.env(SCOPE, &scope).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = child.spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let theirs = loop {
        let line = lines.next_line().await?.ok_or("the child ended")?;
        if let Some((_, names)) = line.split_once("claimed ") {
            break names.to_owned();
        }
    };
    let mut all: BTreeSet<String> = theirs.split(' ').map(str::to_owned).collect();
    all.insert(own.name().to_owned());
    assert_eq!(all.len(), 3, "{all:?}");
    assert_eq!(server.account().await.unwrap_err().kind(), ErrorKind::Conflict);

    child.kill().await?;
    let found = names(&[own, server.account().await?, server.account().await?]);
    assert_eq!(found, all);
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn an_account_stays_its_holders_when_the_server_is_restarted() -> Outcome {
    let server = Nats::new().with_accounts(1).start().await?;
    let account = server.account().await?;
    server.container().restart().await?;
    assert_eq!(server.account().await.unwrap_err().kind(), ErrorKind::Conflict);
    let name = account.name().to_owned();
    drop(account);
    assert_eq!(server.account().await?.name(), name);
    Ok(())
}

/// The process that is killed above. On its own it does nothing.
#[tokio::test]
#[ignore = "needs a container engine"]
async fn child_that_claims_two() -> Outcome {
    let Ok(scope) = std::env::var(SCOPE) else { return Ok(()) };
    let server = Nats::new().with_accounts(3).shared_as(scope).await?;
    let (one, two) = (server.account().await?, server.account().await?);
    println!("\nclaimed {} {}", one.name(), two.name());
    std::future::pending().await
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn tls_is_spoken_by_whoever_trusts_its_authority() -> Outcome {
    let net = Network::create().await?;
    let server = Nats::new()
        .with_tls()
        .customize(|container| container.with_network(&net, "queue"))
        .start()
        .await?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), server.ca_certificate().ok_or("no certificate")?)?;
    let trusting = || ConnectOptions::new().add_root_certificates(file.path().into());

    assert!(server.url().starts_with("tls://"));
    talk(&trusting().connect(server.url()).await?, 1).await?;
    assert!(open(&server.url()).await.is_err(), "it is trusted without reason");
    let account = server.account().await?;
    assert!(account.url().starts_with("tls://"));
    let client = options(&account).add_root_certificates(file.path().into());
    talk(&client.connect(account.url()).await?, 2).await?;

    server.container().restart().await?;
    talk(&trusting().connect(server.url()).await?, 3).await
}
