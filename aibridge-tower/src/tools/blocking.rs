//! The rounds of a blocking reply.

use aibridge_providers::api::tools::Next;
use bytes::Bytes;
use http::{Response, header, response::Parts};
use http_body::Body;
use tower_service::Service;

use super::{
    ResponseBody,
    collect::collect,
    round::{call, plain},
    turn::Turn,
    watch::Watch,
};
use crate::{BoxError, parse::AiBody};

/// What a reply may hold that has to be read as a whole.
const LIMIT: usize = 64 << 20;

/// Goes on until the model calls no more tools of ours. The reply has the first round's head.
pub(super) async fn rounds<S, B>(
    mut turn: Box<Turn<S>>,
    first: Response<B>,
) -> Result<Response<ResponseBody<S, B>>, S::Error>
where
    S: Service<http::Request<AiBody>, Response = Response<B>>,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (mut head, mut body) = first.into_parts();
    let mut headers = head.headers.clone();
    loop {
        let received = match collect(body, LIMIT).await {
            Ok(received) => received,
            Err((part, error)) => return Ok(Response::from_parts(head, ResponseBody::broken(part, error))),
        };
        let reply = plain(&headers, received.clone());
        let step = turn.exchange.reply(reply.clone());
        let calls = step.calls;
        let merged = match step.next {
            Next::End(finish) => {
                for call in &calls {
                    turn.runner.not_run(call, "the reply broke off");
                }
                turn.end(finish)
            }
            Next::Again if turn.is_exhausted() => {
                for call in &calls {
                    turn.runner.not_run(call, super::turn::LIMIT);
                }
                turn.cut_short()
            }
            Next::Finish => {
                let watch = Watch::new(turn.runner.interception.clone());
                let answers = turn.run(calls).await;
                watch.over();
                turn.finish(&answers)
            }
            _ => {
                let watch = Watch::new(turn.runner.interception.clone());
                let answers = turn.run(calls).await;
                let Some(request) = turn.next(&answers) else {
                    watch.over();
                    return Ok(Response::from_parts(head, ResponseBody::whole(received)));
                };
                let response = call(&mut turn.inner, request).await;
                watch.over();
                let (next, next_body) = response?.into_parts();
                if !next.status.is_success() {
                    // Nothing has been sent: the error is the reply.
                    return Ok(Response::from_parts(next, ResponseBody::inner(next_body)));
                }
                headers = next.headers;
                body = next_body;
                continue;
            }
        };
        let unchanged = merged == reply;
        return Ok(match unchanged && headers == head.headers {
            true => Response::from_parts(head, ResponseBody::whole(received)),
            false => {
                not_as_received(&mut head);
                Response::from_parts(head, ResponseBody::whole(merged))
            }
        });
    }
}

/// The head of a body that is written anew, in plain.
pub(super) fn not_as_received(head: &mut Parts) {
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove(header::CONTENT_ENCODING);
}
