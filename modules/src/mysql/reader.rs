//! [`Reader`]: reads a database as statements that recreate it.

use std::collections::BTreeMap;

use castoff::{Error, Result};

use super::link::{Link, Row, field, words};
use super::quote::{name, quoted};
use super::step::{Event, SESSION, Step};

/// Engines whose tables store their rows elsewhere, or have none.
const WITHOUT_ROWS: [&str; 6] =
    ["MRG_MYISAM", "FEDERATED", "CONNECT", "SPIDER", "OQGRAPH", "BLACKHOLE"];

/// A reader of the database that the session uses.
pub(super) struct Reader<'a, 'b> {
    pub(super) link: &'a mut Link<'b>,
    pub(super) from: &'a str,
    /// The collation of the database.
    pub(super) collation: String,
}

/// The columns of a table that its rows consist of.
#[derive(Default)]
struct Columns {
    own: Vec<String>,
    /// The columns for the period in which a row was current, of a system-versioned table.
    period: Vec<String>,
}

impl Reader<'_, '_> {
    /// Returns the rows of a query of `information_schema`, with `{}` for the database's name.
    async fn ask(&mut self, query: &str) -> Result<Vec<Row>> {
        self.link.rows(&query.replace("{}", &quoted(self.from))).await
    }

    /// Returns the output of `SHOW CREATE` for one object.
    async fn show(&mut self, kind: &str, object: &str) -> Result<Row> {
        let query = format!("SHOW CREATE {kind} {}", name(object));
        let row = self.link.rows(&query).await?.into_iter().next();
        row.ok_or_else(|| Error::other(format!("the server says nothing to `{query}`")))
    }

    /// Reads the database's own character set, collation, encryption and comment.
    pub(super) async fn database(&mut self) -> Result<Vec<Step>> {
        let own = "SELECT default_collation_name FROM information_schema.schemata \
            WHERE schema_name = {}";
        self.collation = self.ask(own).await?.first().map(|row| field(row, 0)).unwrap_or_default();
        let row = self.show("DATABASE", self.from).await?;
        let made = field(&row, 1);
        let create = format!("CREATE DATABASE {}", name(self.from));
        Ok(match made.strip_prefix(&create) {
            Some(options) if !options.trim().is_empty() => {
                vec![Step::own(format!("ALTER DATABASE {}{options}", name(self.from)))]
            }
            _ => Vec::new(),
        })
    }

    /// Reads the tables with their rows, after the sequences that supply their numbers.
    pub(super) async fn tables(&mut self) -> Result<Vec<Step>> {
        let tables = "SELECT table_name, table_type, engine FROM information_schema.tables \
            WHERE table_schema = {} AND table_type NOT LIKE '%VIEW' ORDER BY table_name";
        let tables = self.ask(tables).await?;
        let mut columns = self.columns().await?;
        let (mut sequences, mut made, mut filled) = (Vec::new(), Vec::new(), Vec::new());
        for row in &tables {
            let (table, engine) = (field(row, 0), field(row, 2));
            let (own, source) = (name(&table), format!("{}.{}", name(self.from), name(&table)));
            if field(row, 1) == "SEQUENCE" {
                sequences.push(Step::own(words(&self.show("SEQUENCE", &table).await?, 1)?));
                sequences.push(Step::rows(format!("INSERT INTO {own} SELECT * FROM {source}")));
                continue;
            }
            made.push(Step::own(words(&self.show("TABLE", &table).await?, 1)?));
            if WITHOUT_ROWS.contains(&engine.to_ascii_uppercase().as_str()) {
                continue;
            }
            let versioned = field(row, 1) == "SYSTEM VERSIONED";
            let columns = columns.remove(&table).unwrap_or_default();
            filled.extend(rows(&own, &source, columns, versioned));
        }
        sequences.extend(made);
        sequences.extend(filled);
        Ok(sequences)
    }

    async fn columns(&mut self) -> Result<BTreeMap<String, Columns>> {
        let all = "SELECT table_name, column_name, extra, generation_expression \
            FROM information_schema.columns WHERE table_schema = {} \
            ORDER BY table_name, ordinal_position";
        let mut tables: BTreeMap<String, Columns> = BTreeMap::new();
        for row in self.ask(all).await? {
            let columns = tables.entry(field(&row, 0)).or_default();
            let (column, extra) = (name(&field(&row, 1)), field(&row, 2).to_ascii_uppercase());
            match field(&row, 3).as_str() {
                "ROW START" | "ROW END" => columns.period.push(column),
                // `DEFAULT_GENERATED` means that the default is an expression.
                _ if extra.contains("VIRTUAL GENERATED") || extra.contains("STORED GENERATED") => {}
                _ => columns.own.push(column),
            }
        }
        Ok(tables)
    }

    /// Reads the routines: functions before others that may call them, and packages before their
    /// bodies.
    pub(super) async fn routines(&mut self) -> Result<Vec<Step>> {
        let all = "SELECT routine_type, routine_name, database_collation \
            FROM information_schema.routines WHERE routine_schema = {} \
            ORDER BY FIELD(routine_type, 'FUNCTION', 'PROCEDURE', 'PACKAGE', 'PACKAGE BODY'), \
            routine_name";
        let mut steps = Vec::new();
        for row in self.ask(all).await? {
            let shown = self.show(&field(&row, 0), &field(&row, 1)).await?;
            let (mode, charset, collation) = (field(&shown, 1), field(&shown, 3), field(&shown, 4));
            steps.extend(self.session(&mode, &charset, &collation, &field(&shown, 5)));
            steps.push(Step::own(words(&shown, 2)?));
        }
        steps.extend(self.session_of_tables());
        Ok(steps)
    }

    /// Reads the views, each with its session.
    pub(super) async fn views(&mut self) -> Result<Vec<Vec<Step>>> {
        let all = "SELECT table_name FROM information_schema.tables WHERE table_schema = {} \
            AND table_type LIKE '%VIEW' ORDER BY table_name";
        let mut views = Vec::new();
        for row in self.ask(all).await? {
            let shown = self.show("VIEW", &field(&row, 0)).await?;
            let session = format!(
                "SET character_set_client = {}, collation_connection = {}",
                field(&shown, 2),
                field(&shown, 3)
            );
            views.push(vec![Step::own(session), Step::own(words(&shown, 1)?)]);
        }
        Ok(views)
    }

    /// Reads the triggers, in the order in which those of one event run.
    pub(super) async fn triggers(&mut self) -> Result<Vec<Step>> {
        let all = "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = {} \
            ORDER BY event_object_table, event_manipulation, action_timing, action_order";
        let mut steps = Vec::new();
        for row in self.ask(all).await? {
            let shown = self.show("TRIGGER", &field(&row, 0)).await?;
            let (mode, charset, collation) = (field(&shown, 1), field(&shown, 3), field(&shown, 4));
            steps.extend(self.session(&mode, &charset, &collation, &field(&shown, 5)));
            steps.push(Step::own(words(&shown, 2)?));
        }
        steps.extend(self.session_of_tables());
        Ok(steps)
    }

    /// Reads the events, sorted by name.
    pub(super) async fn events(&mut self) -> Result<Vec<Event>> {
        let all = "SELECT event_name, UNIX_TIMESTAMP(created), definer \
            FROM information_schema.events \
            WHERE event_schema = {} ORDER BY event_name";
        let mut events = Vec::new();
        for row in self.ask(all).await? {
            let own = field(&row, 0);
            let shown = self.show("EVENT", &own).await?;
            let (mode, charset, collation) = (field(&shown, 1), field(&shown, 4), field(&shown, 5));
            let mut steps = self.session(&mode, &charset, &collation, &field(&shown, 6));
            // Without this, an event whose time has passed would be dropped at once.
            let (zone, created) = (quoted(&field(&shown, 2)), field(&row, 1));
            steps.push(Step::own(format!("SET time_zone = {zone}, timestamp = {created}")));
            steps.push(Step::own(words(&shown, 3)?));
            // `ALTER` makes its user the event's definer, unless another is given.
            let definer = field(&row, 2);
            let (user, host) = definer.rsplit_once('@').unwrap_or((&definer, "%"));
            let definer = format!("{}@{}", name(user), name(host));
            let alter = format!("ALTER DEFINER = {definer} EVENT {}", name(&own));
            events.push(Event { name: own, steps, alter });
        }
        Ok(events)
    }

    /// Returns the session settings that a routine keeps from its creation, and its database's
    /// collation.
    fn session(&self, mode: &str, charset: &str, collation: &str, database: &str) -> Vec<Step> {
        let session = format!(
            "SET character_set_client = {charset}, collation_connection = {collation}, \
             sql_mode = '{mode}'"
        );
        vec![self.collated(database), Step::own(session)]
    }

    /// Returns the steps back to the session in which tables are created.
    pub(super) fn session_of_tables(&self) -> Vec<Step> {
        vec![self.collated(&self.collation), Step::own(SESSION)]
    }

    fn collated(&self, collation: &str) -> Step {
        Step::own(format!("ALTER DATABASE {} COLLATE {collation}", name(self.from)))
    }
}

/// Returns the statements that fill a table. Old rows keep their period.
fn rows(own: &str, source: &str, columns: Columns, versioned: bool) -> Vec<Step> {
    let Columns { own: mut names, mut period } = columns;
    if !versioned {
        let names = names.join(", ");
        return vec![Step::rows(format!(
            "INSERT INTO {own} ({names}) SELECT {names} FROM {source}"
        ))];
    }
    if period.is_empty() {
        period = vec!["row_start".to_owned(), "row_end".to_owned()];
    }
    names.extend(period);
    let names = names.join(", ");
    let insert =
        format!("INSERT INTO {own} ({names}) SELECT {names} FROM {source} FOR SYSTEM_TIME ALL");
    // Exists from MariaDB 10.11 on; an older server must fail here, or else the history would be
    // lost.
    let set = |on: u8| Step::rows(format!("SET system_versioning_insert_history = {on}"));
    vec![set(1), Step::rows(insert), set(0)]
}
