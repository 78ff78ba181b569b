//! An instruction belongs to a stage, which begins with `FROM`.

use castoff::dockerfile::Dockerfile;

fn main() {
    let _ = Dockerfile::new().run("make");
}
