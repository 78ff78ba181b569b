//! Waits of one's own: a type that implements `WaitStrategy`, and a closure.
//!
//! `cargo run --example wait_custom`

use std::time::{Duration, Instant};

use castoff::wait::{WaitFuture, WaitStrategy, WaitTarget};
use castoff::{Container, ErrorKind, Result, WaitFor};

/// A file in the container has at least this many lines.
#[derive(Debug)]
struct Lines {
    path: &'static str,
    at_least: usize,
}

impl WaitStrategy for Lines {
    fn describe(&self) -> String {
        format!("{} to have {} lines", self.path, self.at_least)
    }

    // The container's end and the time limit are watched by the caller.
    fn wait<'a>(&'a self, target: &'a WaitTarget) -> WaitFuture<'a> {
        Box::pin(async move {
            loop {
                let out = target.exec(["cat", self.path]).await?;
                let lines = out.stdout_text().lines().count();
                if lines >= self.at_least {
                    return Ok(());
                }
                target.record_probe(format!("{lines} lines"));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let work = "while sleep 0.2; do date >> /tmp/work; done";
    let busy = || Container::builder("busybox:1").with_command(["sh", "-c", work]);

    let began = Instant::now();
    let _ready = busy().with_wait(Lines { path: "/tmp/work", at_least: 3 }).start().await?;
    println!("three lines of work after {:?}", began.elapsed());

    let any_work = WaitFor::probe("any work", |target: WaitTarget| async move {
        Ok(target.exec(["test", "-s", "/tmp/work"]).await?.success())
    });
    let _ready = busy().with_wait(any_work).start().await?;
    println!("some work in the next one");

    // What can't come true fails with the whole story.
    let too_much = WaitFor::from(Lines { path: "/tmp/work", at_least: 1000 });
    let limited = too_much.with_timeout(Duration::from_secs(1));
    if let Err(error) = busy().with_wait(limited).start().await {
        assert_eq!(error.kind(), ErrorKind::WaitTimeout);
        println!("\n{error:?}");
    }
    Ok(())
}
