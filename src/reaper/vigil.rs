//! The vigil over a guardian: one that ends is replaced at once, one with nothing to guard is let go of, and one that was behind is told the
//! rest as soon as it has room.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Notify;

use super::guardian;
use super::watch_over::{self, Place};
use super::worker::Worker;
use crate::forks::{Listed, Opening, UnsharedFd};

/// Starts it, for a guardian on this stream. Without a teardown thread there is none, and the next
/// word to the guardian finds out.
pub(super) fn keep(place: Place, stream: &Arc<UnsharedFd>, behind: &Arc<Notify>) {
    let Ok(worker) = Worker::start() else { return };
    let (stream, behind) = (stream.clone(), behind.clone());
    worker.submit(async move {
        if until_its_end(&place, &stream, &behind).await.is_ok() {
            replace(&place).await;
        }
    });
}

/// Fails where the stream can't be waited on.
async fn until_its_end(place: &Place, stream: &UnsharedFd, behind: &Notify) -> io::Result<()> {
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
                if !watch_over::catch_up(place) {
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
pub(super) fn rest_later(place: Place) {
    let Ok(worker) = Worker::start() else { return };
    worker.submit(async move {
        while let Some(pause) = watch_over::rest(&place) {
            tokio::time::sleep(pause).await;
        }
    });
}

async fn replace(place: &Place) {
    while let Some(pause) = watch_over::replace(place) {
        tokio::time::sleep(pause).await;
    }
}
