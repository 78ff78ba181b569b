//! MariaDB, through the crate `mysql_async`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use castoff_conformance::{Fixture, Outcome, Sibling, conformance, named_by};
use castoff_modules::castoff::{Container, ErrorKind, Network};
use castoff_modules::{MariaDb, MariaDbServer};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

const PASSWORD: &str = "p@ss/w:rd \"%?#&=+ü'\\";
const PATIENCE: Duration = Duration::from_secs(20);

#[path = "mysql/copies.rs"]
mod copies;
#[path = "mysql/scripts.rs"]
mod scripts;

const PROGRAMS: copies::Programs =
    copies::Programs { client: "mariadb", dump: &["mariadb-dump", "--dump-history"] };

scripts!(MariaDb::new());
copies!(MariaDb::new(), PROGRAMS, format!("{}{}", copies::BOTH, include_str!("mysql/mariadb.sql")));

struct MariaDbFixture;

conformance!(MariaDbFixture);

async fn connect(url: &str) -> Outcome<Conn> {
    Ok(Conn::from_url(url).await?)
}

async fn number(conn: &mut Conn, query: &str) -> Outcome<i64> {
    Ok(conn.query_first(query).await?.ok_or("no row")?)
}

impl Fixture for MariaDbFixture {
    type Module = MariaDb;
    type Client = Conn;

    fn module() -> MariaDb {
        MariaDb::new().with_user("ann@home").with_password(PASSWORD).with_database("my shop/2")
    }

    fn tagged(tag: &str) -> MariaDb {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (MariaDb, &'static str) {
        (MariaDb::new().with_config("no-such-setting", "1"), "no-such-setting")
    }

    async fn connect(server: &MariaDbServer) -> Outcome<Conn> {
        connect(&server.url()).await
    }

    async fn operate(client: &mut Conn, n: usize) -> Outcome {
        client.query_drop("CREATE TEMPORARY TABLE IF NOT EXISTS told (n INT)").await?;
        client.exec_drop("INSERT INTO told VALUES (?)", (n,)).await?;
        assert_eq!(number(client, "SELECT MAX(n) FROM told").await?, i64::try_from(n)?);
        Ok(())
    }

    async fn intrude(server: &MariaDbServer) -> Option<Outcome> {
        let url = format!("mysql://ann%40home:wrong@{}/my%20shop%2F2", server.addr());
        Some(async { Self::operate(&mut connect(&url).await?, 0).await }.await)
    }

    fn sibling(server: &MariaDbServer) -> Sibling {
        let addr = server.network_addr();
        let (host, port) = addr.split_once(':').unwrap_or_default();
        let password = format!("-p{PASSWORD}");
        let command =
            ["mariadb", "-h", host, "-P", port, "-uann@home", &password, "-Ne", "SELECT 40 + 2"];
        Sibling::command(&command, "42")
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn scripts_settings_and_sql() -> Outcome {
    let server = MariaDbFixture::module()
        .with_config("max-connections", "77")
        .with_init_sql("CREATE TABLE item (name TEXT)")
        .with_init_script("seed.sql", "INSERT INTO item VALUES ('ü''\"')")
        .start()
        .await?;
    let mut conn = connect(&server.url()).await?;
    assert_eq!(number(&mut conn, "SELECT @@max_connections").await?, 77);
    let name: Option<String> = conn.query_first("SELECT name FROM item").await?;
    assert_eq!(name.as_deref(), Some("ü'\""));
    assert_eq!(server.sql("SELECT name, 1 FROM item").await?, "ü'\"\t1\n");
    let error = server.sql("SELEKT 1").await.unwrap_err();
    assert!(error.to_string().contains("SELEKT"), "{error:?}");
    let mounts = server.container().exec(["cat", "/proc/mounts"]).await?.ok()?;
    assert!(mounts.stdout_text().contains("tmpfs /var/lib/mysql tmpfs"));
    assert!(!format!("{server:?}").contains("p@ss"));

    let error = MariaDb::new().with_init_sql("SELEKT 1").start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exited, "{error:?}");
    assert!(format!("{error:?}").contains("SELEKT"), "{error:?}");
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_durable_server_keeps_its_data_over_a_crash() -> Outcome {
    let server = MariaDb::new().with_durability().start().await?;
    connect(&server.url()).await?.query_drop("CREATE TABLE kept (n INT)").await?;
    server.container().kill("SIGKILL").await?;
    server.container().wait().await?;
    server.container().start().await?;
    connect(&server.url()).await?.query_drop("SELECT * FROM kept").await?;
    Ok(())
}

const SCHEMA: [&str; 9] = [
    "CREATE TABLE item (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) UNIQUE, \
     upper_name VARCHAR(40) AS (UPPER(name)) STORED)",
    "CREATE TABLE `or\"der` (id INT PRIMARY KEY, item INT, FOREIGN KEY (item) REFERENCES item (id))",
    "CREATE TABLE log (what TEXT)",
    "INSERT INTO item (name) VALUES ('tea'), ('cake')",
    "INSERT INTO `or\"der` VALUES (1, 1)",
    "CREATE VIEW named AS SELECT name FROM item WHERE id < 10",
    "CREATE TRIGGER logged AFTER INSERT ON `or\"der` FOR EACH ROW INSERT INTO log VALUES ('order')",
    "CREATE FUNCTION twice (n INT) RETURNS INT DETERMINISTIC RETURN 2 * n",
    "CREATE PROCEDURE clear () DELETE FROM log",
];

async fn migrate(url: String) -> Outcome {
    let mut conn = connect(&url).await?;
    for statement in SCHEMA {
        conn.query_drop(statement).await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn databases_made_from_migrations_have_all_that_there_was() -> Outcome {
    let server = MariaDbFixture::module().start().await?;
    let failing = server.database_from("v1", |url| async move {
        connect(&url).await?.query_drop("SELEKT 1").await?;
        Outcome::Ok(())
    });
    let error = format!("{:?}", failing.await.unwrap_err());
    assert!(error.contains("`v1`") && error.contains("SELEKT"), "{error}");

    let one = server.database_from("v1", migrate).await?;
    let two =
        server.database_from("v1", |_| async { Outcome::<()>::Err("it has run".into()) }).await?;
    let mut conn = connect(&one.url()).await?;
    assert_eq!(number(&mut conn, "SELECT COUNT(*) FROM named").await?, 2);
    let upper: Option<String> = conn.query_first("SELECT upper_name FROM item LIMIT 1").await?;
    assert_eq!(upper.as_deref(), Some("TEA"));
    conn.query_drop("INSERT INTO `or\"der` VALUES (2, 2)").await?;
    assert!(conn.query_drop("INSERT INTO `or\"der` VALUES (3, 99)").await.is_err(), "foreign key");
    assert_eq!(number(&mut conn, "SELECT COUNT(*) FROM log").await?, 1);
    assert_eq!(number(&mut conn, "SELECT twice(21)").await?, 42);
    conn.query_drop("CALL clear()").await?;
    conn.query_drop("DELETE FROM item WHERE name = 'none'").await?;
    let mut other = connect(&two.url()).await?;
    assert_eq!(number(&mut other, "SELECT COUNT(*) FROM `or\"der`").await?, 1);
    let own = "SELECT COUNT(*) FROM information_schema.views WHERE table_schema = DATABASE() \
         AND view_definition LIKE CONCAT('%', DATABASE(), '%')";
    assert_eq!(number(&mut other, own).await?, 1, "a view is of its own database");

    // It goes with its handle.
    let (name, began) = (one.name().to_owned(), Instant::now());
    drop((one, conn));
    let mut root = connect(&server.root_url()).await?;
    let left =
        format!("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = '{name}'");
    while number(&mut root, &left).await? > 0 {
        assert!(began.elapsed() < PATIENCE, "the database is still there");
    }

    server.container().restart().await?;
    let again = server.database_from("v1", migrate).await?;
    assert_eq!(number(&mut connect(&again.url()).await?, "SELECT twice(4)").await?, 8);
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn twenty_at_once_and_one_migration() -> Outcome {
    let server = std::sync::Arc::new(MariaDb::new().start().await?);
    let tests = (0..20_i64).map(|n| {
        let server = std::sync::Arc::clone(&server);
        tokio::spawn(async move {
            let database = server.database_from("v1", |url| async move {
                connect(&url).await?.query_drop("CREATE TABLE item (n INT)").await?;
                Outcome::Ok(())
            });
            let database = database.await?;
            let mut conn = connect(&database.url()).await?;
            conn.exec_drop("INSERT INTO item VALUES (?)", (n,)).await?;
            assert_eq!(number(&mut conn, "SELECT SUM(n) FROM item").await?, n);
            Outcome::Ok(())
        })
    });
    for test in tests.collect::<Vec<_>>() {
        test.await??;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn databases_of_dead_processes_are_dropped_by_others() -> Outcome {
    let scope = format!("orphans-{}", std::process::id());
    let server = MariaDb::new().shared_as(scope.as_str()).await?;
    let mut child = tokio::process::Command::new(std::env::current_exe()?);
    child.args(["--ignored", "--nocapture", "--exact", "a_child_that_does_not_tidy_up"]);
    let out = child.env("CASTOFF_TEST_ORPHANS", &scope).output().await?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let name = said.lines().find_map(|line| line.split_once("database ")).ok_or(said.clone())?.1;
    let mut root = connect(&server.root_url()).await?;
    let left =
        format!("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = '{name}'");
    assert_eq!(number(&mut root, &left).await?, 1);
    let began = Instant::now();
    let living = server.database().await?;
    while number(&mut root, &left).await? > 0 {
        assert!(began.elapsed() < PATIENCE, "the database is still there");
    }
    connect(&living.url()).await?;
    Ok(())
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_database_stays_when_all_connections_of_its_process_are_ended() -> Outcome {
    let scope = format!("ended-{}", std::process::id());
    let server = MariaDb::new().shared_as(scope.as_str()).await?;
    let child = |how: &str| {
        let mut child = tokio::process::Command::new(std::env::current_exe()?);
        child.args(["--ignored", "--nocapture", "--exact", "a_child_that_does_not_tidy_up"]);
        child.env("CASTOFF_TEST_ORPHANS", &scope).env("CASTOFF_TEST_ENDS", how);
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        Outcome::Ok(child.spawn()?)
    };
    let (mut living, mut dead) = (child("waits")?, child("aborts")?);
    let (theirs, orphan) = (named_by(&mut living).await?, named_by(&mut dead).await?);
    dead.wait().await?;

    let mut root = connect(&server.root_url()).await?;
    let others = "SELECT id FROM information_schema.processlist \
        WHERE id <> CONNECTION_ID() AND user = 'root'";
    for id in root.query::<u64, _>(others).await? {
        root.query_drop(format!("KILL {id}")).await?;
    }
    let left = |name: &str| {
        format!("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = '{name}'")
    };
    let _own = server.database().await?;
    let began = Instant::now();
    while number(&mut root, &left(&orphan)).await? > 0 {
        assert!(began.elapsed() < PATIENCE, "the database of the dead is still there");
    }
    assert_eq!(number(&mut root, &left(&theirs)).await?, 1, "its process lives");
    Ok(())
}

/// The other process of the two tests above.
#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_child_that_does_not_tidy_up() -> Outcome {
    let Ok(scope) = std::env::var("CASTOFF_TEST_ORPHANS") else { return Ok(()) };
    let database = MariaDb::new().shared_as(scope).await?.database().await?;
    println!("\ndatabase {}", database.name());
    if std::env::var("CASTOFF_TEST_ENDS").is_ok_and(|how| how == "waits") {
        // Until the test's process, or its interest, is gone.
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    }
    std::process::abort();
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn tls_with_a_certificate_that_can_be_verified() -> Outcome {
    let net = Network::create().await?;
    let module = || MariaDb::new().with_tls().customize(|c| c.with_network(&net, "db"));
    let (server, twin) = tokio::try_join!(module().shared(), module().shared())?;
    assert_eq!(server.ca_certificate(), twin.ca_certificate());
    let client = |ca: &str| {
        let query = "SHOW STATUS LIKE 'Ssl_version'";
        Container::builder(server.container().image())
            .with_network(&net, ())
            .with_copy(ca.as_bytes(), "/ca.crt")
            .with_entrypoint(["mariadb", "-hdb", "-utest", "-ptest", "--ssl-ca=/ca.crt"])
            .with_command(["--ssl-verify-server-cert", "-Ne", query])
            .run()
    };
    let ca = server.ca_certificate().ok_or("no certificate")?;
    assert!(client(ca).await?.ok()?.stdout_text().contains("TLSv1."));
    let other = MariaDb::new().with_tls().start().await?;
    let refused = client(other.ca_certificate().ok_or("no certificate")?).await?;
    assert!(!refused.success(), "{refused:?}");
    Ok(())
}
