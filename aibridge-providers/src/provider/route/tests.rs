use proptest::prelude::*;

use super::*;
use crate::provider::BaseUrl;

const OPENAI_FORMAT: [Kind; 6] =
    [Kind::OpenAi, Kind::Azure, Kind::Google, Kind::OpenRouter, Kind::Vercel, Kind::OpenAiCompat];
const ANTHROPIC_FORMAT: [Kind; 2] = [Kind::Anthropic, Kind::Bedrock];

fn path(kind: Kind, method: Method, path: &str) -> String {
    match resolve(kind, &method, path) {
        Ok(route) => route.path,
        Err(error) => panic!("{kind:?} {method} {path}: {error}"),
    }
}

fn allow(kind: Kind, method: Method, path: &str) -> &'static str {
    match resolve(kind, &method, path) {
        Err(RouteError::Method { allow, .. }) => allow,
        other => panic!("{kind:?} {method} {path}: {other:?}"),
    }
}

/// What arrives when a client configured with each of the bases calls `route`.
fn arrivals(bases: &[&str], route: &str) -> Vec<String> {
    bases.iter().flat_map(|base| [format!("{base}{route}"), format!("{base}{route}/")]).collect()
}

#[test]
fn the_habits_of_openai_clients_reach_every_route() {
    let bases = ["", "/v1", "/v1/v1", "/v1/chat/completions", "/v1/responses", "/chat/completions", "/v1/responses/v1"];
    let routes = [
        (Method::POST, "/chat/completions", "/v1/chat/completions", Endpoint::Intercepted(Api::Chat)),
        (Method::POST, "/responses", "/v1/responses", Endpoint::Intercepted(Api::Responses)),
        (Method::POST, "/responses/compact", "/v1/responses/compact", Endpoint::Intercepted(Api::Responses)),
        (Method::GET, "/models", "/v1/models", Endpoint::Passthrough),
        (Method::POST, "/conversations", "/v1/conversations", Endpoint::Passthrough),
        (Method::POST, "/embeddings", "/v1/embeddings", Endpoint::Passthrough),
    ];
    for kind in OPENAI_FORMAT {
        for (method, route, canonical, endpoint) in &routes {
            for arrival in arrivals(&bases, route) {
                let found = resolve(kind, method, &arrival).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
                assert_eq!((&*found.path, found.endpoint), (*canonical, *endpoint), "{kind:?} {arrival}");
                assert_eq!(found.pattern, *canonical);
            }
        }
    }
}

#[test]
fn the_habits_of_anthropic_clients_reach_every_route() {
    // The SDKs add `/v1/...` themselves, others (Vercel's) expect it in the base.
    let bases = ["", "/v1", "/v1/messages", "/messages"];
    let routes = [
        (Method::POST, "/messages", "/v1/messages", Endpoint::Intercepted(Api::Messages)),
        (Method::POST, "/messages/count_tokens", "/v1/messages/count_tokens", Endpoint::Passthrough),
        (Method::GET, "/models", "/v1/models", Endpoint::Passthrough),
    ];
    for kind in ANTHROPIC_FORMAT {
        for (method, route, canonical, endpoint) in &routes {
            for route in [(*route).to_owned(), format!("/v1{route}")] {
                for arrival in arrivals(&bases, &route) {
                    let found = resolve(kind, method, &arrival).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
                    assert_eq!((&*found.path, found.endpoint), (*canonical, *endpoint), "{kind:?} {arrival}");
                }
            }
        }
        for base in bases {
            let arrival = format!("{base}/api/event_logging/batch");
            assert_eq!(path(kind, Method::POST, &arrival), "/api/event_logging/batch");
        }
    }
}

#[test]
fn the_habits_of_copilot_clients_reach_every_route() {
    for (route, canonical, api) in [
        ("/chat/completions", "/chat/completions", Api::Chat),
        ("/responses", "/responses", Api::Responses),
        ("/messages", "/v1/messages", Api::Messages),
        ("/v1/messages", "/v1/messages", Api::Messages),
    ] {
        for arrival in arrivals(&["", "/v1", "/chat/completions", "/v1/responses", "/v1/messages"], route) {
            let found = resolve(Kind::Copilot, &Method::POST, &arrival).expect("a route");
            assert_eq!((&*found.path, found.endpoint), (canonical, Endpoint::Intercepted(api)), "{arrival}");
        }
    }
    for method in [Method::GET, Method::POST, Method::DELETE, Method::PUT, Method::PATCH, Method::HEAD] {
        for same in ["/models", "/models/gpt-4o", "/agents/a/b", "/mcp/", "/mcp/readonly", "/.well-known/oauth"] {
            assert_eq!(path(Kind::Copilot, method.clone(), same), same);
        }
    }
    assert_eq!(allow(Kind::Copilot, Method::OPTIONS, "/models"), "GET, HEAD, POST, PUT, PATCH, DELETE");
}

#[test]
fn what_follows_a_pattern_keeps_its_bytes() {
    for (kind, method, sent, canonical, pattern) in [
        (Kind::OpenAi, Method::GET, "/v1/responses/resp_123", "/v1/responses/resp_123", "/v1/responses/*"),
        (Kind::OpenAi, Method::DELETE, "/responses/resp_123", "/v1/responses/resp_123", "/v1/responses/*"),
        (Kind::OpenAi, Method::POST, "/v1/v1/responses/r/cancel", "/v1/responses/r/cancel", "/v1/responses/*"),
        (Kind::OpenAi, Method::GET, "/v1/responses/responses/resp_1", "/v1/responses/resp_1", "/v1/responses/*"),
        (Kind::OpenAi, Method::GET, "/v1/responses/models/gpt-5", "/v1/models/gpt-5", "/v1/models/*"),
        (Kind::OpenAi, Method::POST, "/v1/conversations/c/items", "/v1/conversations/c/items", "/v1/conversations/*"),
        (Kind::OpenAi, Method::GET, "/models/ft%3Agpt%20x%zz/", "/v1/models/ft%3Agpt%20x%zz/", "/v1/models/*"),
        (Kind::Anthropic, Method::GET, "/v1/models/claude-%4F", "/v1/models/claude-%4F", "/v1/models/*"),
        (Kind::Anthropic, Method::GET, "/v1/messages/v1/models/x", "/v1/models/x", "/v1/models/*"),
    ] {
        let found = resolve(kind, &method, sent).unwrap_or_else(|error| panic!("{sent}: {error}"));
        assert_eq!((&*found.path, found.pattern), (canonical, pattern), "{sent}");
        assert_eq!(found.endpoint, Endpoint::Passthrough);
    }
}

#[test]
fn the_calls_of_bedrock_clients_are_intercepted_with_their_model() {
    let arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-6-v1";
    let encoded = arn.replace(':', "%3A").replace('/', "%2F");
    let stream = "/model/*/invoke-with-response-stream";
    for (sent, model, pattern) in [
        ("/model/anthropic.claude-v2%3A1/invoke".to_owned(), "anthropic.claude-v2:1", "/model/*/invoke"),
        ("/model/anthropic.claude-v2:1/invoke/".to_owned(), "anthropic.claude-v2:1", "/model/*/invoke"),
        ("/v1/model/us.anthropic.claude-x/invoke".to_owned(), "us.anthropic.claude-x", "/model/*/invoke"),
        (format!("/model/{encoded}/invoke-with-response-stream"), arn, stream),
        (format!("/model/{arn}/invoke-with-response-stream"), arn, stream),
    ] {
        let found = resolve(Kind::Bedrock, &Method::POST, &sent).unwrap_or_else(|error| panic!("{sent}: {error}"));
        assert_eq!((found.endpoint, found.pattern), (Endpoint::Intercepted(Api::Messages), pattern));
        let call = NativeCall::new(model, pattern == stream);
        assert_eq!((found.path, found.native), (call.path(), Some(call)));
        assert_eq!(allow(Kind::Bedrock, Method::GET, &sent), "POST");
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Bedrock) {
            assert!(resolve(kind, &Method::POST, &sent).is_err(), "{kind:?} {sent}");
        }
    }
    let messages = resolve(Kind::Bedrock, &Method::POST, "/v1/messages").expect("a route");
    assert_eq!(messages.native, None);
    let base = BaseUrl::parse("https://bedrock-runtime.us-east-1.amazonaws.com").expect("a base URL");
    let uri = base.join(Kind::Bedrock, &NativeCall::new(arn, false).path(), None).expect("a URI");
    assert_eq!(uri.to_string(), format!("https://bedrock-runtime.us-east-1.amazonaws.com/model/{encoded}/invoke"));
}

#[test]
fn only_an_id_of_bedrock_may_hold_a_slash() {
    for (sent, part) in [
        ("/model/a%2F..%2Fb/invoke", "%2f"),
        ("/model/../invoke", "a dot segment"),
        ("/model/%2e%2e/invoke", "a dot segment"),
        ("/model/a%2Fb/converse", "%2f"),
        ("/model/a%252Fb%2F/invoke", "%2f"),
        ("/model//invoke", "//"),
        ("/v1/models/a%2Fb", "%2f"),
        ("/model/a%2Fb/invoke/../../x", "%2f"),
        ("/model/a%00/invoke", "%00"),
        ("/model/a\\b/invoke", "a backslash"),
    ] {
        assert_eq!(resolve(Kind::Bedrock, &Method::POST, sent), Err(RouteError::UnsafePath(part)), "{sent}");
    }
    for sent in ["/model/*/invoke", "/model/a%252Fb/invoke", "/model/a/converse", "/inference-profiles", "/model/a"] {
        let error = resolve(Kind::Bedrock, &Method::POST, sent).expect_err(sent);
        assert!(matches!(error, RouteError::Unknown { .. }), "{sent}");
    }
}

#[test]
fn percent_encoding_does_not_carry_a_request_past_interception() {
    for (kind, sent, api) in [
        (Kind::OpenAi, "/v1/responses/%63ompact", Api::Responses),
        (Kind::OpenAi, "/v1/responses/%72esponses", Api::Responses),
        (Kind::OpenAi, "/%761/chat/%63ompletions", Api::Chat),
        (Kind::Anthropic, "/v1/m%65ssages", Api::Messages),
    ] {
        assert_eq!(resolve(kind, &Method::POST, sent).expect("a route").endpoint, Endpoint::Intercepted(api), "{sent}");
    }
}

#[test]
fn probes_are_answered_for_every_kind() {
    for kind in Kind::ALL {
        for (sent, pattern) in [
            ("", "/"),
            ("/", "/"),
            ("/v1", "/"),
            ("/v1/", "/"),
            ("/api/hello", "/api/hello"),
            ("/api/hello/", "/api/hello"),
            ("/v1/api/hello", "/api/hello"),
            ("/v1/messages/api/hello", "/api/hello"),
        ] {
            let found = resolve(kind, &Method::HEAD, sent).expect("a route");
            assert_eq!((found.endpoint, found.pattern), (Endpoint::Probe, pattern), "{kind:?} {sent}");
        }
        for sent in ["", "/", "/api/hello"] {
            assert!(matches!(resolve(kind, &Method::GET, sent), Err(RouteError::Unknown { .. })), "{sent}");
        }
    }
}

#[test]
fn a_wrong_method_names_the_right_ones() {
    for (kind, method, sent, allowed) in [
        (Kind::OpenAi, Method::GET, "/v1/chat/completions", "POST"),
        (Kind::OpenAi, Method::GET, "/v1/responses", "POST"),
        (Kind::OpenAi, Method::HEAD, "/v1/responses", "POST"),
        (Kind::OpenAi, Method::GET, "/v1/responses/compact", "POST"),
        (Kind::OpenAi, Method::PUT, "/v1/responses/resp_1", "GET, POST, DELETE"),
        (Kind::OpenAi, Method::DELETE, "/v1/models/ft:mine", "GET"),
        (Kind::OpenAi, Method::DELETE, "/v1/conversations", "GET, POST"),
        (Kind::OpenAi, Method::PATCH, "/v1/conversations/c", "GET, POST, DELETE"),
        (Kind::OpenAi, Method::GET, "/v1/embeddings", "POST"),
        (Kind::Anthropic, Method::OPTIONS, "/v1/messages", "POST"),
        (Kind::Anthropic, Method::HEAD, "/v1/messages", "POST"),
        (Kind::Anthropic, Method::GET, "/v1/messages/count_tokens", "POST"),
        (Kind::Anthropic, Method::POST, "/v1/models", "GET"),
        (Kind::Bedrock, Method::GET, "/api/event_logging/batch", "POST"),
        (Kind::Copilot, Method::GET, "/responses", "POST"),
    ] {
        assert_eq!(allow(kind, method, sent), allowed, "{kind:?} {sent}");
    }
}

#[test]
fn anything_else_is_not_supported() {
    for (kind, method, sent) in [
        (Kind::OpenAi, Method::POST, "/v1/messages"),
        (Kind::OpenAi, Method::GET, "/v1/organization/admin_api_keys"),
        (Kind::OpenAi, Method::POST, "/v1/files"),
        (Kind::OpenAi, Method::POST, "/v1/chat/completions/x"),
        (Kind::OpenAi, Method::GET, "/v1/modelsx"),
        (Kind::OpenAi, Method::POST, "/v1/v1/v1/responses"),
        (Kind::OpenAi, Method::POST, "/V1/Responses"),
        (Kind::Anthropic, Method::POST, "/v1/messages/batches"),
        (Kind::Anthropic, Method::POST, "/v1/responses"),
        (Kind::Anthropic, Method::GET, "/v1/organizations/users"),
        (Kind::Anthropic, Method::POST, "/api/event_logging"),
        (Kind::Copilot, Method::POST, "/embeddings"),
        (Kind::Copilot, Method::GET, "/v1/responses/resp_1"),
        (Kind::OpenAi, Method::GET, "v1/models"),
    ] {
        let error = resolve(kind, &method, sent).expect_err(sent);
        assert_eq!(error.to_string(), format!("route not supported: {method} {sent}"));
    }
    let root = resolve(Kind::OpenAi, &Method::GET, "").expect_err("the root");
    assert_eq!(root.to_string(), "route not supported: GET /");
}

#[test]
fn unsafe_paths_are_refused_before_routing() {
    for sent in ["//", "/v1//models", "/v1/models/..", "/v1/models/%2e%2E/x", "/v1/models/a%2Fb", "/v1\\models"] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            let error = resolve(Kind::OpenAi, &method, sent).expect_err(sent);
            assert!(matches!(error, RouteError::UnsafePath(_)), "{sent}");
        }
    }
    let error = resolve(Kind::OpenAi, &Method::GET, "/v1/models/a%2Fb").expect_err("an unsafe path");
    assert_eq!(error.to_string(), "the path contains %2f, which is not allowed");
}

#[test]
fn every_habit_leads_to_one_upstream_url() {
    // base URL of the instance, kind, what arrives, the URL that is called
    for (base, kind, sent, upstream) in [
        ("https://api.openai.com/v1/", Kind::OpenAi, "/chat/completions", "https://api.openai.com/v1/chat/completions"),
        ("https://api.openai.com/v1", Kind::OpenAi, "/v1/responses", "https://api.openai.com/v1/responses"),
        ("https://api.openai.com", Kind::OpenAi, "/v1/responses/responses", "https://api.openai.com/v1/responses"),
        ("http://localhost:8000/", Kind::OpenAiCompat, "/v1/responses", "http://localhost:8000/v1/responses"),
        ("https://h/api/paas/v4/", Kind::OpenAiCompat, "/chat/completions", "https://h/api/paas/v4/chat/completions"),
        (
            "https://r.openai.azure.com/openai/v1/",
            Kind::Azure,
            "/v1/responses",
            "https://r.openai.azure.com/openai/v1/responses",
        ),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            Kind::Google,
            "/v1/v1/chat/completions",
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
        ),
        (
            "https://openrouter.ai/api/v1/",
            Kind::OpenRouter,
            "/chat/completions",
            "https://openrouter.ai/api/v1/chat/completions",
        ),
        (
            "https://ai-gateway.vercel.sh/v1/",
            Kind::Vercel,
            "/v1/responses",
            "https://ai-gateway.vercel.sh/v1/responses",
        ),
        ("https://api.anthropic.com/", Kind::Anthropic, "/v1/v1/messages", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1", Kind::Anthropic, "/messages", "https://api.anthropic.com/v1/messages"),
        ("https://proxy/corp", Kind::Anthropic, "/v1/messages/v1/messages", "https://proxy/corp/v1/messages"),
        (
            "https://api.anthropic.com/v1/",
            Kind::Anthropic,
            "/api/event_logging/batch",
            "https://api.anthropic.com/api/event_logging/batch",
        ),
        (
            "https://bedrock-mantle.us-east-1.api.aws/anthropic",
            Kind::Bedrock,
            "/messages",
            "https://bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages",
        ),
        (
            "https://api.individual.githubcopilot.com",
            Kind::Copilot,
            "/v1/chat/completions",
            "https://api.individual.githubcopilot.com/chat/completions",
        ),
        (
            "https://api.individual.githubcopilot.com",
            Kind::Copilot,
            "/v1/messages",
            "https://api.individual.githubcopilot.com/v1/messages",
        ),
    ] {
        let base = BaseUrl::parse(base).expect("a base URL");
        let route = resolve(kind, &Method::POST, sent).expect("a route");
        for query in [None, Some(""), Some("beta=true"), Some("a=%2F&b=+%zz&&c?/:@")] {
            let expected = query.map_or(upstream.to_owned(), |query| format!("{upstream}?{query}"));
            assert_eq!(base.join(kind, &route.path, query).expect("a URI").to_string(), expected, "{sent}");
        }
    }
}

proptest! {
    #[test]
    fn no_path_panics_or_leaves_the_base(
        kind in proptest::sample::select(&Kind::ALL[..]),
        method in proptest::sample::select(vec![Method::GET, Method::POST, Method::HEAD, Method::DELETE]),
        path in prop_oneof![
            "\\PC{0,40}",
            proptest::collection::vec(
                proptest::sample::select(vec![
                    "/", "v1", "messages", "responses", "models", "chat", "completions", "mcp", "api", "hello", "..",
                    ".", "%2e", "%2F", "%", "\\", "@evil.example", "?", "#", "http:", "*", "event_logging", "\u{e4}",
                ]),
                0..12,
            ).prop_map(|parts| parts.concat()),
            "/(v1/)?(models|responses|agents|mcp)/[ -~]{0,20}",
            "/(v1/)?model/[ -~]{0,20}/invoke(-with-response-stream)?",
        ],
        query in proptest::option::of("\\PC{0,20}"),
        base in proptest::sample::select(vec![
            "https://h.example", "https://h.example/v1/", "http://h.example:81/a/b", "http://h.example:81/a/v1beta",
        ]),
    ) {
        let base_url = BaseUrl::parse(base).expect("a base URL");
        if let Ok(route) = resolve(kind, &method, &path)
            && let Some(uri) = base_url.join(kind, &route.path, query.as_deref())
        {
            let base: http::Uri = base.parse().expect("a URI");
            prop_assert_eq!(uri.scheme(), base.scheme());
            prop_assert_eq!(uri.authority(), base.authority());
            prop_assert_eq!(uri.query(), query.as_deref());
            let prefix = base.path().trim_end_matches('/').trim_end_matches("/v1").trim_end_matches("/v1beta");
            prop_assert!(uri.path().starts_with(&format!("{prefix}/")), "{}", uri);
            prop_assert!(!uri.path().split('/').any(|segment| segment == ".." || segment == "."));
        }
    }
}
