//! From key to key.

use std::{future::ready, time::Duration};

use tokio::time::advance;

use super::*;
use crate::{
    Byok,
    passthrough::RequestBody,
    testing::{Script, Step, bytes, poll},
};

fn limited() -> Answer {
    Answer::new(429)
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_rate_is_limited_cools_down_for_as_long_as_the_provider_says() {
    const DATE: &str = "Tue, 03 Nov 2026 09:14:07 GMT";
    for (answer, millis) in [
        (limited(), 60_000),
        (limited().field("retry-after", 7), 7_000),
        (limited().field("retry-after-ms", 1_500).field("retry-after", 7), 1_500),
        (limited().field("date", DATE).field("retry-after", "Tue, 03 Nov 2026 09:14:37 GMT"), 30_000),
        (limited().field("retry-after", "soon"), 60_000),
    ] {
        let (asked, layer, instance) = (Asked::default(), KeysLayer::new(), pool(THREE));
        asked.answers("sk-one", answer);
        assert_eq!(asked.status(&layer, chat(&instance)).await, (200, Some(1)), "within the same request");
        assert_eq!(asked.keys(), ["sk-one", "sk-two"]);
        advance(Duration::from_millis(millis - 1)).await;
        assert_eq!(asked.status(&layer, chat(&instance)).await, (200, Some(1)));
        assert_eq!(asked.keys(), ["sk-two"], "it is not asked while it cools down");
        asked.answers("sk-one", Answer::new(200));
        advance(Duration::from_millis(1)).await;
        assert_eq!(asked.status(&layer, chat(&instance)).await, (200, Some(0)));
        assert_eq!(asked.keys(), ["sk-one"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_out_for_a_minute() {
    let (asked, layer, instance) = (Asked::default(), KeysLayer::new(), pool(THREE));
    asked.answers("sk-one", Answer::new(401).field("retry-after", 1));
    assert_eq!(asked.status(&layer, chat(&instance)).await, (200, Some(1)));
    advance(Duration::from_millis(59_999)).await;
    assert_eq!(asked.status(&layer, chat(&instance)).await, (200, Some(1)));
    assert_eq!(asked.keys(), ["sk-one", "sk-two", "sk-two"]);
    advance(Duration::from_millis(1)).await;
    assert_eq!(asked.status(&layer, chat(&instance)).await, (200, Some(1)), "still refused");
    assert_eq!(asked.keys(), ["sk-one", "sk-two"]);
}

#[tokio::test(start_paused = true)]
async fn when_no_key_is_left_the_client_is_told_when_the_first_will_be() {
    let (asked, layer, instance) = (Asked::default(), KeysLayer::new(), pool(THREE));
    asked.answers("sk-one", limited().field("retry-after", 40));
    asked.answers("sk-two", Answer::new(401));
    asked.answers("sk-three", limited().field("retry-after-ms", 20_400));
    for expected in ["21", "20"] {
        let response = asked.send(&layer, chat(&instance)).await.unwrap();
        let expected = (429, "keys_rate_limited", Some(expected.to_owned()), "rate_limit_error".to_owned());
        assert_eq!(refused(response).await, expected);
        advance(Duration::from_millis(400)).await;
    }
    assert_eq!(asked.keys(), ["sk-one", "sk-two", "sk-three"], "each once, and none while all are out");
    asked.answers("sk-three", Answer::new(200));
    advance(Duration::from_secs(20)).await;
    assert_eq!(asked.status(&layer, chat(&instance)).await, (200, Some(2)));
}

#[tokio::test]
async fn when_all_keys_are_refused_it_is_a_bad_gateway() {
    for keys in [THREE, &THREE[..1]] {
        let (asked, layer, instance) = (Asked::default(), KeysLayer::new(), pool(keys));
        keys.iter().for_each(|key| asked.answers(key, Answer::new(401)));
        for asked_again in [keys, &[]] {
            let response = asked.send(&layer, chat(&instance)).await.unwrap();
            assert_eq!(refused(response).await, (502, "keys_refused", None, "server_error".to_owned()));
            assert_eq!(asked.keys(), asked_again);
        }
    }
}

#[tokio::test]
async fn everything_else_goes_to_the_client_from_the_first_key() {
    for status in (200..600).filter(|status| ![401, 429].contains(status)) {
        let (asked, layer, instance) = (Asked::default(), KeysLayer::new(), pool(THREE));
        asked.answers("sk-one", Answer::new(status).field("retry-after", 7));
        for _ in 0..2 {
            let response = asked.send(&layer, chat(&instance)).await.unwrap();
            assert_eq!(
                (response.status().as_u16(), &response.headers()["retry-after"]),
                (status, &"7".parse().unwrap())
            );
        }
        assert_eq!(asked.keys(), ["sk-one", "sk-one"], "{status}");
    }
}

#[tokio::test]
async fn a_key_that_recovers_at_once_is_still_tried_once_in_a_request() {
    let (asked, layer, instance) = (Asked::default(), KeysLayer::new(), pool(THREE));
    THREE.iter().for_each(|key| asked.answers(key, limited().field("retry-after-ms", 0)));
    for _ in 0..2 {
        let response = asked.send(&layer, chat(&instance)).await.unwrap();
        assert_eq!(refused(response).await.2.as_deref(), Some("1"), "at least a second");
        assert_eq!(asked.keys(), THREE);
    }
}

#[tokio::test]
async fn a_users_own_credential_gets_the_providers_own_words() {
    for status in [401, 429] {
        let (asked, layer, instance) = (Asked::default(), KeysLayer::new(), pool(THREE));
        asked.answers("sk-own", Answer::new(status).field("retry-after", 9));
        let mut request = chat(&instance);
        request.extensions_mut().insert(Byok::new("hint"));
        request.headers_mut().insert("authorization", "Bearer sk-own".parse().unwrap());
        let response = asked.send(&layer, request).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (status, &"9".parse().unwrap()));
        assert_eq!(bytes(response.into_body()).await, "{}");
        assert_eq!(asked.keys(), ["sk-own"]);
        assert_eq!(asked.status(&layer, chat(&instance)).await, (200, Some(0)), "it says nothing of the pool");
    }
}

#[tokio::test]
async fn all_requests_share_what_one_of_them_learns() {
    let (asked, layer, instance) = (Asked::default(), KeysLayer::new(), pool(THREE));
    asked.answers("sk-one", limited());
    let requests = (0..200).map(|_| {
        let (asked, layer, request) = (asked.clone(), layer.clone(), chat(&instance));
        tokio::spawn(async move { asked.status(&layer, request).await })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), (200, Some(1)));
    }
    let keys = asked.keys();
    let firsts = keys.iter().filter(|key| *key == "sk-one").count();
    assert!(keys.len() == 200 + firsts, "each was answered once, by the second key");
    assert_eq!(asked.status(&layer, chat(&instance)).await, (200, Some(1)));
    assert_eq!(asked.keys(), ["sk-two"]);
}

#[tokio::test]
async fn nothing_fails_over_once_a_reply_has_begun() {
    let calls = Arc::new(Mutex::new(0));
    let counted = calls.clone();
    let inner = service_fn(move |_: Request<crate::parse::AiBody>| {
        *counted.lock().unwrap() += 1;
        let steps = [Step::data("data: {}\n\n"), Step::Fail("cut")];
        ready(Ok::<_, BoxError>(Response::new(Script::new(steps))))
    });
    let response = KeysLayer::new().max_retries(3).layer(inner).oneshot(chat(&pool(THREE))).await.unwrap();
    let mut body = response.into_body();
    assert!(matches!(poll(&mut body), std::task::Poll::Ready(Some(Ok(_)))));
    assert!(matches!(poll(&mut body), std::task::Poll::Ready(Some(Err("cut")))));
    assert_eq!(*calls.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_never_ends_does_not_hold_up_the_next_key() {
    let inner = service_fn(move |request: Request<crate::parse::AiBody>| {
        let first = request.headers()["authorization"] == "Bearer sk-one";
        let mut response = Response::new(Script::<std::convert::Infallible>::new(match first {
            true => vec![Step::data(r#"{"error":"#), Step::Hang],
            false => vec![Step::data("answered")],
        }));
        *response.status_mut() = if first { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::OK };
        ready(Ok::<_, BoxError>(response))
    });
    let begun = tokio::time::Instant::now();
    let response = KeysLayer::new().layer(inner).oneshot(chat(&pool(THREE))).await.unwrap();
    assert_eq!(bytes(response.into_body()).await, "answered");
    assert_eq!(begun.elapsed().as_secs(), 1);
}

#[tokio::test]
async fn on_a_route_that_is_passed_through_only_an_empty_body_is_sent_again() {
    let passed = |instance: &Arc<Instance>, body: &'static str| {
        let route = ProviderRoute::new(instance.clone(), Endpoint::Passthrough, "/v1/models");
        Request::get("/v1/models").extension(route).body(RequestBody::new(Full::<Bytes>::from(body))).unwrap()
    };
    for status in [401, 429] {
        let (asked, layer, instance) = (Asked::default(), KeysLayer::new(), pool(THREE));
        asked.answers("sk-one", Answer::new(status));
        assert_eq!(asked.status(&layer, passed(&instance, "")).await, (200, Some(1)));
        assert_eq!(asked.keys(), ["sk-one", "sk-two"]);

        let instance = pool(THREE);
        let response = asked.send(&layer, passed(&instance, "{}")).await.unwrap();
        let told = (429, "keys_rate_limited", Some("1".to_owned()), "rate_limit_error".to_owned());
        assert_eq!(refused(response).await, told, "the client tries again, and comes to another key");
        assert_eq!(asked.keys(), ["sk-one"]);
        assert_eq!(asked.status(&layer, passed(&instance, "{}")).await, (200, Some(1)));
        assert_eq!(asked.keys(), ["sk-two"]);
    }
}

#[tokio::test]
async fn a_refusal_of_a_layer_further_in_says_nothing_of_a_key() {
    use aibridge_providers::api::{Format, Reason};
    let inner = service_fn(move |_: Request<crate::parse::AiBody>| {
        let refusal = Refusal::new(Reason::RateLimited, "another limit");
        ready(Ok::<_, BoxError>(crate::refuse::response::<Full<Bytes>>(Format::OpenAi, refusal)))
    });
    let instance = pool(THREE);
    let response = KeysLayer::new().max_retries(3).layer(inner).oneshot(chat(&instance)).await.unwrap();
    assert_eq!(response.extensions().get::<Refusal>().unwrap().message, "another limit");
    assert!(instance.pool().is_usable(0, tokio::time::Instant::now().into_std()));
}

#[tokio::test]
async fn throttling_on_bedrock_goes_to_the_next_pair() {
    use aibridge_providers::bedrock::{KeyPair, Protocol, Settings};
    let pair = |id: &str| KeyPair { id: Secret::new(id), secret: Secret::new("secret") };
    let settings = Settings {
        protocol: Protocol::InvokeModel,
        region: "eu-central-1".to_owned(),
        model: String::new(),
        small_fast_model: String::new(),
        credentials: vec![pair("first"), pair("second"), pair("third")],
        role_arn: None,
        external_id: None,
    };
    let base = BaseUrl::parse("https://provider.example").unwrap();
    let bedrock = Arc::new(Instance::builder(Kind::Bedrock, base).bedrock(settings).build());
    let slots = Arc::new(Mutex::new(Vec::new()));
    let seen = slots.clone();
    let inner = service_fn(move |request: Request<crate::parse::AiBody>| {
        let slot = request.extensions().get::<Credential>().unwrap().slot;
        seen.lock().unwrap().push(slot);
        let answer = match slot {
            0 => Answer::new(429).field("x-amzn-errortype", "ThrottlingException"),
            1 => Answer::new(403).field("x-amzn-errortype", "ExpiredTokenException"),
            _ => Answer::new(403).field("x-amzn-errortype", "AccessDeniedException"),
        };
        ready(Ok::<_, BoxError>(answer.response()))
    });
    let response = KeysLayer::new().layer(inner).oneshot(chat(&bedrock)).await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(response.extensions().get::<Credential>(), Some(&Credential::new(2, "t...d")));
    assert_eq!(*slots.lock().unwrap(), [0, 1, 2]);
}
