//! Only `COPY` takes files from a stage.

use castoff::dockerfile::Add;

fn main() {
    let _ = Add::new(["a"], "/").from_stage("build");
}
