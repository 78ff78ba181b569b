//! From bollard's errors to castoff's: the kind, the status, and the words of the engine.

use bollard::errors::Error as BollardError;

use super::wording::{Meaning, says};
use crate::error::{Error, ErrorKind};

/// Turns an error of a call into one of ours. `doing` reads on after "failed to".
pub(super) fn lift(doing: &'static str) -> impl FnOnce(BollardError) -> Error {
    move |error| convert(doing, error)
}

pub(super) fn convert(doing: &'static str, error: BollardError) -> Error {
    match error {
        BollardError::DockerResponseServerError { status_code, message } => {
            let message = message.trim();
            let error =
                Error::new(kind_of(status_code, message), format!("failed to {doing}: {message}"));
            error.with_status(status_code)
        }
        BollardError::DockerStreamError { error } => {
            Error::new(kind_of(500, &error), format!("failed to {doing}: {}", error.trim()))
        }
        BollardError::RequestTimeoutError => {
            Error::new(ErrorKind::Timeout, format!("failed to {doing}: the engine did not answer"))
        }
        BollardError::IOError { err } => connection(doing).with_source(err),
        BollardError::HyperResponseError { err } => connection(doing).with_source(err),
        error @ (BollardError::JsonDataError { .. } | BollardError::JsonSerdeError { .. }) => {
            Error::new(
                ErrorKind::Protocol,
                format!("failed to {doing}: the engine's answer makes no sense"),
            )
            .with_source(error)
        }
        error => Error::new(ErrorKind::Engine, format!("failed to {doing}")).with_source(error),
    }
}

fn connection(doing: &'static str) -> Error {
    Error::new(
        ErrorKind::Connection,
        format!("failed to {doing}: the connection to the engine failed"),
    )
}

/// Engines give few status codes and much prose; the prose is matched only where no code tells.
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

/// What the engine says instead of an answer.
pub(super) fn refusal(step: &'static str, status_code: u16, text: &[u8]) -> Error {
    let message = words(text);
    convert(step, bollard::errors::Error::DockerResponseServerError { status_code, message })
}

/// The message in the body of a refusal, else all of it.
pub(super) fn words(text: &[u8]) -> String {
    let told: Option<serde_json::Value> = serde_json::from_slice(text).ok();
    let message = told.as_ref().and_then(|told| told["message"].as_str()).map(str::to_owned);
    message.unwrap_or_else(|| String::from_utf8_lossy(text).into_owned())
}

/// A build that failed at a step, or without one.
pub(super) fn build_failure(step: Option<&str>, text: &str, code: Option<i64>) -> Error {
    let text = text.trim();
    let message = match step {
        Some(step) => format!("failed to build the image: step `{step}`: {text}"),
        None => format!("failed to build the image: {text}"),
    };
    let error = Error::new(ErrorKind::Build, message).at("build");
    match code.or_else(|| exit_code(text)) {
        Some(code) => error.with_exit(code, false),
        None => error,
    }
}

/// Builders say it in words.
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
        let podman = answer(500, "the container name \"x\" is already in use by 1");
        assert_eq!(podman.kind(), ErrorKind::Conflict);
        assert_eq!(answer(500, "x: no such container").kind(), ErrorKind::NotFound);
        let docker_28 = answer(500, "Error response from daemon: No such container: x");
        assert_eq!(docker_28.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_cut_connection_keeps_its_cause() {
        let error = convert("list images", std::io::Error::other("gone").into());
        assert_eq!(error.kind(), ErrorKind::Connection);
        assert!(format!("{error:?}").contains("caused by: gone"));
    }
}
