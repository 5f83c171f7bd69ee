//! A further round of a stream.

use std::future::poll_fn;

use aibridge_providers::{
    api::{Reason, Refusal, tools::Call},
    encoding::StreamDecoder,
};
use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Body;
use tower_service::Service;

use super::turn::Turn;
use crate::{
    BoxError,
    collect::Collect,
    encoded::{Coding, coding, is_event_stream},
    parse::AiBody,
    refuse,
};

/// What is read of a provider's error.
const ERROR_LIMIT: usize = 64 * 1024;

/// What came of the calls of a round.
pub(super) enum Came<S, B> {
    /// The provider answers again.
    Round {
        /// What goes on.
        turn: Box<Turn<S>>,
        /// The stream.
        body: B,
        /// How it is coded, if it is.
        decoder: Option<Box<StreamDecoder>>,
    },
    /// The client's stream ends with these bytes.
    End(Bytes),
}

/// Runs `calls`, and asks the provider for the next round, or ends the turn if `last`.
pub(super) async fn go_on<S, B>(mut turn: Box<Turn<S>>, calls: Vec<Call>, last: bool) -> Came<S, B>
where
    S: Service<Request, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let watch = turn.watch();
    let answers = turn.run(calls).await;
    if last {
        let bytes = turn.finish(&answers);
        watch.over();
        return Came::End(bytes);
    }
    let Some(request) = turn.next(&answers) else {
        watch.over();
        return Came::End(turn.refuse(&unreadable()));
    };
    let response = call(turn.service(), request).await.map_err(Into::<BoxError>::into);
    watch.over();
    let response = match response {
        Ok(response) => response,
        Err(error) => {
            return Came::End(turn.refuse(&refuse::refusal_of(error.as_ref())));
        }
    };
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        let body = Collect::new(body, ERROR_LIMIT).await.unwrap_or_else(|(part, _)| part);
        let body = plain(&head.headers, body).unwrap_or_default();
        return Came::End(turn.exchange.provider_error(head.status.as_u16(), &body));
    }
    turn.answered(&head);
    let decoder = match coding(&head.headers) {
        Coding::Plain if is_event_stream(&head.headers) => None,
        Coding::Coded(decoder) if is_event_stream(&head.headers) => Some(decoder),
        _ => {
            // Whoever records takes it for the client that has gone.
            drop(body);
            let refusal = unreadable();
            turn.ended_unread(&refusal);
            return Came::End(turn.refuse(&refusal));
        }
    };
    Came::Round { turn, body, decoder }
}

type Request = http::Request<AiBody>;

/// Calls a service once it is ready.
pub(super) async fn call<S: Service<Request>>(mut inner: S, request: Request) -> Result<S::Response, S::Error> {
    poll_fn(|cx| inner.poll_ready(cx)).await?;
    inner.call(request).await
}

/// As much of `body` as can be read, without its coding.
fn plain(headers: &HeaderMap, body: Bytes) -> Option<Bytes> {
    match coding(headers) {
        Coding::Plain => Some(body),
        Coding::Coded(mut decoder) => decoder.feed(&body).ok(),
        Coding::Unreadable => None,
    }
}

pub(super) fn unreadable() -> Refusal {
    Refusal::new(
        Reason::ProviderTruncated,
        "aibridge: the provider's answer to a tool result cannot be read; try again",
    )
}
