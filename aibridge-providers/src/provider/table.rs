//! The routes of every kind, as data. Anything that is not here is refused: a central key may carry admin rights.

use super::{Endpoint, Kind};
use crate::api::Api;

/// A route as the provider's reference writes it.
#[derive(Debug)]
pub(super) struct Row {
    /// The canonical path; with a final `*` everything below it.
    pub(super) pattern: &'static str,
    pub(super) endpoint: Endpoint,
    /// The methods, as in `Allow`.
    pub(super) allow: &'static str,
}

const fn intercepted(pattern: &'static str, api: Api) -> Row {
    Row { pattern, endpoint: Endpoint::Intercepted(api), allow: "POST" }
}

const fn passed(allow: &'static str, pattern: &'static str) -> Row {
    Row { pattern, endpoint: Endpoint::Passthrough, allow }
}

const OPENAI: &[Row] = &[
    intercepted("/v1/chat/completions", Api::Chat),
    intercepted("/v1/responses", Api::Responses),
    intercepted("/v1/responses/compact", Api::Responses),
    passed("GET", "/v1/models"),
    passed("GET", "/v1/models/*"),
    passed("GET, POST, DELETE", "/v1/responses/*"),
    passed("GET, POST", "/v1/conversations"),
    passed("GET, POST, DELETE", "/v1/conversations/*"),
    passed("POST", "/v1/embeddings"),
];

const ANTHROPIC: &[Row] = &[
    intercepted("/v1/messages", Api::Messages),
    passed("POST", "/v1/messages/count_tokens"),
    passed("GET", "/v1/models"),
    passed("GET", "/v1/models/*"),
    passed("POST", "/api/event_logging/*"),
];

/// Of [`Kind::Bedrock`] beside [`ANTHROPIC`]: `InvokeModel`, and with a stream. In the place of the `*` is a model's id,
/// which [`NativeCall::parse`](crate::bedrock::NativeCall::parse) reads; these are not looked up as the others are.
pub(super) const INVOKE: Row = intercepted("/model/*/invoke", Api::Messages);
pub(super) const INVOKE_STREAM: Row = intercepted("/model/*/invoke-with-response-stream", Api::Messages);

/// Copilot documents no methods; its `/mcp/` takes GET, POST and DELETE.
const ANY: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

const COPILOT: &[Row] = &[
    intercepted("/chat/completions", Api::Chat),
    intercepted("/responses", Api::Responses),
    intercepted("/v1/messages", Api::Messages),
    passed(ANY, "/models"),
    passed(ANY, "/models/*"),
    passed(ANY, "/agents/*"),
    passed(ANY, "/mcp/*"),
    passed(ANY, "/.well-known/*"),
];

/// The endpoints that people configure as a whole where a base URL is asked for, without their version.
pub(super) const FULL_ENDPOINTS: [&str; 3] = ["/chat/completions", "/responses", "/messages"];

/// The routes of `kind`.
pub(super) const fn rows(kind: Kind) -> &'static [Row] {
    match kind {
        Kind::Anthropic | Kind::Bedrock => ANTHROPIC,
        Kind::Copilot => COPILOT,
        Kind::OpenAi | Kind::Azure | Kind::Google | Kind::OpenRouter | Kind::Vercel | Kind::OpenAiCompat => OPENAI,
    }
}
