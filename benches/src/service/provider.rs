use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

/// A body whose frames are all there.
#[derive(Clone, Debug)]
pub struct Frames {
    frames: Arc<[Bytes]>,
    next: usize,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.frames.get(self.next).cloned();
        self.next += 1;
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.frames.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Reads each request to its end and gives it the same reply.
#[derive(Clone, Debug)]
pub struct Provider {
    content_type: HeaderValue,
    frames: Arc<[Bytes]>,
}

impl Provider {
    /// Replies with one JSON document.
    pub fn document(document: Bytes) -> Provider {
        Provider { content_type: HeaderValue::from_static("application/json"), frames: [document].into() }
    }

    /// Replies with an event stream of these frames.
    pub fn stream(frames: Vec<Bytes>) -> Provider {
        let content_type = HeaderValue::from_static("text/event-stream; charset=utf-8");
        Provider { content_type, frames: frames.into() }
    }

    /// Calls what it replies this.
    #[must_use]
    pub fn content_type(mut self, content_type: HeaderValue) -> Provider {
        self.content_type = content_type;
        self
    }

    /// The bytes of a reply.
    pub fn reply_len(&self) -> usize {
        self.frames.iter().map(Bytes::len).sum()
    }
}

impl<B: Body> Service<Request<B>> for Provider {
    type Response = Response<Frames>;
    type Error = Infallible;
    type Future = Reply<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Reply<B> {
        let mut response = Response::new(Frames { frames: self.frames.clone(), next: 0 });
        response.headers_mut().insert(header::CONTENT_TYPE, self.content_type.clone());
        Reply { body: request.into_body(), response: Some(response) }
    }
}

pin_project! {
    /// The future of [`Provider`].
    #[derive(Debug)]
    pub struct Reply<B> {
        #[pin]
        body: B,
        response: Option<Response<Frames>>,
    }
}

impl<B: Body> Future for Reply<B> {
    type Output = Result<Response<Frames>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        while ready!(this.body.as_mut().poll_frame(cx)).is_some() {}
        Poll::Ready(Ok(this.response.take().expect("polled after completion")))
    }
}
