//! [`Script`]: the content of a database, as statements that recreate it in another one.
//!
//! It reads the same objects, and recreates them in the same sessions, as `mysqldump` and
//! `mariadb-dump` (client/mysqldump.cc), so it omits nothing that they include. There are three
//! differences: rows never leave the server; the history of system-versioned tables is copied; and
//! a view whose base does not exist yet is retried after the others, since the stand-in views of
//! `mysqldump` can't have check options.

use std::sync::OnceLock;

use castoff::{Error, Result};

use super::link::Link;
use super::quote::{name, renamed};
use super::reader::Reader;
use super::step::{Event, SESSION, Step};

/// The content of a database.
pub(super) struct Script {
    from: String,
    /// The statements for the database, its tables with their rows, and its routines.
    base: Vec<Step>,
    views: Vec<Vec<Step>>,
    /// The order in which the views could be created.
    order: OnceLock<Vec<usize>>,
    triggers: Vec<Step>,
    events: Vec<Event>,
    /// The statements that undo changes to the session and the database.
    end: Vec<Step>,
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

    /// Recreates everything but the events in an empty database.
    pub(super) async fn run(&self, link: &mut Link<'_>, to: &str) -> Result<()> {
        enter(link, to).await?;
        self.each(link, to, &self.base).await?;
        self.make_views(link, to).await?;
        enter(link, to).await?;
        self.each(link, to, &self.triggers).await
    }

    /// Creates the events, and alters each by the word that `switch` returns for it, if any.
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

    /// Creates the views, each after those that it depends on. Only the server knows these.
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
        // Another caller may have set it first; its order is just as good.
        let _ = self.order.set(made);
        Ok(())
    }
}

/// Sets up the session for creating tables, in a database.
async fn enter(link: &mut Link<'_>, database: &str) -> Result<()> {
    link.run(SESSION.as_bytes()).await?;
    link.run(format!("USE {}", name(database)).as_bytes()).await
}
