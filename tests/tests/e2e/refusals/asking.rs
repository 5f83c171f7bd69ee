//! Refusals for what a request is: its token, its route, its body.

use aibridge_tests::{Endpoint, Head};
use bytes::Bytes;
use serde_json::Value;

use super::{BAD_TOKEN, INVALID, Looks, SERVER, Sent, assert_refusal, looks, unasked};
use crate::{
    expect::{request, target},
    fixture::{BEARER, Setup, TOKEN},
};

const CONFLICT: Looks = looks(400, INVALID, "conflicting_tokens");
const UNKNOWN_PROVIDER: Looks = looks(404, ["not_found_error"; 2], "unknown_provider");
const UNKNOWN_ROUTE: Looks = looks(404, ["not_found_error"; 2], "unknown_route");
const NOT_JSON: Looks = looks(400, INVALID, "invalid_request");
const TOO_LARGE: Looks = looks(413, ["request_too_large", "invalid_request_error"], "request_too_large");
const ENCODING: Looks = looks(415, INVALID, "unsupported_encoding");

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
