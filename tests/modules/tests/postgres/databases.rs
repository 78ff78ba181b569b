//! A database for every test.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use castoff_conformance::{Fixture, Outcome, named_by};
use castoff_modules::Postgres;
use castoff_modules::postgres::PgDatabase;

use super::{PostgresFixture, connect, eventually, text};

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
    child.args(["--ignored", "--nocapture", "--exact", "databases::a_child_that_does_not_tidy_up"]);
    let out = child.env("CASTOFF_TEST_ORPHANS", &scope).output().await?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let name = said.lines().find_map(|line| line.split_once("database ")).ok_or(said.clone())?.1;
    let admin = connect(&pg.url_for("template1")).await?;
    let left = format!("SELECT count(*)::text FROM pg_database WHERE datname = '{name}'");
    assert_eq!(text(&admin, &left).await?, "1");
    drop(pg.database().await?);
    eventually("swept", async || Ok(text(&admin, &left).await? == "0")).await
}

/// Tests that end all sessions are a common way to get rid of a pool's. What the process has made is
/// not given up with that.
#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_database_stays_when_all_sessions_of_its_process_are_ended() -> Outcome {
    let scope = format!("ended-{}", std::process::id());
    let pg = Postgres::new().shared_as(scope.as_str()).await?;
    let child = |how: &str| {
        let mut child = tokio::process::Command::new(std::env::current_exe()?);
        child.args([
            "--ignored",
            "--nocapture",
            "--exact",
            "databases::a_child_that_does_not_tidy_up",
        ]);
        child.env("CASTOFF_TEST_ORPHANS", &scope).env("CASTOFF_TEST_ENDS", how);
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        Outcome::Ok(child.spawn()?)
    };
    let (mut living, mut dead) = (child("waits")?, child("aborts")?);
    let (theirs, orphan) = (named_by(&mut living).await?, named_by(&mut dead).await?);
    dead.wait().await?;

    let admin = connect(&pg.url_for("template1")).await?;
    let sessions = "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity \
        WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
    eventually("ended", async || Ok(text(&admin, sessions).await? == "0")).await?;
    let left =
        |name: &str| format!("SELECT count(*)::text FROM pg_database WHERE datname = '{name}'");
    drop(pg.database().await?);
    eventually("swept", async || Ok(text(&admin, &left(&orphan)).await? == "0")).await?;
    assert_eq!(text(&admin, &left(&theirs)).await?, "1", "its process lives");
    Ok(())
}

/// The other process of the two tests above.
#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_child_that_does_not_tidy_up() -> Outcome {
    let Ok(scope) = std::env::var("CASTOFF_TEST_ORPHANS") else { return Ok(()) };
    let database = Postgres::new().shared_as(scope).await?.database().await?;
    println!("\ndatabase {}", database.name());
    if std::env::var("CASTOFF_TEST_ENDS").is_ok_and(|how| how == "waits") {
        // Until the test's process, or its interest, is gone.
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    }
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
        child.args(["--ignored", "--nocapture", "--exact", "databases::a_child_that_migrates"]);
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
