use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use aibridge_providers::{api::Refusal, provider::Secret};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, request::Builder};
use http_body_util::Full;
use serde_json::Value;
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use super::{Actor, AuthError, AuthLayer, Authenticate};
use crate::{
    Byok,
    testing::{actor, json},
};

/// Decides by what the token says.
#[derive(Clone)]
struct Doorkeeper;

impl Authenticate for Doorkeeper {
    type Future = Ready<Result<Actor, AuthError>>;

    fn authenticate(&self, token: &Secret) -> Self::Future {
        ready(match token.expose() {
            "gate" => Ok(actor()),
            "malformed" => Err(AuthError::Malformed),
            "expired" => Err(AuthError::Expired),
            "revoked" => Err(AuthError::Revoked),
            "inactive" => Err(AuthError::Inactive),
            "down" => Err(AuthError::Unavailable("connection refused by 10.0.0.1".to_owned())),
            _ => Err(AuthError::Unknown),
        })
    }
}

/// The reply to `request` of a service that tells what reaches it in its response's extensions.
async fn ask(layer: AuthLayer<Doorkeeper>, request: Builder) -> Response<crate::body::ResponseBody<Full<Bytes>>> {
    let inner = service_fn(|request: Request<()>| {
        let (head, ()) = request.into_parts();
        let mut response = Response::new(Full::from("in"));
        response.extensions_mut().insert(Arrived {
            actor: head.extensions.get::<Actor>().cloned(),
            byok: head.extensions.get::<Byok>().cloned(),
            headers: head.headers,
        });
        ready(Ok::<_, Infallible>(response))
    });
    layer.layer(inner).oneshot(request.body(()).unwrap()).await.unwrap()
}

#[derive(Clone)]
struct Arrived {
    actor: Option<Actor>,
    byok: Option<Byok>,
    headers: HeaderMap,
}

fn post() -> Builder {
    Request::post("/v1/chat/completions")
}

async fn refusal(layer: AuthLayer<Doorkeeper>, request: Builder) -> (u16, HeaderMap, Value, Refusal) {
    let response = ask(layer, request).await;
    assert!(response.extensions().get::<Arrived>().is_none(), "it reached the inner service");
    assert!(response.extensions().get::<Actor>().is_none());
    let (head, body) = response.into_parts();
    (head.status.as_u16(), head.headers, json(body).await, head.extensions.get::<Refusal>().unwrap().clone())
}

#[tokio::test]
async fn the_actor_goes_in_and_comes_out_and_the_token_stays_here() {
    let request = post().header("x-first", "1").header("authorization", "Bearer gate").header("x-last", "2");
    let response = ask(AuthLayer::new(Doorkeeper), request).await;
    assert_eq!(response.extensions().get::<Actor>(), Some(&actor()), "for layers further out");
    let arrived = response.extensions().get::<Arrived>().unwrap();
    assert_eq!(arrived.actor, Some(actor()));
    assert_eq!(arrived.byok, None);
    assert_eq!(arrived.headers.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["x-first", "x-last"]);
}

#[tokio::test]
async fn the_users_own_credential_goes_on() {
    let request =
        || post().header("x-coder-ai-governance-token", "gate").header("x-api-key", "sk-own-0123456789abcdef");
    let response = ask(AuthLayer::new(Doorkeeper), request()).await;
    let arrived = response.extensions().get::<Arrived>().unwrap();
    assert_eq!(arrived.byok, Some(Byok::new("sk-o...cdef")));
    assert_eq!(arrived.headers["x-api-key"], "sk-own-0123456789abcdef");
    assert_eq!(arrived.headers.len(), 1);

    let (status, _, body, refusal) = refusal(AuthLayer::new(Doorkeeper).allow_byok(false), request()).await;
    assert_eq!((status, refusal.reason.as_str()), (403, "byok_disabled"));
    assert_eq!(body["error"]["type"], "permission_error");
}

#[tokio::test]
async fn every_fault_of_a_token_is_answered_alike() {
    let expected = refusal(AuthLayer::new(Doorkeeper), post()).await;
    assert_eq!((expected.0, expected.3.reason.as_str()), (401, "unauthenticated"));
    assert_eq!(expected.1["www-authenticate"], "Bearer");
    assert_eq!(expected.1["x-should-retry"], "false");
    for token in ["malformed", "unknown", "expired", "revoked", "inactive"] {
        let request = post().header("authorization", format!("Bearer {token}"));
        assert_eq!(refusal(AuthLayer::new(Doorkeeper), request).await, expected, "{token}");
    }
}

#[tokio::test]
async fn a_source_that_is_down_lets_nobody_in_and_says_so_without_its_cause() {
    let request = post().header("authorization", "Bearer down");
    let (status, headers, body, _) = refusal(AuthLayer::new(Doorkeeper), request).await;
    assert_eq!((status, &body["error"]["code"]), (503, &"identity_unavailable".into()));
    assert!(!headers.contains_key("www-authenticate"));
    assert!(!body.to_string().contains("10.0.0.1"));
}

#[tokio::test]
async fn two_tokens_are_a_malformed_request() {
    let request = post().header("authorization", "Bearer gate").header("x-api-key", "other");
    let (status, _, body, _) = refusal(AuthLayer::new(Doorkeeper), request).await;
    assert_eq!((status, &body["error"]["code"]), (400, &"conflicting_tokens".into()));
}

#[tokio::test]
async fn a_refusal_has_the_format_the_client_speaks() {
    let (_, _, body, _) = refusal(AuthLayer::new(Doorkeeper), Request::post("/v1/messages")).await;
    assert_eq!((&body["type"], &body["error"]["type"]), (&"error".into(), &"authentication_error".into()));
    let (_, _, body, _) = refusal(AuthLayer::new(Doorkeeper), post().header("anthropic-version", "2023-06-01")).await;
    assert_eq!(body["type"], "error");
    let (_, _, body, _) = refusal(AuthLayer::new(Doorkeeper), post()).await;
    assert_eq!((body.get("type"), &body["error"]["code"]), (None, &"unauthenticated".into()));
}
