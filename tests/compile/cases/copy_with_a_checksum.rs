//! Only `ADD` fetches what a checksum is for.

use castoff::dockerfile::CopyFiles;

fn main() {
    let _ = CopyFiles::new(["a"], "/").checksum("sha256:00");
}
