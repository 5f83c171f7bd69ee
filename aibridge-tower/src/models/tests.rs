use std::{convert::Infallible, future::ready, sync::Arc};

use aibridge_providers::{
    api::{Api, Refusal},
    provider::{BaseUrl, Endpoint, Instance, Kind, ModelRules},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use super::ModelsLayer;
use crate::{
    ProviderRoute,
    parse::AiBody,
    testing::{json, parsed},
};

/// Asks for `json` an instance whose models must not match `deny`.
async fn ask(api: Api, json: &str, deny: &str) -> Response<crate::body::ResponseBody<Full<Bytes>>> {
    let mut rules = ModelRules::default();
    rules.deny = Some(deny.parse().unwrap());
    let base = BaseUrl::parse("https://provider.example").unwrap();
    let instance = Instance::builder(Kind::OpenAi, base).models(rules).build();
    let mut request = parsed(api, json);
    request.extensions_mut().insert(ProviderRoute::new(Arc::new(instance), Endpoint::Intercepted(api), "/"));
    let inner = service_fn(|_: Request<AiBody>| ready(Ok::<_, Infallible>(Response::new(Full::default()))));
    ModelsLayer::new().layer(inner).oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_model_that_the_rules_exclude_is_refused() {
    assert_eq!(ask(Api::Chat, r#"{"model":"gpt-5"}"#, "^o3").await.status(), 200);
    let response = ask(Api::Chat, r#"{"model":"o3-pro"}"#, "^o3").await;
    assert_eq!(response.status(), 403);
    assert_eq!(response.extensions().get::<Refusal>().unwrap().reason.as_str(), "model_not_allowed");
    let message = json(response.into_body()).await["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("\"o3-pro\"") && message.contains("\"openai\""), "{message}");
}

#[tokio::test]
async fn a_refusal_has_the_format_of_the_api() {
    let response = ask(Api::Messages, r#"{"model":"claude"}"#, "claude").await;
    assert_eq!(json(response.into_body()).await["error"]["type"], "permission_error");
}

#[tokio::test]
async fn a_request_without_a_model_is_the_empty_name() {
    assert_eq!(ask(Api::Chat, "{}", "gpt").await.status(), 200);
    assert_eq!(ask(Api::Chat, "{}", "^$").await.status(), 403);
}
