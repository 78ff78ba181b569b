//! The vigil over a guardian: one that ends is replaced at once, one with nothing to guard is let
//! go of, and one that was behind is told the rest as soon as it has room.

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

/// What has a guardian, seen from here.
pub(super) trait Guarded: Send + Sync {
    /// Replaces a guardian that has ended. Returns how long to wait until another one can be tried,
    /// if none stands.
    fn replace(&self) -> Option<Duration>;

    /// Lets a guardian end that has nothing to guard. Returns how long to wait until the next look,
    /// if there is to be one.
    fn rest(&self) -> Option<Duration>;

    /// Tells a guardian what it had no room for. Returns whether something is left to be told.
    fn catch_up(&self) -> bool;
}

/// Starts the vigil for a guardian on this stream. Without a teardown thread there is none, and the
/// next message to the guardian finds out.
pub(super) fn keep(guarded: Weak<dyn Guarded>, stream: &Arc<UnsharedFd>, behind: &Arc<Notify>) {
    let Ok(worker) = Worker::start() else { return };
    let (stream, behind) = (stream.clone(), behind.clone());
    worker.submit(async move {
        if until_its_end(&guarded, &stream, &behind).await.is_ok() {
            replace(&guarded).await;
        }
    });
}

/// Fails where the stream can't be waited on.
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
                // Before the try: room that comes after it is noticed.
                not_yet(&waiting, Interest::WRITABLE);
                if !guarded.upgrade().is_some_and(|guarded| guarded.catch_up()) {
                    break;
                }
            },
        }
    }
}

/// The next wait is for something new.
fn not_yet(stream: &UnixStream, interest: Interest) {
    let _ = stream.try_io(interest, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
}

/// Lets a guardian end when it has had nothing to guard for some time. Without a teardown thread it
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
