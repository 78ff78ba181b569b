//! An unusable state directory: plain containers work, and operations that need it fail with a
//! message.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use castoff::{Container, Reaper};

use crate::children::{Running, told};
use crate::raw::Raw;
use crate::support::{PATIENCE, engine, eventually, sleeper, unique};

const LABEL: &str = "CASTOFF_TEST_LABEL";
const ENTRY: &str = "state::child_process_entry";

#[tokio::test]
#[ignore = "needs a container engine"]
async fn child_process_entry() {
    let Ok(label) = std::env::var(LABEL) else { return };
    let one = || sleeper().with_label("test.state", &label);
    let held: Container = one().start().await.unwrap();
    let guarded = held.engine().reaper() == Reaper::Guardian;
    match one().shared().await {
        Ok(shared) => println!("\nshares: {}", shared.keep()),
        Err(error) => {
            let error = format!("{:?}: {error:?}", error.kind()).replace('\n', " ");
            println!("\nguarded: {guarded}, {error}");
        }
    }
    std::io::stdout().flush().unwrap();
    told();
    drop(held);
}

/// Returns the error of a child that can't share, and checks that its resources are removed when it
/// is killed.
async fn refused(home: &Path, before: &str) -> String {
    let raw = Raw::of(&engine().await);
    let label = unique("state");
    let home = home.to_str().unwrap();
    let mut child =
        Running::start_after(before, ENTRY, &[(LABEL, &label), ("XDG_STATE_HOME", home)]);
    let said = child.says("guarded: true, ");
    assert!(
        said.starts_with("Io: ") && said.contains(home) && said.contains("CASTOFF_STATE_DIR"),
        "{said}"
    );
    let label = format!("test.state={label}");
    assert_eq!(raw.count(&label), 1);
    child.kill();
    raw.until_none(&label, PATIENCE);
    said
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn full_or_read_only() {
    let home = tempfile::tempdir().unwrap();
    let tmpfs = format!("mount -t tmpfs -o size=16k tmpfs {}", home.path().display());
    let fill = format!(
        "{tmpfs}; dd if=/dev/zero of={}/fill bs=4k 2>/dev/null || true",
        home.path().display()
    );
    let said = refused(home.path(), &fill).await;
    assert!(said.contains("No space left"), "{said}");
    let read_only = format!("{tmpfs} && mount -o remount,ro {}", home.path().display());
    let said = refused(home.path(), &read_only).await;
    assert!(said.contains("Read-only file system"), "{said}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_link_or_a_directory_of_all_is_not_followed_or_used() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = home.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, home.path().join("castoff")).unwrap();
    refused(home.path(), "true").await;
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0, "nothing was put there");

    std::fs::remove_file(home.path().join("castoff")).unwrap();
    symlink("/", home.path().join("castoff")).unwrap();
    refused(home.path(), "true").await;

    let wide = tempfile::tempdir().unwrap();
    let all = format!("mkdir -m 777 {}/castoff", wide.path().display());
    let said = refused(wide.path(), &all).await;
    assert!(said.contains("open to other users"), "{said}");
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn a_directory_that_is_deleted_under_them_takes_nothing_from_anybody() {
    let raw = Raw::of(&engine().await);
    let home = tempfile::tempdir().unwrap();
    let path = home.path().to_str().unwrap();
    let label = unique("deleted");
    let start = || {
        let variables = [("CASTOFF_TEST_LABEL", label.as_str()), ("XDG_STATE_HOME", path)];
        Running::start("shared::child_process_entry", &variables)
    };
    let mut first = start();
    let one = first.says("id: ");
    // The first one may be writing there at this moment.
    let state = home.path().join("castoff");
    let deleted = async || std::fs::remove_dir_all(&state).is_ok() || !state.exists();
    eventually("the directory is deleted", deleted).await;
    let mut second = start();
    let two = second.says("id: ");
    // They can no longer find each other, and neither removes the other's resources.
    assert_ne!(one, two);
    first.kill();
    raw.until_gone(&format!("containers/{one}"));
    assert!(raw.inspect(&format!("containers/{two}")).is_some());
    second.kill();
    raw.until_none(&format!("test.shared={label}"), PATIENCE);
}
