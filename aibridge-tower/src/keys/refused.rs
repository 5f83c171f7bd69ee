use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use aibridge_providers::api::{Format, ProviderError};
use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use crate::encoded::{Coding, coding};

/// What is read of the reply at most, in bytes.
const LIMIT: usize = 16 * 1024;
/// How long it is waited for. Errors mostly come in one piece with their head.
const PATIENCE: Duration = Duration::from_secs(1);

pin_project! {
    /// Reads why a key was not accepted: the reply is not passed on, and nobody else sees it. An exchange that was read to
    /// its end also leaves its connection usable.
    pub(super) struct Refused<B> {
        #[pin]
        body: B,
        #[pin]
        deadline: Sleep,
        head: Parts,
        kept: BytesMut,
    }
}

impl<B> Refused<B> {
    pub(super) fn new(head: Parts, body: B) -> Refused<B> {
        Refused { body, deadline: sleep(PATIENCE), head, kept: BytesMut::new() }
    }
}

impl<B: Body<Data = Bytes>> Future for Refused<B> {
    type Output = ProviderError;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ProviderError> {
        let mut this = self.project();
        while this.kept.len() < LIMIT {
            match this.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        let room = LIMIT - this.kept.len();
                        this.kept.extend_from_slice(&data[..data.len().min(room)]);
                    }
                }
                Poll::Ready(None | Some(Err(_))) => break,
                Poll::Pending => {
                    ready!(this.deadline.poll(cx));
                    break;
                }
            }
        }
        let plain = match coding(&this.head.headers) {
            Coding::Plain => Some(this.kept.split().freeze()),
            Coding::Coded(mut decoder) => decoder.feed(&this.kept.split().freeze()).ok(),
            Coding::Unreadable => None,
        };
        // Either format is understood by either.
        Poll::Ready(plain.and_then(|plain| Format::OpenAi.read_error(&plain)).unwrap_or_default())
    }
}
