use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{keys::Repeat, parse::AiBody};

pin_project! {
    /// A body that is passed on as it comes. Unlike the body of a connection it can be had again when it is empty, as that
    /// of a GET is, or was buffered in order to be signed.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        source: Source<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = SourceProj]
    enum Source<B> {
        Stream { #[pin] body: B },
        Whole { bytes: Bytes },
    }
}

impl<B> RequestBody<B> {
    /// Passes on `body`.
    pub fn new(body: B) -> RequestBody<B> {
        RequestBody { source: Source::Stream { body } }
    }

    /// All of it.
    pub fn whole(bytes: Bytes) -> RequestBody<B> {
        RequestBody { source: Source::Whole { bytes } }
    }

    /// The body it was made of.
    ///
    /// # Errors
    ///
    /// The bytes in its place, if it was buffered, or repeats an empty one.
    pub fn into_inner(self) -> Result<B, Bytes> {
        match self.source {
            Source::Stream { body } => Ok(body),
            Source::Whole { bytes } => Err(bytes),
        }
    }
}

impl<B: Body<Data = Bytes>> Repeat for RequestBody<B> {
    fn repeat(&self) -> Option<RequestBody<B>> {
        match &self.source {
            Source::Stream { body } => body.is_end_stream().then(|| RequestBody::whole(Bytes::new())),
            Source::Whole { bytes } => Some(RequestBody::whole(bytes.clone())),
        }
    }

    fn parsed(&self) -> Option<&AiBody> {
        None
    }
}

impl<B: Body<Data = Bytes>> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().source.project() {
            SourceProj::Stream { body } => body.poll_frame(cx),
            SourceProj::Whole { bytes } if bytes.is_empty() => Poll::Ready(None),
            SourceProj::Whole { bytes } => Poll::Ready(Some(Ok(Frame::data(mem::take(bytes))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Stream { body } => body.is_end_stream(),
            Source::Whole { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Stream { body } => body.size_hint(),
            Source::Whole { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
