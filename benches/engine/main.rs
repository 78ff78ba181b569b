//! castoff against the raw calls, over the same socket and in the same run.
//!
//! `cargo bench --bench engine -- [--runs N] [--only NAME] [--log-mb N] [--copy-mb N]`
//!
//! The two sides take turns, and who goes first changes from turn to turn. The table shows
//! medians; `target/bench/engine.json` has every sample. Needs an engine behind a unix socket and
//! the images `castoff.test/redis` and `castoff.test/busybox` (`cargo xtask images`).

use std::path::PathBuf;
use std::process::ExitCode;

use castoff::Engine;

use self::raw::Raw;
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

    async fn measure(&self) -> Outcome<Vec<Row>> {
        let mut rows = Vec::new();
        if self.wants("start") {
            rows.extend(start::single(self).await?);
        }
        if self.wants("parallel") {
            rows.extend(start::parallel(self).await?);
        }
        if self.wants("drop") {
            rows.extend(removal::drops(self).await?);
        }
        if self.wants("exec") {
            rows.extend(exec::execs(self).await?);
        }
        if self.wants("copy") {
            rows.extend(copy::copies(self)?);
        }
        if self.wants("log") {
            rows.extend(logs::waits(self)?);
        }
        if self.wants("ends") {
            rows.extend(ends::ends(self).await?);
        }
        if self.wants("guardian") {
            rows.extend(guardian::guardians(self)?);
        }
        if self.wants("join") {
            rows.extend(sharing::joins(self).await?);
        }
        if self.wants("suite") {
            rows.extend(sharing::suites(self)?);
        }
        if self.wants("build") {
            rows.extend(build::builds(self)?);
        }
        if self.wants("postgres") {
            rows.extend(modules::servers(self).await?);
        }
        if self.wants("database") {
            rows.extend(modules::databases(self).await?);
        }
        if self.wants("databases") {
            rows.extend(sharing::databases(self).await?);
        }
        Ok(rows)
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
    let bench = Bench { engine, raw, options };
    let measured = bench.measure().await;
    bench.tidy().await?;
    let rows = measured?;
    stats::print(&rows);
    let rows: Vec<_> = rows.iter().map(Row::json).collect();
    let report = serde_json::json!({ "engine": bench.engine.version(), "rows": rows });
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../bench/engine.json");
    std::fs::create_dir_all(path.parent().ok_or("no directory")?)?;
    std::fs::write(&path, serde_json::to_vec_pretty(&report)?)?;
    println!("samples: {}", path.canonicalize()?.display());
    Ok(())
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
