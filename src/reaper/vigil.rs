//! The vigil over a guardian: it replaces one that ends, releases one with nothing to guard, and
//! sends one that is behind the rest as soon as it has room.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Notify;

use super::guardian;
use super::worker::Worker;
use crate::forks::{Listed, Opening, UnsharedFd};

/// The owner of a guardian, as the vigil uses it.
pub(super) trait Guarded: Send + Sync {
    /// Replaces a guardian that has ended. Returns how long to wait until the next try, if there is
    /// to be one.
    fn replace(&self) -> Option<Duration>;

    /// Releases a guardian that has had nothing to guard for some time. Returns how long to wait
    /// until the next try, if there is to be one.
    fn rest(&self) -> Option<Duration>;

    /// Sends a guardian the messages that it had no room for. Returns whether some are left.
    fn catch_up(&self) -> bool;
}

/// Starts the vigil for a guardian on this stream. Without a teardown thread there is none, and the
/// next message shows that the guardian has ended.
pub(super) fn keep(guarded: Weak<dyn Guarded>, stream: &Arc<UnsharedFd>, behind: &Arc<Notify>) {
    let Ok(worker) = Worker::start() else { return };
    let (stream, behind) = (stream.clone(), behind.clone());
    worker.submit(async move {
        if until_its_end(&guarded, &stream, &behind).await.is_ok() {
            replace(&guarded).await;
        }
    });
}

/// Waits until the guardian has ended, and sends it what it had no room for. Fails if the stream
/// can't be waited on.
async fn until_its_end(
    guarded: &Weak<dyn Guarded>,
    stream: &UnsharedFd,
    behind: &Notify,
) -> io::Result<()> {
    let (waiting, _listed) = {
        let _section = Opening::enter();
        let copy = stream.try_clone()?;
        let listed = Listed::of(&copy);
        (UnixStream::from_std(copy.into())?, listed)
    };
    loop {
        match select(pin!(waiting.readable()), pin!(behind.notified())).await {
            Either::Left((ready, _)) => {
                ready?;
                if !guardian::lives(stream) {
                    return Ok(());
                }
                not_yet(&waiting, Interest::READABLE);
            }
            Either::Right(_) => loop {
                waiting.writable().await?;
                // Before the try, so that room that appears after it is noticed.
                not_yet(&waiting, Interest::WRITABLE);
                if !guarded.upgrade().is_some_and(|guarded| guarded.catch_up()) {
                    break;
                }
            },
        }
    }
}

/// Clears the readiness, so that the next wait is for something new.
fn not_yet(stream: &UnixStream, interest: Interest) {
    let _ = stream.try_io(interest, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
}

/// Releases a guardian once it has had nothing to guard for some time. Without a teardown thread it
/// stays.
pub(super) fn rest_later(guarded: Weak<dyn Guarded>) {
    let Ok(worker) = Worker::start() else { return };
    worker.submit(async move {
        while let Some(pause) = guarded.upgrade().and_then(|guarded| guarded.rest()) {
            tokio::time::sleep(pause).await;
        }
    });
}

async fn replace(guarded: &Weak<dyn Guarded>) {
    while let Some(pause) = guarded.upgrade().and_then(|guarded| guarded.replace()) {
        tokio::time::sleep(pause).await;
    }
}
