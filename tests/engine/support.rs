//! Shared parts of the tests: the images, short containers, and waiting for a condition.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use castoff::Engine;
use castoff::container::LogLines;
use castoff::{Container, ContainerBuilder};

pub(crate) const BUSYBOX: &str = "castoff.test/busybox";
pub(crate) const HEALTH: &str = "castoff.test/busybox-health";
pub(crate) const WEB: &str = "castoff.test/web";
pub(crate) const NOSHELL: &str = "castoff.test/noshell";
pub(crate) const REDIS: &str = "castoff.test/redis";

/// Limit far beyond the time of anything here, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Limit for "at once", as opposed to a startup timeout of 60 s.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(10);

pub(crate) async fn engine() -> Engine {
    Engine::connect().await.unwrap()
}

/// Returns a container that does nothing until it is killed.
pub(crate) fn sleeper() -> ContainerBuilder {
    Container::builder(BUSYBOX).with_command(["sleep", "3600"])
}

/// Returns a container that runs a shell script.
pub(crate) fn script(lines: &str) -> ContainerBuilder {
    Container::builder(BUSYBOX).with_command(["sh", "-c", lines])
}

/// Returns the output of a script in a container with these settings. It must succeed.
pub(crate) async fn printed(builder: ContainerBuilder, lines: &str) -> String {
    let output = builder.with_command(["sh", "-c", lines]).run().await.unwrap();
    assert!(output.success(), "code {}: {}", output.exit_code, output.stderr_text());
    output.stdout_text().trim_end().to_owned()
}

/// Returns the output like [`printed`], in the plain image.
pub(crate) async fn printed_by(
    lines: &str,
    set_up: impl FnOnce(ContainerBuilder) -> ContainerBuilder,
) -> String {
    printed(set_up(Container::builder(BUSYBOX)), lines).await
}

/// Returns the output of a script in a running container. It must succeed.
pub(crate) async fn sh(container: &Container, lines: &str) -> String {
    let output = container.exec(["sh", "-c", lines]).await.unwrap().ok().unwrap();
    output.stdout_text().trim_end().to_owned()
}

/// Blocks all other tests that prune kept resources, or rely on them, even in other processes.
pub(crate) fn pruning() -> std::fs::File {
    let file = std::fs::File::create(std::env::temp_dir().join("castoff-test-pruning.lock"));
    let file = file.unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    file
}

/// Returns a unique name, across processes.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("test-{what}-{}-{n}-{:x}", std::process::id(), time & 0xff_ffff)
}

/// Returns once the condition holds; panics if it doesn't within [`PATIENCE`].
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns all lines until the end, as text.
pub(crate) async fn texts(mut lines: LogLines) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(line) = lines.next().await {
        texts.push(line.unwrap().text);
    }
    texts
}
