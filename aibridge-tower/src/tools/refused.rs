//! Requests that a provider may have refused for the tools in them.

use aibridge_providers::api::Refusal;
use bytes::Bytes;
use http::Response;
use http_body::Body;
use memchr::memmem;
use tower_service::Service;

use super::{
    ResponseBody,
    blocking::{LIMIT, decoded, too_large},
    round::call,
    turn::Turn,
};
use crate::{
    BoxError,
    collect::{Collect, CollectError},
    parse::AiBody,
};

/// With which providers say that a model takes no tools, or not these, or not beside what else is asked for: vLLM, Ollama,
/// Groq and Gemini 400, OpenRouter 404, Mistral 422, llama.cpp 500, some 501.
const STATUSES: [u16; 5] = [400, 404, 422, 500, 501];

/// Whether a first reply can be nothing but the client's, going by its head: an error that has nothing to do with tools, or
/// one of the gateway's own.
pub(super) fn is_final<B>(response: &Response<B>) -> bool {
    !response.status().is_success()
        && (!STATUSES.contains(&response.status().as_u16()) || response.extensions().get::<Refusal>().is_some())
}

/// Reads a refusal, and asks again without tools if it speaks of them.
pub(super) async fn refused<S, B>(
    mut turn: Box<Turn<S>>,
    response: Response<B>,
) -> Result<Response<ResponseBody<S, B>>, S::Error>
where
    S: Service<http::Request<AiBody>, Response = Response<B>> + Clone,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (head, body) = response.into_parts();
    let received = match Collect::new(body, LIMIT).await {
        Ok(received) => received,
        Err((_, CollectError::TooLarge)) => return too_large(turn, head).await,
        Err((part, CollectError::Broken(error))) => {
            return Ok(Response::from_parts(head, ResponseBody::broken(part, error)));
        }
    };
    if !decoded(&head.headers, received.clone()).is_ok_and(|error| is_about_tools(&error)) {
        return Ok(Response::from_parts(head, ResponseBody::whole(received)));
    }
    turn.begun(&head);
    turn.tools_refused(head.status.as_u16());
    let watch = turn.watch();
    let response = call(turn.service(), turn.without_tools()).await;
    watch.over();
    Ok(response?.map(ResponseBody::inner))
}

fn is_about_tools(error: &[u8]) -> bool {
    let error = error.to_ascii_lowercase();
    ["tool", "function"].iter().any(|word| memmem::find(&error, word.as_bytes()).is_some())
}
