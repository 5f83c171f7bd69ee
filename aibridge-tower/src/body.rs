//! Response bodies shared by the layers.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a layer that may answer by itself: the refusal's bytes, or the inner service's body untouched.
    #[derive(Debug)]
    #[project = ResponseBodyProj]
    pub enum ResponseBody<B> {
        /// Bytes of the layer's own.
        Own {
            /// What is left to send.
            bytes: Option<Bytes>,
        },
        /// The inner service's body.
        Inner {
            /// That body.
            #[pin]
            body: B,
        },
    }
}

impl<B> ResponseBody<B> {
    /// A body of `bytes`.
    pub fn own(bytes: Bytes) -> ResponseBody<B> {
        ResponseBody::Own { bytes: (!bytes.is_empty()).then_some(bytes) }
    }

    /// The inner service's `body`.
    pub fn inner(body: B) -> ResponseBody<B> {
        ResponseBody::Inner { body }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project() {
            ResponseBodyProj::Own { bytes } => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            ResponseBodyProj::Inner { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ResponseBody::Own { bytes } => bytes.is_none(),
            ResponseBody::Inner { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ResponseBody::Own { bytes } => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            ResponseBody::Inner { body } => body.size_hint(),
        }
    }
}
