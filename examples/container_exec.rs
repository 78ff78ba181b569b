//! A command in a running container: its input from here, its output as it comes.
//!
//! `cargo run --example container_exec`

use castoff::engine::LogStream;
use castoff::{Container, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let container = Container::builder("busybox:1").with_command(["sleep", "600"]).start().await?;

    // Awaited, it gives the exit code and all of its output, the two streams apart.
    let sorted = container
        .exec(["sort", "-n"])
        .with_user("nobody")
        .with_stdin("30\n4\n100\n")
        .await?
        .ok()?;
    println!("sorted: {:?}", sorted.stdout_text().lines().collect::<Vec<_>>());

    // Any exit code is an answer; `ok()` makes an error of all but 0.
    let failed = container.exec(["ls", "/nowhere"]).await?;
    println!("ls ended with {}: {}", failed.exit_code, failed.stderr_text().trim());

    // Streamed, it gives its output in pieces while it runs.
    let script = "for i in 1 2 3; do echo step $i; sleep 0.2; done; echo done >&2; exit 7";
    let mut running = container.exec(["sh", "-c", script]).stream().await?;
    while let Some(frame) = running.next().await {
        let frame = frame?;
        let text = String::from_utf8_lossy(&frame.bytes);
        match frame.stream {
            LogStream::Stderr => println!("err | {}", text.trim_end()),
            _ => println!("out | {}", text.trim_end()),
        }
    }
    println!("it ended with {}", running.exit_code().await?);
    Ok(())
}
