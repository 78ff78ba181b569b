//! `cargo xtask picture`: records the demo and draws it as a terminal, in `docs/demo.svg`.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Stdio};
use std::time::{Duration, Instant};

use crate::command::command;
use crate::{Outcome, paths};

/// The recording, relative to the root of the repository. The README shows it.
const FILE: &str = "docs/demo.svg";
/// The command that a reader would type.
const COMMAND: &str = "cargo xtask demo";

/// Limit for pauses in the picture; times in the lines themselves stay.
const LONGEST_PAUSE: Duration = Duration::from_millis(1500);
/// The time that the command is shown before its output begins.
const TYPED: Duration = Duration::from_millis(600);

/// The number of columns of the terminal; longer lines are cut.
const COLUMNS: usize = 100;
/// The pixels from one line to the next, and around all of them.
const LINE: usize = 18;
const MARGIN: usize = 16;
/// The pixels of one column: 0.6 of the font's size, as in most monospaced fonts.
const COLUMN: f64 = 7.8;

/// A line of output, with the time when it was printed.
#[derive(Debug, PartialEq)]
struct Line {
    at: Duration,
    text: String,
}

/// Runs the demo, and draws its output as an SVG image.
pub(crate) fn picture() -> Outcome {
    let lines = without_long_pauses(record()?);
    let file = paths::root().join(FILE);
    paths::write(&file, &svg(&lines))?;
    println!("written: {FILE}");
    Ok(())
}

/// Runs the demo as a process of its own, to read its output.
fn record() -> Outcome<Vec<Line>> {
    let program = std::env::current_exe().map_err(|e| format!("cannot find xtask: {e}"))?;
    let mut demo = command(program);
    demo.arg("demo").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut demo = demo.spawn().map_err(|e| format!("cannot run the demo: {e}"))?;
    let lines = demo.stdout.take().map(read);
    let status = demo.wait().map_err(|e| format!("cannot wait for the demo: {e}"))?;
    if !status.success() {
        return Err(format!("the demo ended with {status}: no picture is made of it"));
    }
    lines.ok_or_else(|| "the demo has no standard output".to_owned())
}

fn read(output: ChildStdout) -> Vec<Line> {
    let began = Instant::now();
    let mut lines = Vec::new();
    for text in BufReader::new(output).lines().map_while(Result::ok) {
        println!("{text}");
        // Lines about running jobs: a terminal shows them only briefly.
        if !text.starts_with('…') {
            lines.push(Line { at: began.elapsed(), text });
        }
    }
    lines
}

/// Moves lines forward in time, so that viewers do not wait a minute for the compiler.
fn without_long_pauses(lines: Vec<Line>) -> Vec<Line> {
    let (mut before, mut now) = (Duration::ZERO, TYPED);
    let shift = |Line { at, text }| {
        now += at.saturating_sub(before).min(LONGEST_PAUSE);
        before = at;
        Line { at: now, text }
    };
    lines.into_iter().map(shift).collect()
}

/// Draws the image. Without animation, as in print, all lines are visible from the beginning.
fn svg(lines: &[Line]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a hundred columns")]
    let width = (COLUMNS as f64 * COLUMN).ceil() + 2.0 * MARGIN as f64;
    let height = (lines.len() + 1) * LINE + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>The output of `{COMMAND}`</title>\n\
         <style>\n\
         text {{ font: 13px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; \
         fill: #c9d1d9; white-space: pre }}\n\
         .dim {{ fill: #8b949e }} .prompt {{ fill: #7ee787 }}\n\
         @keyframes appear {{ from {{ opacity: 0 }} }}\n\
         @media (prefers-reduced-motion: no-preference) {{ \
         text {{ animation: appear 1ms step-end backwards }} }}\n\
         </style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\"/>\n"
    );
    svg += &drawn(0, Duration::ZERO, "$ ", "prompt", COMMAND);
    for (index, Line { at, text }) in lines.iter().enumerate() {
        let (start, rest) = split(text);
        svg += &drawn(index + 1, *at, start, "dim", rest);
    }
    svg + "</svg>\n"
}

/// Draws a line of text, with its start in the color of a class.
fn drawn(row: usize, at: Duration, start: &str, class: &str, rest: &str) -> String {
    let y = MARGIN + row * LINE + 13;
    let room = COLUMNS.saturating_sub(start.chars().count());
    let (start, rest) = (escaped(start), escaped(&cut(rest, room)));
    let delay = at.as_secs_f64();
    format!(
        "<text x=\"{MARGIN}\" y=\"{y}\" xml:space=\"preserve\" \
         style=\"animation-delay:{delay:.2}s\">\
         <tspan class=\"{class}\">{start}</tspan>{rest}</text>\n"
    )
}

/// Splits off the time at the start of a line (`  4448 ms  `). A line without one is xtask's own.
fn split(text: &str) -> (&str, &str) {
    if let Some((time, _)) = text.split_once(" ms  ")
        && time.trim_start().bytes().all(|byte| byte.is_ascii_digit())
    {
        return text.split_at(time.len() + " ms  ".len());
    }
    (text, "")
}

fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

/// Escapes characters that are special in XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(milliseconds: u64, text: &str) -> Line {
        Line { at: Duration::from_millis(milliseconds), text: text.to_owned() }
    }

    #[test]
    fn long_pauses_are_cut_and_short_ones_stay() {
        let lines = without_long_pauses(vec![line(100, "a"), line(90_000, "b"), line(90_300, "c")]);
        assert_eq!(lines, [line(700, "a"), line(2200, "b"), line(2500, "c")]);
    }

    #[test]
    fn a_line_is_drawn_in_its_place_at_its_time_and_as_xml() {
        let svg = svg(&[line(700, "  12 ms  a <b> & c"), line(900, &"x".repeat(200))]);
        assert!(svg.contains("<tspan class=\"prompt\">$ </tspan>cargo xtask demo</text>"), "{svg}");
        let drawn = "animation-delay:0.70s\"><tspan class=\"dim\">  12 ms  </tspan>\
                     a &lt;b&gt; &amp; c</text>";
        assert!(svg.contains(drawn), "{svg}");
        assert!(svg.contains("viewBox=\"0 0 812 86\""), "{svg}");
    }

    #[test]
    fn a_line_that_is_too_long_is_cut() {
        assert_eq!(cut("four", 4), "four");
        assert_eq!(cut("fives", 4), "fiv…");
    }
}
