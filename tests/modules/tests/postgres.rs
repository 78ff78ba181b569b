//! PostgreSQL, through the crate `tokio-postgres`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::castoff::engine::ImageSummary;
use castoff_modules::castoff::{Container, Engine, ErrorKind, Volume};
use castoff_modules::postgres::{prepared_images, prune_prepared};
use castoff_modules::{Postgres, PostgresServer};
use tokio_postgres::{Client, NoTls};

const PASSWORD: &str = "p@ss/w:rd %?#&=+ü'\"";
const PATIENCE: Duration = Duration::from_secs(20);

#[path = "postgres/databases.rs"]
mod databases;

struct PostgresFixture;

conformance!(PostgresFixture);

async fn connect(url: &str) -> Outcome<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn text(client: &Client, query: &str) -> Outcome<String> {
    Ok(client.query_one(query, &[]).await?.try_get(0)?)
}

/// Until it holds; an error names what did not.
async fn eventually(what: &str, holds: impl AsyncFn() -> Outcome<bool>) -> Outcome {
    let began = Instant::now();
    while !holds().await? {
        if began.elapsed() > PATIENCE {
            return Err(what.into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

impl Fixture for PostgresFixture {
    type Module = Postgres;
    type Client = Client;

    fn module() -> Postgres {
        Postgres::new().with_user("ann@home").with_password(PASSWORD).with_database("my shop/2")
    }

    fn tagged(tag: &str) -> Postgres {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (Postgres, &'static str) {
        (Postgres::new().with_config("no_such_setting", "1"), "no_such_setting")
    }

    async fn connect(server: &PostgresServer) -> Outcome<Client> {
        connect(&server.url()).await
    }

    async fn operate(client: &mut Client, n: usize) -> Outcome {
        let n = i64::try_from(n)?;
        client.batch_execute("CREATE TEMP TABLE IF NOT EXISTS told (n bigint)").await?;
        client.execute("INSERT INTO told VALUES ($1)", &[&n]).await?;
        let read: i64 = client.query_one("SELECT max(n) FROM told", &[]).await?.try_get(0)?;
        assert_eq!(read, n);
        Ok(())
    }

    async fn intrude(server: &PostgresServer) -> Option<Outcome> {
        let url = format!("postgres://ann%40home:wrong@{}/my%20shop%2F2", server.addr());
        Some(async { Self::operate(&mut connect(&url).await?, 0).await }.await)
    }

    fn sibling(server: &PostgresServer) -> Sibling {
        Sibling::command(&["psql", &server.network_url(), "-Atc", "SELECT 40 + 2"], "42")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn the_first_connection_finds_a_fast_server_with_data_in_memory() -> Outcome {
    let pg = Postgres::new().start().await?;
    let db = connect(&pg.url()).await?;
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        assert_eq!(text(&db, &format!("SHOW {setting}")).await?, "off");
    }
    assert_eq!(text(&db, "SHOW data_directory").await?, "/var/lib/postgresql/data");
    let mounts = pg.container().exec(["cat", "/proc/mounts"]).await?.ok()?;
    assert!(mounts.stdout_text().contains("tmpfs /var/lib/postgresql/data tmpfs"));
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn names_settings_and_scripts_arrive_whatever_they_contain() -> Outcome {
    let seed =
        "psql -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\" -c \"INSERT INTO item VALUES ('second')\"";
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("third.sql"), "INSERT INTO item VALUES ('third')")?;
    let pg = PostgresFixture::module()
        .with_config("work_mem", "8MB")
        .with_init_sql("CREATE TABLE item (name text)")
        .with_init_sql("INSERT INTO item VALUES ('first')")
        .with_init_script("seed.sh", seed)
        .with_init_file(folder.path().join("third.sql"))
        .start()
        .await?;
    let db = connect(&pg.url()).await?;
    assert_eq!(text(&db, "SELECT current_user::text").await?, "ann@home");
    assert_eq!(text(&db, "SELECT current_database()::text").await?, "my shop/2");
    assert_eq!(text(&db, "SHOW work_mem").await?, "8MB");
    let items = text(&db, "SELECT string_agg(name, ',') FROM item").await?;
    assert_eq!(items, "first,second,third");
    db.batch_execute("CREATE DATABASE other").await?;
    let other = connect(&pg.url_for("other")).await?;
    assert_eq!(text(&other, "SELECT current_database()::text").await?, "other");
    assert!(!format!("{pg:?}").contains("p@ss"));

    assert_eq!(pg.psql("SELECT name FROM item LIMIT 1; SELECT 'ü''\"';").await?, "first\nü'\"\n");
    let error = pg.psql("SELECT 1; SELEKT 2").await.unwrap_err();
    assert!(error.to_string().contains("SELEKT"), "{error:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_durable_server_keeps_its_data_over_a_crash_and_a_restart() -> Outcome {
    let pg = Postgres::new().with_durability().start().await?;
    let db = connect(&pg.url()).await?;
    assert_eq!(text(&db, "SHOW fsync").await?, "on");
    db.batch_execute("CREATE TABLE kept AS SELECT 'yes' AS answer").await?;
    let own = pg.database().await?;
    connect(&own.url()).await?.batch_execute("CREATE TABLE mine ()").await?;
    pg.container().kill("SIGKILL").await?;
    pg.container().wait().await?;
    pg.container().start().await?;
    assert_eq!(text(&connect(&pg.url()).await?, "SELECT answer FROM kept").await?, "yes");
    connect(&own.url()).await?.batch_execute("TABLE mine").await?;
    let another = pg.database().await?;
    assert!(connect(&another.url()).await?.batch_execute("TABLE mine").await.is_err());
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_data_directory_that_is_there_is_used() -> Outcome {
    let volume = Volume::create().await?;
    let data = "/var/lib/postgresql/data";
    let pg = || Postgres::new().customize(|c| c.with_volume(&volume, data));
    let first = pg().start().await?;
    first.psql("CREATE TABLE kept AS SELECT 'yes' AS answer").await?;
    first.container().stop().await?;
    first.into_container().remove().await?;
    let second = pg().with_init_sql("SELECT 1/0").start().await?;
    assert_eq!(second.psql("TABLE kept").await?, "yes\n");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_script_that_fails_ends_the_start_with_its_log() {
    let error = Postgres::new().with_init_sql("SELEKT 1").start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exited, "{error:?}");
    assert!(error.log_tail().iter().any(|line| line.contains("SELEKT")), "{error:?}");
    assert!(error.condition().is_some_and(|text| text.contains("PostgreSQL")), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn snapshots_of_the_default_database_with_sessions_in_it() -> Outcome {
    for name in ["postgres", "my \"shop\"/2"] {
        let pg = Postgres::new().with_database(name).start().await?;
        let client = connect(&pg.url()).await?;
        client.batch_execute("CREATE TABLE item AS SELECT 'tea' AS name").await?;
        pg.snapshot("with 'tea'").await?;
        assert!(client.batch_execute("SELECT 1").await.is_err(), "its session was ended");
        let client = connect(&pg.url()).await?;
        client.batch_execute("INSERT INTO item VALUES ('cake')").await?;
        pg.snapshot("with both").await?;
        let count =
            async || text(&connect(&pg.url()).await?, "SELECT count(*)::text FROM item").await;
        connect(&pg.url()).await?.batch_execute("DROP TABLE item").await?;
        let _open = connect(&pg.url()).await?;
        pg.restore("with 'tea'").await?;
        assert_eq!(count().await?, "1");
        pg.restore("with both").await?;
        assert_eq!(count().await?, "2");
        pg.restore("with 'tea'").await?;
        assert_eq!(count().await?, "1");
        // Taken again, it is another one.
        connect(&pg.url()).await?.batch_execute("DELETE FROM item").await?;
        pg.snapshot("with 'tea'").await?;
        pg.restore("with both").await?;
        pg.restore("with 'tea'").await?;
        assert_eq!(count().await?, "0");
        let error = pg.restore("never taken").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
        assert!(error.to_string().contains("never taken"), "{error:?}");
        let own = pg.database().await?;
        pg.snapshot_of(own.name(), "own").await?;
        pg.restore_of(own.name(), "own").await?;
        connect(&own.url()).await?.batch_execute("SELECT 1").await?;
    }
    Ok(())
}

/// Whether this process made it.
fn prepared(image: &ImageSummary) -> bool {
    let program = std::env::current_exe().unwrap_or_default();
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    image.labels.get("castoff.image.program").is_some_and(|label| name.contains(label.as_str()))
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_prepared_server_starts_from_an_image_without_secrets() -> Outcome {
    let module = || {
        PostgresFixture::module()
            .with_env("CASTOFF_TEST_PREPARED", std::process::id().to_string())
            .with_init_sql("CREATE TABLE item AS SELECT 'tea' AS name")
            .with_prepared_image()
    };
    let engine = Engine::connect().await?;
    let before: BTreeSet<String> =
        prepared_images(&engine).await?.into_iter().map(|image| image.id).collect();
    let starts = (0..4).map(|_| tokio::spawn(module().start())).collect::<Vec<_>>();
    let mut started = Vec::new();
    for start in starts {
        started.push(start.await??);
    }
    let (Some(one), Some(two)) = (started.pop(), started.pop()) else { return Ok(()) };
    for pg in [&one, &two] {
        let client = connect(&pg.url()).await?;
        assert_eq!(text(&client, "SELECT name FROM item").await?, "tea");
        assert_eq!(text(&client, "SHOW data_directory").await?, "/var/lib/postgresql/data");
        let log = pg.container().logs().text().await?;
        assert!(!log.contains("init process complete"), "{log}");
        let mounts = pg.container().exec(["cat", "/proc/mounts"]).await?.ok()?;
        assert!(mounts.stdout_text().contains("tmpfs /var/lib/postgresql/data tmpfs"));
    }
    // Another password is another image.
    let other = module().with_password("another").start().await?;
    connect(&other.url()).await?;
    let after = prepared_images(&engine).await?;
    let made: Vec<_> = after.iter().filter(|image| !before.contains(&image.id)).collect();
    assert_eq!(made.len(), 2, "{made:?}");
    let nameless = engine.images().list("").await?;
    let ours = |image: &&ImageSummary| image.names.is_empty() && prepared(image);
    assert_eq!(nameless.iter().filter(ours).count(), 0, "one that was overtaken is left");
    let shown = Container::builder(&made[0].id).with_entrypoint(["env"]).run().await?;
    assert!(!shown.stdout_text().contains("p@ss") && !shown.stdout_text().contains("another"));
    assert!(made.iter().all(|image| !format!("{:?}", image.labels).contains("p@ss")));

    // A durable one has its data where its volume is.
    let durable = module().with_durability().start().await?;
    durable.psql("INSERT INTO item VALUES ('kept')").await?;
    durable.container().restart().await?;
    assert_eq!(durable.psql("SELECT count(*) FROM item").await?, "2\n");
    drop((one, two, started, other, durable));
    // Those who are on their way out still use the images.
    eventually("pruned", async || Ok(prune_prepared(&engine).await.is_ok())).await?;
    assert!(prepared_images(&engine).await?.is_empty());
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn tls_with_a_certificate_that_can_be_verified() -> Outcome {
    let net = castoff_modules::castoff::Network::create().await?;
    let module = || Postgres::new().with_tls().customize(|c| c.with_network(&net, "db"));
    let (pg, twin) = tokio::try_join!(module().shared(), module().shared())?;
    assert_eq!(pg.container().id(), twin.container().id());
    assert_eq!(pg.ca_certificate(), twin.ca_certificate());
    let ca = pg.ca_certificate().ok_or("no certificate")?;
    let url =
        "postgres://postgres:postgres@db:5432/postgres?sslmode=verify-full&sslrootcert=/ca.crt";
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let psql = |ca: &str| {
        Container::builder(pg.container().image())
            .with_network(&net, ())
            .with_copy(ca.as_bytes(), "/ca.crt")
            .with_entrypoint(["psql", url, "-Atc", query])
            .run()
    };
    assert_eq!(psql(ca).await?.ok()?.stdout_text(), "t\n");
    let other = Postgres::new().with_tls().start().await?;
    let refused = psql(other.ca_certificate().ok_or("no certificate")?).await?;
    assert!(refused.stderr_text().contains("certificate verify failed"), "{refused:?}");
    let mode = ["stat", "-c", "%a %U", "/var/run/postgresql/server.key"];
    assert_eq!(pg.container().exec(mode).await?.ok()?.stdout_text(), "600 postgres\n");
    pg.container().restart().await?;
    assert_eq!(psql(ca).await?.ok()?.stdout_text(), "t\n");
    Ok(())
}

/// Futures go to other threads.
#[test]
fn futures_are_send() {
    fn send<T: Send>(_: T) {}
    let _ = |pg: &'static PostgresServer| {
        send(pg.database());
        send(pg.database_from("key", |_url| async { Outcome::Ok(()) }));
        send(pg.database_from_sql("/"));
        send(pg.snapshot("a"));
        send(pg.restore("a"));
        send(pg.psql("SELECT 1"));
        send(Postgres::new().with_prepared_image().shared());
    };
}
