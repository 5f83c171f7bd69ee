use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{keys::Repeat, parse::AiBody};

pin_project! {
    /// A body that is passed on as it comes. Unlike the body of a connection it can be had again when it is empty, as that
    /// of a GET is.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        inner: Option<B>,
    }
}

impl<B> RequestBody<B> {
    /// Passes on `body`.
    pub fn new(body: B) -> RequestBody<B> {
        RequestBody { inner: Some(body) }
    }

    /// The body it was made of; `None` when this is an empty one that repeats it.
    pub fn into_inner(self) -> Option<B> {
        self.inner
    }
}

impl<B: Body> Repeat for RequestBody<B> {
    fn repeat(&self) -> Option<RequestBody<B>> {
        self.is_end_stream().then_some(RequestBody { inner: None })
    }

    fn parsed(&self) -> Option<&AiBody> {
        None
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().inner.as_pin_mut() {
            Some(body) => body.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
