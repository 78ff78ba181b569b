//! Conversion of bollard's errors to castoff's: the kind, the status, and the engine's message.

use bollard::errors::Error as BollardError;

use super::wording::{Meaning, says};
use crate::error::{Error, ErrorKind};

/// Converts an error of a call. `doing` completes "failed to".
pub(super) fn lift(doing: &'static str) -> impl FnOnce(BollardError) -> Error {
    move |error| convert(doing, error)
}

pub(super) fn convert(doing: &'static str, error: BollardError) -> Error {
    match error {
        BollardError::DockerResponseServerError { status_code, message } => {
            told(doing, status_code, &message).with_status(status_code)
        }
        BollardError::DockerStreamError { error } => told(doing, 500, &error),
        BollardError::RequestTimeoutError => {
            Error::new(ErrorKind::Timeout, format!("failed to {doing}: the engine did not answer"))
        }
        BollardError::IOError { err } => connection(doing).with_source(err),
        BollardError::HyperResponseError { err } => match own_words(&err) {
            Some(why) => {
                Error::new(ErrorKind::Io, format!("failed to {doing}: {why}")).with_source(err)
            }
            None => connection(doing).with_source(err),
        },
        error @ (BollardError::JsonDataError { .. } | BollardError::JsonSerdeError { .. }) => {
            Error::new(
                ErrorKind::Protocol,
                format!("failed to {doing}: the engine sent an unexpected response"),
            )
            .with_source(error)
        }
        error => Error::new(ErrorKind::Engine, format!("failed to {doing}")).with_source(error),
    }
}

/// Returns this side's reason for not sending a body: it says more than the closed connection.
fn own_words(error: &hyper::Error) -> Option<String> {
    let source = std::error::Error::source(error).filter(|_| error.is_user())?;
    Some(source.to_string())
}

/// Creates an error from an engine's message, in an answer or in place of one.
pub(super) fn told(doing: &'static str, status: u16, message: &str) -> Error {
    let message = message.trim();
    let error = Error::new(kind_of(status, message), format!("failed to {doing}: {message}"));
    hinted(error, message)
}

/// Adds a hint for a failure that only the message identifies.
fn hinted(error: Error, message: &str) -> Error {
    if says(message, Meaning::DiskFull) {
        return error.with_hint(
            "the disk that the engine writes to is full: `docker system df` shows what takes the \
             room, `docker system prune` frees what nothing uses",
        );
    }
    if says(message, Meaning::RateLimited) {
        return error.with_hint(
            "the registry limits how often it is asked: `docker login` raises the limit, time \
             lifts it, and CASTOFF_IMAGE_PREFIX names a mirror",
        );
    }
    if says(message, Meaning::PortTaken) {
        return error.with_hint(
            "another container or program has that port of the host: \
             `docker ps --filter publish=PORT` and `ss -ltnp` tell which. A port without a number \
             of the host's (`with_port(80)`) gets a free one, which `addr(80)` tells",
        );
    }
    error
}

fn connection(doing: &'static str) -> Error {
    Error::new(
        ErrorKind::Connection,
        format!("failed to {doing}: the connection to the engine failed"),
    )
}

/// Returns the kind of an error. Engines give few status codes and much prose; the prose is matched
/// only where no code is specific enough.
fn kind_of(status: u16, message: &str) -> ErrorKind {
    let says = |meaning| says(message, meaning);
    if says(Meaning::PortTaken) {
        return ErrorKind::PortTaken;
    }
    if says(Meaning::WouldReplace) {
        return ErrorKind::Conflict;
    }
    if says(Meaning::NotStarted) {
        return ErrorKind::Exited;
    }
    if says(Meaning::EndlessLinks) {
        return ErrorKind::Io;
    }
    // Podman answers 500 to much that Docker has a status for, and Docker 28 to `container:x`.
    if status == 500 && says(Meaning::NoContainer) {
        return ErrorKind::NotFound;
    }
    if status == 500 && says(Meaning::InTheWay) {
        return ErrorKind::Conflict;
    }
    match status {
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        501 => ErrorKind::Unsupported,
        _ => ErrorKind::Engine,
    }
}

/// Creates an error from the body of an answer that reports one.
pub(super) fn refusal(step: &'static str, status_code: u16, text: &[u8]) -> Error {
    let message = words(text);
    convert(step, bollard::errors::Error::DockerResponseServerError { status_code, message })
}

/// Returns the message in the body of such an answer, or else all of it.
pub(super) fn words(text: &[u8]) -> String {
    let told: Option<serde_json::Value> = serde_json::from_slice(text).ok();
    let message = told.as_ref().and_then(|told| told["message"].as_str()).map(str::to_owned);
    message.unwrap_or_else(|| String::from_utf8_lossy(text).into_owned())
}

/// Creates an error for a build that failed, at a step or elsewhere.
pub(super) fn build_failure(step: Option<&str>, text: &str, code: Option<i64>) -> Error {
    let text = text.trim();
    let message = match step {
        Some(step) => format!("failed to build the image: step `{step}`: {text}"),
        None => format!("failed to build the image: {text}"),
    };
    let error = hinted(Error::new(ErrorKind::Build, message), text).at("build");
    match code.or_else(|| exit_code(text)) {
        Some(code) => error.with_exit(code, false),
        None => error,
    }
}

/// Reads the exit code from a builder's message.
fn exit_code(text: &str) -> Option<i64> {
    let words = ["exit code: ", "non-zero code: ", "exit status "];
    let rest = words.iter().find_map(|words| text.rsplit_once(words).map(|(_, rest)| rest))?;
    let digits = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_decides_unless_the_words_say_more() {
        let answer = |status_code, message: &str| {
            convert(
                "start the container",
                BollardError::DockerResponseServerError { status_code, message: message.into() },
            )
        };
        assert_eq!(answer(404, "No such container: x").kind(), ErrorKind::NotFound);
        assert_eq!(answer(409, "Conflict").kind(), ErrorKind::Conflict);
        let taken = answer(500, "Bind for 127.0.0.1:80 failed: port is already allocated");
        assert_eq!(taken.kind(), ErrorKind::PortTaken);
        assert_eq!(taken.status(), Some(500));
        let words = "OCI runtime create failed: exec: \"nope\": executable file not found in $PATH";
        assert_eq!(answer(400, words).kind(), ErrorKind::Exited);
        assert_eq!(answer(500, "oops").kind(), ErrorKind::Engine);
        assert_eq!(answer(500, "oops").hint(), None);
        let podman = answer(500, "the container name \"x\" is already in use by 1");
        assert_eq!(podman.kind(), ErrorKind::Conflict);
        assert_eq!(answer(500, "x: no such container").kind(), ErrorKind::NotFound);
        let docker_28 = answer(500, "Error response from daemon: No such container: x");
        assert_eq!(docker_28.kind(), ErrorKind::NotFound);
        let circle =
            "copier: stat: error resolving \"/l\": open /l: too many levels of symbolic links";
        assert_eq!(answer(500, circle).kind(), ErrorKind::Io);
    }

    #[test]
    fn what_words_alone_tell_comes_with_what_to_do() {
        for (words, hint) in [
            ("write /x: no space left on device", "disk"),
            ("toomanyrequests: You have reached your pull rate limit", "docker login"),
            ("Bind for 127.0.0.1:80 failed: port is already allocated", "free one"),
        ] {
            let error = told("pull the image", 500, words);
            assert!(error.hint().is_some_and(|given| given.contains(hint)), "{error:?}");
            let error = build_failure(None, words, None);
            assert!(error.hint().is_some_and(|given| given.contains(hint)), "{error:?}");
        }
    }

    #[test]
    fn a_cut_connection_keeps_its_cause() {
        let error = convert("list images", std::io::Error::other("gone").into());
        assert_eq!(error.kind(), ErrorKind::Connection);
        assert!(format!("{error:?}").contains("caused by: gone"));
    }
}
