//! Pulling: concurrent pulls of an image are combined, and transient failures are retried.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt;
use tokio::sync::{broadcast, watch};

use super::Names;
use crate::engine::{Client, Endpoint, Meaning, PullEvent, says};
use crate::error::{Error, ErrorKind, Result};
use crate::forks::PerProcess;
use crate::reaper::Worker;
use crate::spec::{ImageRef, Platform};
use crate::timed::timed;

/// Pauses before further attempts at a pull after a transient failure.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(4)];

type Key = (Endpoint, String, Option<String>);
type Outcome = Option<Result<()>>;

/// A pull in progress, shared by all its callers.
#[derive(Clone)]
struct Shared {
    outcome: watch::Receiver<Outcome>,
    events: broadcast::Sender<PullEvent>,
}

/// A pull, and its events from now on.
type Joined = (Shared, broadcast::Receiver<PullEvent>);

/// The pulls of this process.
#[derive(Default)]
struct Pulls {
    under_way: HashMap<Key, Shared>,
    /// The number of successful pulls.
    done: HashMap<Key, u64>,
}

static PULLS: PerProcess<Mutex<Pulls>> = PerProcess::new();

fn pulls() -> MutexGuard<'static, Pulls> {
    PULLS.here().lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(engine: &Client, image: &ImageRef, platform: Option<&str>) -> Key {
    (engine.endpoint().clone(), image.to_string(), platform.map(str::to_owned))
}

/// Returns the number of successful pulls of an image so far, for [`pull_after`].
pub(crate) fn pulled(engine: &Client, names: &Names, platform: Option<&str>) -> u64 {
    let key = key(engine, &names.used, platform);
    pulls().done.get(&key).copied().unwrap_or_default()
}

/// Pulls an image, unless more than `seen` pulls of it have succeeded: then the image, which the
/// caller found missing before, exists by now.
pub(crate) async fn pull_after(
    engine: &Client,
    names: &Names,
    platform: Option<&str>,
    seen: u64,
) -> Result<()> {
    if names.used.is_id() {
        return by_id(engine, names).await;
    }
    let joined = {
        let mut pulls = pulls();
        let key = key(engine, &names.used, platform);
        let late = pulls.done.get(&key).is_some_and(|done| *done > seen);
        if late { None } else { Some(join(&mut pulls, key, engine, &names.used, platform)?) }
    };
    match joined {
        Some((shared, _)) => wait_for(shared, names).await,
        None => Ok(()),
    }
}

/// Pulls an image, or joins a pull of it in progress.
///
/// Dropping the future does not stop the pull, as other callers may wait for it.
pub(crate) async fn pull(engine: &Client, names: &Names, platform: Option<&str>) -> Result<()> {
    if names.used.is_id() {
        return by_id(engine, names).await;
    }
    let key = key(engine, &names.used, platform);
    let (shared, _) = join(&mut pulls(), key, engine, &names.used, platform)?;
    wait_for(shared, names).await
}

/// Checks for an image by its id, which can't be pulled as it names no repository.
async fn by_id(engine: &Client, names: &Names) -> Result<()> {
    if engine.has_image(&names.used.familiar()).await? {
        return Ok(());
    }
    let error = not_there(names, "an image can't be pulled by its id").at("pull");
    Err(error.with_hint(
        "`docker images --all` lists the ids that there are; a name such as `redis:7` or \
         `redis@sha256:..`, with the digest that the registry has it under, can be pulled",
    ))
}

async fn wait_for(shared: Shared, names: &Names) -> Result<()> {
    let span = tracing::debug_span!("pull", image = %names.used);
    timed(span, finish(shared.outcome, names)).await
}

/// Pulls as [`pull`] does, and returns a stream of the progress.
pub(super) fn pull_with_progress(
    engine: &Client,
    names: Names,
    platform: Option<&str>,
) -> Result<PullProgress> {
    if names.used.is_id() {
        let engine = engine.clone();
        let outcome = async move { by_id(&engine, &names).await };
        return Ok(PullProgress { events: Box::pin(failure(outcome)) });
    }
    let key = key(engine, &names.used, platform);
    let (shared, events) = join(&mut pulls(), key, engine, &names.used, platform)?;
    let outcome = Box::pin(async move { finish(shared.outcome, &names).await });
    let events = futures_util::stream::unfold(events, |mut events| async move {
        loop {
            match events.recv().await {
                Ok(event) => return Some((event, events)),
                // A slow reader misses some progress, but never the outcome.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    Ok(PullProgress { events: Box::pin(events.map(Ok).chain(failure(outcome))) })
}

/// Returns the end of a progress stream: the error of a failed pull, or nothing.
fn failure<T>(outcome: impl Future<Output = Result<()>>) -> impl Stream<Item = Result<T>> {
    let outcome = futures_util::stream::once(outcome);
    outcome.filter_map(|outcome| async { outcome.err().map(Err) })
}

async fn finish(mut outcome: watch::Receiver<Outcome>, names: &Names) -> Result<()> {
    let lost = |_| Error::other("the pull was lost with its thread");
    let outcome = outcome.wait_for(Option::is_some).await.map_err(lost)?.clone();
    match outcome {
        Some(Err(error)) => Err(explained(error, names)),
        _ => Ok(()),
    }
}

fn join(
    table: &mut Pulls,
    key: Key,
    engine: &Client,
    image: &ImageRef,
    platform: Option<&str>,
) -> Result<Joined> {
    let worker = Worker::start()?;
    let table = &mut table.under_way;
    if let Some(shared) = table.get(&key) {
        return Ok((shared.clone(), shared.events.subscribe()));
    }
    let (done, outcome) = watch::channel(None);
    // Subscribed before the pull begins, as a fast one could end before anybody does.
    let (events, heard) = broadcast::channel(1024);
    let shared = Shared { outcome, events: events.clone() };
    table.insert(key.clone(), shared.clone());
    let (engine, image) = (engine.clone(), image.clone());
    let platform = platform.map(str::to_owned);
    worker.submit(async move {
        let result = attempts(&engine, &image, platform.as_deref(), &events).await;
        // Removed from the table first: callers from now on start a new pull.
        let mut table = pulls();
        table.under_way.remove(&key);
        if result.is_ok() {
            *table.done.entry(key).or_default() += 1;
        }
        let _ = done.send(Some(result));
    });
    Ok((shared, heard))
}

async fn attempts(
    engine: &Client,
    image: &ImageRef,
    platform: Option<&str>,
    events: &broadcast::Sender<PullEvent>,
) -> Result<()> {
    let mut pauses = PAUSES.iter();
    let (login, trouble) = engine.find_login(image.registry()).await;
    loop {
        let mut steps = engine.pull_image(image, platform, login.clone());
        let mut outcome = Ok(());
        while let Some(step) = steps.next().await {
            match step {
                // There may be no receivers.
                Ok(event) => drop(events.send(event)),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        match (outcome, pauses.next()) {
            (Ok(()), _) => return Ok(()),
            (Err(error), Some(pause)) if may_pass(&error) => {
                tracing::warn!(%image, %error, "the pull failed and is tried again");
                tokio::time::sleep(*pause).await;
            }
            (Err(error), _) if says(&error.to_string(), Meaning::NoPlatform) => {
                return Err(with_platforms(error, engine, image, platform).await);
            }
            (Err(error), _) => return Err(with_trouble(error, trouble.as_ref())),
        }
    }
}

/// Adds the platforms that the registry has to the error of a pull for another one, if the engine
/// can list them.
async fn with_platforms(
    error: Error,
    engine: &Client,
    image: &ImageRef,
    platform: Option<&str>,
) -> Error {
    let login = engine.login_for(image.registry()).await;
    let known = engine.registry_platforms(image, login).await.unwrap_or_default();
    let asked = platform.unwrap_or("the engine's own platform");
    let there = match known.is_empty() {
        true => "the registry has it for others".to_owned(),
        false => format!("the registry has it for {}", known.join(", ")),
    };
    error.with_hint(format!("{asked} was asked for; {there}: `with_platform` chooses one"))
}

/// Adds the reason for a missing login to the error of a pull that was refused.
fn with_trouble(error: Error, trouble: Option<&Error>) -> Error {
    let limited = says(&error.to_string(), Meaning::RateLimited);
    let denied =
        limited || matches!(kind_of(&error), ErrorKind::ImageDenied | ErrorKind::ImageNotFound);
    match trouble.filter(|_| denied) {
        Some(trouble) => {
            let hint = trouble.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            error.with_hint(format!("it was asked without a login, as {trouble}{hint}"))
        }
        None => error,
    }
}

/// Returns whether a retry may succeed. Registries and engines report little by status and much by
/// text; a wrong guess costs a few seconds, not correctness.
fn may_pass(error: &Error) -> bool {
    if matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout) {
        return true;
    }
    if kind_of(error) != ErrorKind::Pull {
        return false;
    }
    let text = error.to_string().to_ascii_lowercase();
    let passing = [
        "timeout",
        "timed out",
        "connection reset",
        "connection refused",
        "unexpected eof",
        "temporary failure",
        "tls handshake",
        "received unexpected http status: 5",
        "service unavailable",
        "bad gateway",
        "i/o timeout",
    ];
    error.status() == Some(429)
        || says(&text, Meaning::RateLimited)
        || passing.iter().any(|words| text.contains(words))
}

fn kind_of(error: &Error) -> ErrorKind {
    let text = error.to_string().to_ascii_lowercase();
    let told = |meaning| says(&text, meaning);
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    if matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::Protocol) {
        return error.kind();
    }
    if told(Meaning::DiskFull) || told(Meaning::RateLimited) {
        return ErrorKind::Pull;
    }
    if told(Meaning::NoPlatform) {
        return ErrorKind::ImageNotFound;
    }
    // Docker Hub answers "denied" for repositories that do not exist and for private ones.
    if says(&["manifest unknown", "not found", "does not exist", "no such image", "name unknown"]) {
        return ErrorKind::ImageNotFound;
    }
    if says(&["unauthorized", "denied", "authentication required", "no basic auth"]) {
        return ErrorKind::ImageDenied;
    }
    ErrorKind::Pull
}

/// Explains an error to a caller that used these names.
fn explained(error: Error, names: &Names) -> Error {
    let kind = kind_of(&error);
    let hint = error.hint().map(str::to_owned).or_else(|| match kind {
        ErrorKind::ImageDenied => Some(format!("`docker login {}` first", names.used.registry())),
        ErrorKind::Pull | ErrorKind::Connection => {
            Some("is the registry reachable? CASTOFF_IMAGE_PREFIX names a mirror".to_owned())
        }
        _ => None,
    });
    let message = format!("{error} ({})", tried(names));
    let explained = error.with_kind(kind).with_message(message).at("pull").with_image(&names.asked);
    match hint {
        Some(hint) => explained.with_hint(hint),
        None => explained,
    }
}

fn tried(names: &Names) -> String {
    format!("asked for `{}`, tried `{}`", names.asked, names.used)
}

/// Returns the platform of the engine's image and the requested one, if they don't match.
async fn other_platform(
    engine: &Client,
    names: &Names,
    platform: Option<&str>,
) -> Option<(Platform, Platform)> {
    let asked: Platform = platform?.parse().ok()?;
    let found = engine.image_details(&names.used.familiar()).await.ok()?;
    let there = found.platform.filter(|there| !there.fits(&asked))?;
    Some((there, asked))
}

/// Adds to an error about an image whether the engine has it for another platform than the
/// requested one, as the registry's answer hardly shows that.
pub(crate) async fn for_platform(
    engine: &Client,
    names: &Names,
    platform: Option<&str>,
    error: Error,
) -> Error {
    let Some((there, asked)) = other_platform(engine, names, platform).await else { return error };
    let message = format!(
        "the engine has the image for {there}, and {asked} was asked for ({})",
        tried(names)
    );
    let kind = match error.kind() {
        ErrorKind::NotFound => ErrorKind::ImageNotFound,
        kind => kind,
    };
    let hint = match error.hint() {
        Some(hint) => hint.to_owned(),
        None => format!("without `with_platform` the one for {there} is used"),
    };
    let step = if error.step() == Some("pull") { "pull" } else { "create" };
    Error::new(kind, message).at(step).with_image(&names.asked).with_hint(hint).with_source(error)
}

/// Returns whether a create call failed because the engine doesn't have the image, or not for the
/// requested platform. Other resources can be missing with the same status: if the engine's text is
/// unknown, the engine is asked for the image.
pub(crate) async fn is_missing(
    engine: &Client,
    names: &Names,
    platform: Option<&str>,
    error: &Error,
) -> bool {
    if error.status() != Some(404) {
        return false;
    }
    let text = error.to_string();
    if says(&text, Meaning::NoImage) || says(&text, Meaning::NoPlatform) {
        return true;
    }
    if says(&text, Meaning::NoContainer) {
        return false;
    }
    match engine.has_image(&names.used.familiar()).await {
        Ok(there) => !there || platform.is_some(),
        Err(_) => false,
    }
}

/// Returns the error for an image that does not exist on the engine and must not be pulled.
pub(crate) fn not_there(names: &Names, why: &str) -> Error {
    let message = format!("the engine does not have the image and {why} ({})", tried(names));
    Error::new(ErrorKind::ImageNotFound, message).with_image(&names.asked)
}

/// The events of a pull; made by [`Pull::progress`](super::Pull::progress). A [`Stream`] with a
/// [`next`](Self::next) method. It ends with the pull; an error is the pull's failure.
#[must_use = "a stream does nothing unless it is polled"]
pub struct PullProgress {
    events: Pin<Box<dyn Stream<Item = Result<PullEvent>> + Send>>,
}

impl PullProgress {
    /// Returns the next event; `None` when the pull has succeeded.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<PullEvent>> {
        self.events.next().await
    }
}

impl Stream for PullProgress {
    type Item = Result<PullEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(context)
    }
}

impl fmt::Debug for PullProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullProgress").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_nothing_else() {
        let pull = |text: &str| Error::new(ErrorKind::Engine, text).with_status(500);
        for text in [
            "toomanyrequests: You have reached your pull rate limit",
            "Get https://r/v2/: net/http: TLS handshake timeout",
            "received unexpected HTTP status: 503 Service Unavailable",
        ] {
            assert!(may_pass(&pull(text)), "{text}");
        }
        for (text, kind) in [
            ("manifest for x:1 not found: manifest unknown", ErrorKind::ImageNotFound),
            ("pull access denied for x, repository does not exist", ErrorKind::ImageNotFound),
            ("unauthorized: authentication required", ErrorKind::ImageDenied),
            ("something odd", ErrorKind::Pull),
        ] {
            assert_eq!(kind_of(&pull(text)), kind, "{text}");
            assert!(!may_pass(&pull(text)), "{text}");
        }
        assert!(may_pass(&Error::new(ErrorKind::Connection, "cut")));
    }
}
