//! The rounds of a blocking reply.

use aibridge_providers::{
    api::{
        Reason, Refusal,
        tools::{Next, Step},
    },
    encoding::{self, EncodingError},
    json::Document,
};
use aibridge_store::record::Outcome;
use bytes::Bytes;
use http::{HeaderMap, Response, header, response::Parts};
use http_body::Body;
use http_body_util::Empty;
use tower_service::Service;

use super::{
    ResponseBody,
    round::{call, unreadable},
    turn::{self, Turn},
};
use crate::{
    BoxError,
    collect::{Collect, CollectError},
    parse::AiBody,
    record::INTERCEPTION_ID,
    refuse,
};

/// What a reply may hold that has to be read as a whole.
pub(super) const LIMIT: usize = 64 << 20;

/// What the first round's reply came to.
pub(super) enum First<S, B> {
    /// It is the client's, as it is.
    Reply(Response<ResponseBody<S, B>>),
    /// It has calls of ours.
    Calls(Box<Turn<S>>, Parts, Step),
    /// It is larger than what can be read.
    TooLarge(Box<Turn<S>>, Parts),
}

/// Takes the first round's reply.
pub(super) fn first<S, B>(
    mut turn: Box<Turn<S>>,
    head: Parts,
    received: Result<Bytes, (Bytes, CollectError)>,
) -> First<S, B> {
    let received = match received {
        Ok(received) => received,
        Err((_, CollectError::TooLarge)) => return First::TooLarge(turn, head),
        Err((part, CollectError::Broken(error))) => {
            return First::Reply(Response::from_parts(head, ResponseBody::broken(part, error)));
        }
    };
    // Whoever records has read it, which saves to do so again.
    if turn.passes_whole(&head) {
        return First::Reply(Response::from_parts(head, ResponseBody::whole(received)));
    }
    turn.begun(&head);
    let reply = match decoded(&head.headers, received.clone()) {
        Ok(reply) => reply,
        Err(EncodingError::TooLarge) => return First::TooLarge(turn, head),
        // The client cannot read it either.
        Err(_) => return First::Reply(Response::from_parts(head, ResponseBody::whole(received))),
    };
    match turn.exchange.reply(reply.clone()) {
        Step { calls, next: Next::End(finish), .. } if calls.is_empty() && finish.bytes == reply => {
            turn.end(finish);
            First::Reply(Response::from_parts(head, ResponseBody::whole(received)))
        }
        step => First::Calls(turn, head, step),
    }
}

/// Goes on until the model calls no more tools of ours. The reply has the first round's head.
pub(super) async fn rounds<S, B>(
    mut turn: Box<Turn<S>>,
    mut head: Parts,
    mut step: Step,
) -> Result<Response<ResponseBody<S, B>>, S::Error>
where
    S: Service<http::Request<AiBody>, Response = Response<B>> + Clone,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    loop {
        let calls = step.calls;
        let merged = match step.next {
            Next::End(finish) => {
                for call in &calls {
                    turn.not_run(call, "the reply broke off");
                }
                turn.end(finish)
            }
            Next::Again if turn.is_exhausted() => {
                for call in &calls {
                    turn.not_run(call, turn::LIMIT);
                }
                turn.cut_short()
            }
            Next::Finish => {
                let watch = turn.watch();
                let answers = turn.run(calls).await;
                watch.over();
                turn.finish(&answers)
            }
            _ => {
                let watch = turn.watch();
                let answers = turn.run(calls).await;
                if let Some(request) = turn.next(&answers) {
                    let response = call(turn.service(), request).await;
                    watch.over();
                    let (next, body) = response?.into_parts();
                    if !next.status.is_success() {
                        // Nothing has been sent: the error is the reply.
                        return Ok(Response::from_parts(next, ResponseBody::inner(body)));
                    }
                    turn.answered(&next);
                    let received = Collect::new(body, LIMIT).await.ok();
                    let reply = received.and_then(|received| decoded(&next.headers, received).ok());
                    let Some(reply) = reply.filter(|reply| Document::parse(reply.clone()).is_ok()) else {
                        return Ok(refused(&turn, next, Outcome::Truncated, &unreadable()));
                    };
                    step = turn.exchange.reply(reply);
                    continue;
                }
                watch.over();
                turn.cut_short()
            }
        };
        not_as_received(&mut head);
        return Ok(Response::from_parts(head, ResponseBody::whole(merged)));
    }
}

/// A refusal in the place of a first reply with this head. The reply has been dropped.
pub(super) async fn too_large<S, B, E>(mut turn: Box<Turn<S>>, head: Parts) -> Result<Response<ResponseBody<S, B>>, E> {
    turn.begun(&head);
    let message = format!(
        "aibridge: the provider's reply is larger than the {LIMIT} bytes that are searched for tool calls (or expands \
         beyond reason); ask for less, or for a stream"
    );
    Ok(refused(&turn, head, Outcome::GatewayError, &Refusal::new(Reason::Internal, message)))
}

/// A refusal in the place of a reply with this head, which cannot be read.
fn refused<S, B>(
    turn: &Turn<S>,
    mut instead_of: Parts,
    outcome: Outcome,
    refusal: &Refusal,
) -> Response<ResponseBody<S, B>> {
    turn.refused(outcome, refusal);
    let format = turn.api().format();
    let bytes = format.body(refusal);
    let mut response = refuse::response::<Empty<Bytes>>(format, refusal.clone());
    if let Some(id) = instead_of.headers.remove(INTERCEPTION_ID) {
        response.headers_mut().insert(INTERCEPTION_ID, id);
    }
    response.extensions_mut().extend(instead_of.extensions);
    response.map(|_| ResponseBody::whole(bytes))
}

/// A reply without its coding.
pub(super) fn decoded(headers: &HeaderMap, body: Bytes) -> Result<Bytes, EncodingError> {
    let Some(coding) = headers.get(header::CONTENT_ENCODING) else { return Ok(body) };
    let coding = coding.to_str().map_err(|_| EncodingError::Unknown(String::new()))?;
    encoding::decode(coding, body, LIMIT)
}

/// The head of a body that is written anew, in plain.
pub(super) fn not_as_received(head: &mut Parts) {
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove(header::CONTENT_ENCODING);
}
