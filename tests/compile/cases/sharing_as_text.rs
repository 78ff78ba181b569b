//! How a cache is shared is one of three words.

use castoff::dockerfile::RunMount;

fn main() {
    let _ = RunMount::cache("/cache").sharing("lock");
}
