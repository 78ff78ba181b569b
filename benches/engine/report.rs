//! Where rows go as soon as they are measured: a line of the table, and a line of JSON with every sample.

use std::io::{self, Write};

use serde_json::Value;

use crate::stats::{self, Row};

/// A table for people and a file for programs. What was measured before an interruption is in both.
#[derive(Debug)]
pub(crate) struct Report<T, J> {
    table: T,
    json: J,
}

impl<T: Write, J: Write> Report<T, J> {
    /// Begins both: a head for the table, and what all rows have in common as the first line of JSON.
    pub(crate) fn begin(table: T, json: J, common: &Value) -> io::Result<Self> {
        let mut report = Report { table, json };
        report.write(&stats::head(), common)?;
        Ok(report)
    }

    /// Writes a row.
    pub(crate) fn add(&mut self, row: &Row) -> io::Result<()> {
        self.write(&row.line(), &row.json())
    }

    fn write(&mut self, line: &str, json: &Value) -> io::Result<()> {
        writeln!(self.table, "{line}")?;
        self.table.flush()?;
        writeln!(self.json, "{json}")?;
        self.json.flush()
    }
}
