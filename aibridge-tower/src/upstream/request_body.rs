use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{BoxError, parse::AiBody};

pin_project! {
    /// What is sent to the provider: a parsed body, a stream passed on as it comes, or one that was buffered.
    #[derive(Debug)]
    #[project = RequestBodyProj]
    pub(super) enum RequestBody<B> {
        Parsed { #[pin] body: AiBody },
        Stream { #[pin] body: B },
        Whole { bytes: Bytes },
    }
}

/// The client's body failed: hyper reports it like any other error of the call.
#[derive(Debug, thiserror::Error)]
#[error("the client's body broke off")]
pub(super) struct BrokenOff(#[source] BoxError);

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(match self.project() {
            RequestBodyProj::Parsed { body } => ready!(body.poll_frame(cx)).map(|frame| frame.map_err(Into::into)),
            RequestBodyProj::Stream { body } => {
                ready!(body.poll_frame(cx)).map(|frame| frame.map_err(|error| BrokenOff(error.into()).into()))
            }
            RequestBodyProj::Whole { bytes } if bytes.is_empty() => None,
            RequestBodyProj::Whole { bytes } => Some(Ok(Frame::data(std::mem::take(bytes)))),
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Parsed { body } => body.is_end_stream(),
            RequestBody::Stream { body } => body.is_end_stream(),
            RequestBody::Whole { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Parsed { body } => body.size_hint(),
            RequestBody::Stream { body } => body.size_hint(),
            RequestBody::Whole { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
