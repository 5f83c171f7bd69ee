use std::{convert::Infallible, future::ready, sync::Arc};

use aibridge_providers::{
    api::{Api, Refusal},
    provider::{BaseUrl, Endpoint, Instance, Kind, Secret},
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use super::KeysLayer;
use crate::{Byok, ProviderRoute};

/// The headers that go upstream, or the refusal.
async fn ask(request: Request<()>) -> Result<HeaderMap, (u16, Refusal)> {
    let inner = service_fn(|request: Request<()>| {
        let mut response = Response::new(Full::<Bytes>::default());
        response.extensions_mut().insert(request.into_parts().0.headers);
        ready(Ok::<_, Infallible>(response))
    });
    let (mut head, _) = KeysLayer::new().layer(inner).oneshot(request).await.unwrap().into_parts();
    match head.extensions.remove::<HeaderMap>() {
        Some(headers) => Ok(headers),
        None => Err((head.status.as_u16(), head.extensions.remove::<Refusal>().unwrap())),
    }
}

fn to(kind: Kind, keys: &[&str]) -> Request<()> {
    let base = BaseUrl::parse("https://provider.example").unwrap();
    let instance = keys.iter().fold(Instance::builder(kind, base), |it, key| it.key(Secret::new(*key))).build();
    let route = ProviderRoute::new(Arc::new(instance), Endpoint::Intercepted(Api::Chat), "/v1/chat/completions");
    Request::builder().extension(route).body(()).unwrap()
}

#[tokio::test]
async fn each_kind_gets_the_first_key_in_its_own_header() {
    for (kind, name, value) in [
        (Kind::Anthropic, "x-api-key", "sk-one"),
        (Kind::Azure, "api-key", "sk-one"),
        (Kind::OpenAi, "authorization", "Bearer sk-one"),
        (Kind::OpenRouter, "authorization", "Bearer sk-one"),
    ] {
        let headers = ask(to(kind, &["sk-one", "sk-two"])).await.unwrap();
        assert_eq!((headers.len(), &headers[name]), (1, &value.parse().unwrap()), "{kind:?}");
        assert!(headers[name].is_sensitive(), "which keeps it out of logs and of HPACK's table");
    }
}

#[tokio::test]
async fn a_users_own_credential_is_left_alone() {
    let mut request = to(Kind::OpenAi, &["sk-one"]);
    request.extensions_mut().insert(Byok::new("sk-o...cdef"));
    request.headers_mut().insert("authorization", "Bearer sk-own".parse().unwrap());
    let headers = ask(request).await.unwrap();
    assert_eq!((headers.len(), &headers["authorization"]), (1, &"Bearer sk-own".parse().unwrap()));
}

#[tokio::test]
async fn an_instance_without_a_key_is_asked_without() {
    assert!(ask(to(Kind::OpenAiCompat, &[])).await.unwrap().is_empty());
}

#[tokio::test]
async fn copilot_is_asked_with_the_users_own_credential_only() {
    let (status, refusal) = ask(to(Kind::Copilot, &["sk-one"])).await.unwrap_err();
    assert_eq!((status, refusal.reason.as_str()), (401, "unauthenticated"));
}

#[tokio::test]
async fn a_key_that_no_header_holds_is_the_hosts_mistake_and_is_not_shown() {
    let (status, refusal) = ask(to(Kind::OpenAi, &["sk\nsecret"])).await.unwrap_err();
    assert_eq!((status, refusal.message.contains("secret")), (500, false));
    let (status, refusal) = ask(Request::new(())).await.unwrap_err();
    assert!(status == 500 && refusal.message.contains("ProviderRoute"), "{}", refusal.message);
}
