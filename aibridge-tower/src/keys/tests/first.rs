//! Which credential a request begins with.

use std::future::ready;

use aibridge_providers::bedrock::{KeyPair, Protocol, Settings};

use super::*;
use crate::{Byok, parse::AiBody};

/// The headers and the credential that go further in, or the refusal.
async fn goes(request: Request<AiBody>) -> Result<(HeaderMap, Option<Credential>), (u16, Refusal)> {
    let inner = service_fn(|request: Request<AiBody>| {
        let head = request.into_parts().0;
        let mut response = Response::new(Full::<Bytes>::default());
        response.extensions_mut().insert((head.headers, head.extensions.get::<Credential>().cloned()));
        ready(Ok::<_, BoxError>(response))
    });
    let (mut head, _) = KeysLayer::new().layer(inner).oneshot(request).await.unwrap().into_parts();
    match head.extensions.remove::<(HeaderMap, Option<Credential>)>() {
        Some((headers, credential)) => {
            assert_eq!(head.extensions.get::<Credential>(), credential.as_ref(), "the response tells the same");
            Ok((headers, credential))
        }
        None => Err((head.status.as_u16(), head.extensions.remove::<Refusal>().unwrap())),
    }
}

#[tokio::test]
async fn each_kind_gets_the_first_key_in_its_own_header() {
    for (kind, name, value) in [
        (Kind::Anthropic, "x-api-key", "sk-central"),
        (Kind::Azure, "api-key", "sk-central"),
        (Kind::OpenAi, "authorization", "Bearer sk-central"),
        (Kind::OpenRouter, "authorization", "Bearer sk-central"),
    ] {
        let (headers, credential) = goes(chat(&of(kind, &["sk-central", "sk-two"]))).await.unwrap();
        assert_eq!((headers.len(), &headers[name]), (1, &value.parse().unwrap()), "{kind:?}");
        assert!(headers[name].is_sensitive(), "which keeps it out of logs and of HPACK's table");
        assert_eq!(credential, Some(Credential::new(0, "sk...al")));
    }
}

#[tokio::test]
async fn a_users_own_credential_is_left_alone() {
    let mut request = chat(&pool(THREE));
    request.extensions_mut().insert(Byok::new("sk-o...cdef"));
    request.headers_mut().insert("authorization", "Bearer sk-own".parse().unwrap());
    let (headers, credential) = goes(request).await.unwrap();
    assert_eq!((headers.len(), &headers["authorization"]), (1, &"Bearer sk-own".parse().unwrap()));
    assert_eq!(credential, None);
}

#[tokio::test]
async fn an_instance_without_a_key_is_asked_without() {
    assert_eq!(goes(chat(&of(Kind::OpenAiCompat, &[]))).await.unwrap(), (HeaderMap::new(), None));
}

#[tokio::test]
async fn on_bedrock_who_signs_is_told_which_credential_and_there_is_no_header() {
    let pair = |id: &str| KeyPair { id: Secret::new(id), secret: Secret::new("secret") };
    for (credentials, hint) in [(vec![pair("AKIAIOSFODNN7EXAMPLE"), pair("b")], "AKIA...MPLE"), (vec![], "")] {
        let settings = Settings {
            protocol: Protocol::InvokeModel,
            region: "eu-central-1".to_owned(),
            model: String::new(),
            small_fast_model: String::new(),
            credentials,
            role_arn: None,
            external_id: None,
        };
        let base = BaseUrl::parse("https://provider.example").unwrap();
        let bedrock = Arc::new(Instance::builder(Kind::Bedrock, base).bedrock(settings).build());
        assert_eq!(goes(chat(&bedrock)).await.unwrap(), (HeaderMap::new(), Some(Credential::new(0, hint))));
    }
}

#[tokio::test]
async fn copilot_is_asked_with_the_users_own_credential_only() {
    let (status, refusal) = goes(chat(&of(Kind::Copilot, &["sk-one"]))).await.unwrap_err();
    assert_eq!((status, refusal.reason.as_str()), (401, "unauthenticated"));
}

#[tokio::test]
async fn a_key_that_no_header_holds_is_the_hosts_mistake_and_is_not_shown() {
    let (status, refusal) = goes(chat(&pool(&["sk\nsecret"]))).await.unwrap_err();
    assert_eq!((status, refusal.message.contains("secret")), (500, false));
    let mut request = chat(&pool(THREE));
    request.extensions_mut().remove::<ProviderRoute>();
    let (status, refusal) = goes(request).await.unwrap_err();
    assert!(status == 500 && refusal.message.contains("ProviderRoute"), "{}", refusal.message);
}
