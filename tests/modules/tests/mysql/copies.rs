//! Copies are equal to what they are made of, as the server's own dump tells it; for MariaDB and
//! MySQL.

use std::sync::{Arc, Mutex, PoisonError};

use castoff_conformance::Outcome;
use castoff_modules::castoff::Container;
use castoff_modules::mysql::MySqlDatabase;

/// What both have.
pub(crate) const BOTH: &str = include_str!("both.sql");
/// A name in place of that of the database.
const ANY: &str = "the_database";

/// The two programs in the server's container.
#[derive(Clone, Copy)]
pub(crate) struct Programs {
    pub(crate) client: &'static str,
    pub(crate) dump: &'static [&'static str],
}

impl Programs {
    /// Runs SQL as a user's migration tool would, with `DELIMITER` and all.
    pub(crate) async fn run(self, server: &Container, database: &str, sql: &str) -> Outcome {
        let command = [self.client, "-uroot", "--default-character-set=utf8mb4", database];
        server.exec(command).with_env("MYSQL_PWD", "test").with_stdin(sql).await?.ok()?;
        Ok(())
    }

    /// All that is in a database, its own settings among it.
    pub(crate) async fn dump(self, server: &Container, database: &str) -> Outcome<Vec<u8>> {
        let options =
            ["-uroot", "--routines", "--events", "--triggers", "--hex-blob", "--skip-dump-date"];
        let command = self.dump.iter().copied().chain(options).chain(["--databases", database]);
        let out = server.exec(command).with_env("MYSQL_PWD", "test").await?.ok()?;
        Ok(replaced(&out.stdout, database.as_bytes(), ANY.as_bytes()))
    }
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        match rest.strip_prefix(from) {
            Some(after) => {
                out.extend_from_slice(to);
                rest = after;
            }
            None => {
                out.push(*first);
                rest = &rest[1..];
            }
        }
    }
    out
}

/// The name at the end of a database's URL.
pub(crate) fn name_in(url: &str) -> String {
    url.rsplit('/').next().unwrap_or_default().to_owned()
}

/// A place for what the migration has dumped.
pub(crate) type Dumped = Arc<Mutex<Vec<u8>>>;

/// Fails with the first line that differs.
pub(crate) async fn same(
    programs: Programs,
    server: &Container,
    before: &Dumped,
    copy: &MySqlDatabase,
) -> Outcome {
    let after = programs.dump(server, copy.name()).await?;
    let before = before.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let lines = |text: &[u8]| text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (old, new): (Vec<Vec<u8>>, Vec<Vec<u8>>) = (lines(&before), lines(&after));
    for (number, (old, new)) in old.iter().zip(&new).enumerate() {
        let shown =
            |line: &[u8]| String::from_utf8_lossy(&line[..line.len().min(600)]).into_owned();
        assert!(old == new, "line {number}:\n  {}\n  {}", shown(old), shown(new));
    }
    assert!(before == after, "one goes on after the other one's end");
    assert!(before.len() > 500_000, "{} bytes", before.len());
    Ok(())
}

/// The test of one of the two.
#[macro_export]
macro_rules! copies {
    ($module:expr, $programs:expr, $schema:expr) => {
        #[tokio::test]
        #[ignore = "needs a container engine"]
        async fn a_copy_is_equal_to_the_byte() -> Outcome {
            let server = $module.start().await?;
            let container = server.container().clone();
            let before = copies::Dumped::default();
            let migrate = {
                let (container, before) = (container.clone(), before.clone());
                async move |url: String| {
                    let name = copies::name_in(&url);
                    let schema = $schema;
                    $programs.run(&container, &name, &schema).await?;
                    // A name in words that only the server reads.
                    let whole = format!(
                        "CREATE VIEW qualified AS SELECT id FROM `{name}`.base; \
                         CREATE PROCEDURE qualified () SELECT * FROM {name}.many;"
                    );
                    $programs.run(&container, &name, &whole).await?;
                    let dump = $programs.dump(&container, &name).await?;
                    if let Ok(mut before) = before.lock() {
                        *before = dump;
                    }
                    Outcome::Ok(())
                }
            };
            let one = server.database_from("all", migrate).await?;
            copies::same($programs, &container, &before, &one).await?;
            let none = |_| async { Outcome::<()>::Err("it has run".into()) };
            let two = server.database_from("all", none).await?;
            copies::same($programs, &container, &before, &two).await?;

            // The copy works: triggers in their order, and a view on views.
            let mut conn = connect(&two.url()).await?;
            conn.query_drop("DELETE FROM log").await?;
            conn.query_drop("INSERT INTO empty_one VALUES ()").await?;
            let order: Option<String> =
                conn.query_first("SELECT GROUP_CONCAT(what ORDER BY n) FROM log").await?;
            assert_eq!(order.as_deref(), Some("first,second,third"));
            assert!(number(&mut conn, "SELECT COUNT(*) FROM `calls \"it\"`").await? > 9_000);
            Ok(())
        }

        #[tokio::test]
        #[ignore = "needs a container engine"]
        async fn events_wait_in_a_template_and_run_in_its_copies() -> Outcome {
            let server = $module.with_config("event-scheduler", "ON").start().await?;
            let migrate = async |url: String| {
                let mut conn = connect(&url).await?;
                conn.query_drop("CREATE TABLE ticks (n INT AUTO_INCREMENT PRIMARY KEY)").await?;
                let tick = "CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND DO \
                    INSERT INTO ticks VALUES ()";
                conn.query_drop(tick).await?;
                Outcome::Ok(())
            };
            let one = server.database_from("ticking", migrate).await?;
            let mut root = connect(&server.root_url()).await?;
            let template: Option<String> = root
                .query_first(
                    "SELECT schema_name FROM information_schema.schemata \
                     WHERE schema_name LIKE 'castoff\\_template\\_%'",
                )
                .await?;
            let held = format!("SELECT COUNT(*) FROM {}.ticks", template.ok_or("no template")?);
            let held_at_first = number(&mut root, &held).await?;
            let mut conn = connect(&one.url()).await?;
            let ticks = "SELECT COUNT(*) FROM ticks";
            let (began, first) = (Instant::now(), number(&mut conn, ticks).await?);
            while number(&mut conn, ticks).await? < first + 3 {
                assert!(began.elapsed() < PATIENCE, "no event was run");
            }
            assert_eq!(number(&mut root, &held).await?, held_at_first, "the template was changed");
            Ok(())
        }

        #[tokio::test]
        #[ignore = "needs a container engine"]
        async fn what_can_not_be_copied_is_an_error_that_names_it() -> Outcome {
            let server = $module.start().await?;
            let broken = server.database_from("broken", async |url: String| {
                let mut conn = connect(&url).await?;
                conn.query_drop("CREATE TABLE base (n INT)").await?;
                conn.query_drop("CREATE VIEW above AS SELECT n FROM base").await?;
                conn.query_drop("DROP TABLE base").await?;
                Outcome::Ok(())
            });
            let error = format!("{:?}", broken.await.unwrap_err());
            assert!(error.contains("above") && error.contains("base"), "{error}");
            Ok(())
        }
    };
}
