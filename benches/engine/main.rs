//! castoff against the raw calls, over the same socket and in the same run.
//!
//! `cargo bench --bench engine -- [--runs N] [--only NAME] [--log-mb N] [--copy-mb N] [--json FILE]`
//!
//! The two sides take turns, and who goes first changes from turn to turn. Each row is printed when
//! it is measured. The table shows medians; `target/bench/engine.jsonl`, or the file that is named,
//! has every sample: a line of JSON for the engine, and one for each row. Needs an engine behind a unix socket and
//! the images `castoff.test/redis` and `castoff.test/busybox` (`cargo xtask images`).

use std::cell::RefCell;
use std::fs::File;
use std::io::Stdout;
use std::path::PathBuf;
use std::process::ExitCode;

use castoff::Engine;

use self::raw::Raw;
use self::report::Report;
use self::stats::Row;

mod build;
mod child;
mod copy;
mod ends;
mod exec;
mod guardian;
mod logs;
mod modules;
mod raw;
mod removal;
mod report;
mod sharing;
mod start;
mod stats;

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const REDIS: &str = "castoff.test/redis";
const POSTGRES: &str = "castoff.test/postgres";
const BUSYBOX: &str = "castoff.test/busybox";
const READY: &str = "Ready to accept connections";

/// What every container of the raw side carries, so that it is found whatever goes wrong.
const LABEL: &str = "castoff.bench";

/// What the command line asks for.
#[derive(Clone, Debug, Default)]
struct Options {
    runs: Option<usize>,
    only: Option<String>,
    log_mb: Option<u64>,
    copy_mb: Option<u64>,
    json: Option<PathBuf>,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Raw,
    Castoff,
}

impl Side {
    /// Both, the first one changing from turn to turn.
    fn turn(number: usize) -> [Side; 2] {
        if number.is_multiple_of(2) {
            [Side::Raw, Side::Castoff]
        } else {
            [Side::Castoff, Side::Raw]
        }
    }

    /// The sample as `Row::add` takes it.
    fn of(self, value: f64) -> (Option<f64>, Option<f64>) {
        match self {
            Side::Raw => (Some(value), None),
            Side::Castoff => (None, Some(value)),
        }
    }
}

/// What the cases need.
#[derive(Debug)]
struct Bench {
    engine: Engine,
    raw: Raw,
    options: Options,
    report: RefCell<Report<Stdout, File>>,
}

impl Bench {
    fn runs(&self, default: usize) -> usize {
        self.options.runs.unwrap_or(default)
    }

    fn wants(&self, name: &str) -> bool {
        self.options.only.as_deref().is_none_or(|only| only == name)
    }

    /// Removes what the raw side has left.
    async fn tidy(&self) -> Outcome<()> {
        let path =
            format!("/containers/json?all=1&filters=%7B%22label%22%3A%5B%22{LABEL}%22%5D%7D");
        let left = self.raw.json("GET", &path, "").await?;
        for container in left.as_array().into_iter().flatten() {
            self.raw.remove(container["Id"].as_str().unwrap_or_default()).await?;
        }
        Ok(())
    }

    /// Hands in a row that is measured.
    fn done(&self, row: &Row) -> Outcome<()> {
        Ok(self.report.borrow_mut().add(row)?)
    }

    async fn measure(&self) -> Outcome<()> {
        if self.wants("start") {
            start::single(self).await?;
        }
        if self.wants("parallel") {
            start::parallel(self).await?;
        }
        if self.wants("drop") {
            removal::drops(self).await?;
        }
        if self.wants("exec") {
            exec::execs(self).await?;
        }
        if self.wants("copy") {
            copy::copies(self)?;
        }
        if self.wants("log") {
            logs::waits(self)?;
        }
        if self.wants("ends") {
            ends::ends(self).await?;
        }
        if self.wants("guardian") {
            guardian::guardians(self)?;
        }
        if self.wants("join") {
            sharing::joins(self).await?;
        }
        if self.wants("suite") {
            sharing::suites(self)?;
        }
        if self.wants("build") {
            build::builds(self)?;
        }
        if self.wants("postgres") {
            modules::servers(self).await?;
        }
        if self.wants("database") {
            modules::databases(self).await?;
        }
        if self.wants("databases") {
            sharing::databases(self).await?;
        }
        Ok(())
    }
}

fn read_options() -> Outcome<Options> {
    let mut options = Options::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--bench" => {}
            "--runs" => options.runs = Some(value()?.parse()?),
            "--only" => options.only = Some(value()?),
            "--log-mb" => options.log_mb = Some(value()?.parse()?),
            "--json" => options.json = Some(value()?.into()),
            "--copy-mb" => options.copy_mb = Some(value()?.parse()?),
            _ => return Err(format!("what is `{word}`?").into()),
        }
    }
    Ok(options)
}

async fn run(options: Options) -> Outcome<()> {
    let engine = Engine::connect().await?;
    let socket = engine.endpoint().socket().ok_or("the engine is not behind a unix socket")?;
    let raw = Raw::new(socket);
    println!("{:?} {}, API {}", engine.kind(), engine.version(), engine.api_version());
    let path = match &options.json {
        Some(path) => path.clone(),
        None => PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../bench/engine.jsonl"),
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = File::create(&path)?;
    println!("every sample: {}", path.canonicalize()?.display());
    let common = serde_json::json!({ "engine": engine.version() });
    let report = RefCell::new(Report::begin(std::io::stdout(), file, &common)?);
    let bench = Bench { engine, raw, options, report };
    // An earlier run may have been interrupted.
    bench.tidy().await?;
    let measured = bench.measure().await;
    bench.tidy().await?;
    measured
}

fn main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let outcome = match child::role() {
        Some(role) => runtime.block_on(child::act(&role)),
        // `cargo test --all-targets` and nextest run benchmarks as tests.
        None if !std::env::args().any(|word| word == "--bench") => return ExitCode::SUCCESS,
        None => read_options().map_or_else(Err, |options| runtime.block_on(run(options))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}
