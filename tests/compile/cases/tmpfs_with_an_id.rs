//! A mount has the options of its type, and no others.

use castoff::dockerfile::{Run, RunMount};

fn main() {
    let _ = Run::shell("make").mount(RunMount::tmpfs("/tmp").id("x"));
}
