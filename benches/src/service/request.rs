use std::sync::Arc;

use aibridge_providers::{
    api::{Api, Facts},
    client,
    json::Document,
    provider::{BaseUrl, Endpoint, Instance, Kind, Registry, Secret},
};
use aibridge_tower::{ProviderRoute, auth::Actor, parse::AiBody};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::Full;
use uuid::Uuid;

use super::TOKEN;

/// A request that is asked again and again.
#[derive(Clone, Debug)]
pub struct Ask {
    api: Api,
    body: Bytes,
    headers: HeaderMap,
}

impl Ask {
    /// Asks with `body`, a Messages request, as Claude Code does: fifteen headers, and the gateway's token.
    pub fn new(body: Bytes) -> Ask {
        let mut headers: HeaderMap = [
            ("host", "gateway.example"),
            ("accept", "application/json"),
            ("accept-encoding", "gzip, deflate, br, zstd"),
            ("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14"),
            ("anthropic-version", "2023-06-01"),
            ("connection", "keep-alive"),
            ("content-type", "application/json"),
            ("user-agent", "claude-cli/2.1.0 (external, cli)"),
            ("x-app", "cli"),
            ("x-claude-code-session-id", "0d9a3c52-2b7e-4c52-9f4e-0d3c1a6b7e11"),
            ("x-stainless-lang", "js"),
            ("x-stainless-os", "Linux"),
            ("x-stainless-retry-count", "0"),
            ("x-stainless-timeout", "600"),
        ]
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
        headers.insert("content-length", HeaderValue::from(body.len()));
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {TOKEN}")).expect("a token"));
        Ask { api: Api::Messages, body, headers }
    }

    /// The same headers with `body`, a request for chat completions.
    pub fn chat(body: Bytes) -> Ask {
        Ask { api: Api::Chat, ..Ask::new(body) }
    }

    /// The same headers with `body`, a request for a response.
    pub fn responses(body: Bytes) -> Ask {
        Ask { api: Api::Responses, ..Ask::new(body) }
    }

    /// The length of the body in bytes.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether the body is empty.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }
}

/// The request as it arrives.
pub fn request(ask: &Ask) -> Request<Full<Bytes>> {
    let path = match ask.api {
        Api::Chat => "/api/v2/aibridge/openai/v1/chat/completions",
        Api::Responses => "/api/v2/aibridge/openai/v1/responses",
        _ => "/api/v2/aibridge/anthropic/v1/messages?beta=true",
    };
    let mut request = Request::post(path).body(Full::new(ask.body.clone())).expect("a request");
    *request.headers_mut() = ask.headers.clone();
    request
}

/// The request as it leaves Auth and Route.
pub fn routed(ask: &Ask) -> Request<Full<Bytes>> {
    let mut request = request(ask);
    request.headers_mut().remove("authorization");
    let (url, pattern, instance) = match ask.api {
        Api::Chat => ("https://api.openai.com/v1/chat/completions", "/v1/chat/completions", openai()),
        Api::Responses => ("https://api.openai.com/v1/responses", "/v1/responses", openai()),
        _ => ("https://api.anthropic.com/v1/messages?beta=true", "/v1/messages", instance()),
    };
    *request.uri_mut() = url.parse().expect("a URL");
    request.extensions_mut().insert(actor());
    let endpoint = Endpoint::Intercepted(ask.api);
    request.extensions_mut().insert(ProviderRoute::new(Arc::new(instance), endpoint, pattern));
    request
}

/// The request as it leaves Parse.
pub fn parsed(ask: &Ask) -> Request<AiBody> {
    let (head, _) = routed(ask).into_parts();
    let document = Document::parse(ask.body.clone()).expect("a JSON object");
    let facts = Facts::read(ask.api, &document);
    let caller = client::detect(&head.headers, facts.user_id.as_deref());
    Request::from_parts(head, AiBody::new(ask.api, ask.body.clone(), document, facts, caller))
}

/// Whoever asks.
pub fn actor() -> Actor {
    Actor::new(Uuid::from_u128(7), "ali").api_key_id(&TOKEN[..10])
}

/// Anthropic, with the organisation's key.
pub fn instance() -> Instance {
    let base = BaseUrl::parse("https://api.anthropic.com").expect("a base URL");
    Instance::builder(Kind::Anthropic, base).key(Secret::new("sk-ant-api03-0123456789abcdef")).build()
}

/// OpenAI, with the organisation's key.
fn openai() -> Instance {
    let base = BaseUrl::parse("https://api.openai.com/v1/").expect("a base URL");
    Instance::builder(Kind::OpenAi, base).key(Secret::new("sk-proj-0123456789abcdef")).build()
}

/// The instances.
pub fn registry() -> Arc<Registry> {
    Arc::new(Registry::new([instance(), openai()]))
}
