//! [`Link`]: a borrowed session of `root`.

use castoff::{Error, Result};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Value};
use tokio::sync::SemaphorePermit;

/// A result row, as bytes, since names and texts may be in any character set.
pub(super) type Row = Vec<Vec<u8>>;

/// A session in exclusive use.
pub(super) struct Link<'a> {
    pub(super) conn: Conn,
    pub(super) _place: Option<SemaphorePermit<'a>>,
}

impl Link<'_> {
    /// Runs one statement.
    pub(super) async fn run(&mut self, sql: &[u8]) -> Result<()> {
        self.conn.query_drop(sql).await.map_err(told)
    }

    /// Returns the result rows of a query. NULL is empty.
    pub(super) async fn rows(&mut self, query: &str) -> Result<Vec<Row>> {
        let rows: Vec<mysql_async::Row> = self.conn.query(query).await.map_err(told)?;
        let bytes = |value| match value {
            Value::Bytes(bytes) => bytes,
            Value::NULL => Vec::new(),
            other => other.as_sql(true).trim_matches('\'').to_owned().into_bytes(),
        };
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(bytes).collect()).collect())
    }
}

/// Returns a column as text; empty if it does not exist.
pub(super) fn field(row: &Row, column: usize) -> String {
    row.get(column).map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
}

/// Returns a statement from the server's output. The server omits it if the right to see it is
/// missing.
pub(super) fn words(row: &Row, column: usize) -> Result<Vec<u8>> {
    match row.get(column) {
        Some(sql) if !sql.is_empty() => Ok(sql.clone()),
        _ => Err(Error::other(format!("the server does not show how `{}` is made", field(row, 0)))),
    }
}

/// Converts an error, with the server's message in it.
pub(super) fn told(error: mysql_async::Error) -> Error {
    let what = match &error {
        mysql_async::Error::Server(said) => format!("the server said: {said}"),
        _ => "the server could not be asked".to_owned(),
    };
    Error::other(what).with_source(error)
}
