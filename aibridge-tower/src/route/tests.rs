use std::{convert::Infallible, future::ready, sync::Arc};

use aibridge_providers::{
    api::Api,
    provider::{BaseUrl, Endpoint, Instance, Kind, Registry},
};
use bytes::Bytes;
use http::{Request, Response, request::Builder};
use http_body_util::Full;
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use super::{ProbeLayer, RouteLayer};
use crate::{
    ProviderRoute,
    body::ResponseBody,
    testing::{MESSAGES, bytes, json},
};

fn registry() -> Arc<Registry> {
    let instance = |kind, name: &str, base| Instance::builder(kind, BaseUrl::parse(base).unwrap()).name(name);
    Arc::new(Registry::new([
        instance(Kind::Anthropic, "anthropic", "https://api.anthropic.com").build(),
        instance(Kind::OpenAi, "openai", "https://api.openai.com/v1/").build(),
        instance(Kind::Copilot, "copilot", "https://api.githubcopilot.com").build(),
        instance(Kind::OpenAi, "off", "https://off.example/v1").disabled("it is being moved").build(),
    ]))
}

/// The reply of a service that says where the request goes.
async fn ask(layer: RouteLayer, request: Builder) -> Response<ResponseBody<Full<Bytes>>> {
    let inner = service_fn(|request: Request<()>| {
        let route = request.extensions().get::<ProviderRoute>().unwrap();
        let text = format!("{} {:?} {}", request.uri(), route.endpoint, route.pattern);
        ready(Ok::<_, Infallible>(Response::new(Full::from(text))))
    });
    layer.layer(inner).oneshot(request.body(()).unwrap()).await.unwrap()
}

async fn routed(layer: RouteLayer, request: Builder) -> String {
    let response = ask(layer, request).await;
    assert_eq!(response.status(), 200);
    assert!(response.extensions().get::<ProviderRoute>().is_some(), "for layers further out");
    String::from_utf8(bytes(response.into_body()).await.to_vec()).unwrap()
}

#[tokio::test]
async fn the_name_in_the_path_picks_the_instance_and_the_query_stays() {
    let layer = || RouteLayer::new(registry());
    assert_eq!(
        routed(layer(), Request::post(format!("{MESSAGES}?beta=true&x=%20"))).await,
        "https://api.anthropic.com/v1/messages?beta=true&x=%20 Intercepted(Messages) /v1/messages",
    );
    assert_eq!(
        routed(layer(), Request::get("/api/v2/ai-gateway/openai/v1/models/gpt-5")).await,
        "https://api.openai.com/v1/models/gpt-5 Passthrough /v1/models/*",
    );
}

#[tokio::test]
async fn a_host_mounts_it_where_it_likes() {
    let layer = |mounts: &[&str]| RouteLayer::new(registry()).mounts(mounts);
    let to = "https://api.openai.com/v1/responses Intercepted(Responses) /v1/responses";
    assert_eq!(routed(layer(&[""]), Request::post("/openai/v1/responses")).await, to);
    assert_eq!(routed(layer(&["/llm/"]), Request::post("/llm/openai/responses")).await, to);
    assert_eq!(routed(layer(&["/a", "/b"]), Request::post("/b/openai/responses")).await, to);
    assert_eq!(ask(layer(&["/llm"]), Request::post(MESSAGES)).await.status(), 404, "in the place of the default ones");
}

#[tokio::test]
async fn what_has_no_route_is_refused_and_says_why() {
    for (method, path, status, code) in [
        ("POST", "/elsewhere", 404, "unknown_route"),
        ("POST", "/api/v2/aibridge/nobody/v1/responses", 404, "unknown_provider"),
        ("POST", "/api/v2/aibridge/openai/v1/files", 404, "unknown_route"),
        ("POST", "/api/v2/aibridge/openai/v1//responses", 400, "invalid_request"),
        ("POST", "/api/v2/aibridge/openai/v1/../v1/responses", 400, "invalid_request"),
        ("POST", "/api/v2/aibridge/off/v1/responses", 503, "provider_disabled"),
        ("GET", "/api/v2/aibridge/openai/v1/chat/completions", 405, "method_not_allowed"),
    ] {
        let response = ask(RouteLayer::new(registry()), Request::builder().method(method).uri(path)).await;
        assert_eq!(response.status(), status, "{path}");
        let allow = response.headers().get("allow").cloned();
        assert_eq!(allow.is_some(), status == 405, "{path}");
        let body = json(response.into_body()).await;
        assert_eq!(body["error"]["code"], code, "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let response = ask(RouteLayer::new(registry()), Request::delete("/api/v2/aibridge/openai/v1/conversations")).await;
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"GET, POST".parse().unwrap()));
}

#[tokio::test]
async fn a_disabled_instance_says_why() {
    let response = ask(RouteLayer::new(registry()), Request::post("/api/v2/aibridge/off/v1/responses")).await;
    let message = json(response.into_body()).await["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("\"off\"") && message.contains("it is being moved"), "{message}");
}

#[tokio::test]
async fn a_websocket_is_told_to_use_http() {
    let upgrade = |path: &str| Request::get(path).header("connection", "Upgrade").header("upgrade", "WebSocket");
    for path in ["/api/v2/aibridge/openai/v1/responses", "/api/v2/aibridge/openai/responses/"] {
        let response = ask(RouteLayer::new(registry()), upgrade(path)).await;
        assert_eq!(response.status(), 426, "{path}");
        assert_eq!(response.headers()["upgrade"], "HTTP/1.1");
    }
    let response = ask(RouteLayer::new(registry()), upgrade("/api/v2/aibridge/openai/v1/chat/completions")).await;
    assert_eq!(response.status(), 405);
}

#[tokio::test]
async fn a_refusal_has_the_format_of_the_instance_or_of_the_client() {
    let layer = || RouteLayer::new(registry());
    let speaks = |body: serde_json::Value| if body.get("type").is_some() { "anthropic" } else { "openai" };
    for (path, expected) in [
        ("/api/v2/aibridge/anthropic/v1/files", "anthropic"),
        ("/api/v2/aibridge/openai/v1/files", "openai"),
        ("/api/v2/aibridge/nobody/v1/messages", "anthropic"),
        ("/api/v2/aibridge/nobody/v1/responses", "openai"),
    ] {
        let body = json(ask(layer(), Request::post(path)).await.into_body()).await;
        assert_eq!(speaks(body), expected, "{path}");
    }
}

#[tokio::test]
async fn endpoints_are_what_the_kind_says() {
    let path = "/api/v2/aibridge/copilot/v1/messages";
    let expected =
        format!("https://api.githubcopilot.com/v1/messages {:?} /v1/messages", Endpoint::Intercepted(Api::Messages));
    assert_eq!(routed(RouteLayer::new(registry()), Request::post(path)).await, expected);
}

#[tokio::test]
async fn probes_are_answered_without_asking_further_in() {
    let ask = |layer: ProbeLayer, method: &str, path: &str| {
        let inner = service_fn(|_: Request<()>| {
            ready(Ok::<_, Infallible>(Response::builder().status(418).body(Full::<Bytes>::default()).unwrap()))
        });
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        async move { layer.layer(inner).oneshot(request).await.unwrap().status().as_u16() }
    };
    let layer = || ProbeLayer::new(registry());
    for path in ["/api/v2/aibridge/anthropic", "/api/v2/aibridge/anthropic/", "/api/v2/ai-gateway/openai/api/hello"] {
        assert_eq!(ask(layer(), "HEAD", path).await, 200, "{path}");
        assert_eq!(ask(layer(), "GET", path).await, 418, "{path}");
    }
    for path in ["/api/v2/aibridge/nobody", "/api/v2/aibridge/openai/v1/models", "/", "/elsewhere"] {
        assert_eq!(ask(layer(), "HEAD", path).await, 418, "{path}");
    }
    assert_eq!(ask(layer().mounts(["/llm"]), "HEAD", "/llm/openai").await, 200);
}
