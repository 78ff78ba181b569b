//! PostgreSQL, through the crate `tokio-postgres`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::castoff::engine::ImageSummary;
use castoff_modules::castoff::{Container, Engine, ErrorKind, Volume};
use castoff_modules::postgres::{PgDatabase, prepared_images, prune_prepared};
use castoff_modules::{Postgres, PostgresServer};
use tokio_postgres::{Client, NoTls};

const PASSWORD: &str = "p@ss/w:rd %?#&=+ü'\"";
const PATIENCE: Duration = Duration::from_secs(20);

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
    let pg = Postgres::new().durable().start().await?;
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
async fn databases_have_what_the_default_one_had_and_nothing_of_each_others() -> Outcome {
    let pg = Postgres::new()
        .with_extension("pg_trgm")
        .with_init_sql("CREATE TABLE item AS SELECT 'tea' AS name")
        .start()
        .await?;
    // A session in the default database does not keep anybody from getting one.
    let busy = connect(&pg.url()).await?;
    let (one, two) = (pg.database().await?, pg.database().await?);
    assert_ne!(one.name(), two.name());
    let own = connect(&one.url()).await?;
    own.batch_execute("INSERT INTO item VALUES ('cake')").await?;
    assert_eq!(text(&own, "SELECT similarity('tea', 'tea')::text").await?, "1");
    let count = "SELECT count(*)::text FROM item";
    assert_eq!(text(&own, count).await?, "2");
    assert_eq!(text(&connect(&two.url()).await?, count).await?, "1");
    assert_eq!(text(&busy, count).await?, "1");

    // It goes with its handle, sessions or not; the others stay.
    let name = one.name().to_owned();
    drop(one);
    let left = format!("SELECT count(*)::text FROM pg_database WHERE datname = '{name}'");
    eventually("dropped", async || Ok(text(&busy, &left).await? == "0")).await?;
    assert_eq!(text(&connect(&two.url()).await?, count).await?, "1");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_database_outlives_the_servers_handle() -> Outcome {
    let database = {
        let pg = Postgres::new().start().await?;
        pg.database().await?
    };
    assert_eq!(text(&connect(&database.url()).await?, "SELECT 'here'").await?, "here");
    let id = database.container().id().to_owned();
    let engine = database.container().engine().clone();
    drop(database);
    eventually("removed", async || {
        let left = engine.containers().all().list().await?;
        Ok(left.iter().all(|container| container.id != id))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a container engine"]
async fn fifty_at_once_and_one_migration() -> Outcome {
    let pg = Arc::new(PostgresFixture::module().start().await?);
    let runs = Arc::new(AtomicUsize::new(0));
    let tests = (0..50).map(|number: i32| {
        let (pg, runs) = (Arc::clone(&pg), Arc::clone(&runs));
        tokio::spawn(async move {
            let database = pg.database_from("items", |url| async move {
                runs.fetch_add(1, Ordering::SeqCst);
                connect(&url).await?.batch_execute("CREATE TABLE item (n int)").await?;
                Outcome::Ok(())
            });
            let database = database.await?;
            let client = connect(&database.url()).await?;
            client.execute("INSERT INTO item VALUES ($1)", &[&number]).await?;
            let sum: i64 = client.query_one("SELECT sum(n) FROM item", &[]).await?.try_get(0)?;
            assert_eq!(sum, i64::from(number));
            Outcome::Ok(database.name().to_owned())
        })
    });
    let mut names = BTreeSet::new();
    for test in tests.collect::<Vec<_>>() {
        names.insert(test.await??);
    }
    assert_eq!((names.len(), runs.load(Ordering::SeqCst)), (50, 1));
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn migrations_that_fail_are_run_again_by_the_next() -> Outcome {
    let pg = Postgres::new().start().await?;
    let failing = pg.database_from("v1", |url| async move {
        connect(&url).await?.batch_execute("CREATE TABLE half (); SELEKT 1").await?;
        Outcome::Ok(())
    });
    let error = failing.await.unwrap_err();
    assert!(error.to_string().contains("`v1`"), "{error:?}");
    assert!(format!("{error:?}").contains("SELEKT"), "{error:?}");
    let migrate = |url: String| async move {
        connect(&url).await?.batch_execute("CREATE TABLE half ()").await?;
        Outcome::Ok(())
    };
    let database = pg.database_from("v1", migrate).await?;
    connect(&database.url()).await?.batch_execute("TABLE half").await?;
    // Another key is another database.
    let other = pg.database_from("v2", |_| async { Outcome::Ok(()) }).await?;
    assert!(connect(&other.url()).await?.batch_execute("TABLE half").await.is_err());

    // What was in memory is gone after a restart, and made again.
    pg.container().restart().await?;
    let database = pg.database_from("v1", migrate).await?;
    connect(&database.url()).await?.batch_execute("TABLE half").await?;
    connect(&pg.database().await?.url()).await?.batch_execute("SELECT 1").await?;
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_directory_of_sql_is_run_in_the_order_of_its_names() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = |name: &str, sql: &str| std::fs::write(folder.path().join(name), sql);
    file("2_rows.sql", "INSERT INTO item VALUES ('tea'); INSERT INTO item VALUES ('cake');")?;
    file("1_table.sql", "CREATE TABLE item (name text);")?;
    file("notes.txt", "SELEKT")?;
    let pg = Postgres::new().start().await?;
    let count = async |database: PgDatabase| {
        text(&connect(&database.url()).await?, "SELECT count(*)::text FROM item").await
    };
    assert_eq!(count(pg.database_from_sql(folder.path()).await?).await?, "2");
    file("3_more.sql", "INSERT INTO item VALUES ('pie');")?;
    assert_eq!(count(pg.database_from_sql(folder.path()).await?).await?, "3");
    file("4_wrong.sql", "SELEKT 1")?;
    let error = format!("{:?}", pg.database_from_sql(folder.path()).await.unwrap_err());
    assert!(error.contains("4_wrong.sql") && error.contains("SELEKT"), "{error}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn databases_of_dead_processes_are_dropped_by_others() -> Outcome {
    let scope = format!("orphans-{}", std::process::id());
    let pg = Postgres::new().shared_as(scope.as_str()).await?;
    let mut child = tokio::process::Command::new(std::env::current_exe()?);
    child.args(["--ignored", "--nocapture", "--exact", "a_child_that_does_not_tidy_up"]);
    let out = child.env("CASTOFF_TEST_ORPHANS", &scope).output().await?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let name = said.lines().find_map(|line| line.split_once("database ")).ok_or(said.clone())?.1;
    let admin = connect(&pg.url_for("template1")).await?;
    let left = format!("SELECT count(*)::text FROM pg_database WHERE datname = '{name}'");
    assert_eq!(text(&admin, &left).await?, "1");
    drop(pg.database().await?);
    eventually("swept", async || Ok(text(&admin, &left).await? == "0")).await
}

/// The other process of `databases_of_dead_processes_are_dropped_by_others`.
#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_child_that_does_not_tidy_up() -> Outcome {
    let Ok(scope) = std::env::var("CASTOFF_TEST_ORPHANS") else { return Ok(()) };
    let database = Postgres::new().shared_as(scope).await?.database().await?;
    println!("\ndatabase {}", database.name());
    std::process::abort();
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn one_migration_for_many_processes() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (runs, scope) = (folder.path().join("runs"), format!("many-{}", std::process::id()));
    let _pg = Postgres::new().shared_as(scope.as_str()).await?;
    let program = std::env::current_exe()?;
    let children = (0..4).map(|_| {
        let mut child = tokio::process::Command::new(&program);
        child.args(["--ignored", "--nocapture", "--exact", "a_child_that_migrates"]);
        child.env("CASTOFF_TEST_RUNS", &runs).env("CASTOFF_TEST_SCOPE", &scope).output()
    });
    for child in children.collect::<Vec<_>>() {
        let out = child.await?;
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    }
    assert_eq!(std::fs::read_to_string(&runs)?, "run\n");
    Ok(())
}

/// The other processes of `one_migration_for_many_processes`.
#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_child_that_migrates() -> Outcome {
    let Ok(scope) = std::env::var("CASTOFF_TEST_SCOPE") else { return Ok(()) };
    let runs = std::env::var("CASTOFF_TEST_RUNS")?;
    let pg = Postgres::new().shared_as(scope).await?;
    let database = pg.database_from("items", |url| async move {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(runs)?;
        file.write_all(b"run\n")?;
        connect(&url).await?.batch_execute("CREATE TABLE item ()").await?;
        Outcome::Ok(())
    });
    connect(&database.await?.url()).await?.batch_execute("TABLE item").await?;
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_copy_has_the_owner_the_privileges_and_the_settings() -> Outcome {
    let pg = Postgres::new().start().await?;
    pg.psql(
        "CREATE ROLE app LOGIN PASSWORD 'app'; CREATE ROLE reader; CREATE SCHEMA app; \
         ALTER DATABASE postgres OWNER TO app; REVOKE ALL ON DATABASE postgres FROM PUBLIC; \
         GRANT CONNECT ON DATABASE postgres TO reader; \
         ALTER DATABASE postgres SET search_path TO app, public; \
         ALTER ROLE reader IN DATABASE postgres SET work_mem = '8MB'",
    )
    .await?;
    let query = "SELECT pg_get_userbyid(datdba) || ' ' || array_to_string(array( \
         SELECT grantee::regrole || ' ' || privilege_type FROM aclexplode(datacl) ORDER BY 1), ',') \
         || ' ' || (SELECT string_agg(setconfig::text, ',' ORDER BY setrole) \
             FROM pg_db_role_setting WHERE setdatabase = d.oid) \
         FROM pg_database d WHERE datname = current_database()";
    let told = text(&connect(&pg.url()).await?, query).await?;
    assert!(told.starts_with("app app CONNECT,app CREATE,app TEMPORARY,reader CONNECT"), "{told}");
    let own = pg.database().await?;
    assert_eq!(text(&connect(&own.url()).await?, query).await?, told);
    let spare = pg.database().await?;
    assert_eq!(text(&connect(&spare.url()).await?, query).await?, told);
    pg.snapshot("before").await?;
    pg.psql("ALTER DATABASE postgres OWNER TO postgres").await?;
    pg.restore("before").await?;
    assert_eq!(text(&connect(&pg.url()).await?, query).await?, told);
    Ok(())
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
    let recipe = || {
        PostgresFixture::module()
            .with_env("CASTOFF_TEST_PREPARED", std::process::id().to_string())
            .with_init_sql("CREATE TABLE item AS SELECT 'tea' AS name")
            .prepared()
    };
    let engine = Engine::connect().await?;
    let before: BTreeSet<String> =
        prepared_images(&engine).await?.into_iter().map(|image| image.id).collect();
    let starts = (0..4).map(|_| tokio::spawn(recipe().start())).collect::<Vec<_>>();
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
    let other = recipe().with_password("another").start().await?;
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
    let durable = recipe().durable().start().await?;
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
    let recipe = || Postgres::new().with_ssl(["db"]).customize(|c| c.with_network(&net, "db"));
    let (pg, twin) = tokio::try_join!(recipe().shared(), recipe().shared())?;
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
    let other = Postgres::new().with_ssl(["db"]).start().await?;
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
        send(Postgres::new().prepared().shared());
    };
}
