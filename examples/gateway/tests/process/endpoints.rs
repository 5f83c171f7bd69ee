//! The host's own answers.

use aibridge_tests::{Provider, Script};
use serde_json::json;

use crate::{
    home::Home,
    process::{json, path},
};

#[tokio::test]
async fn a_gateway_without_providers_is_alive_and_not_ready() {
    let home = Home::new();
    let gateway = home.server().start().await;
    let (head, body) = gateway.get("/healthz").await;
    assert_eq!((head.status(), &body[..]), (200, &b"ok"[..]));
    let (head, body) = gateway.get("/readyz").await;
    assert_eq!(head.status(), 503);
    assert_eq!(json(&body), json!({"reasons": ["no provider is configured"]}));
    assert_eq!(head.get("content-type"), Some("application/json"));
    gateway.stop().await;
}

#[tokio::test]
async fn host_endpoints_need_no_token_and_the_rest_is_not_found() {
    let home = Home::new();
    let provider = Provider::start().await.unwrap();
    let gateway = home.server().provider(&provider).start().await;
    for target in ["/healthz", "/readyz", "/readyz?verbose"] {
        let (head, body) = gateway.get(target).await;
        assert_eq!((head.status(), &body[..]), (200, &b"ok"[..]), "{target}");
        assert_eq!(gateway.request("HEAD", target, None, "").await.0.status(), 200, "{target}");
    }
    assert_eq!(gateway.request("POST", "/healthz", None, "{}").await.0.status(), 405);
    for (method, target) in [
        ("GET", "/"),
        ("GET", "/metrics"),
        ("POST", "/v1/messages"),
        ("GET", "/api/v2"),
        ("GET", "/api/v2/aibridgeX/openai/v1/models"),
        ("GET", "/api/v2/other/openai/v1/models"),
        ("GET", "/readyz/more"),
        ("GET", "//healthz"),
    ] {
        let (head, body) = gateway.request(method, target, None, "").await;
        assert_eq!((head.status(), head.get("content-type")), (404, Some("application/json")), "{method} {target}");
        let message = format!("route not supported: {method} {}", target.split('?').next().unwrap());
        assert_eq!(json(&body), json!({"message": message}));
    }
    gateway.stop().await;
    assert!(home.interceptions().await.is_empty());
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn agents_may_probe_without_a_token() {
    let home = Home::new();
    let provider = Provider::start().await.unwrap();
    let gateway = home.server().provider(&provider).start().await;
    for mount in ["/api/v2/aibridge", "/api/v2/ai-gateway"] {
        for (target, status) in [
            ("/anthropic", 200),
            ("/anthropic/", 200),
            ("/openai/api/hello", 200),
            ("/unknown", 401),
            ("/openai/v1/models", 401),
        ] {
            let (head, body) = gateway.request("HEAD", &format!("{mount}{target}"), None, "").await;
            assert_eq!((head.status(), body.len()), (status, 0), "{mount}{target}");
        }
    }
    gateway.stop().await;
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn a_switched_off_gateway_serves_all_but_the_providers() {
    let home = Home::new();
    let token = home.token("ali").await;
    let provider = Provider::start().await.unwrap();
    let gateway = home.server().provider(&provider).env("CODER_AIBRIDGE_ENABLED", "false").start().await;
    assert_eq!(gateway.get("/healthz").await.0.status(), 200);
    assert_eq!(gateway.get("/readyz").await.0.status(), 200);
    let (head, body) = gateway.post(&path("openai", "/v1/responses"), &token, "{}").await;
    let error = json(&body);
    assert_eq!((head.status(), &error["error"]["code"]), (503, &json!("provider_disabled")), "{error}");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("CODER_AIBRIDGE_ENABLED=false"), "{message}");
    let (head, body) = gateway.post(&path("anthropic", "/v1/messages"), &token, "{}").await;
    assert_eq!((head.status(), &json(&body)["type"]), (503, &json!("error")));
    let (head, _) = gateway.request("GET", &path("anthropic", "/v1/models"), Some(&token), "").await;
    assert_eq!(head.status(), 503);
    gateway.stop().await;
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn both_mounts_and_indexed_instances_lead_to_the_provider() {
    let home = Home::new();
    let token = home.token("ali").await;
    let provider = Provider::replying(|_| Script::json(200, "{}")).await.unwrap();
    let gateway = home
        .server()
        .env("CODER_AI_GATEWAY_PROVIDER_0_TYPE", "openai-compat")
        .env("CODER_AI_GATEWAY_PROVIDER_0_NAME", "local")
        .env("CODER_AI_GATEWAY_PROVIDER_0_BASE_URL", format!("{}/v1", provider.url()))
        .start()
        .await;
    for mount in ["/api/v2/aibridge", "/api/v2/ai-gateway"] {
        let (head, _) = gateway.post(&format!("{mount}/local/v1/chat/completions"), &token, r#"{"model":"m"}"#).await;
        assert_eq!(head.status(), 200, "{mount}");
        assert!(head.get("x-ai-bridge-interception-id").is_some());
        assert_eq!(provider.next_request().await.head.target(), "/v1/chat/completions");
    }
    gateway.stop().await;
    let recorded = home.interceptions().await;
    assert!(recorded.iter().all(|one| one["provider"] == "openai-compat" && one["provider_name"] == "local"));
    assert_eq!(recorded.len(), 2);
}
