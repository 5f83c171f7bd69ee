use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::{encoding::StreamDecoder, json::Value, sse};
use bytes::Bytes;
use http::response::Parts;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{circuit::Verdict, ticket::Ticket};
use crate::encoded::{Coding, coding};

/// A first event of more data is no error.
const LIMIT: usize = 64 * 1024;

pin_project! {
    /// The inner body, whose first event is looked at while it passes.
    #[derive(Debug)]
    pub struct BreakerBody<B> {
        #[pin]
        inner: B,
        peek: Option<Box<Peek>>,
    }
}

impl<B> BreakerBody<B> {
    pub(super) fn new(inner: B, peek: Option<Peek>) -> BreakerBody<B> {
        BreakerBody { inner, peek: peek.map(Box::new) }
    }
}

impl<B: Body<Data = Bytes>> Body for BreakerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        if let Some(peek) = this.peek {
            let verdict = match &frame {
                Some(Ok(frame)) => frame.data_ref().and_then(|data| peek.look(data)),
                Some(Err(_)) => Some(Verdict::Failed),
                None => Some(Verdict::None),
            };
            if let (Some(verdict), Some(peek)) = (verdict, verdict.and_then(|_| this.peek.take())) {
                peek.ticket.settle(verdict);
            }
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

/// Looks for the first event of a stream.
#[derive(Debug)]
pub(super) struct Peek {
    ticket: Ticket,
    decoder: Option<Box<StreamDecoder>>,
    events: sse::Decoder,
}

impl Peek {
    /// `None` if the stream cannot be read, which says nothing.
    pub(super) fn new(ticket: Ticket, head: &Parts) -> Option<Peek> {
        let decoder = match coding(&head.headers) {
            Coding::Plain => None,
            Coding::Coded(decoder) => Some(decoder),
            Coding::Unreadable => {
                ticket.settle(Verdict::Passed);
                return None;
            }
        };
        Some(Peek { ticket, decoder, events: sse::Decoder::new(LIMIT) })
    }

    /// Takes the next bytes, and says what the first event shows once it is whole.
    fn look(&mut self, data: &Bytes) -> Option<Verdict> {
        let plain = match &mut self.decoder {
            None => data.clone(),
            Some(decoder) => match decoder.feed(data) {
                Ok(plain) => plain,
                Err(_) => return Some(Verdict::Passed),
            },
        };
        let mut verdict = None;
        self.events.feed(&plain, &mut |event| {
            let overloaded = || {
                let kind = Value::of(event.data)?.get("error")?.get("type")?.as_str()?;
                Some(kind == "overloaded_error")
            };
            verdict
                .get_or_insert_with(|| if overloaded().unwrap_or(false) { Verdict::Failed } else { Verdict::Passed });
        });
        verdict
    }
}
