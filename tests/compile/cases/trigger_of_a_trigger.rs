//! `ONBUILD` holds no `ONBUILD`.

use castoff::dockerfile::{Stage, Trigger};

fn main() {
    let trigger = Trigger::workdir("/app");
    let _ = Stage::scratch().on_build(Trigger::from(trigger.instruction().clone()));
}
