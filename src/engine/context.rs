//! Docker contexts: the current one, and its endpoint.
//!
//! The format is the docker CLI's: `currentContext` in `config.json`, and
//! `contexts/meta/<sha256 of the name>/meta.json` beside it.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Returns the name of the current context, or `None` for the default one.
pub(super) async fn current(config_dir: &Path, chosen: Option<&str>) -> Option<String> {
    let name = match chosen {
        Some(name) => name.to_owned(),
        None => {
            let text = tokio::fs::read(config_dir.join("config.json")).await.ok()?;
            let config: Value = serde_json::from_slice(&text).ok()?;
            config.get("currentContext")?.as_str()?.to_owned()
        }
    };
    (!name.is_empty() && name != "default").then_some(name)
}

/// Returns the endpoint of a context.
pub(super) async fn endpoint(config_dir: &Path, name: &str) -> Result<String> {
    let path = config_dir.join("contexts/meta").join(folder_of(name)).join("meta.json");
    let broken = |why: &str| {
        Error::invalid("docker context", format!("`{name}`: {why} ({})", path.display()))
    };
    let text = tokio::fs::read(&path).await.map_err(|error| broken(&error.to_string()))?;
    let meta: Value = serde_json::from_slice(&text).map_err(|error| broken(&error.to_string()))?;
    meta.pointer("/Endpoints/docker/Host")
        .and_then(Value::as_str)
        .filter(|host| !host.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| broken("names no docker endpoint"))
}

fn folder_of(name: &str) -> String {
    hex::encode(Sha256::digest(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir_with(name: &str, meta: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("contexts/meta").join(folder_of(name));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("meta.json"), meta).unwrap();
        let config = format!(r#"{{"currentContext":"{name}"}}"#);
        std::fs::write(dir.path().join("config.json"), config).unwrap();
        dir
    }

    #[test]
    fn folders_are_named_as_the_docker_cli_names_them() {
        // `docker context create x` puts its metadata there.
        assert_eq!(
            folder_of("x"),
            "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
        );
    }

    #[tokio::test]
    async fn the_current_context_leads_to_its_endpoint() {
        let meta = r#"{"Name":"far","Endpoints":{"docker":{"Host":"unix:///far.sock"}}}"#;
        let dir = dir_with("far", meta);
        assert_eq!(current(dir.path(), None).await.as_deref(), Some("far"));
        assert_eq!(endpoint(dir.path(), "far").await.unwrap(), "unix:///far.sock");
        assert_eq!(current(dir.path(), Some("default")).await, None);
    }

    #[tokio::test]
    async fn a_context_that_is_missing_or_broken_is_named() {
        let dir = dir_with("odd", r#"{"Endpoints":{}}"#);
        for name in ["odd", "gone"] {
            let error = endpoint(dir.path(), name).await.unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        assert_eq!(current(Path::new("/nonexistent"), None).await, None);
    }
}
