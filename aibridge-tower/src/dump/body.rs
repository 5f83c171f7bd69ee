use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::writer::Pair;

pin_project! {
    /// The body of a request that is only passed through; a copy of it is dumped.
    pub struct RequestBody<B> {
        #[pin]
        inner: B,
        pair: Option<Arc<Pair>>,
    }
}

impl<B> RequestBody<B> {
    pub(super) fn new(inner: B, pair: Option<Arc<Pair>>) -> RequestBody<B> {
        RequestBody { inner, pair }
    }
}

pin_project! {
    /// The body of a reply, of which a copy is dumped.
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        pair: Option<Arc<Pair>>,
    }
}

impl<B> ResponseBody<B> {
    pub(super) fn new(inner: B, pair: Option<Arc<Pair>>) -> ResponseBody<B> {
        ResponseBody { inner, pair }
    }
}

/// Both bodies pass on what the inner one gives, and hand a copy to the pair.
macro_rules! copied {
    ($body:ident, $to:ident) => {
        impl<B: Body<Data = Bytes>> Body for $body<B> {
            type Data = Bytes;
            type Error = B::Error;

            fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
                let this = self.project();
                let frame = ready!(this.inner.poll_frame(cx));
                if let (Some(pair), Some(Ok(frame))) = (&this.pair, &frame)
                    && let Some(data) = frame.data_ref()
                {
                    pair.$to(data.clone());
                }
                Poll::Ready(frame)
            }

            fn is_end_stream(&self) -> bool {
                self.inner.is_end_stream()
            }

            fn size_hint(&self) -> SizeHint {
                self.inner.size_hint()
            }
        }

        impl<B> fmt::Debug for $body<B> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($body)).field("dumped", &self.pair.is_some()).finish_non_exhaustive()
            }
        }
    };
}

copied!(RequestBody, request);
copied!(ResponseBody, reply);
