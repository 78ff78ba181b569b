//! The network of a step is one of three.

use castoff::dockerfile::Run;

fn main() {
    let _ = Run::shell("make").network("bridge");
}
