// The tests of Redis and of Valkey, which differ by their names only. Part of both test binaries.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::castoff::{Container, CopySource, ErrorKind, Module, Network};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, TlsCertificates};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const PASSWORD: &str = "p@ss/w:rd \"%?#&=+ü";
const SCOPE: &str = "CASTOFF_CHILD_SCOPE";

struct RedisFixture;

conformance!(RedisFixture);

async fn open(url: String) -> Outcome<MultiplexedConnection> {
    Ok(redis::Client::open(url)?.get_multiplexed_async_connection().await?)
}

impl Fixture for RedisFixture {
    type Module = Subject;
    type Client = MultiplexedConnection;

    fn module() -> Subject {
        Subject::new().with_password(PASSWORD)
    }

    fn tagged(tag: &str) -> Subject {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (Subject, &'static str) {
        (Subject::new().with_config("no-such-setting", "1"), "no-such-setting")
    }

    async fn connect(server: &Handle) -> Outcome<MultiplexedConnection> {
        open(server.url()).await
    }

    async fn operate(client: &mut MultiplexedConnection, n: usize) -> Outcome {
        client.set::<_, _, ()>("n", n).await?;
        assert_eq!(client.get::<_, usize>("n").await?, n);
        Ok(())
    }

    async fn intrude(server: &Handle) -> Option<Outcome> {
        let url = format!("redis://:wrong@{}", server.addr());
        Some(async { Self::operate(&mut open(url).await?, 0).await }.await)
    }

    fn sibling(server: &Handle) -> Sibling {
        let addr = server.network_addr();
        let (host, port) = addr.split_once(':').unwrap_or_default();
        Sibling::command(&[CLIENT, "-h", host, "-p", port, "-a", PASSWORD, "ping"], "PONG")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn data_is_in_memory_without_snapshots() -> Outcome {
    let server = Subject::new().start().await?;
    let mut client = open(server.url()).await?;
    client.set::<_, _, ()>("greeting", "hello").await?;
    assert_eq!(client.get::<_, String>("greeting").await?, "hello");
    let save = server.container().exec([CLIENT, "config", "get", "save"]).await?.ok()?;
    assert_eq!(save.stdout_text(), "save\n\n");
    let mounts = server.container().exec(["cat", "/proc/mounts"]).await?.ok()?;
    assert!(mounts.stdout_text().contains("tmpfs /data tmpfs"));
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn passwords_users_and_settings_arrive_whatever_they_contain() -> Outcome {
    for password in [PASSWORD, "--save", " a\tb\r\nc'\\ ", "🗝"] {
        let server = Subject::new()
            .with_password(password)
            .with_config("maxmemory", "64mb")
            .with_user("ann@home", password, "~cached:* +@read +@connection")
            .start()
            .await
            .map_err(|error| format!("{password:?}: {error:?}"))?;
        let mut client = open(server.url()).await?;
        let (_, limit): (String, u64) =
            redis::cmd("CONFIG").arg("GET").arg("maxmemory").query_async(&mut client).await?;
        assert_eq!(limit, 64 << 20);
        let stranger = server.container().exec([CLIENT, "ping"]).await?;
        assert!(stranger.stdout_text().starts_with("NOAUTH"));

        let mut ann = open(server.url_as("ann@home", password)).await?;
        assert_eq!(ann.get::<_, Option<String>>("cached:1").await?, None);
        let refused = ann.set::<_, _, ()>("cached:1", "x").await.unwrap_err();
        assert_eq!(refused.code(), Some("NOPERM"), "{refused}");
        let shown = format!("{server:?} {:?}", server.database().await?);
        assert!(!shown.contains(password), "{shown}");
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_file_sets_what_settings_do_not() -> Outcome {
    let server = Subject::new()
        .with_config_file("maxmemory 32mb\nmaxmemory-policy allkeys-lru\nhz 20\n")
        .with_config("hz", "30")
        .start()
        .await?;
    let setting = async |name: &str| -> Outcome<String> {
        let mut client = open(server.url()).await?;
        let (_, value): (String, String) =
            redis::cmd("CONFIG").arg("GET").arg(name).query_async(&mut client).await?;
        Ok(value)
    };
    assert_eq!(setting("maxmemory").await?, (32 << 20).to_string());
    assert_eq!(setting("maxmemory-policy").await?, "allkeys-lru");
    assert_eq!(setting("hz").await?, "30");
    assert_eq!(setting("save").await?, "");
    assert_eq!(setting("databases").await?, "1024");

    server.config_set("hz", "40").await?;
    assert_eq!(setting("hz").await?, "40");
    let error = server.config_set("no-such-setting", "1").await.unwrap_err();
    assert!(error.to_string().contains("CONFIG"), "{error}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_setting_that_it_does_not_know_ends_the_start_with_its_log() {
    let server = Subject::new().with_config("no-such-setting", "1");
    let error = server.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exited, "{error:?}");
    assert!(error.log_tail().iter().any(|line| line.contains("no-such-setting")), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_wait_that_can_not_come_true_shows_what_the_server_answered() {
    let error = Subject::new()
        .with_password("wanted")
        .customize(|container| {
            container
                .with_command([SERVER, "--requirepass", "another"])
                .with_startup_timeout(Duration::from_secs(2))
        })
        .start()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error:?}");
    assert!(error.last_probe().is_some_and(|seen| seen.contains("-WRONGPASS")), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn durable_data_outlives_a_kill() -> Outcome {
    let server = Subject::new().with_durability().with_config("appendfsync", "always").start().await?;
    open(server.url()).await?.set::<_, _, ()>("kept", "yes").await?;
    server.container().kill("SIGKILL").await?;
    server.container().wait().await?;
    server.container().start().await?;
    assert_eq!(open(server.url()).await?.get::<_, String>("kept").await?, "yes");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn tests_do_not_meet_in_databases_of_their_own() -> Outcome {
    let server = Subject::new().with_password(PASSWORD).start().await?;
    let mut shared = open(server.url()).await?;
    shared.set::<_, _, ()>("n", "all").await?;

    let mut databases = Vec::new();
    for _ in 0..200 {
        databases.push(server.database().await?);
    }
    let numbers: BTreeSet<u32> = databases.iter().map(|db| db.number()).collect();
    assert_eq!(numbers.len(), databases.len());
    assert!(!numbers.contains(&0));

    for db in &databases {
        let mut client = open(db.url()).await?;
        assert_eq!(client.get::<_, Option<String>>("n").await?, None);
        client.set::<_, _, ()>("n", db.number()).await?;
    }
    for db in &databases {
        assert_eq!(open(db.url()).await?.get::<_, u32>("n").await?, db.number());
    }
    assert_eq!(shared.get::<_, String>("n").await?, "all");
    assert_ne!(server.unique_prefix(), server.unique_prefix());

    server.flush().await?;
    assert_eq!(shared.get::<_, Option<String>>("n").await?, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a container engine"]
async fn databases_claimed_at_once_differ() -> Outcome {
    let server = Arc::new(Subject::new().with_config("databases", "65").start().await?);
    for _ in 0..5 {
        let claims: Vec<_> = (0..64)
            .map(|_| Arc::clone(&server))
            .map(|server| tokio::spawn(async move { server.database().await }))
            .collect();
        let mut databases = Vec::new();
        for claim in claims {
            databases.push(claim.await??);
        }
        let numbers: BTreeSet<u32> = databases.iter().map(|db| db.number()).collect();
        assert_eq!(numbers, (1..65).collect());
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_database_is_empty_again_whoever_had_it() -> Outcome {
    let server = Subject::new().with_config("databases", "2").start().await?;
    let db = server.database().await?;
    let mut client = open(db.url()).await?;
    client.set::<_, _, ()>("n", 1).await?;

    // As long as a client is in it nobody gets it.
    drop(db);
    let error = server.database().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(error.to_string().contains("all 1 databases"), "{error}");
    assert_eq!(client.get::<_, Option<u32>>("n").await?, None);
    client.set::<_, _, ()>("n", 2).await?;
    drop(client);

    let db = server.database().await?;
    assert_eq!(db.number(), 1);
    assert_eq!(open(db.url()).await?.get::<_, Option<u32>>("n").await?, None);

    // It keeps the server, and needs no runtime to go.
    let id = server.container().id().to_owned();
    drop(server);
    assert_eq!(db.container().id(), id);
    open(db.url()).await?.set::<_, _, ()>("n", 3).await?;
    std::thread::spawn(move || drop(db)).join().map_err(|_| "the drop panicked")?;
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn what_a_killed_process_had_comes_free() -> Outcome {
    let scope = format!("killed-{}", std::process::id());
    let module = || Subject::new().with_config("databases", "4");
    let server = module().shared_as(&scope).await?;
    let own = server.database().await?;

    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--ignored", "--nocapture", "--exact", "child_that_claims_two"]);
    child.env(SCOPE, &scope).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = child.spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let theirs = loop {
        let line = lines.next_line().await?.ok_or("the child ended")?;
        if let Some((_, numbers)) = line.split_once("claimed ") {
            break numbers.to_owned();
        }
    };
    let mut all: Vec<String> = theirs.split(' ').map(str::to_owned).collect();
    all.push(own.number().to_string());
    all.sort();
    assert_eq!(all, ["1", "2", "3"]);
    assert_eq!(server.database().await.unwrap_err().kind(), ErrorKind::Conflict);

    child.kill().await?;
    let (two, three) = (server.database().await?, server.database().await?);
    let numbers = BTreeSet::from([own.number(), two.number(), three.number()]);
    assert_eq!(numbers, BTreeSet::from([1, 2, 3]));
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_database_stays_its_holders_when_all_connections_are_ended() -> Outcome {
    let server = Subject::new().with_config("databases", "2").start().await?;
    let db = server.database().await?;
    open(db.url()).await?.set::<_, _, ()>("n", 1).await?;
    let mut client = open(server.url()).await?;
    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").exec_async(&mut client).await?;
    assert_eq!(server.database().await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(open(db.url()).await?.get::<_, Option<u32>>("n").await?, Some(1));
    drop(db);
    assert_eq!(server.database().await?.number(), 1);
    Ok(())
}

/// The process that is killed above. On its own it does nothing.
#[tokio::test]
#[ignore = "needs a container engine"]
async fn child_that_claims_two() -> Outcome {
    let Ok(scope) = std::env::var(SCOPE) else { return Ok(()) };
    let server = Subject::new().with_config("databases", "4").shared_as(scope).await?;
    let (one, two) = (server.database().await?, server.database().await?);
    println!("\nclaimed {} {}", one.number(), two.number());
    std::future::pending().await
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn tls_is_spoken_by_whoever_trusts_its_authority() -> Outcome {
    let net = Network::create().await?;
    let server = Subject::new()
        .with_tls()
        .with_password(PASSWORD)
        .customize(|container| container.with_network(&net, "cache"))
        .start()
        .await?;
    let ca = server.ca_certificate().ok_or("no certificate")?;
    assert!(server.url().starts_with("rediss://"));
    let db = server.database().await?;
    let trusting = TlsCertificates { client_tls: None, root_cert: Some(ca.into()) };
    let client = redis::Client::build_with_tls(db.url(), trusting)?;
    let mut client = client.get_multiplexed_async_connection().await?;
    RedisFixture::operate(&mut client, 1).await?;
    assert!(open(server.url()).await.is_err(), "it is trusted without reason");
    assert!(open(format!("redis://{}", server.addr())).await.is_err(), "it speaks plainly");

    // By its alias the certificate is right as well.
    let image = Subject::new().builder_mut().spec().image.clone();
    let ping =
        ["-h", "cache", "-p", "6380", "--tls", "--cacert", "/ca.crt", "-a", PASSWORD, "ping"];
    let out = Container::builder(image)
        .with_entrypoint([CLIENT])
        .with_command(ping)
        .with_copy(CopySource::bytes(ca), "/ca.crt")
        .with_network(&net, ())
        .run()
        .await?;
    assert_eq!(out.stdout_text().trim(), "PONG", "{}", out.stderr_text());

    // A restart finds the same certificate.
    server.container().restart().await?;
    let trusting = TlsCertificates { client_tls: None, root_cert: Some(ca.into()) };
    let client = redis::Client::build_with_tls(server.url(), trusting)?;
    RedisFixture::operate(&mut client.get_multiplexed_async_connection().await?, 2).await
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn those_who_share_a_server_trust_the_same_authority() -> Outcome {
    let scope = format!("trusted-{}", std::process::id());
    let one = Subject::new().with_tls().shared_as(&scope).await?;
    let two = Subject::new().with_tls().shared_as(&scope).await?;
    assert_eq!(one.container().id(), two.container().id());
    assert!(one.ca_certificate().is_some_and(|ca| Some(ca) == two.ca_certificate()));
    Ok(())
}
