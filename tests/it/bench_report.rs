//! The output of the benchmarks while they measure.

use std::cell::RefCell;
use std::io::{self, BufWriter, Write};
use std::rc::Rc;

use serde_json::{Value, json};

use crate::report::Report;
use crate::stats::{Judged, Row};

/// The bytes that have arrived at the other end.
#[derive(Clone, Default)]
struct Arrived(Rc<RefCell<Vec<u8>>>);

impl Arrived {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.borrow().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Write for Arrived {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_row_is_written_when_it_is_measured() {
    let (table, file) = (Arrived::default(), Arrived::default());
    // Like a pipe or a file: bytes arrive only when they are flushed.
    let (slow_table, slow_file) = (BufWriter::new(table.clone()), BufWriter::new(file.clone()));
    let mut report = Report::begin(slow_table, slow_file, &json!({ "engine": "1" })).unwrap();
    assert!(table.lines()[0].contains("castoff"), "{:?}", table.lines());
    for (number, name) in ["one", "two"].into_iter().enumerate() {
        let mut row = Row::new(name, "ms", Judged::Ratio(1.05));
        row.add(Some(2.0), Some(1.0));
        report.add(&row).unwrap();
        let (lines, json) = (table.lines(), file.lines());
        assert_eq!((lines.len(), json.len()), (number + 2, number + 2));
        assert!(lines[number + 1].starts_with(&format!("{name} [ms]")), "{lines:?}");
        assert!(lines[number + 1].ends_with("ratio <= 1.05 met"), "{lines:?}");
        let json: Value = serde_json::from_str(&json[number + 1]).unwrap();
        assert_eq!((&json["name"], &json["ratio"]), (&json!(name), &json!(0.5)));
        assert_eq!(json["castoff"]["samples"], json!([1.0]));
    }
    assert_eq!(serde_json::from_str::<Value>(&file.lines()[0]).unwrap()["engine"], "1");
}
