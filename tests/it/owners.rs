//! The owners of a process: one for each engine and state directory.

use std::path::Path;

use castoff::Reaper;
use serde_json::Value;

use crate::support::{bodies, config, connect, guarded, running};

#[tokio::test]
async fn two_connections_have_one_owner_and_two_state_directories_have_two() {
    let (fake, engine) = guarded().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let mut config = config(&fake);
    config.reaper = true;
    let again = connect(config.clone()).await;
    config.state_dir = Some(elsewhere.path().to_owned());
    let other = connect(config).await;

    let engines = [&engine, &again, &other];
    let mut held = Vec::new();
    for engine in engines {
        held.push(running(engine).await);
        assert_eq!(engine.reaper(), Reaper::Guardian);
    }
    let created = bodies(&fake, "POST", "/containers/create");
    let owners: Vec<&Value> = created.iter().map(|body| &body["Labels"]["castoff.owner"]).collect();
    assert!(owners[0] == owners[1] && owners[0] != owners[2], "{owners:?}");
    let sessions = |dir: &Path| std::fs::read_dir(dir.join("castoff/sessions")).unwrap().count();
    assert_eq!([fake.state_dir().as_path(), elsewhere.path()].map(sessions), [1, 1]);

    // A kept resource is known to both engines of the same owner, and to no other.
    held.swap_remove(0).keep();
    let kept = [other.remove_kept().await.unwrap(), again.remove_kept().await.unwrap()];
    assert_eq!(kept.map(|report| report.containers), [0, 1]);
}
