//! MySQL, through the crate `mysql_async`. What it has in common with MariaDB is tested there.

use std::time::{Duration, Instant};

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::castoff::ErrorKind;
use castoff_modules::{MySql, MySqlServer};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

const PASSWORD: &str = "p@ss/w:rd \"%?#&=+ü'\\";
const PATIENCE: Duration = Duration::from_secs(20);

#[path = "mysql/copies.rs"]
mod copies;
#[path = "mysql/scripts.rs"]
mod scripts;

const PROGRAMS: copies::Programs = copies::Programs { client: "mysql", dump: &["mysqldump"] };

scripts!(MySql::new());
copies!(MySql::new(), PROGRAMS, {
    // MySQL writes the character set of a column only if one was given for the column, and the
    // collation whenever it is not that set's default: such a column comes back from its own dump
    // with both. So tables have a default collation, and the database gets another one in the end.
    let both = copies::BOTH.replace("latin2_croatian_ci", "latin2_general_ci");
    format!("{both}{}", include_str!("mysql/mysql.sql"))
});

struct MySqlFixture;

conformance!(MySqlFixture);

async fn connect(url: &str) -> Outcome<Conn> {
    Ok(Conn::from_url(url).await?)
}

async fn number(conn: &mut Conn, query: &str) -> Outcome<i64> {
    Ok(conn.query_first(query).await?.ok_or("no row")?)
}

impl Fixture for MySqlFixture {
    type Module = MySql;
    type Client = Conn;

    /// Each makes a data directory of 100 MB.
    const STARTS: usize = 5;

    fn module() -> MySql {
        MySql::new().with_user("ann@home").with_password(PASSWORD).with_database("my shop/2")
    }

    fn tagged(tag: &str) -> MySql {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (MySql, &'static str) {
        (MySql::new().with_config("no-such-setting", "1"), "no-such-setting")
    }

    async fn connect(server: &MySqlServer) -> Outcome<Conn> {
        connect(&server.url()).await
    }

    async fn operate(client: &mut Conn, n: usize) -> Outcome {
        client.query_drop("CREATE TEMPORARY TABLE IF NOT EXISTS told (n INT)").await?;
        client.exec_drop("INSERT INTO told VALUES (?)", (n,)).await?;
        assert_eq!(number(client, "SELECT MAX(n) FROM told").await?, i64::try_from(n)?);
        Ok(())
    }

    async fn intrude(server: &MySqlServer) -> Option<Outcome> {
        let url = format!("mysql://ann%40home:wrong@{}/my%20shop%2F2", server.addr());
        Some(async { Self::operate(&mut connect(&url).await?, 0).await }.await)
    }

    fn sibling(server: &MySqlServer) -> Sibling {
        let addr = server.network_addr();
        let (host, port) = addr.split_once(':').unwrap_or_default();
        let password = format!("-p{PASSWORD}");
        let command =
            ["mysql", "-h", host, "-P", port, "-uann@home", &password, "-Ne", "SELECT 40 + 2"];
        Sibling::command(&command, "42")
    }
}
