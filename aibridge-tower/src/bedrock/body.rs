use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::bedrock::StreamDecoder;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A reply: as it came, or its frames as server-sent events.
    ///
    /// A frame is passed on as an event as soon as it is whole. An exception, or something that is no frame, is an `error`
    /// event, and the end.
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        frames: Option<Box<StreamDecoder>>,
        over: bool,
    }
}

impl<B> ResponseBody<B> {
    pub(super) fn untouched(inner: B) -> ResponseBody<B> {
        ResponseBody { inner, frames: None, over: false }
    }

    pub(super) fn events(inner: B) -> ResponseBody<B> {
        ResponseBody { inner, frames: Some(Box::new(StreamDecoder::new())), over: false }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(decoder) = this.frames else { return this.inner.poll_frame(cx) };
        while !*this.over {
            let events = match ready!(this.inner.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailers belong to the frames, of which there are none any more.
                    let Ok(data) = frame.into_data() else { continue };
                    decoder.feed(&data)
                }
                None => {
                    *this.over = true;
                    decoder.finish()
                }
                Some(Err(error)) => {
                    *this.over = true;
                    return Poll::Ready(Some(Err(error)));
                }
            };
            if let Some(failure) = decoder.failure() {
                tracing::debug!(exception = failure.exception, message = failure.message, "a stream of Bedrock failed");
                *this.over = true;
            }
            if !events.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(events))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        // What a stream of frames comes to is not known before it has been polled to its end.
        if self.frames.is_some() { self.over } else { self.inner.is_end_stream() }
    }

    fn size_hint(&self) -> SizeHint {
        if self.frames.is_some() { SizeHint::default() } else { self.inner.size_hint() }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("frames", &self.frames.is_some()).finish_non_exhaustive()
    }
}
