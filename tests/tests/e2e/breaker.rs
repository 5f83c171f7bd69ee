//! The circuit breaker over the wire.

use std::time::Duration;

use aibridge_store::record::Outcome;
use aibridge_tests::{Endpoint, Provider, Script, Transcript};
use aibridge_tower::breaker::Policy;
use serde_json::{Value, json};

use crate::{
    expect::{request, target, told},
    fixture::{BEARER, GOVERNANCE, OWN, Setup},
    line::Line,
};

const POLICY: Policy =
    Policy { failures: 2, interval: Duration::from_secs(60), open: Duration::from_secs(40), probes: 1 };

fn setup() -> Setup {
    Setup { breaker: Some(POLICY), ..Setup::default() }
}

#[tokio::test]
async fn provider_that_keeps_failing_is_left_alone_and_the_client_told_for_how_long() {
    for endpoint in Endpoint::ALL {
        for streamed in [false, true] {
            let provider = Provider::replying(|_| Script::json(529, "{}")).await.unwrap();
            let mut line = Line::to(provider, setup()).await;
            // A user's own credential counts, and is refused, as well.
            for fields in [&[BEARER][..], &[GOVERNANCE, OWN]] {
                line.client.post(&target(endpoint), fields, request(endpoint, "m", streamed)).await.unwrap();
                assert_eq!(line.client.response().await.unwrap().0.status(), 529);
                assert_eq!(line.gateway.records.take().await.outcome(), Outcome::ProviderError);
            }
            for fields in [&[BEARER][..], &[GOVERNANCE, OWN]] {
                line.client.post(&target(endpoint), fields, request(endpoint, "m", streamed)).await.unwrap();
                let (head, body) = line.client.response().await.unwrap();
                let wait: u64 = head.get("retry-after").unwrap().parse().unwrap();
                assert!(head.status() == 503 && (30..=40).contains(&wait), "{wait}");
                let kind = if endpoint == Endpoint::Messages { "overloaded_error" } else { "server_error" };
                assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["error"]["type"], kind);
                let recorded = line.gateway.records.take().await;
                let end = json!({"end": {"outcome": "refused", "status": 503, "error": "breaker_open"}});
                assert_eq!(told(&recorded).last().unwrap(), &end);
            }
            assert_eq!(line.provider.requests().len(), 2);
            line.client.post(&target(endpoint), &[BEARER], request(endpoint, "another", streamed)).await.unwrap();
            assert_eq!(line.client.response().await.unwrap().0.status(), 529, "another model has its own");
        }
    }
}

#[tokio::test]
async fn stream_that_begins_with_an_overload_counts_and_passes_as_it_came() {
    let overload = Transcript::load("messages-overload").unwrap();
    const FIRST: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let mut line = Line::with(setup()).await;
    for _ in 0..2 {
        line.provider.reply(Script::sse().write(FIRST));
        line.client.post(&target(Endpoint::Messages), &[BEARER], &overload.streaming_request).await.unwrap();
        let (head, body) = line.client.response().await.unwrap();
        assert_eq!((head.status(), &*body), (200, FIRST.as_bytes()));
    }
    line.client.post(&target(Endpoint::Messages), &[BEARER], &overload.streaming_request).await.unwrap();
    assert_eq!(line.client.response().await.unwrap().0.status(), 503);
}

#[tokio::test]
async fn keys_that_fail_are_no_failure_of_the_provider() {
    for status in [401, 429] {
        let provider =
            Provider::replying(move |_| Script::json(status, "{}").field("retry-after-ms", "0")).await.unwrap();
        let mut line = Line::to(provider, setup()).await;
        for _ in 0..6 {
            line.client.post(&target(Endpoint::Chat), &[BEARER], request(Endpoint::Chat, "m", false)).await.unwrap();
            let expected = if status == 401 { 502 } else { 429 };
            assert_eq!(line.client.response().await.unwrap().0.status(), expected);
        }
    }
}
