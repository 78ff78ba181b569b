//! [`Script`]: all that is in a database, as statements that make it in another one.
//!
//! What is read, and in which session it is made again, is as in `mysqldump` and `mariadb-dump`
//! (client/mysqldump.cc), so nothing is left out that they have. Three things differ: rows never
//! leave the server; the past of system-versioned tables comes along; and a view whose base is not
//! there yet is tried again after the others, since on the stand-ins of `mysqldump` no check option
//! can be.

use std::sync::OnceLock;

use castoff::{Error, Result};

use super::link::Link;
use super::quote::{name, renamed};
use super::reader::Reader;

/// The session in which tables are read and made. Reading is in `binary`, so that the text of a
/// routine stays in the character set that it was written in. MySQL alone makes primary keys of its
/// own and can hide them; MariaDB alone has constraints that can be off while a row comes.
pub(super) const SESSION: &str = "SET NAMES utf8mb4, character_set_results = binary, \
    sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', sql_quote_show_create = 1, \
    foreign_key_checks = 0, unique_checks = 0, innodb_strict_mode = 0, timestamp = DEFAULT \
    /*!80030 , sql_generate_invisible_primary_key = 0, \
    show_gipk_in_create_table_and_information_schema = 1 */ \
    /*M!100201 , check_constraint_checks = 0 */";

/// All that is in a database.
pub(super) struct Script {
    from: String,
    /// The database, its tables with their rows, and its routines.
    base: Vec<Step>,
    views: Vec<Vec<Step>>,
    /// In which order the views could be made.
    order: OnceLock<Vec<usize>>,
    triggers: Vec<Step>,
    events: Vec<Event>,
    /// What each may have changed of the session and the database is as before.
    end: Vec<Step>,
}

/// An event.
pub(super) struct Event {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
    /// What alters it, but for the last word.
    pub(super) alter: String,
}

/// One statement.
pub(super) struct Step {
    sql: Vec<u8>,
    /// Whether the name of the database in it is to be that of the copy.
    renames: bool,
}

impl Step {
    /// One in which the name of the database is to be that of the copy.
    pub(super) fn own(sql: impl Into<Vec<u8>>) -> Step {
        Step { sql: sql.into(), renames: true }
    }

    /// One that is run as it is.
    pub(super) fn rows(sql: String) -> Step {
        Step { sql: sql.into(), renames: false }
    }
}

impl Script {
    /// Reads a database.
    pub(super) async fn read(link: &mut Link<'_>, from: &str) -> Result<Script> {
        enter(link, from).await?;
        let mut reader = Reader { link, from, collation: String::new() };
        let mut base = reader.database().await?;
        base.extend(reader.tables().await?);
        base.extend(reader.routines().await?);
        let views = reader.views().await?;
        let triggers = reader.triggers().await?;
        let events = reader.events().await?;
        let (end, order) = (reader.session_of_tables(), OnceLock::new());
        Ok(Script { from: from.to_owned(), base, views, order, triggers, events, end })
    }

    /// Makes all of it but the events in an empty database.
    pub(super) async fn run(&self, link: &mut Link<'_>, to: &str) -> Result<()> {
        enter(link, to).await?;
        self.each(link, to, &self.base).await?;
        self.make_views(link, to).await?;
        enter(link, to).await?;
        self.each(link, to, &self.triggers).await
    }

    /// Makes the events, and then switches them with the word for each, if there is one.
    pub(super) async fn run_events(
        &self,
        link: &mut Link<'_>,
        to: &str,
        switch: impl Fn(&str) -> Option<&'static str>,
    ) -> Result<()> {
        for event in &self.events {
            self.each(link, to, &event.steps).await?;
            if let Some(word) = switch(&event.name) {
                link.run(format!("{} {word}", event.alter).as_bytes()).await?;
            }
        }
        self.each(link, to, &self.end).await
    }

    async fn each(&self, link: &mut Link<'_>, to: &str, steps: &[Step]) -> Result<()> {
        for step in steps {
            let renamed = step.renames.then(|| renamed(&step.sql, &self.from, to));
            let sql = renamed.as_deref().unwrap_or(&step.sql);
            link.run(sql).await.map_err(|error| {
                let sql: String = String::from_utf8_lossy(sql).chars().take(200).collect();
                let what = format!("a database can't be copied: {error}; it was asked: {sql}");
                Error::other(what).with_source(error)
            })?;
        }
        Ok(())
    }

    /// Makes the views, each after those that it is made of: which these are, the server alone knows.
    async fn make_views(&self, link: &mut Link<'_>, to: &str) -> Result<()> {
        let all = || (0..self.views.len()).collect();
        let mut left: Vec<usize> = self.order.get().cloned().unwrap_or_else(all);
        let mut made = Vec::new();
        while !left.is_empty() {
            let (before, mut failure) = (left.len(), None);
            for view in std::mem::take(&mut left) {
                match self.each(link, to, &self.views[view]).await {
                    Ok(()) => made.push(view),
                    Err(error) => {
                        left.push(view);
                        failure.get_or_insert(error);
                    }
                }
            }
            if let Some(error) = failure.filter(|_| left.len() == before) {
                return Err(error);
            }
        }
        // Another one may have been faster, and its order is as good.
        let _ = self.order.set(made);
        Ok(())
    }
}

/// Has the session be that in which tables are made, in a database.
async fn enter(link: &mut Link<'_>, database: &str) -> Result<()> {
    link.run(SESSION.as_bytes()).await?;
    link.run(format!("USE {}", name(database)).as_bytes()).await
}
