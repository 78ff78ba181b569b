//! Says of each Dockerfile that is named whether BuildKit would refuse it, and what is wrong with it.
//!
//! ```sh
//! cargo run --example dockerfile_check -- Dockerfile
//! ```

use castoff::dockerfile::Dockerfile;

fn main() -> std::io::Result<()> {
    for path in std::env::args().skip(1) {
        let parsed = Dockerfile::parse(&std::fs::read_to_string(&path)?);
        let verdict = if parsed.has_errors() { "refused" } else { "taken" };
        let stages = &parsed.dockerfile.stages;
        let names: Vec<_> = stages.iter().filter_map(|stage| stage.name.as_deref()).collect();
        println!("{verdict} {path} [{}]", names.join(" "));
        for found in &parsed.diagnostics {
            println!("  {found}");
        }
    }
    Ok(())
}
