//! Attempts after failures that are nobody's key's fault.

use std::{future::ready, time::Duration};

use tokio::time::Instant;

use super::*;
use crate::{Byok, parse::AiBody, upstream::UpstreamError};

#[tokio::test(start_paused = true)]
async fn attempts_are_as_many_as_the_policy_says() {
    for retries in 0..4 {
        for status in 500..600 {
            let (asked, layer, instance) = (Asked::default(), KeysLayer::new().max_retries(retries), pool(THREE));
            asked.answers("sk-one", Answer::new(status));
            assert_eq!(asked.status(&layer, chat(&instance)).await, (status, Some(0)));
            let attempts = if [502, 503, 529].contains(&status) { retries as usize + 1 } else { 1 };
            assert_eq!(asked.keys().len(), attempts, "{status} with {retries}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_succeeds_is_the_last() {
    let attempts = Arc::new(Mutex::new(0));
    let counted = attempts.clone();
    let inner = service_fn(move |_: Request<AiBody>| {
        let mut attempts = counted.lock().unwrap();
        *attempts += 1;
        ready(Ok::<_, BoxError>(Answer::new(if *attempts < 3 { 503 } else { 200 }).response()))
    });
    let service = KeysLayer::new().max_retries(5).layer(inner);
    assert_eq!(service.oneshot(chat(&pool(THREE))).await.unwrap().status(), 200);
    assert_eq!(*attempts.lock().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_pause_is_the_providers_or_doubles_and_is_never_long() {
    for (answer, retries, least, most) in [
        (Answer::new(503), 1, 125, 250),
        (Answer::new(503), 3, 875, 1_750),
        (Answer::new(503).field("retry-after", 2), 1, 2_000, 2_000),
        (Answer::new(529).field("retry-after-ms", 40), 2, 80, 80),
        (Answer::new(503).field("retry-after", 3_600), 1, 5_000, 5_000),
    ] {
        let (asked, layer, instance) = (Asked::default(), KeysLayer::new().max_retries(retries), pool(THREE));
        asked.answers("sk-one", answer);
        let begun = Instant::now();
        asked.status(&layer, chat(&instance)).await;
        let took = begun.elapsed();
        let slack = Duration::from_millis(u64::from(retries) * 2);
        assert!(took >= Duration::from_millis(least) && took <= Duration::from_millis(most) + slack, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_tried_in_turn_are_not_counted() {
    let (asked, layer, instance) = (Asked::default(), KeysLayer::new().max_retries(2), pool(THREE));
    asked.answers("sk-one", Answer::new(429));
    asked.answers("sk-two", Answer::new(401));
    asked.answers("sk-three", Answer::new(503));
    assert_eq!(asked.status(&layer, chat(&instance)).await, (503, Some(2)));
    assert_eq!(asked.keys(), ["sk-one", "sk-two", "sk-three", "sk-three", "sk-three"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_others_found_limited_meanwhile_is_not_asked_again() {
    let (asked, layer, instance) = (Asked::default(), KeysLayer::new().max_retries(1), pool(THREE));
    asked.answers("sk-one", Answer::new(503).field("retry-after", 1));
    let first = tokio::spawn({
        let (asked, layer, request) = (asked.clone(), layer.clone(), chat(&instance));
        async move { asked.status(&layer, request).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    asked.answers("sk-one", Answer::new(429));
    assert_eq!(asked.status(&layer, chat(&instance)).await, (200, Some(1)));
    assert_eq!(first.await.unwrap(), (200, Some(1)));
    assert_eq!(asked.keys(), ["sk-one", "sk-one", "sk-two", "sk-two"]);
}

#[tokio::test(start_paused = true)]
async fn a_users_own_credential_is_tried_again_too() {
    let (asked, layer, instance) = (Asked::default(), KeysLayer::new().max_retries(1), pool(THREE));
    asked.answers("sk-own", Answer::new(529));
    let mut request = chat(&instance);
    request.extensions_mut().insert(Byok::new("hint"));
    request.headers_mut().insert("authorization", "Bearer sk-own".parse().unwrap());
    assert_eq!(asked.status(&layer, request).await, (529, None));
    assert_eq!(asked.keys(), ["sk-own", "sk-own"]);
}

/// Fails every call with what `error` makes, and counts them.
async fn attempts(retries: u32, error: fn() -> UpstreamError) -> usize {
    let attempts = Arc::new(Mutex::new(0));
    let counted = attempts.clone();
    let inner = service_fn(move |_: Request<AiBody>| {
        *counted.lock().unwrap() += 1;
        ready(Err::<Response<Full<Bytes>>, _>(error()))
    });
    let result = KeysLayer::new().max_retries(retries).layer(inner).oneshot(chat(&pool(THREE))).await;
    assert!(result.unwrap_err().is::<UpstreamError>(), "the error keeps its type");
    *attempts.lock().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_may_have_reached_the_provider_is_not_sent_again() {
    assert_eq!(attempts(3, || UpstreamError::Timeout(Duration::from_secs(600))).await, 1);
    assert_eq!(attempts(3, || UpstreamError::Unreachable("the connection broke".into())).await, 1);
    assert_eq!(attempts(3, || UpstreamError::NoRoute).await, 1);
}
