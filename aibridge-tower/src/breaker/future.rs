use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::api::Refusal;
use bytes::Bytes;
use http::{Response, response::Parts};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{BreakerBody, body::Peek, circuit::Verdict, ticket::Ticket};
use crate::{BoxError, encoded::is_event_stream, upstream::UpstreamError};

pin_project! {
    /// The future of a request that was let through.
    pub struct BreakerFuture<F> {
        #[pin]
        call: F,
        ticket: Option<Ticket>,
    }
}

impl<F> BreakerFuture<F> {
    pub(super) fn new(call: F, ticket: Option<Ticket>) -> BreakerFuture<F> {
        BreakerFuture { call, ticket }
    }
}

impl<F, B, E> Future for BreakerFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<BreakerBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.call.poll(cx)).map_err(Into::into);
        let ticket = this.ticket.take();
        Poll::Ready(match result {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let peek = ticket.and_then(|ticket| match of_head(&head) {
                    Some(verdict) => {
                        ticket.settle(verdict);
                        None
                    }
                    None => Peek::new(ticket, &head),
                });
                Ok(Response::from_parts(head, BreakerBody::new(body, peek)))
            }
            Err(error) => {
                if let Some(ticket) = ticket {
                    ticket.settle(of_error(&error));
                }
                Err(error)
            }
        })
    }
}

/// What a reply's head says about the provider; `None` while its stream has to show.
fn of_head(head: &Parts) -> Option<Verdict> {
    // A layer further in refused; the provider said nothing.
    if head.extensions.get::<Refusal>().is_some() {
        return Some(Verdict::None);
    }
    match head.status.as_u16() {
        503 | 504 | 529 => Some(Verdict::Failed),
        200..300 if is_event_stream(&head.headers) => None,
        _ => Some(Verdict::Passed),
    }
}

fn of_error(error: &BoxError) -> Verdict {
    match UpstreamError::find(error.as_ref()) {
        Some(UpstreamError::Unreachable(_) | UpstreamError::Timeout(_)) => Verdict::Failed,
        _ => Verdict::None,
    }
}

impl<F> fmt::Debug for BreakerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerFuture").finish_non_exhaustive()
    }
}
