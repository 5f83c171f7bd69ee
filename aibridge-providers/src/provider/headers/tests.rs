use http::HeaderValue;

use super::*;

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
    map
}

fn list(map: &HeaderMap) -> Vec<(&str, &[u8])> {
    map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// What reaches the provider.
fn sent(mut headers: HeaderMap) -> HeaderMap {
    to_provider(&mut headers);
    headers
}

const HOP_BY_HOP: [&str; 9] = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
];

#[test]
fn what_belongs_to_the_hop_or_the_gateway_does_not_reach_the_provider() {
    let names = [
        "Host",
        "Content-Length",
        "Cookie",
        "Coder-Session-Token",
        "X-Coder-AI-Governance-Token",
        "X-Coder-Anything",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Real-IP",
        "X-AI-Bridge-Actor-ID",
        "X-AI-Bridge-Actor-Metadata-Username",
        "X-AI-BRIDGE-ACTOR",
        "x-ai-bridge-actorid",
        "X_AI_Bridge_Actor_ID",
        "x-ai_bridge-actor-id",
    ];
    for name in names.iter().chain(&HOP_BY_HOP) {
        let sent = sent(map(&[("a", "1"), (name, "v"), ("b", "2"), (name, "w"), ("c", "3")]));
        assert_eq!(list(&sent), [("a", &b"1"[..]), ("b", b"2"), ("c", b"3")], "{name}");
    }
}

#[test]
fn everything_else_reaches_the_provider_in_its_order() {
    let headers = [
        ("accept", "application/json"),
        ("accept-encoding", "br, gzip, deflate"),
        ("anthropic-beta", "claude-code-20250219"),
        ("anthropic-beta", "interleaved-thinking-2025-05-14"),
        ("anthropic-version", "2026-10-21"),
        ("authorization", "Bearer user"),
        ("content-encoding", "zstd"),
        ("content-type", "application/json"),
        ("expect", "100-continue"),
        ("forwarded-by", "x"),
        ("openai-beta", "responses_websockets=2026-02-06"),
        ("originator", "codex_cli_rs"),
        ("te-x", "x"),
        ("user-agent", "claude-cli/2.1 (external, cli)"),
        ("x-ai-bridge-other", "x"),
        ("x-api-key", "user"),
        ("x-client-session-id", "s"),
        ("x-codex-turn-metadata", "{\"k\":\"\u{e4}\"}"),
        ("x-coderx", "x"),
        ("x-stainless-lang", "js"),
    ];
    let received = map(&headers);
    let expected: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    assert_eq!(list(&sent(received)), expected);
}

#[test]
fn the_order_survives_a_removal_at_the_front() {
    let sent = sent(map(&[("host", "h"), ("a", "1"), ("cookie", "c"), ("b", "2"), ("c", "3"), ("d", "4")]));
    assert_eq!(list(&sent), [("a", &b"1"[..]), ("b", b"2"), ("c", b"3"), ("d", b"4")]);

    let mut reply = map(&[("connection", "close"), ("a", "1"), ("set-cookie", "c"), ("b", "2"), ("c", "3")]);
    to_client(&mut reply);
    assert_eq!(list(&reply), [("a", &b"1"[..]), ("b", b"2"), ("c", b"3")]);
}

#[test]
fn what_connection_names_goes_in_both_directions() {
    let headers = map(&[
        ("connection", "keep-alive, X-One ,, bad name"),
        ("x-one", "1"),
        ("x-two", "2"),
        ("connection", "x-TWO, close, x-absent, x-two"),
        ("x-three", "3"),
    ]);
    assert_eq!(list(&sent(headers.clone())), [("x-three", &b"3"[..])]);

    let mut reply = headers;
    to_client(&mut reply);
    assert_eq!(list(&reply), [("x-three", &b"3"[..])]);
}

#[test]
fn hop_by_hop_headers_and_cookies_do_not_reach_the_client() {
    for name in HOP_BY_HOP.iter().chain(&["Set-Cookie"]) {
        let mut reply = map(&[("a", "1"), (name, "v"), ("b", "2"), (name, "w"), ("a", "3")]);
        to_client(&mut reply);
        assert_eq!(list(&reply), [("a", &b"1"[..]), ("a", b"3"), ("b", b"2")], "{name}");
    }
}

#[test]
fn everything_else_reaches_the_client() {
    let headers = [
        ("date", "Sat, 21 Nov 2026 00:00:00 GMT"),
        ("content-type", "text/event-stream; charset=utf-8"),
        ("content-encoding", "gzip"),
        ("content-length", "12"),
        ("retry-after", "3"),
        ("request-id", "req_1"),
        ("x-request-id", "req_2"),
        ("anthropic-ratelimit-requests-remaining", "1"),
        ("x-ratelimit-remaining-tokens", "2"),
        ("openai-processing-ms", "42"),
        ("x-codex-turn-state", "s"),
        ("via", "1.1 edge"),
        ("x-forwarded-for", "kept"),
    ];
    let mut reply = map(&headers);
    let expected = reply.clone();
    to_client(&mut reply);
    assert_eq!(list(&reply), list(&expected));
}

#[test]
fn what_connection_names_ends_with_the_hop_and_nothing_added_later_does() {
    let mut headers = map(&[("a", "1"), ("x-once", "1"), ("connection", "close, X-Once"), ("b", "2"), ("x-once", "2")]);
    end_hop(&mut headers);
    assert_eq!(list(&headers), [("a", &b"1"[..]), ("b", b"2")]);
    let mut headers = map(&[("connection", "x-api-key, keep-alive")]);
    end_hop(&mut headers);
    headers.insert("x-api-key", HeaderValue::from_static("central"));
    assert_eq!(list(&sent(headers)), [("x-api-key", &b"central"[..])]);
}
