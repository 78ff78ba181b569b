//! Running `true` in a container that runs.

use std::time::Instant;

use castoff::Container;

use crate::stats::{Judged, Row, millis};
use crate::{BUSYBOX, Bench, Outcome, Side};

async fn once(bench: &Bench, container: &Container, side: Side) -> Outcome<f64> {
    let began = Instant::now();
    let code = match side {
        Side::Raw => bench.raw.exec(container.id(), &["true"]).await?.0,
        Side::Castoff => container.exec(["true"]).await?.exit_code,
    };
    let took = millis(began.elapsed());
    if code == 0 { Ok(took) } else { Err(format!("`true` ended with {code}").into()) }
}

pub(crate) async fn execs(bench: &Bench) -> Outcome<()> {
    let sleeper =
        Container::builder(BUSYBOX).with_engine(&bench.engine).with_command(["sleep", "1000"]);
    let container = sleeper.without_wait().start().await?;
    let mut row = Row::new("exec of `true`", "ms", Judged::Ratio(1.05));
    for side in Side::turn(0) {
        once(bench, &container, side).await?;
    }
    for number in 0..bench.runs(200) {
        for side in Side::turn(number) {
            let (raw, castoff) = side.of(once(bench, &container, side).await?);
            row.add(raw, castoff);
        }
    }
    container.remove().await?;
    bench.done(&row)
}
