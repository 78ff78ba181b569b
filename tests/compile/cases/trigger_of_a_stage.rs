//! `ONBUILD` holds no `FROM`.

use castoff::dockerfile::Stage;

fn main() {
    let _ = Stage::scratch().on_build(Stage::from_image("debian"));
}
