//! Buffers a body up to a limit.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::BoxError;

/// What is reserved at most because a body says it is long; the rest grows as it arrives.
const RESERVE: u64 = 4 * 1024 * 1024;

/// Why a body was not buffered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    #[error("larger than can be read as a whole")]
    TooLarge,
    #[error("the body broke off")]
    Broken(#[source] BoxError),
}

pin_project! {
    /// Resolves to the whole body; or to what there is of it, and why it is not the whole.
    #[derive(Debug)]
    #[project = CollectProj]
    pub(crate) struct Collect<B> {
        #[pin]
        body: B,
        limit: usize,
        // A body of one frame is not copied.
        first: Option<Bytes>,
        rest: BytesMut,
    }
}

impl<B> Collect<B> {
    pub(crate) fn new(body: B, limit: usize) -> Collect<B> {
        Collect { body, limit, first: None, rest: BytesMut::new() }
    }
}

impl<B> Future for Collect<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Output = Result<Bytes, (Bytes, CollectError)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.body.size_hint().lower() > *this.limit as u64 {
            return Poll::Ready(Err((this.part(), CollectError::TooLarge)));
        }
        while let Some(frame) = ready!(this.body.as_mut().poll_frame(cx)) {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => return Poll::Ready(Err((this.part(), CollectError::Broken(error.into())))),
            };
            // Trailers have no meaning in any of the APIs.
            let Ok(data) = frame.into_data() else { continue };
            let held = this.first.as_ref().map_or(0, Bytes::len) + this.rest.len();
            if held + data.len() > *this.limit {
                return Poll::Ready(Err((this.part(), CollectError::TooLarge)));
            }
            match this.first.take() {
                None if this.rest.is_empty() => *this.first = Some(data),
                first => {
                    if let Some(first) = first {
                        let expected = this.body.size_hint().lower().min(RESERVE);
                        let expected = usize::try_from(expected).expect("at most RESERVE");
                        this.rest.reserve(first.len() + data.len().max(expected));
                        this.rest.extend_from_slice(&first);
                    }
                    this.rest.extend_from_slice(&data);
                }
            }
        }
        Poll::Ready(Ok(this.part()))
    }
}

impl<B> CollectProj<'_, B> {
    /// What has been read.
    fn part(&mut self) -> Bytes {
        let rest = std::mem::take(self.rest);
        self.first.take().unwrap_or_else(|| rest.freeze())
    }
}
