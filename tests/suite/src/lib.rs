//! Forty tests of somebody who uses castoff. `cargo xtask suite` runs them under `cargo nextest`,
//! a process for each, and under `cargo test`, a thread for each, and counts what they create.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `CASTOFF_SUITE_OWN` | each test has a container of its own instead |
//! | `CASTOFF_SUITE_KILL` | the process that makes the container is killed: `creating`, `waiting` or `after` |
//! | `CASTOFF_SUITE_MARK` | a file by which that happens once |

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use castoff::Container;
use castoff::wait::{WaitFuture, WaitStrategy, WaitTarget};
use castoff_modules::Postgres;
use rustix::process::{Signal, getpid, kill_process};

/// The test image.
const IMAGE: &str = "castoff.test/busybox";

/// What one of the tests does.
///
/// # Panics
/// When the container does not do its part, as a test does.
pub async fn uses_it(number: usize) {
    let kill = std::env::var("CASTOFF_SUITE_KILL").unwrap_or_default();
    let server = "mkdir -p /www && echo hello > /www/index.html && exec httpd -f -p 80 -h /www";
    let mut builder = Container::builder(IMAGE)
        .with_label("castoff-suite", "yes")
        .with_port(80)
        .with_command(["sh", "-c", server]);
    if kill == "waiting" {
        builder = builder.with_wait(KilledWhileWaiting);
    }
    if kill == "creating" {
        // The first call is for the hash of what is to be shared, the second for the create call.
        let seen = AtomicBool::new(false);
        builder = builder.with_raw(move |_| {
            if seen.swap(true, Ordering::SeqCst) && is_first() {
                std::thread::spawn(|| {
                    std::thread::sleep(Duration::from_millis(3));
                    die();
                });
            }
        });
    }
    let own = std::env::var_os("CASTOFF_SUITE_OWN").is_some();
    let container = if own { builder.start().await } else { builder.shared().await };
    let container = container.expect("a container");
    if kill == "after" && is_first() {
        die();
    }
    let text = format!("test {number}");
    let said = container.exec(["echo", &text]).await.expect("an exec");
    assert_eq!(said.stdout_text().trim(), text);
    container.addr(80).expect("a published port");
}

/// Whether nobody has been here before, in this process or another.
fn is_first() -> bool {
    let mark = std::env::var_os("CASTOFF_SUITE_MARK").unwrap_or_default();
    std::fs::File::create_new(mark).is_ok()
}

fn die() {
    // Nothing can be done about a signal that can't be sent.
    let _ = kill_process(getpid(), Signal::KILL);
}

#[derive(Debug)]
struct KilledWhileWaiting;

impl WaitStrategy for KilledWhileWaiting {
    fn describe(&self) -> String {
        "nothing, and the first who waits is killed".into()
    }

    fn wait<'a>(&'a self, _target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async {
            if is_first() {
                die();
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }
}

/// What one of two hundred tests does: it writes into a database that nobody else has seen.
///
/// # Panics
/// When the server or the database does not do its part, as a test does.
pub async fn has_a_database(test: &str) {
    let pg =
        Postgres::new().customize(|container| container.with_label("castoff-suite", "databases"));
    let pg = pg.shared().await.expect("a server");
    let database = pg.database_from("suite", migrate).await.expect("a database");
    let client = connect(&database.url()).await.expect("a connection");
    let rows = client.query("SELECT name FROM test", &[]).await.expect("the migrated table");
    assert!(rows.is_empty(), "somebody else was here");
    client.execute("INSERT INTO test VALUES ($1)", &[&test]).await.expect("an insert");
}

async fn migrate(url: String) -> Result<(), tokio_postgres::Error> {
    connect(&url).await?.batch_execute("CREATE TABLE test (name text PRIMARY KEY)").await
}

async fn connect(url: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
