//! [`Error`]: opaque, with a [kind](ErrorKind) to match on and a full account to read.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// The result of castoff's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

pub(crate) type Cause = Box<dyn StdError + Send + Sync>;

/// An error with everything that is known about the failure.
///
/// * [`kind`](Error::kind) is the part to match on.
/// * `Display` is one line: this level only, with the cause left to
///   [`source`](StdError::source), so that `{:#}` of `anyhow` and its like print nothing twice.
/// * `Debug`, which `unwrap` and tests that return `Result` print, is the full account: image,
///   container, step, wait condition and the result of its last probe, exit code, the last log
///   lines, a hint where there is one, and the chain of causes.
///
/// A clone is cheap and has the same details and causes: several callers that waited for one
/// operation get the same error.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    status: Option<u16>,
    story: Story,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
}

#[derive(Clone, Default)]
struct Story {
    image: Option<String>,
    container: Option<String>,
    step: Option<&'static str>,
    condition: Option<String>,
    last_probe: Option<String>,
    exit_code: Option<i64>,
    oom_killed: bool,
    log_head: Vec<String>,
    log_tail: Vec<String>,
    hint: Option<String>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value given to castoff can't be used; the message names the field.
    InvalidInput,
    /// No container engine answered; the message lists what was tried.
    NoEngine,
    /// The connection to the engine failed or was cut during a call.
    Connection,
    /// The engine refused a call or failed; see [`Error::status`].
    Engine,
    /// The engine's answer could not be understood.
    Protocol,
    /// The image does not exist, neither on the engine nor in its registry.
    ImageNotFound,
    /// The registry refused access to the image.
    ImageDenied,
    /// A pull failed for another reason.
    Pull,
    /// A build failed: at a step of the Dockerfile, or because the builder can't read it.
    Build,
    /// The container, network, volume or path does not exist.
    NotFound,
    /// A resource of that name exists already, or the resource's state forbids the call.
    Conflict,
    /// The requested host port is in use.
    PortTaken,
    /// The container does not publish that port.
    PortNotPublished,
    /// The container ended before it was ready, or its command could not be started.
    Exited,
    /// A wait condition did not hold in time.
    WaitTimeout,
    /// The container's health check failed, with all its retries.
    Unhealthy,
    /// Another operation exceeded its time limit.
    Timeout,
    /// This engine does not support the operation.
    Unsupported,
    /// The content is longer than the limit for it; the hint says how to raise the limit.
    TooLarge,
    /// Reading or writing on this side failed.
    Io,
    /// Any other error, such as one from a user's closure or wait strategy.
    Other,
}

impl Error {
    /// Creates an error with a kind and a message, for wait strategies and modules outside this
    /// crate.
    ///
    /// The message is a lower-case fragment without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Arc::new(Inner {
            kind,
            message: message.into(),
            status: None,
            story: Story::default(),
            cause: None,
        }))
    }

    /// Creates an error of kind [`ErrorKind::Other`].
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Other, message)
    }

    pub(crate) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        Self::new(ErrorKind::InvalidInput, format!("invalid {field}: {message}"))
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, cause: impl Into<Cause>) -> Self {
        self.inner().cause = Some(Arc::from(cause.into()));
        self
    }

    /// Adds a hint for the reader: how to solve the problem.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner().story.hint = Some(hint.into());
        self
    }

    /// Returns the kind of error, to match on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the HTTP status of the engine's answer, if the engine answered with an error.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns the name of the image concerned, as the caller gave it.
    #[must_use]
    pub fn image(&self) -> Option<&str> {
        self.0.story.image.as_deref()
    }

    /// Returns the name of the container concerned.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        self.0.story.container.as_deref()
    }

    /// Returns the step that failed: `create`, `copy`, `start`, `inspect`, `wait` and so on.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.0.story.step
    }

    /// Returns the wait condition that did not hold.
    #[must_use]
    pub fn condition(&self) -> Option<&str> {
        self.0.story.condition.as_deref()
    }

    /// Returns the result of the wait condition's last probe.
    #[must_use]
    pub fn last_probe(&self) -> Option<&str> {
        self.0.story.last_probe.as_deref()
    }

    /// Returns the exit code of the container or command, if it ended.
    #[must_use]
    pub fn exit_code(&self) -> Option<i64> {
        self.0.story.exit_code
    }

    /// Returns whether the kernel killed the container because it ran out of memory.
    #[must_use]
    pub fn oom_killed(&self) -> bool {
        self.0.story.oom_killed
    }

    /// Returns the first log lines of a container that ended before it was ready, if
    /// [`log_tail`](Self::log_tail) does not reach back to them: many programs report the problem
    /// first, and then much else.
    #[must_use]
    pub fn log_head(&self) -> &[String] {
        &self.0.story.log_head
    }

    /// Returns the container's last log lines, at most 20.
    #[must_use]
    pub fn log_tail(&self) -> &[String] {
        &self.0.story.log_tail
    }

    /// Returns a hint how to solve the problem, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.story.hint.as_deref()
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.inner().kind = kind;
        self
    }

    /// Replaces the message, and keeps the details and the cause.
    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Self {
        self.inner().message = message.into();
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.inner().status = Some(status);
        self
    }

    pub(crate) fn with_image(mut self, image: impl Into<String>) -> Self {
        self.inner().story.image.get_or_insert(image.into());
        self
    }

    pub(crate) fn with_container(mut self, name: impl Into<String>) -> Self {
        self.inner().story.container.get_or_insert(name.into());
        self
    }

    pub(crate) fn at(mut self, step: &'static str) -> Self {
        self.inner().story.step.get_or_insert(step);
        self
    }

    pub(crate) fn with_condition(mut self, condition: impl Into<String>) -> Self {
        self.inner().story.condition.get_or_insert(condition.into());
        self
    }

    pub(crate) fn with_last_probe(mut self, seen: Option<String>) -> Self {
        if self.0.story.last_probe.is_none() {
            self.inner().story.last_probe = seen;
        }
        self
    }

    pub(crate) fn with_exit(mut self, code: i64, oom_killed: bool) -> Self {
        let story = &mut self.inner().story;
        story.exit_code = Some(code);
        story.oom_killed = oom_killed;
        self
    }

    pub(crate) fn with_log_head(mut self, lines: Vec<String>) -> Self {
        if self.0.story.log_head.is_empty() {
            self.inner().story.log_head = lines;
        }
        self
    }

    pub(crate) fn with_log_tail(mut self, lines: Vec<String>) -> Self {
        if self.0.story.log_tail.is_empty() {
            self.inner().story.log_tail = lines;
        }
        self
    }

    /// Returns the inner value for changes, copied first if a clone shares it.
    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    pub(crate) fn is_engine_answer(&self) -> bool {
        self.0.status.is_some()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { message, status, story, .. } = &*self.0;
        f.write_str(message)?;
        let mut row = |name: &str, value: Option<String>| match value {
            Some(value) => write!(f, "\n  {name:<11} {}", value.replace('\n', "\n              ")),
            None => Ok(()),
        };
        row("image:", story.image.clone())?;
        row("container:", story.container.clone())?;
        row("step:", story.step.map(str::to_owned))?;
        row("condition:", story.condition.clone())?;
        row("last probe:", story.last_probe.clone())?;
        let oom = if story.oom_killed { " (out of memory: killed by the kernel)" } else { "" };
        row("exit code:", story.exit_code.map(|code| format!("{code}{oom}")))?;
        row("status:", status.map(|s| s.to_string()))?;
        for (title, lines) in
            [("first log lines:", &story.log_head), ("last log lines:", &story.log_tail)]
        {
            if !lines.is_empty() {
                write!(f, "\n  {title}")?;
            }
            for line in lines {
                write!(f, "\n    | {line}")?;
            }
        }
        let (mut cause, mut outer) = (self.source(), message.clone());
        while let Some(error) = cause {
            let text = error.to_string();
            // Transparent wrappers repeat the text of the error that they wrap.
            if text != outer {
                write!(f, "\n  caused by: {text}")?;
            }
            (cause, outer) = (error.source(), text);
        }
        match &story.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Error::new(kind, error.to_string()).with_source(error)
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story() -> Error {
        Error::new(ErrorKind::WaitTimeout, "container was not ready after 2s")
            .with_image("redis:7")
            .with_container("castoff-a-1")
            .at("wait")
            .with_condition("log \"ready\" once")
            .with_last_probe(Some("3 lines, no match".into()))
            .with_exit(137, true)
            .with_log_tail(vec!["starting".into(), "oops".into()])
            .with_source(std::io::Error::other("connection reset"))
            .with_hint("raise the limit")
    }

    #[test]
    fn display_is_this_level_only_and_debug_is_the_whole_story() {
        assert_eq!(story().to_string(), "container was not ready after 2s");
        insta::assert_snapshot!(format!("{:?}", story()), @r#"
        container was not ready after 2s
          image:      redis:7
          container:  castoff-a-1
          step:       wait
          condition:  log "ready" once
          last probe: 3 lines, no match
          exit code:  137 (out of memory: killed by the kernel)
          last log lines:
            | starting
            | oops
          caused by: connection reset
          hint: raise the limit
        "#);
    }

    #[test]
    fn what_is_nearest_to_the_failure_is_not_overwritten() {
        let error = story().at("start").with_image("other").with_container("other");
        assert_eq!((error.step(), error.image()), (Some("wait"), Some("redis:7")));
        assert_eq!(error.container(), Some("castoff-a-1"));
    }

    #[test]
    fn a_clone_has_the_story_and_its_causes_and_goes_its_own_way() {
        let first = story();
        let second = first.clone().with_hint("another");
        let cause =
            |error: &Error| error.source().unwrap().downcast_ref::<std::io::Error>().is_some();
        assert!(cause(&first) && cause(&second));
        assert_eq!((first.hint(), second.hint()), (Some("raise the limit"), Some("another")));
        assert_eq!(second.log_tail(), first.log_tail());
    }

    #[test]
    fn an_error_crosses_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<Error>();
    }
}
