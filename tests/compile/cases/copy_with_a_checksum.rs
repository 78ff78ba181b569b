//! Only `ADD` fetches what a checksum is for.

use castoff::dockerfile::Copy;

fn main() {
    let _ = Copy::new(["a"], "/").checksum("sha256:00");
}
