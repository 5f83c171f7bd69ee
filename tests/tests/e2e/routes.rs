//! Which path of the provider a request reaches, from whatever base URL a client was given.

use aibridge_providers::provider::Kind;
use aibridge_tests::{
    Endpoint::{Chat, Messages, Responses},
    Head, Provider, RawClient, Script,
};
use aibridge_tower::route::DEFAULT_MOUNTS;
use bytes::Bytes;
use serde_json::Value;

use crate::{
    expect::request,
    fixture::{BEARER, Gateway, Setup, TOKEN, instance, path},
};
/// The credential that every kind takes: the user's own, beside the gateway's token.
const OWN: [(&str, &str); 2] = [("X-Coder-AI-Governance-Token", TOKEN), ("Authorization", "Bearer own")];

/// One instance of every kind, at a base URL as people configure it.
fn every_kind() -> Setup {
    Setup {
        instances: |url| {
            Kind::ALL.into_iter().map(|kind| instance(kind, &format!("{url}{}", base_path(kind))).build()).collect()
        },
        ..Setup::default()
    }
}

/// The path of the base URL, with and without a slash at its end, as [`Kind::default_base_url`] has them.
fn base_path(kind: Kind) -> &'static str {
    match kind {
        Kind::OpenAi | Kind::Vercel | Kind::OpenAiCompat => "/v1/",
        Kind::Azure => "/openai/v1",
        Kind::Google => "/v1beta/openai/",
        Kind::OpenRouter => "/api/v1/",
        _ => "",
    }
}

/// Where the provider's own routes are, below its host.
fn upstream(kind: Kind, route: &str) -> String {
    match kind {
        Kind::OpenAi | Kind::Vercel | Kind::OpenAiCompat => route.to_owned(),
        Kind::Azure => format!("/openai{route}"),
        Kind::Google => route.replacen("/v1", "/v1beta/openai", 1),
        Kind::OpenRouter => format!("/api{route}"),
        _ => route.to_owned(),
    }
}

/// The routes of a kind: method, what a client appends to its base URL, and the provider's canonical path.
fn routes(kind: Kind) -> &'static [(&'static str, &'static str, &'static str)] {
    match kind {
        Kind::Anthropic | Kind::Bedrock => &[
            ("POST", "/messages", "/v1/messages"),
            ("POST", "/messages/count_tokens", "/v1/messages/count_tokens"),
            ("GET", "/models", "/v1/models"),
            ("GET", "/models/claude-x%4F", "/v1/models/claude-x%4F"),
            ("POST", "/api/event_logging/v2/batch", "/api/event_logging/v2/batch"),
        ],
        Kind::Copilot => &[
            ("POST", "/chat/completions", "/chat/completions"),
            ("POST", "/responses", "/responses"),
            ("POST", "/messages", "/v1/messages"),
            ("GET", "/models", "/models"),
            ("POST", "/models/session", "/models/session"),
            ("PUT", "/agents/a/b", "/agents/a/b"),
            ("DELETE", "/mcp/readonly", "/mcp/readonly"),
            ("GET", "/.well-known/oauth", "/.well-known/oauth"),
        ],
        _ => &[
            ("POST", "/chat/completions", "/v1/chat/completions"),
            ("POST", "/responses", "/v1/responses"),
            ("POST", "/responses/compact", "/v1/responses/compact"),
            ("GET", "/responses/resp_1", "/v1/responses/resp_1"),
            ("DELETE", "/responses/resp_1", "/v1/responses/resp_1"),
            ("POST", "/responses/resp_1/cancel", "/v1/responses/resp_1/cancel"),
            ("GET", "/models", "/v1/models"),
            ("GET", "/models/ft%3Agpt%20x", "/v1/models/ft%3Agpt%20x"),
            ("POST", "/conversations", "/v1/conversations"),
            ("DELETE", "/conversations/c_1/items/i", "/v1/conversations/c_1/items/i"),
            ("POST", "/embeddings", "/v1/embeddings"),
        ],
    }
}

/// What a client's base URL adds: nothing, the version, the version twice, and the full endpoint.
fn habits(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Anthropic | Kind::Bedrock => &["", "/v1", "/v1/v1", "/v1/messages", "/v1/messages/v1", "/messages"],
        Kind::Copilot => &["", "/v1", "/chat/completions", "/v1/responses"],
        _ => &["", "/v1", "/v1/v1", "/v1/chat/completions", "/v1/responses", "/chat/completions", "/responses/v1"],
    }
}

#[tokio::test]
async fn every_habit_reaches_every_route_of_every_kind() {
    const QUERIES: [&str; 4] = ["", "?beta=true", "?", "?a=%2F%20+&a=b//..;c={x}&=&limit=1000"];
    let provider = Provider::replying(|_| Script::json(200, "{}")).await.unwrap();
    let gateway = Gateway::with(&provider.url(), every_kind()).await;
    let mut client = gateway.client().await;
    let mut turn = 0;
    for kind in Kind::ALL {
        for &(method, route, canonical) in routes(kind) {
            for habit in habits(kind) {
                for slash in ["", "/"] {
                    if slash == "/" && below_a_pattern(canonical) {
                        continue;
                    }
                    for mount in DEFAULT_MOUNTS {
                        turn += 1;
                        let query = QUERIES[turn % QUERIES.len()];
                        let sent = format!("{mount}/{}{habit}{route}{slash}{query}", kind.as_str());
                        let body = if method == "POST" { request(Chat, "m", false) } else { String::new() };
                        client.request(method, &sent, &OWN, body).await.unwrap();
                        let (head, reply) = client.response().await.unwrap();
                        assert_eq!((head.status(), &reply[..]), (200, &b"{}"[..]), "{method} {sent}: {reply:?}");
                        let received = provider.next_request().await.head;
                        let expected = format!("{}{query}", upstream(kind, canonical));
                        assert_eq!((received.method(), received.target()), (method, &*expected), "{method} {sent}");
                        assert_eq!(received.get("host"), Some(&*provider.address().to_string()));
                    }
                }
            }
        }
    }
    assert_eq!(provider.connections(), 1, "the connection is used again");
}

/// Whether the route is one of many below a pattern, where a slash at the end is a part of it.
fn below_a_pattern(canonical: &str) -> bool {
    let starts = ["/v1/models/", "/models/", "/v1/conversations/", "/agents/", "/mcp/", "/.well-known/", "/api/"];
    let response = canonical.starts_with("/v1/responses/") && canonical != "/v1/responses/compact";
    response || starts.iter().any(|start| canonical.starts_with(start))
}

#[tokio::test]
async fn base_url_with_and_without_version_is_the_same_provider() {
    let provider = Provider::replying(|_| Script::json(200, "{}")).await.unwrap();
    for (instances, name, route, expected) in [
        ((|url| vec![instance(Kind::OpenAi, url).build()]) as fn(&str) -> Vec<_>, "openai", "/v1/models", "/v1/models"),
        (|url| vec![instance(Kind::OpenAi, &format!("{url}/")).build()], "openai", "/v1/models", "/v1/models"),
        (|url| vec![instance(Kind::OpenAi, &format!("{url}/v1")).build()], "openai", "/models", "/v1/models"),
        (
            |url| vec![instance(Kind::OpenAiCompat, &format!("{url}/a/v4/")).build()],
            "openai-compat",
            "/v1/models",
            "/a/v4/models",
        ),
        (|url| vec![instance(Kind::Anthropic, &format!("{url}/v1/")).build()], "anthropic", "/v1/models", "/v1/models"),
        (
            |url| vec![instance(Kind::Anthropic, &format!("{url}/proxy")).build()],
            "anthropic",
            "/v1/models",
            "/proxy/v1/models",
        ),
        (
            |url| vec![instance(Kind::Anthropic, &format!("{url}/x/v1")).build()],
            "anthropic",
            "/api/event_logging/batch",
            "/x/api/event_logging/batch",
        ),
    ] {
        let gateway = Gateway::with(&provider.url(), Setup { instances, ..Setup::default() }).await;
        let mut client = gateway.client().await;
        let method = if route.starts_with("/api") { "POST" } else { "GET" };
        client.request(method, &path(name, route), &[BEARER], "").await.unwrap();
        assert_eq!(client.response().await.unwrap().0.status(), 200);
        assert_eq!(provider.next_request().await.head.target(), expected);
    }
}

#[tokio::test]
async fn probes_are_answered_without_credentials() {
    let provider = Provider::start().await.unwrap();
    let gateway = Gateway::with(&provider.url(), every_kind()).await;
    let mut client = gateway.client().await;
    for mount in DEFAULT_MOUNTS {
        for kind in Kind::ALL {
            for route in ["", "/", "/api/hello", "/v1", "/v1/api/hello", "?x=1"] {
                let sent = format!("{mount}/{}{route}", kind.as_str());
                client.request("HEAD", &sent, &[], "").await.unwrap();
                let (head, body) = client.response().await.unwrap();
                assert_eq!((head.status(), body.len()), (200, 0), "{sent}");
                assert_eq!(head.get("x-ai-bridge-interception-id"), None);
            }
        }
        // What is not there or is no probe is not answered to just anyone.
        for (method, sent) in [
            ("HEAD", format!("{mount}/nobody")),
            ("HEAD", mount.to_owned()),
            ("HEAD", format!("{mount}/openai/v1/models")),
            ("GET", format!("{mount}/openai/api/hello")),
            ("GET", format!("{mount}/openai")),
        ] {
            client.request(method, &sent, &[], "").await.unwrap();
            let head = client.head().await.unwrap();
            client.body().await.unwrap();
            assert_eq!(head.status(), 401, "{method} {sent}");
        }
    }
    assert_eq!(provider.requests().len() + gateway.records.len(), 0);
}

#[tokio::test]
async fn paths_that_could_mean_two_things_are_refused() {
    let provider = Provider::start().await.unwrap();
    let gateway = Gateway::with(&provider.url(), every_kind()).await;
    let mut client = gateway.client().await;
    let ask = async |client: &mut RawClient, sent: &str| -> (Head, Bytes) {
        client.request("GET", sent, &OWN, "").await.unwrap();
        client.response().await.unwrap()
    };
    for mount in DEFAULT_MOUNTS {
        for kind in Kind::ALL {
            for route in [
                "//v1/models",
                "/v1//models",
                "/v1/models/../organization/admin_api_keys",
                "/v1/models/..",
                "/./v1/models",
                "/v1/models/%2e%2e/organization",
                "/v1/models/.%2E/organization",
                "/v1/models/..%2forganization",
                "/v1/models/a%2Fb",
                "/v1/models/a%5cb",
                "/v1/models/a%5Cb",
                "/v1/models/a\\b",
                "/v1/models/..\\organization",
                "/v1/models/a%00b",
            ] {
                let sent = format!("{mount}/{}{route}", kind.as_str());
                let (head, body) = ask(&mut client, &sent).await;
                assert_eq!(head.status(), 400, "{sent}: {body:?}");
                let body: Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(body["error"]["type"], "invalid_request_error", "{sent}");
            }
        }
    }
    // What only looks like it is served: the query is none of the path's.
    provider.reply(Script::json(200, "{}"));
    let (head, _) = ask(&mut client, "/api/v2/aibridge/openai/v1/models/a%2e.b...?x=/../%2f\\").await;
    assert_eq!(head.status(), 200);
    assert_eq!(provider.next_request().await.head.target(), "/v1/models/a%2e.b...?x=/../%2f\\");
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn escapes_do_not_carry_a_request_past_the_record() {
    let provider = Provider::replying(|_| Script::json(200, "{}")).await.unwrap();
    let gateway = Gateway::with(&provider.url(), every_kind()).await;
    let mut client = gateway.client().await;
    for (endpoint, sent, expected) in [
        (Responses, "/openai/v1/responses/%63ompact", "/v1/responses/compact"),
        (Chat, "/openai/v1/chat/%63ompletions", "/v1/chat/completions"),
        (Messages, "/anthropic/%761/m%65ssages", "/v1/messages"),
    ] {
        let body = request(endpoint, "m", false);
        client.post(&format!("{}{sent}", DEFAULT_MOUNTS[0]), &[BEARER], body).await.unwrap();
        assert_eq!(client.response().await.unwrap().0.status(), 200, "{sent}");
        assert_eq!(provider.next_request().await.head.target(), expected);
        assert_eq!(gateway.records.take().await.prompts(), ["Hi"], "{sent}");
    }
}

#[tokio::test]
async fn proxied_routes_pass_unrecorded_and_in_both_directions_as_they_are() {
    let provider = Provider::start().await.unwrap();
    let gateway = Gateway::with(&provider.url(), every_kind()).await;
    let mut client = gateway.client().await;
    for (method, route, body) in [
        ("POST", "/openai/v1/embeddings", "not even { json"),
        ("POST", "/anthropic/v1/messages/count_tokens", "{\"model\": \"x\"}\n"),
        ("GET", "/openai/v1/models", ""),
        ("DELETE", "/openai/v1/responses/resp_1", ""),
    ] {
        for script in [
            Script::json(404, "{\"error\" : null}"),
            Script::sse().write("data: one\n\ndata: tw").write("o\n\n"),
            Script::chunked(200).field("Content-Encoding", "br").write("whatever"),
            Script::whole(204, ""),
        ] {
            provider.reply(script);
            client.request(method, &format!("{}{route}", DEFAULT_MOUNTS[0]), &[BEARER], body).await.unwrap();
            let (head, reply) = client.response().await.unwrap();
            let expected = match head.status() {
                404 => "{\"error\" : null}",
                204 => "",
                _ if head.get("content-encoding") == Some("br") => "whatever",
                _ => "data: one\n\ndata: two\n\n",
            };
            assert_eq!(reply, expected, "{method} {route}");
            assert_eq!(head.get("x-ai-bridge-interception-id"), None);
            assert_eq!(provider.next_request().await.body, body);
        }
        // A stream of a proxied route is cut as the provider cuts it.
        provider.reply(Script::sse().write("data: one\n\n").cut());
        let mut other = gateway.client().await;
        other.request(method, &format!("{}{route}", DEFAULT_MOUNTS[0]), &[BEARER], body).await.unwrap();
        assert!(other.response().await.is_err());
        provider.next_request().await;
    }
    assert_eq!(gateway.records.len(), 0);
}
