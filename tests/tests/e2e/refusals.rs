//! What the gateway itself answers, in the words of every API.

use std::{num::NonZeroU32, time::Duration};

use aibridge_providers::provider::{BaseUrl, Instance, Kind, ModelRules};
use aibridge_store::{RecordError, record::Outcome};
use aibridge_tests::{Endpoint, Gate, Head, Provider, RawClient, Script};
use aibridge_tower::record::RecordingPolicy;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    expect::{request, target, told},
    fixture::{BEARER, Gateway, Setup, TOKEN, instance, path},
};

const ID: &str = "x-ai-bridge-interception-id";

/// What a refusal looks like.
#[derive(Clone, Copy)]
struct Looks {
    status: u16,
    /// Its type in Anthropic's format, and in OpenAI's.
    kinds: [&'static str; 2],
    /// Its code in OpenAI's format, and its name in records.
    code: &'static str,
    /// Of the fields that matter to clients, those it has.
    fields: &'static [(&'static str, &'static str)],
    /// How it is recorded, if it is.
    outcome: Option<Outcome>,
}

const INVALID: [&str; 2] = ["invalid_request_error"; 2];
const SERVER: [&str; 2] = ["api_error", "server_error"];

const fn looks(status: u16, kinds: [&'static str; 2], code: &'static str) -> Looks {
    Looks { status, kinds, code, fields: &[], outcome: None }
}

impl Looks {
    const fn with(mut self, fields: &'static [(&'static str, &'static str)]) -> Looks {
        self.fields = fields;
        self
    }

    const fn recorded(mut self, outcome: Outcome) -> Looks {
        self.outcome = Some(outcome);
        self
    }
}

const BAD_TOKEN: Looks = looks(401, ["authentication_error"; 2], "unauthenticated")
    .with(&[("www-authenticate", "Bearer"), ("x-should-retry", "false")]);
const CONFLICT: Looks = looks(400, INVALID, "conflicting_tokens");
const UNKNOWN_PROVIDER: Looks = looks(404, ["not_found_error"; 2], "unknown_provider");
const UNKNOWN_ROUTE: Looks = looks(404, ["not_found_error"; 2], "unknown_route");
const NOT_JSON: Looks = looks(400, INVALID, "invalid_request");
const TOO_LARGE: Looks = looks(413, ["request_too_large", "invalid_request_error"], "request_too_large");
const ENCODING: Looks = looks(415, INVALID, "unsupported_encoding");
const UNREACHABLE: Looks = looks(502, SERVER, "provider_unreachable").recorded(Outcome::GatewayError);
const UNRECORDED: Looks = looks(503, SERVER, "recording_unavailable").with(&[("retry-after", "1")]);

/// The fields whose absence counts as much as their presence.
const TELLING: [&str; 7] =
    ["www-authenticate", "x-should-retry", "retry-after", "allow", "upgrade", "connection", "location"];

/// Asserts that this is that refusal, in the format of this API; returns the interception's id.
#[track_caller]
fn assert_refused(context: &str, endpoint: Endpoint, looks: Looks, (head, body): &(Head, Bytes)) -> Option<String> {
    let context = format!("{context}, {endpoint:?}");
    assert_eq!(head.status(), looks.status, "{context}: {body:?}");
    assert_eq!(head.get("content-type"), Some("application/json"), "{context}");
    let body: Value = serde_json::from_slice(body).unwrap();
    let message = body["error"]["message"].as_str().unwrap();
    let ours = message.starts_with("aibridge: ") || message.starts_with("route not supported: ");
    assert!(ours && !message.ends_with('.'), "{context}: {message}");
    assert!(!message.contains(TOKEN), "{context}: {message}");
    let expected = match endpoint {
        Endpoint::Messages => json!({"type": "error", "error": {"type": looks.kinds[0], "message": message}}),
        _ => json!({"error": {"message": message, "type": looks.kinds[1], "param": null, "code": looks.code}}),
    };
    assert_eq!(body, expected, "{context}");
    let mut fields: Vec<_> = TELLING.into_iter().filter_map(|name| Some((name, head.get(name)?))).collect();
    let mut expected = looks.fields.to_vec();
    fields.sort_unstable();
    expected.sort_unstable();
    assert_eq!(fields, expected, "{context}");
    head.get(ID).map(str::to_owned)
}

/// Asserts that the request is refused like this, and recorded as it should be, if it should be.
async fn assert_refusal(context: &str, gateway: &Gateway, endpoint: Endpoint, looks: Looks, sent: Sent<'_>) {
    let mut client = gateway.client().await;
    let response = sent.send(&mut client).await;
    let id = assert_refused(context, endpoint, looks, &response);
    let Some(outcome) = looks.outcome else {
        assert_eq!(id, None, "{context}, {endpoint:?}: no interception, no id");
        assert_eq!(gateway.records.len(), 0, "{context}, {endpoint:?}");
        return;
    };
    let recorded = gateway.records.take().await;
    assert_eq!(id, Some(recorded.start.id.to_string()), "{context}, {endpoint:?}");
    let end = json!({"end": {"outcome": outcome.as_str(), "status": looks.status, "error": looks.code}});
    let mut expected = vec![json!({"prompt": "Hi"}), end];
    if outcome == Outcome::GatewayError {
        let none = json!({"usage": {"response_id": null, "tokens": [0, 0, 0, 0], "extras": {}, "source": "none"}});
        expected.insert(1, none);
    }
    assert_eq!(told(&recorded), expected, "{context}, {endpoint:?}");
    let message = serde_json::from_slice::<Value>(&response.1).unwrap()["error"]["message"].clone();
    assert_eq!(json!(recorded.end().error_message), message, "{context}, {endpoint:?}");
    assert_eq!(recorded.end().response_bytes, 0);
}

/// A request.
#[derive(Clone, Copy)]
struct Sent<'a> {
    method: &'a str,
    path: &'a str,
    fields: &'a [(&'a str, &'a str)],
    body: &'a [u8],
}

impl Sent<'_> {
    async fn send(self, client: &mut RawClient) -> (Head, Bytes) {
        client.request(self.method, self.path, self.fields, self.body).await.unwrap();
        client.response().await.unwrap()
    }
}

/// A gateway whose provider must not be asked anything.
async fn unasked(setup: Setup) -> (Provider, Gateway) {
    let provider = Provider::start().await.unwrap();
    let gateway = Gateway::with(&provider.url(), setup).await;
    (provider, gateway)
}

#[tokio::test]
async fn bad_tokens_are_all_answered_alike() {
    const GOVERNANCE: &str = "X-Coder-AI-Governance-Token";
    let (provider, gateway) = unasked(Setup::default()).await;
    let basic = format!("Basic {TOKEN}");
    for endpoint in Endpoint::ALL {
        let mut bodies = Vec::new();
        for (fields, looks) in [
            (&[][..], BAD_TOKEN),
            (&[("Authorization", "Bearer unknown")][..], BAD_TOKEN),
            (&[("Authorization", "Bearer suspended")][..], BAD_TOKEN),
            (&[("Authorization", &*basic)][..], BAD_TOKEN),
            (&[("Authorization", TOKEN)][..], BAD_TOKEN),
            (&[("Authorization", "Bearer ")][..], BAD_TOKEN),
            (&[("Authorization", "")][..], BAD_TOKEN),
            (&[("X-Api-Key", "unknown")][..], BAD_TOKEN),
            (&[("X-Api-Key", "\u{fc}")][..], BAD_TOKEN),
            (&[(GOVERNANCE, "unknown"), BEARER][..], BAD_TOKEN),
            (&[(GOVERNANCE, "unknown")][..], BAD_TOKEN),
            (&[("Cookie", TOKEN)][..], BAD_TOKEN),
            (&[BEARER, ("X-Api-Key", "other")][..], CONFLICT),
            (&[BEARER, ("Authorization", "Bearer other")][..], CONFLICT),
            (&[("X-Api-Key", TOKEN), ("X-Api-Key", "other")][..], CONFLICT),
            (&[(GOVERNANCE, TOKEN), (GOVERNANCE, "other")][..], CONFLICT),
            (&[("Authorization", "Bearer down")][..], looks(503, SERVER, "identity_unavailable")),
        ] {
            let body = request(endpoint, "m", true);
            let sent = Sent { method: "POST", path: &target(endpoint), fields, body: body.as_bytes() };
            assert_refusal(&format!("{fields:?}"), &gateway, endpoint, looks, sent).await;
            if looks.status == 401 {
                let mut client = gateway.client().await;
                bodies.push(sent.send(&mut client).await.1);
            }
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "nothing can be learnt from the message");
    }
    assert_eq!(provider.requests().len(), 0);
}

#[tokio::test]
async fn own_credential_is_refused_where_it_is_switched_off() {
    let (provider, gateway) = unasked(Setup { allow_byok: false, ..Setup::default() }).await;
    let looks = looks(403, ["permission_error"; 2], "byok_disabled");
    for endpoint in Endpoint::ALL {
        for own in [("Authorization", "Bearer sk-own"), ("X-Api-Key", "sk-own")] {
            let fields = &[("X-Coder-AI-Governance-Token", TOKEN), own];
            let body = request(endpoint, "m", true);
            let sent = Sent { method: "POST", path: &target(endpoint), fields, body: body.as_bytes() };
            assert_refusal("byok", &gateway, endpoint, looks, sent).await;
        }
    }
    assert_eq!(provider.requests().len(), 0);
}

#[tokio::test]
async fn routes_that_are_not_served_are_refused() {
    let (provider, gateway) = unasked(Setup::default()).await;
    let method_not_allowed = |allow| looks(405, INVALID, "method_not_allowed").with(allow);
    let websocket = looks(426, INVALID, "websocket_not_supported").with(&[("upgrade", "HTTP/1.1")]);
    let upgrade: &[_] = &[
        BEARER,
        ("Connection", "Upgrade"),
        ("Upgrade", "WebSocket"),
        ("Sec-WebSocket-Version", "13"),
        ("openai-beta", "responses_websockets=2026-02-06"),
    ];
    let plain: &[_] = &[BEARER];
    let versioned: &[_] = &[BEARER, ("anthropic-version", "2023-06-01")];
    use Endpoint::{Chat, Messages, Responses};
    for (endpoint, method, path, fields, looks) in [
        (Messages, "POST", "/api/v2/aibridge/nobody/v1/messages", plain, UNKNOWN_PROVIDER),
        (Messages, "GET", "/api/v2/aibridge/nobody/v1/models", versioned, UNKNOWN_PROVIDER),
        (Chat, "POST", "/api/v2/ai-gateway/nobody/v1/chat/completions", plain, UNKNOWN_PROVIDER),
        (Responses, "POST", "/api/v2/aibridge/OpenAI/v1/responses", plain, UNKNOWN_PROVIDER),
        (Chat, "POST", "/api/v2/aibridge/", plain, UNKNOWN_PROVIDER),
        (Chat, "POST", "/api/v2/aibridge", plain, UNKNOWN_ROUTE),
        (Chat, "POST", "/elsewhere", plain, UNKNOWN_ROUTE),
        (Messages, "POST", "/api/v2/aibridge/anthropic/v1/complete", plain, UNKNOWN_ROUTE),
        (Messages, "GET", "/api/v2/aibridge/anthropic/v1/organizations/users", plain, UNKNOWN_ROUTE),
        (Messages, "POST", "/api/v2/aibridge/anthropic/v1/chat/completions", plain, UNKNOWN_ROUTE),
        (Chat, "GET", "/api/v2/aibridge/openai/v1/files", plain, UNKNOWN_ROUTE),
        (Chat, "GET", "/api/v2/aibridge/openai/v1/organization/admin_api_keys", plain, UNKNOWN_ROUTE),
        (Messages, "POST", "/api/v2/aibridge/openai/v1/messages", plain, UNKNOWN_ROUTE),
        (Chat, "GET", "/api/v2/aibridge/openai/", plain, UNKNOWN_ROUTE),
        (Messages, "GET", "/api/v2/aibridge/anthropic/v1/messages", plain, method_not_allowed(&[("allow", "POST")])),
        (Chat, "PUT", "/api/v2/aibridge/openai/v1/chat/completions", plain, method_not_allowed(&[("allow", "POST")])),
        (Responses, "GET", "/api/v2/aibridge/openai/v1/responses", plain, method_not_allowed(&[("allow", "POST")])),
        (
            Responses,
            "PATCH",
            "/api/v2/aibridge/openai/v1/responses/resp_1",
            plain,
            method_not_allowed(&[("allow", "GET, POST, DELETE")]),
        ),
        (Responses, "GET", "/api/v2/aibridge/openai/v1/responses", upgrade, websocket),
        (Responses, "GET", "/api/v2/aibridge/openai/responses", upgrade, websocket),
        (Responses, "GET", "/api/v2/aibridge/copilot/responses", upgrade, websocket),
    ] {
        let sent = Sent { method, path, fields, body: b"" };
        assert_refusal(&format!("{method} {path}"), &gateway, endpoint, looks, sent).await;
    }
    assert_eq!(provider.requests().len(), 0);
}

#[tokio::test]
async fn route_that_is_unknown_is_named() {
    let (_provider, gateway) = unasked(Setup::default()).await;
    let mut client = gateway.client().await;
    client.request("GET", "/api/v2/aibridge/openai/v1/files?x=1", &[BEARER], "").await.unwrap();
    let body: Value = serde_json::from_slice(&client.response().await.unwrap().1).unwrap();
    assert_eq!(body["error"]["message"], "route not supported: GET /v1/files");
}

#[tokio::test]
async fn instance_that_is_switched_off_says_so() {
    let (provider, gateway) = unasked(Setup {
        instances: |url| {
            let openai = format!("{url}/v1/");
            vec![
                instance(Kind::OpenAi, &openai).disabled("it is being moved").build(),
                instance(Kind::Anthropic, url).disabled("it is being moved").build(),
            ]
        },
        ..Setup::default()
    })
    .await;
    for endpoint in Endpoint::ALL {
        let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: b"{}" };
        assert_refusal("disabled", &gateway, endpoint, looks(503, SERVER, "provider_disabled"), sent).await;
        let mut client = gateway.client().await;
        let (_, body) = sent.send(&mut client).await;
        assert!(String::from_utf8_lossy(&body).contains("it is being moved"));
    }
    assert_eq!(provider.requests().len(), 0);
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused() {
    let (provider, gateway) = unasked(Setup { max_bytes: 2048, ..Setup::default() }).await;
    let large = vec![b' '; 2049];
    let bomb = zstd::encode_all(&large[..], 0).unwrap();
    let whole = zstd::encode_all(&b"{\"model\": \"m\"}"[..], 0).unwrap();
    for endpoint in Endpoint::ALL {
        for (coding, body, looks) in [
            (None, &b""[..], NOT_JSON),
            (None, b"{", NOT_JSON),
            (None, b"{} {}", NOT_JSON),
            (None, b"[{}]", NOT_JSON),
            (None, b"\"text\"", NOT_JSON),
            (None, b"null", NOT_JSON),
            (None, b"model=m", NOT_JSON),
            (None, &large, TOO_LARGE),
            (Some("zstd"), &bomb, TOO_LARGE),
            (Some("zstd"), b"{\"model\": \"m\"}", NOT_JSON),
            (Some("zstd"), &whole[..whole.len() - 1], NOT_JSON),
            (Some("compress"), b"{}", ENCODING),
            (Some("gzip, zstd, br"), b"{}", ENCODING),
        ] {
            let fields = [BEARER, ("Content-Encoding", coding.unwrap_or("identity"))];
            let fields = &fields[..if coding.is_some() { 2 } else { 1 }];
            let sent = Sent { method: "POST", path: &target(endpoint), fields, body };
            let context = format!("{coding:?} {:?}", String::from_utf8_lossy(body));
            assert_refusal(&context, &gateway, endpoint, looks, sent).await;
        }
    }
    assert_eq!(provider.requests().len(), 0);
}

#[tokio::test]
async fn large_body_is_refused_by_what_it_says_of_its_size() {
    let (_provider, gateway) = unasked(Setup { max_bytes: 2048, ..Setup::default() }).await;
    for (framing, body) in [("Content-Length: 5000000000", String::new()), ("Transfer-Encoding: chunked", chunks(3000))]
    {
        let mut client = gateway.client().await;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{framing}\r\n\r\n{body}",
            target(Endpoint::Messages)
        );
        client.send(head).await.unwrap();
        // The rest of the body is not waited for.
        assert_refused_too_large(&client.response().await.unwrap());
    }
}

/// A chunked body of so many bytes, whose end never comes.
fn chunks(bytes: usize) -> String {
    format!("{bytes:x}\r\n{}\r\n", " ".repeat(bytes))
}

#[track_caller]
fn assert_refused_too_large((head, body): &(Head, Bytes)) {
    assert_eq!(head.status(), 413);
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(body["error"]["type"], "request_too_large");
}

#[tokio::test]
async fn model_that_is_not_allowed_is_refused_on_record() {
    let (provider, gateway) = unasked(Setup {
        instances: |url| {
            let mut rules = ModelRules::default();
            rules.deny = Some(regex::Regex::new("^secret-").unwrap());
            let openai = format!("{url}/v1/");
            vec![
                instance(Kind::OpenAi, &openai).models(rules.clone()).build(),
                instance(Kind::Anthropic, url).models(rules).build(),
            ]
        },
        ..Setup::default()
    })
    .await;
    let looks = looks(403, ["permission_error"; 2], "model_not_allowed").recorded(Outcome::Refused);
    for endpoint in Endpoint::ALL {
        let body = request(endpoint, "secret-model", true);
        let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: body.as_bytes() };
        assert_refusal("model", &gateway, endpoint, looks, sent).await;
    }
    assert_eq!(provider.requests().len(), 0);
    provider.reply(Script::json(200, "{}"));
    let mut client = gateway.client().await;
    client.post(&target(Endpoint::Chat), &[BEARER], request(Endpoint::Chat, "m", false)).await.unwrap();
    assert_eq!(client.response().await.unwrap().0.status(), 200, "another model is served");
}

#[tokio::test]
async fn copilot_without_an_own_credential_is_refused_on_record() {
    let (provider, gateway) = unasked(Setup::default()).await;
    let looks = BAD_TOKEN.recorded(Outcome::Refused);
    for (endpoint, route) in [
        (Endpoint::Messages, "/v1/messages"),
        (Endpoint::Chat, "/chat/completions"),
        (Endpoint::Responses, "/responses"),
    ] {
        let body = request(endpoint, "m", true);
        let sent = Sent { method: "POST", path: &path("copilot", route), fields: &[BEARER], body: body.as_bytes() };
        assert_refusal("copilot", &gateway, endpoint, looks, sent).await;
    }
    assert_eq!(provider.requests().len(), 0);
}

#[tokio::test]
async fn request_that_cannot_be_recorded_is_refused_or_served_as_the_policy_says() {
    for error in [RecordError::Full, RecordError::Store("disk".to_owned()), RecordError::Closed] {
        for endpoint in Endpoint::ALL {
            let body = request(endpoint, "m", false);
            let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: body.as_bytes() };

            let (provider, gateway) = unasked(Setup::default()).await;
            gateway.records.refuse(error.clone());
            assert_refusal(&error.to_string(), &gateway, endpoint, UNRECORDED, sent).await;
            assert_eq!(provider.requests().len(), 0);

            let (provider, gateway) = unasked(Setup { policy: RecordingPolicy::BestEffort, ..Setup::default() }).await;
            gateway.records.refuse(error.clone());
            provider.reply(Script::json(200, "{}"));
            let mut client = gateway.client().await;
            let (head, body) = sent.send(&mut client).await;
            assert_eq!((head.status(), &body[..]), (200, &b"{}"[..]), "{error}");
            assert_eq!(gateway.records.len(), 0, "nothing is recorded of what has no start");
        }
    }
}

#[tokio::test]
async fn provider_that_cannot_be_reached_is_a_bad_gateway() {
    let refusing = Provider::refusing().await.unwrap();
    let gateway = Gateway::start(&refusing).await;
    let nowhere = Gateway::with(
        "",
        Setup {
            instances: |_| {
                // A label of more than 63 bytes is no name: the resolver says so without asking a server.
                let url = format!("http://{}.invalid", "x".repeat(64));
                let base = || BaseUrl::parse(&url).unwrap();
                vec![
                    Instance::builder(Kind::OpenAi, base()).build(),
                    Instance::builder(Kind::Anthropic, base()).build(),
                ]
            },
            ..Setup::default()
        },
    );
    let nowhere = nowhere.await;
    for endpoint in Endpoint::ALL {
        let body = request(endpoint, "m", true);
        let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: body.as_bytes() };
        assert_refusal("refusing", &gateway, endpoint, UNREACHABLE, sent).await;
        assert_refusal("unknown host", &nowhere, endpoint, UNREACHABLE, sent).await;
    }
    let sent = Sent { method: "GET", path: &path("openai", "/v1/models"), fields: &[BEARER], body: b"" };
    let proxied = Looks { outcome: None, ..UNREACHABLE };
    assert_refusal("proxied", &gateway, Endpoint::Chat, proxied, sent).await;
}

#[tokio::test]
async fn provider_that_does_not_begin_to_answer_is_a_timeout() {
    let (provider, gateway) = unasked(Setup { header_timeout: Duration::from_millis(50), ..Setup::default() }).await;
    let looks = looks(504, ["timeout_error", "server_error"], "provider_timeout").recorded(Outcome::GatewayError);
    for endpoint in Endpoint::ALL {
        provider.reply(Script::json(200, "{}").hold(&Gate::new()));
        let body = request(endpoint, "m", true);
        let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: body.as_bytes() };
        assert_refusal("timeout", &gateway, endpoint, looks, sent).await;
        // The request is not left running.
        provider.client_closed().await;
    }
}

#[tokio::test]
async fn stream_that_has_begun_outlives_the_header_timeout() {
    let timeout = Duration::from_millis(50);
    let (provider, gateway) = unasked(Setup { header_timeout: timeout, ..Setup::default() }).await;
    let piece = Bytes::from_static(b": still there\n\n");
    provider.reply(Script::sse().repeat(piece.clone(), Duration::from_millis(5)));
    let mut client = gateway.client().await;
    client.post(&target(Endpoint::Chat), &[BEARER], request(Endpoint::Chat, "m", true)).await.unwrap();
    assert_eq!(client.head().await.unwrap().status(), 200);
    // At one piece every 5 ms at most, these take three times as long as the provider may take to begin.
    client.at_least(30 * piece.len()).await.unwrap();
}

#[tokio::test]
async fn requests_beyond_those_in_flight_are_refused() {
    let (provider, gateway) = unasked(Setup { max_concurrency: Some(1), ..Setup::default() }).await;
    let looks = looks(503, ["overloaded_error", "server_error"], "overloaded").with(&[("retry-after", "1")]);
    let gate = Gate::new();
    // A stream is in flight until its end, not only until its head.
    provider.reply(Script::sse().write("data: [DONE]\n\n").wait(&gate));
    let mut first = gateway.client().await;
    first.post(&target(Endpoint::Chat), &[BEARER], request(Endpoint::Chat, "m", true)).await.unwrap();
    first.head().await.unwrap();
    for endpoint in Endpoint::ALL {
        let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: b"{}" };
        let mut client = gateway.client().await;
        let response = sent.send(&mut client).await;
        assert_eq!(assert_refused("in flight", endpoint, looks, &response), None);
    }
    gate.open();
    first.body().await.unwrap();
    gateway.records.take().await;
    provider.reply(Script::json(200, "{}"));
    first.post(&target(Endpoint::Chat), &[BEARER], request(Endpoint::Chat, "m", false)).await.unwrap();
    assert_eq!(first.head().await.unwrap().status(), 200, "served again");
}

#[tokio::test]
async fn requests_beyond_the_rate_are_refused() {
    for endpoint in Endpoint::ALL {
        let (provider, gateway) = unasked(Setup { rate_limit: NonZeroU32::new(1), ..Setup::default() }).await;
        let looks = looks(429, ["rate_limit_error"; 2], "rate_limited").with(&[("retry-after", "1")]);
        provider.reply(Script::json(200, "{}"));
        let body = request(endpoint, "m", false);
        let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: body.as_bytes() };
        let mut client = gateway.client().await;
        let (mut head, mut body) = sent.send(&mut client).await;
        assert_eq!(head.status(), 200);
        // A busy machine may take longer than the second that a request takes to be allowed again.
        while head.status() == 200 {
            provider.reply(Script::json(200, "{}"));
            (head, body) = sent.send(&mut client).await;
        }
        assert_eq!(assert_refused("rate", endpoint, looks, &(head, body)), None);
    }
}
