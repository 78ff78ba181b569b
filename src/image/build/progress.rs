//! [`BuildProgress`]: a build as a stream of its events.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::super::Image;
use super::ImageBuilder;
use crate::engine::BuildEvent;
use crate::error::{Error, Result};

/// A build that runs while its events are read; made by [`ImageBuilder::progress`].
///
/// A [`Stream`] with a [`next`](Self::next) method. It ends with the build; an error is the build's
/// failure. Afterwards, [`image`](Self::image) returns the image.
#[must_use = "a build does nothing unless its events are taken, or its image is awaited"]
pub struct BuildProgress {
    events: mpsc::UnboundedReceiver<BuildEvent>,
    build: Option<Pin<Box<dyn Future<Output = Result<Image>> + Send>>>,
    image: Option<Image>,
}

impl ImageBuilder {
    /// Builds, and returns a stream of the events.
    ///
    /// ```no_run
    /// # async fn run() -> castoff::Result<()> {
    /// use castoff::Image;
    /// use castoff::engine::BuildEvent;
    ///
    /// let mut progress = Image::builder(".").progress();
    /// while let Some(event) = progress.next().await {
    ///     if let BuildEvent::Log { text, .. } = event? {
    ///         print!("{text}");
    ///     }
    /// }
    /// let image = progress.image().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn progress(mut self) -> BuildProgress {
        let (told, events) = mpsc::unbounded_channel();
        self.listeners.push(Arc::new(move |event| {
            let _ = told.send(event);
        }));
        BuildProgress { events, build: Some(Box::pin(self.build())), image: None }
    }
}

impl BuildProgress {
    /// Returns the next event; `None` when the build has succeeded.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<BuildEvent>> {
        StreamExt::next(self).await
    }

    /// Returns the image, once it is built; unread events are discarded.
    ///
    /// # Errors
    /// As for [`ImageBuilder::build`]; a failure that the stream has already returned is not
    /// repeated in full.
    ///
    /// # Cancel safety
    /// As for [`ImageBuilder::build`].
    pub async fn image(mut self) -> Result<Image> {
        if let Some(build) = self.build.take() {
            return build.await;
        }
        self.image.take().ok_or_else(|| Error::other("the build has failed"))
    }
}

impl Stream for BuildProgress {
    type Item = Result<BuildEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut failure = None;
        if let Some(build) = &mut self.build
            && let Poll::Ready(outcome) = build.as_mut().poll(context)
        {
            self.build = None;
            match outcome {
                Ok(image) => self.image = Some(image),
                Err(error) => failure = Some(error),
            }
        }
        if let Some(error) = failure {
            return Poll::Ready(Some(Err(error)));
        }
        match self.events.poll_recv(context) {
            Poll::Ready(event) => Poll::Ready(event.map(Ok)),
            Poll::Pending if self.build.is_none() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl fmt::Debug for BuildProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildProgress").finish_non_exhaustive()
    }
}
