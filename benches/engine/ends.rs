//! What a process leaves behind when it ends, and for how long.

use std::io::{BufRead, BufReader, Write};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use castoff::{Container, Network};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::child;
use crate::raw::Answer;
use crate::stats::{Judged, Row};
use crate::{BUSYBOX, Bench, Outcome};

const COUNT: usize = 5;

static ALIVE: OnceLock<(Network, Vec<Container>)> = OnceLock::new();

/// Milliseconds from the moment that the process ends until nothing of it is left. The engine
/// pushes the end of the containers; the network, which goes last, is asked for every 10 ms.
async fn once(bench: &Bench, how: &str) -> Outcome<f64> {
    let role = json!({ "case": "end", "how": how });
    let mut process = child::command(bench, role)?;
    let mut process = process.stderr(std::process::Stdio::null()).spawn()?;
    let mut line = String::new();
    let stdout = process.stdout.take().ok_or("no stdout")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let made: Value = serde_json::from_str(&line)?;
    let ids = made["containers"].as_array().ok_or("no containers")?;
    let ids: Vec<_> = ids.iter().filter_map(Value::as_str).collect();
    let watches = try_join_all(ids.iter().map(|id| bench.raw.removal(id))).await?;
    let network = format!("/networks/{}", made["network"].as_str().ok_or("no network")?);
    let began = Instant::now();
    if how == "kill -9" {
        process.kill()?;
    } else {
        process.stdin.take().ok_or("no stdin")?.write_all(b"\n")?;
    }
    process.wait()?;
    try_join_all(watches.into_iter().map(Answer::all)).await?;
    while bench.raw.open("GET", &network, "").await?.status != 404 {
        if began.elapsed() > Duration::from_secs(30) {
            return Err(format!("{how}: the network is still there").into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(began.elapsed().as_secs_f64())
}

pub(crate) async fn ends(bench: &Bench) -> Outcome<()> {
    for how in ["exit", "panic", "kill -9"] {
        let name = format!("{COUNT} and a network gone after {how}");
        let mut row = Row::new(name, "s", Judged::Most(2.0));
        for _ in 0..bench.runs(3) {
            row.add(None, Some(once(bench, how).await?));
        }
        bench.done(&row)?;
    }
    Ok(())
}

/// Makes things, says which, and ends as it is told once it gets a line.
pub(crate) async fn child(role: &Value) -> Outcome<()> {
    let network = Network::create().await?;
    let started = (0..COUNT).map(|_| {
        let sleeper = Container::builder(BUSYBOX).with_network(&network, ());
        sleeper.with_command(["sleep", "1000"]).without_wait().start()
    });
    let containers = try_join_all(started).await?;
    let ids: Vec<_> = containers.iter().map(Container::id).collect();
    println!("{}", json!({ "network": network.id(), "containers": ids }));
    std::io::stdin().read_line(&mut String::new())?;
    if role["how"] == "panic" {
        panic!("as told");
    }
    ALIVE.get_or_init(|| (network, containers));
    Ok(())
}
