//! Every way in which a gateway token and a user's own credential can come together.

use aibridge_providers::provider::{BaseUrl, Instance, Kind, Secret};
use aibridge_tests::{Provider, ReceivedRequest, Script};

use crate::{
    fixture::{Setup, TOKEN, path},
    line::Line,
};

const CENTRAL: [&str; 2] = ["sk-central-0123456789abcdef", "sk-another-0123456789abcdef"];
const OWN: &str = "sk-own-0123456789abcdefgh";
const OTHER: &str = "sk-other-0123456789abcdef";

fn pools(url: &str) -> Vec<Instance> {
    let of = |kind, url: &str| {
        let builder = Instance::builder(kind, BaseUrl::parse(url).unwrap());
        CENTRAL.into_iter().fold(builder, |builder, key| builder.key(Secret::new(key))).build()
    };
    let openai = format!("{url}/v1/");
    vec![of(Kind::OpenAi, &openai), of(Kind::Azure, &openai), of(Kind::Anthropic, url)]
}

/// What a header may carry.
const VALUES: [Option<&str>; 4] = [None, Some(TOKEN), Some(OWN), Some(OTHER)];

/// What should come of it: a status, and what the provider gets in `Authorization` and `X-Api-Key` if it is the user's own.
enum Expected {
    Refused(u16),
    Central,
    Own(Option<&'static str>, Option<&'static str>),
}

fn expected(governance: Option<&str>, values: [Option<&'static str>; 2]) -> Expected {
    match governance {
        Some(TOKEN) => match values.map(|value| value.filter(|value| *value != TOKEN)) {
            [None, None] => Expected::Central,
            [authorization, key] => Expected::Own(authorization, key),
        },
        Some(_) => Expected::Refused(401),
        None => match values {
            [Some(one), Some(other)] if one != other => Expected::Refused(400),
            [Some(TOKEN), _] | [None, Some(TOKEN)] => Expected::Central,
            _ => Expected::Refused(401),
        },
    }
}

/// Asserts that what came of a request, its status and what the provider was asked, is what should have.
#[track_caller]
fn assert_came(context: &str, expected: Expected, name: &str, answers: u16, came: (u16, &[ReceivedRequest])) {
    let (status, asked) = came;
    let heads: Vec<_> = asked.iter().map(|request| String::from_utf8_lossy(request.head.raw())).collect();
    assert!(!heads.iter().any(|head| head.contains(TOKEN)), "{context}: {heads:?}");
    let carried = |request: &ReceivedRequest| {
        ["authorization", "x-api-key", "api-key"].map(|name| request.head.get(name).map(str::to_owned))
    };
    match expected {
        Expected::Refused(expected) => assert_eq!((status, asked.len()), (expected, 0), "{context}"),
        Expected::Own(authorization, key) => {
            assert_eq!((status, asked.len()), (answers, 1), "{context}");
            let bearer = authorization.map(|value| format!("Bearer {value}"));
            assert_eq!(carried(&asked[0]), [bearer, key.map(str::to_owned), None], "{context}");
            assert!(CENTRAL.iter().all(|central| !heads[0].contains(central)), "{context}: {heads:?}");
        }
        Expected::Central => {
            // Keys that were refused are left out.
            assert!(!asked.is_empty() || answers == 401, "{context}");
            let place = match name {
                "azure" => 2,
                "anthropic" => 1,
                _ => 0,
            };
            for request in asked {
                let carried = carried(request);
                assert_eq!(carried.iter().flatten().count(), 1, "{context}");
                let value = carried[place].as_deref().unwrap_or_default();
                assert!(CENTRAL.contains(&value.trim_start_matches("Bearer ")), "{context}: {value}");
            }
        }
    }
}

/// Has every combination come with these statuses from the provider; the keys seen are never mixed.
async fn every_combination(answers: u16) {
    // Of a 429 and a 401 the user is told as it came, and the organisation's keys are tried one after another.
    let replies = move |_: &_| Script::json(answers, "{}").field("retry-after-ms", "0");
    let mut line =
        Line::to(Provider::replying(replies).await.unwrap(), Setup { instances: pools, ..Setup::default() }).await;
    let mut seen = 0;
    for (name, routes) in [
        ("openai", [("POST", "/v1/chat/completions"), ("POST", "/v1/embeddings"), ("GET", "/v1/models")]),
        ("azure", [("POST", "/v1/responses"), ("POST", "/v1/embeddings"), ("GET", "/v1/models")]),
        ("anthropic", [("POST", "/v1/messages"), ("POST", "/v1/messages/count_tokens"), ("GET", "/v1/models")]),
    ] {
        for (method, route) in routes {
            for governance in [None, Some(TOKEN), Some("wrong")] {
                for authorization in VALUES {
                    for key in VALUES {
                        let context = format!("{answers} {name}{route} {governance:?} {authorization:?} {key:?}");
                        let bearer = authorization.map(|value| format!("Bearer {value}"));
                        let fields: Vec<_> = [
                            ("X-Coder-AI-Governance-Token", governance),
                            ("Authorization", bearer.as_deref()),
                            ("X-Api-Key", key),
                        ]
                        .into_iter()
                        .filter_map(|(name, value)| Some((name, value?)))
                        .collect();
                        let body = if method == "GET" { "" } else { r#"{"model":"m"}"# };
                        line.client.request(method, &path(name, route), &fields, body).await.unwrap();
                        let (head, _) = line.client.response().await.unwrap();
                        let asked = line.provider.requests()[seen..].to_vec();
                        seen += asked.len();
                        let expected = expected(governance, [authorization, key]);
                        assert_came(&context, expected, name, answers, (head.status(), &asked));
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn central_keys_never_go_beside_an_own_credential() {
    every_combination(200).await;
}

#[tokio::test]
async fn own_credentials_that_are_refused_are_not_replaced_by_central_ones() {
    every_combination(401).await;
    every_combination(429).await;
}

#[tokio::test]
async fn own_credentials_that_are_tried_again_stay_alone() {
    let provider = Provider::replying(|_| Script::json(503, "{}").field("retry-after-ms", "0")).await.unwrap();
    let setup = Setup { instances: pools, max_retries: 2, ..Setup::default() };
    let mut line = Line::to(provider, setup).await;
    for (method, name, route, body) in [
        ("POST", "openai", "/v1/responses", r#"{"model":"m"}"#),
        ("POST", "anthropic", "/v1/messages", r#"{"model":"m"}"#),
        ("GET", "anthropic", "/v1/models", ""),
    ] {
        let fields = [("X-Coder-AI-Governance-Token", TOKEN), ("X-Api-Key", OWN)];
        line.client.request(method, &path(name, route), &fields, body).await.unwrap();
        assert_eq!(line.client.response().await.unwrap().0.status(), 503);
    }
    let asked = line.provider.requests();
    assert_eq!(asked.len(), 9);
    for request in asked {
        let carried = ["authorization", "x-api-key", "api-key"].map(|name| request.head.get(name).map(str::to_owned));
        assert_eq!(carried, [None, Some(OWN.to_owned()), None]);
    }
}
