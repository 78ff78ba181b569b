//! Discovery of an engine: the candidates, their order, and the error when none answers.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{Client, Endpoint, context};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

/// Limits for an answer: a configured endpoint gets time to wake up, a guessed one must be ready.
const NAMED_LIMIT: Duration = Duration::from_secs(30);
const GUESS_LIMIT: Duration = Duration::from_secs(3);

/// A possible endpoint of an engine.
#[derive(Debug, PartialEq, Eq)]
struct Candidate {
    source: String,
    endpoint: Endpoint,
}

/// Finds an engine by these settings, and connects to it.
pub(crate) async fn discover(config: Config) -> Result<Client> {
    config.check()?;
    if let Some(named) = named(&config).await? {
        let outcome = Client::open(named.endpoint.clone(), NAMED_LIMIT, config).await;
        return outcome.map_err(|error| nobody_answered(vec![(named, error)]));
    }
    let mut refused = Vec::new();
    for candidate in known_sockets(&config, user_id()) {
        match Client::open(candidate.endpoint.clone(), GUESS_LIMIT, config.clone()).await {
            Ok(engine) => return Ok(engine),
            Err(error) => refused.push((candidate, error)),
        }
    }
    Err(nobody_answered(refused))
}

/// Returns the configured endpoint. No other is then tried, as a wrong engine is worse than none.
async fn named(config: &Config) -> Result<Option<Candidate>> {
    let from = |source: String, text: &str| -> Result<Option<Candidate>> {
        let endpoint: Endpoint = text.parse().map_err(|error: Error| {
            Error::new(error.kind(), format!("{source}: {error}")).with_hint(
                "use unix:///path/to/socket or tcp://host:port, or unset it to use the known sockets",
            )
        })?;
        if config.docker_tls && matches!(endpoint, Endpoint::Tcp { .. }) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{source}: {endpoint} with DOCKER_TLS_VERIFY: TLS is not supported yet"),
            ));
        }
        Ok(Some(Candidate { source, endpoint }))
    };
    if let Some(text) = &config.engine {
        return from("CASTOFF_ENGINE".into(), text);
    }
    if let Some(text) = &config.docker_host {
        return from("DOCKER_HOST".into(), text);
    }
    let Some(dir) = &config.docker_config else { return Ok(None) };
    match context::current(dir, config.docker_context.as_deref()).await {
        Some(name) => {
            let endpoint = context::endpoint(dir, &name).await?;
            from(format!("docker context `{name}`"), &endpoint)
        }
        None => Ok(None),
    }
}

/// Returns the sockets that engines are known to listen on, the likelier first.
fn known_sockets(config: &Config, uid: u32) -> Vec<Candidate> {
    let system = |path: &str| Some(PathBuf::from(path));
    let runtime = |path: &str| config.runtime_dir.as_ref().map(|dir| dir.join(path));
    let home = |path: &str| config.home.as_ref().map(|dir| dir.join(path));
    let user = |path: &str| Some(PathBuf::from(format!("/run/user/{uid}")).join(path));
    let known = [
        ("Docker", system("/var/run/docker.sock")),
        ("Docker, rootless", runtime("docker.sock")),
        ("Docker, rootless", user("docker.sock")),
        ("Docker, rootless", home(".docker/run/docker.sock")),
        ("Docker Desktop", home(".docker/desktop/docker.sock")),
        ("Colima", home(".colima/default/docker.sock")),
        ("Colima", home(".config/colima/default/docker.sock")),
        ("OrbStack", home(".orbstack/run/docker.sock")),
        ("Rancher Desktop", home(".rd/docker.sock")),
        ("Podman", system("/run/podman/podman.sock")),
        ("Podman, rootless", runtime("podman/podman.sock")),
        ("Podman, rootless", user("podman/podman.sock")),
        ("Podman machine", home(".local/share/containers/podman/machine/podman.sock")),
    ];
    let mut seen = Vec::new();
    known
        .into_iter()
        .filter_map(|(source, path)| Some((source, path?)))
        .filter(|(_, path)| {
            let new = !seen.contains(path);
            seen.push(path.clone());
            new
        })
        .map(|(source, path)| Candidate { source: source.into(), endpoint: Endpoint::Unix(path) })
        .collect()
}

fn nobody_answered(refused: Vec<(Candidate, Error)>) -> Error {
    let mut message = String::from("no container engine answered; tried:");
    let mut denied = false;
    let named = refused.len() == 1;
    let mut last = None;
    for (candidate, error) in refused {
        let why = reason(&error);
        denied |= why == "permission denied";
        message.push_str(&format!("\n  {} ({}): {why}", candidate.endpoint, candidate.source));
        last = Some(error);
    }
    let hint = if denied {
        "add your user to the group that owns the socket (often `docker`), or use a rootless engine"
    } else {
        "start Docker or Podman, or set CASTOFF_ENGINE to where it listens"
    };
    let error = Error::new(ErrorKind::NoEngine, message).with_hint(hint);
    match last {
        Some(cause) if named => error.with_source(cause),
        _ => error,
    }
}

/// Returns a short reason why a candidate was refused.
fn reason(error: &Error) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(this) = cause {
        if let Some(io) = this.downcast_ref::<io::Error>() {
            return match io.kind() {
                io::ErrorKind::NotFound => "absent".into(),
                io::ErrorKind::PermissionDenied => "permission denied".into(),
                io::ErrorKind::ConnectionRefused => "refused: nobody listens there".into(),
                io::ErrorKind::TimedOut => "timed out".into(),
                _ => io.to_string(),
            };
        }
        cause = this.source();
    }
    match error.kind() {
        ErrorKind::Timeout => format!("timed out: {error}"),
        _ => error.to_string(),
    }
}

#[cfg(unix)]
fn user_id() -> u32 {
    rustix::process::getuid().as_raw()
}

#[cfg(not(unix))]
fn user_id() -> u32 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_engine(engine: &str) -> Config {
        Config { engine: Some(engine.into()), ..Config::default() }
    }

    #[test]
    fn every_known_socket_is_a_candidate_once() {
        let config = Config {
            home: Some("/home/u".into()),
            runtime_dir: Some("/run/user/7".into()),
            ..Config::default()
        };
        let all = known_sockets(&config, 7);
        let listed: Vec<_> = all.iter().map(|c| c.endpoint.to_string()).collect();
        assert_eq!(listed[0], "unix:///var/run/docker.sock");
        assert_eq!(listed.iter().filter(|e| *e == "unix:///run/user/7/docker.sock").count(), 1);
        for part in ["podman", "colima", "orbstack", ".rd", "desktop"] {
            assert!(listed.iter().any(|e| e.contains(part)), "{part}: {listed:?}");
        }
    }

    #[tokio::test]
    async fn what_is_named_is_the_only_one_tried_and_the_error_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let refused = dir.path().join("refused.sock");
        drop(std::os::unix::net::UnixListener::bind(&refused).unwrap());
        for (path, why) in [(dir.path().join("absent.sock"), "absent"), (refused, "refused")] {
            let error =
                discover(with_engine(&format!("unix://{}", path.display()))).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NoEngine);
            let text = format!("{error:?}");
            assert!(text.contains(why) && text.contains("CASTOFF_ENGINE"), "{text}");
            assert_eq!(text.matches("unix://").count(), 1, "{text}");
        }
    }

    #[tokio::test]
    async fn what_can_not_be_used_says_where_it_was_set() {
        let config = Config { docker_host: Some("ssh://me@there".into()), ..Config::default() };
        let error = discover(config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("DOCKER_HOST"), "{error}");
        let tls = Config { docker_tls: true, ..with_engine("tcp://h:2376") };
        assert!(discover(tls).await.unwrap_err().to_string().contains("TLS"));
    }

    #[tokio::test]
    async fn something_that_is_no_engine_is_told_apart() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
            }
        });
        let error = discover(with_engine(&format!("tcp://{address}"))).await.unwrap_err();
        assert!(error.to_string().contains("no container engine"), "{error}");
    }
}
