use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::UpstreamError;

/// A frame that follows the last one within this time is part of a burst.
const BURST: Duration = Duration::from_micros(300);
/// How many scheduler turns a burst is waited for. hyper hands over one frame a wake-up, so that polling it again at
/// once never finds the next; after two turns its connection task has had its say.
const TURNS: u8 = 2;
/// A burst is passed on when it has grown to this size, and a frame of half of it is not copied into one.
const FULL: usize = 32 * 1024;

/// A frame, a failure, or the end.
type Next = Option<Result<Frame<Bytes>, UpstreamError>>;

pin_project! {
    /// The provider's answer. Frames that are ready together are passed on together.
    ///
    /// A naive relay spends most of its time on waking up and writing once for every event of a stream. Gathering costs a
    /// copy of the burst, and never delays a first frame or a paced stream.
    pub struct ResponseBody<B = Incoming> {
        #[pin]
        inner: B,
        gathered: BytesMut,
        turns: u8,
        last_frame: Option<Instant>,
        // What came behind `gathered` and cannot be merged with it.
        next: Option<Box<Next>>,
    }
}

impl<B: Body<Data = Bytes>> ResponseBody<B> {
    pub(super) fn new(inner: B) -> ResponseBody<B> {
        ResponseBody { inner, gathered: BytesMut::new(), turns: 0, last_frame: None, next: None }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes, Error = hyper::Error>,
{
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let mut this = self.project();
        if let Some(next) = this.next.take() {
            return Poll::Ready(*next);
        }
        loop {
            match this.inner.as_mut().poll_frame(cx) {
                Poll::Pending if this.gathered.is_empty() => return Poll::Pending,
                Poll::Pending if *this.turns < TURNS => {
                    *this.turns += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Ready(Some(Ok(flush(this.gathered)))),
                Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                    let now = Instant::now();
                    let last = this.last_frame.replace(now);
                    let in_burst = last.is_some_and(|last| now.duration_since(last) < BURST);
                    let data = frame.into_data().expect("a data frame");
                    if data.len() >= FULL / 2 || (this.gathered.is_empty() && !in_burst) {
                        let frame = Some(Ok(Frame::data(data)));
                        if this.gathered.is_empty() {
                            return Poll::Ready(frame);
                        }
                        *this.next = Some(Box::new(frame));
                        return Poll::Ready(Some(Ok(flush(this.gathered))));
                    }
                    this.gathered.extend_from_slice(&data);
                    *this.turns = 0;
                    if this.gathered.len() >= FULL || this.inner.is_end_stream() {
                        return Poll::Ready(Some(Ok(flush(this.gathered))));
                    }
                }
                Poll::Ready(other) => {
                    let other = other.map(|frame| frame.map_err(UpstreamError::Body));
                    if this.gathered.is_empty() {
                        return Poll::Ready(other);
                    }
                    *this.next = Some(Box::new(other));
                    return Poll::Ready(Some(Ok(flush(this.gathered))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.gathered.is_empty()
            && match &self.next {
                None => self.inner.is_end_stream(),
                Some(next) => next.is_none(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let next = self.next.as_deref().and_then(|next| next.as_ref()?.as_ref().ok()?.data_ref());
        let held = (self.gathered.len() + next.map_or(0, Bytes::len)) as u64;
        let mut hint = self.inner.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + held);
        }
        hint.set_lower(hint.lower() + held);
        hint
    }
}

fn flush(gathered: &mut BytesMut) -> Frame<Bytes> {
    Frame::data(mem::take(gathered).freeze())
}

impl<B> std::fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody").field("gathered", &self.gathered.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
