//! Which header fields reach the provider and the client, in which spelling and order.

use aibridge_providers::provider::{BaseUrl, Instance, Kind};
use aibridge_tests::{Endpoint, Head, Provider, Script};

use crate::{
    expect::{request, target},
    fixture::{BEARER, GOVERNANCE, KEY, OWN, Setup, TOKEN, instance, path},
    line::Line,
};

type Fields<'a> = Vec<(&'a str, &'a str)>;

/// The fields without those that HTTP needs for the next hop.
fn fields(head: &Head) -> Fields<'_> {
    let hop = |name: &str| ["host", "content-length", "content-type"].iter().any(|hop| name.eq_ignore_ascii_case(hop));
    head.fields().into_iter().filter(|(name, _)| !hop(name)).collect()
}

/// The fields that may hold a credential, names in lower case and sorted.
fn credentials(head: &Head) -> Vec<(String, &str)> {
    let names =
        ["authorization", "x-api-key", "api-key", "x-coder-ai-governance-token", "cookie", "proxy-authorization"];
    let mut found: Vec<_> = head
        .fields()
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| names.contains(&&**name))
        .collect();
    found.sort_unstable();
    found
}

/// To a provider that has the same reply to everything.
async fn line(setup: Setup) -> Line {
    Line::to(Provider::replying(|_| Script::json(200, "{}")).await.unwrap(), setup).await
}

impl Line {
    /// What the provider gets of a request with these fields.
    async fn received(&mut self, target: &str, fields: &[(&str, &str)]) -> Head {
        self.client.post(target, fields, r#"{"model": "m"}"#).await.unwrap();
        let (head, body) = self.client.response().await.unwrap();
        assert_eq!(head.status(), 200, "{target}: {body:?}");
        self.provider.next_request().await.head
    }
}

/// Fields that agents send, none of which the gateway may touch.
const KEPT: &[(&str, &str)] = &[
    ("User-Agent", "claude-cli/2.1.0 (external, cli)"),
    ("ACCEPT", "application/json"),
    ("accept-encoding", "br, zstd;q=0.5"),
    ("Accept-Language", "*"),
    ("anthropic-version", "2026-10-21"),
    ("Anthropic-Beta", "interleaved-thinking-2025-05-14,context-1m-2025-08-07"),
    ("anthropic-BETA", "message-threads-2026-08-12"),
    ("anthropic-dangerous-direct-browser-access", "true"),
    ("OpenAI-Beta", "responses=experimental"),
    ("OpenAI-Organization", "org-1"),
    ("X-Stainless-Retry-Count", "0"),
    ("x-stainless-OS", "Linux"),
    ("originator", "codex_cli_rs"),
    ("session_id", "underscored"),
    ("x-codex-turn-metadata", "{\"turn\": \"a, b; c=\\\"d\\\"\"}"),
    ("X-Claude-Code-Session-Id", "7d0f"),
    ("X-Initiator", "agent"),
    ("X-Request-Id", "mine"),
    ("Idempotency-Key", "stainless-node-retry-1"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("Origin", "http://localhost"),
    ("Sec-Fetch-Mode", "cors"),
    ("coder", "no dash"),
    ("X-Coderx", "another word"),
    ("X-AI-Bridge-Interception-Id", "forged, but none of the actor's"),
    ("Via", "1.1 corp"),
    ("X-Empty", ""),
    ("X-Utf8", "Büsum"),
];

/// Fields that end at the gateway.
const STRIPPED: &[(&str, &str)] = &[
    ("Cookie", "session=1"),
    ("cookie", "other=2"),
    ("Coder-Session-Token", "s"),
    ("CODER-anything", "s"),
    ("X-Coder-Agent", "s"),
    ("x-coder-AI-Anything", "s"),
    ("Forwarded", "for=10.0.0.1"),
    ("X-Forwarded-For", "10.0.0.1"),
    ("x-forwarded-proto", "https"),
    ("X-Real-IP", "10.0.0.1"),
    ("X-AI-Bridge-Actor-ID", "forged"),
    ("x-ai-bridge-actor-metadata-username", "forged"),
    ("X_AI_Bridge_Actor_ID", "forged"),
    ("TE", "trailers"),
    ("Trailer", "x-checksum"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Connection", "keep-alive"),
    ("Proxy-Authorization", "Basic eDp5"),
    ("X-Hop", "named by Connection"),
    ("Connection", "X-Hop, keep-alive, X-Not-There"),
];

#[tokio::test]
async fn every_other_field_reaches_the_provider_in_its_order_and_spelling() {
    let mut line = line(Setup::default()).await;
    let mut sent = vec![BEARER];
    // Each of those that go stands between two that stay.
    for at in 0..KEPT.len().max(STRIPPED.len()) {
        sent.extend(KEPT.get(at));
        sent.extend(STRIPPED.get(at));
    }
    for route in [target(Endpoint::Chat), path("openai", "/v1/embeddings"), target(Endpoint::Messages)] {
        let received = line.received(&route, &sent).await;
        let mut got = fields(&received);
        got.retain(|(name, _)| !matches!(name.to_ascii_lowercase().as_str(), "authorization" | "x-api-key"));
        assert_eq!(got, KEPT, "{route}");
        assert_eq!(received.all("content-type"), ["application/json"]);
        assert_eq!(received.all("content-length"), ["14"]);
        assert_eq!(received.all("host"), [&*line.provider.address().to_string()]);
    }
}

#[tokio::test]
async fn values_of_kilobytes_pass() {
    let mut line = line(Setup::default()).await;
    let metadata = "m".repeat(20_000);
    let received = line.received(&target(Endpoint::Responses), &[BEARER, ("x-codex-turn-metadata", &metadata)]).await;
    assert_eq!(received.get("x-codex-turn-metadata"), Some(&*metadata));
}

#[tokio::test]
async fn central_credential_is_the_kinds_own() {
    let mut line = line(Setup {
        instances: |url| {
            let mut all: Vec<_> = Kind::ALL.into_iter().map(|kind| instance(kind, url).build()).collect();
            all.push(Instance::builder(Kind::OpenAi, BaseUrl::parse(url).unwrap()).name("keyless").build());
            all.push(Instance::builder(Kind::Anthropic, BaseUrl::parse(url).unwrap()).name("keyless-a").build());
            all
        },
        ..Setup::default()
    })
    .await;
    let bearer = format!("Bearer {KEY}");
    for (name, expected) in [
        ("openai", Some(("authorization", &*bearer))),
        ("google", Some(("authorization", &*bearer))),
        ("openrouter", Some(("authorization", &*bearer))),
        ("vercel", Some(("authorization", &*bearer))),
        ("openai-compat", Some(("authorization", &*bearer))),
        ("azure", Some(("api-key", KEY))),
        ("anthropic", Some(("x-api-key", KEY))),
        ("keyless", None),
        ("keyless-a", None),
    ] {
        let anthropic = name == "anthropic" || name == "keyless-a";
        let routes: [&str; 2] = match anthropic {
            true => ["/v1/messages", "/v1/messages/count_tokens"],
            false => ["/v1/chat/completions", "/v1/embeddings"],
        };
        for route in routes {
            for carried in [
                &[BEARER][..],
                &[("authorization", "bEARER gatewaytok-abcdefghijklmnopqrstuv")],
                &[("X-Api-Key", TOKEN)],
                &[("x-api-key", TOKEN), BEARER],
                &[BEARER, BEARER],
                &[GOVERNANCE],
                &[("x-coder-ai-governance-token", BEARER.1)],
                // Blank is none.
                &[GOVERNANCE, ("Authorization", ""), ("X-Api-Key", "")],
            ] {
                let received = line.received(&path(name, route), carried).await;
                let mut got = credentials(&received);
                got.retain(|(_, value)| !value.is_empty());
                let expected: Vec<_> = expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
                assert_eq!(got, expected, "{name}{route} {carried:?}");
                assert!(!String::from_utf8_lossy(received.raw()).contains(TOKEN), "{name}{route} {carried:?}");
            }
        }
    }
}

#[tokio::test]
async fn own_credential_goes_as_it_came_and_never_beside_the_central_one() {
    let mut line = line(Setup::default()).await;
    for (name, routes) in [
        ("openai", ["/v1/responses", "/v1/embeddings"]),
        ("azure", ["/v1/chat/completions", "/v1/embeddings"]),
        ("anthropic", ["/v1/messages", "/v1/messages/count_tokens"]),
        ("copilot", ["/chat/completions", "/models/session"]),
        ("keyless", ["/v1/chat/completions", "/v1/embeddings"]),
    ] {
        for route in routes {
            for own in [
                &[("Authorization", "Bearer sk-own-0123456789abcdefgh")][..],
                &[("X-API-Key", "sk-own-0123456789abcdefgh")],
                &[("AUTHORIZATION", "Bearer sk-own-0123456789abcdefgh"), ("x-api-key", "sk-own-0123456789abcdefgh")],
                &[("x-api-key", "sk-own-0123456789abcdefgh"), ("authorization", "bearer another")],
            ] {
                let mut sent = vec![("X-Before", "1"), GOVERNANCE];
                sent.extend_from_slice(own);
                sent.push(("X-After", "2"));
                let received = line.received(&path(name, route), &sent).await;
                let mut expected: Fields<'_> = sent.clone();
                expected.remove(1);
                assert_eq!(fields(&received), expected, "{name}{route}");
                if Some(&route) == routes.first() {
                    let recorded = line.gateway.records.take().await;
                    let credential = (recorded.start.credential_kind, &*recorded.start.credential_hint);
                    assert_eq!(credential, ("byok", "sk-o...efgh"), "{name} {own:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn credential_is_recorded_by_its_ends_only() {
    let mut line = line(Setup::default()).await;
    for (name, route, kind, hint) in [
        ("openai", "/v1/chat/completions", "centralized", "sk-c...cdef"),
        ("anthropic", "/v1/messages", "centralized", "sk-c...cdef"),
        ("keyless", "/v1/chat/completions", "centralized", ""),
    ] {
        line.received(&path(name, route), &[BEARER]).await;
        let recorded = line.gateway.records.take().await;
        assert_eq!((recorded.start.credential_kind, &*recorded.start.credential_hint), (kind, hint), "{name}");
        let all = format!("{recorded:?}");
        assert!(!all.contains(KEY) && !all.contains(TOKEN), "{name}");
    }
}

/// What providers send, all of which agents may look for.
const REPLIED: &[(&str, &str)] = &[
    ("Date", "Tue, 03 Nov 2026 09:14:07 GMT"),
    ("content-TYPE", "application/json; charset=utf-8"),
    ("Retry-After", "3"),
    ("retry-after-ms", "2500"),
    ("x-should-retry", "true"),
    ("request-id", "req_1"),
    ("X-Request-ID", "req_2"),
    ("anthropic-organization-id", "0f6a"),
    ("Anthropic-RateLimit-Tokens-Remaining", "39000"),
    ("anthropic-ratelimit-tokens-reset", "2026-11-03T09:14:07Z"),
    ("x-ratelimit-remaining-requests", "9"),
    ("openai-processing-ms", "101"),
    ("OpenAI-Version", "2020-10-01"),
    ("x-codex-turn-state", "opaque=="),
    ("Cache-Control", "no-cache"),
    ("Vary", "Origin"),
    ("vary", "Accept-Encoding"),
    ("Server", "cloudflare"),
    ("CF-Ray", "8f"),
    ("Location", "https://elsewhere.example/"),
    ("Access-Control-Allow-Origin", "*"),
    ("X-Empty", ""),
    ("X-Utf8", "Büsum"),
];

/// What ends at the gateway.
const HOP: &[(&str, &str)] = &[
    ("Set-Cookie", "__cf_bm=1; path=/"),
    ("set-cookie", "other=2"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Authenticate", "Basic"),
    ("Proxy-Connection", "keep-alive"),
    ("Trailer", "x-checksum"),
    ("Upgrade", "h2c"),
    ("X-Hop", "named by Connection"),
    ("Connection", "X-Hop"),
];

#[tokio::test]
async fn every_other_field_reaches_the_client_in_its_order_and_spelling() {
    let mut line = line(Setup::default()).await;
    for (route, recorded) in [(target(Endpoint::Chat), true), (path("openai", "/v1/embeddings"), false)] {
        for status in [200, 429, 500] {
            for chunked in [false, true] {
                let mut script = if chunked { Script::chunked(status) } else { Script::whole(status, "{}") };
                for at in 0..REPLIED.len() {
                    for (name, value) in [REPLIED.get(at), HOP.get(at)].into_iter().flatten() {
                        script = script.field(*name, *value);
                    }
                }
                line.provider.reply(if chunked { script.write("{}") } else { script });
                // A 429 for the organisation's key is for the gateway.
                let fields = if status == 429 { vec![GOVERNANCE, OWN] } else { vec![BEARER] };
                line.client.post(&route, &fields, request(Endpoint::Chat, "m", false)).await.unwrap();
                let (head, body) = line.client.response().await.unwrap();
                let context = format!("{route}, {status}, chunked: {chunked}");
                assert_eq!((head.status(), &body[..]), (status, &b"{}"[..]), "{context}");
                let own = ["x-ai-bridge-interception-id", "content-length", "transfer-encoding"];
                let mut got = head.fields();
                got.retain(|(name, _)| !own.contains(&&*name.to_ascii_lowercase()));
                assert_eq!(got, REPLIED, "{context}");
                let framing = (head.get("content-length"), head.get("transfer-encoding"));
                assert_eq!(framing, if chunked { (None, Some("chunked")) } else { (Some("2"), None) }, "{context}");
                let id = head.all("x-ai-bridge-interception-id");
                match recorded {
                    true => assert_eq!(id, [line.gateway.records.take().await.start.id.to_string()], "{context}"),
                    false => assert!(id.is_empty(), "{context}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn interception_id_is_the_gateways_whatever_the_provider_says() {
    let mut line = line(Setup::default()).await;
    for name in ["x-ai-bridge-interception-id", "X-AI-Bridge-Interception-Id"] {
        line.provider.reply(Script::json(200, "{}").field(name, "forged").field(name, "twice"));
        line.client
            .post(&target(Endpoint::Messages), &[BEARER], request(Endpoint::Messages, "m", false))
            .await
            .unwrap();
        let (head, _) = line.client.response().await.unwrap();
        let id = line.gateway.records.take().await.start.id.to_string();
        assert_eq!(head.all("x-ai-bridge-interception-id"), [&*id]);
        // A UUIDv7, so that ids sort by time.
        assert_eq!((id.len(), &id[14..15]), (36, "7"));
    }
}

#[tokio::test]
async fn stream_has_no_length_of_its_own() {
    let mut line = line(Setup::default()).await;
    let stream = "data: [DONE]\n\n";
    let script = Script::whole(200, stream).field("Content-Type", "text/event-stream");
    line.provider.reply(script);
    line.client.post(&target(Endpoint::Chat), &[BEARER], request(Endpoint::Chat, "m", true)).await.unwrap();
    let (head, body) = line.client.response().await.unwrap();
    // An error event may have to follow what the provider sent.
    assert_eq!((head.get("content-length"), head.get("transfer-encoding")), (None, Some("chunked")));
    assert_eq!(body, stream);
}
