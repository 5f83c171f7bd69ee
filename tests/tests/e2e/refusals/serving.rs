//! Refusals for what the gateway or the provider cannot or may not do.

use std::{num::NonZeroU32, time::Duration};

use aibridge_providers::provider::{BaseUrl, Instance, Kind, ModelRules};
use aibridge_store::{RecordError, record::Outcome};
use aibridge_tests::{Endpoint, Gate, Provider, Script};
use aibridge_tower::record::RecordingPolicy;
use bytes::Bytes;

use super::{BAD_TOKEN, Looks, SERVER, Sent, assert_refusal, assert_refused, looks, unasked};
use crate::{
    expect::{request, target},
    fixture::{BEARER, Gateway, Setup, instance, path},
};

const UNREACHABLE: Looks = looks(502, SERVER, "provider_unreachable").recorded(Outcome::GatewayError);
const UNRECORDED: Looks = looks(503, SERVER, "recording_unavailable").with(&[("retry-after", "1")]);

#[tokio::test]
async fn instance_that_is_switched_off_says_so() {
    let (provider, gateway) = unasked(Setup {
        instances: |url| {
            let openai = format!("{url}/v1/");
            vec![
                instance(Kind::OpenAi, &openai).disabled("it is being moved").build(),
                instance(Kind::Anthropic, url).disabled("it is being moved").build(),
            ]
        },
        ..Setup::default()
    })
    .await;
    for endpoint in Endpoint::ALL {
        let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: b"{}" };
        assert_refusal("disabled", &gateway, endpoint, looks(503, SERVER, "provider_disabled"), sent).await;
        let mut client = gateway.client().await;
        let (_, body) = sent.send(&mut client).await;
        assert!(String::from_utf8_lossy(&body).contains("it is being moved"));
    }
    assert_eq!(provider.requests().len(), 0);
}

#[tokio::test]
async fn model_that_is_not_allowed_is_refused_on_record() {
    let (provider, gateway) = unasked(Setup {
        instances: |url| {
            let mut rules = ModelRules::default();
            rules.deny = Some(regex::Regex::new("^secret-").unwrap());
            let openai = format!("{url}/v1/");
            vec![
                instance(Kind::OpenAi, &openai).models(rules.clone()).build(),
                instance(Kind::Anthropic, url).models(rules).build(),
            ]
        },
        ..Setup::default()
    })
    .await;
    let looks = looks(403, ["permission_error"; 2], "model_not_allowed").recorded(Outcome::Refused);
    for endpoint in Endpoint::ALL {
        let body = request(endpoint, "secret-model", true);
        let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: body.as_bytes() };
        assert_refusal("model", &gateway, endpoint, looks, sent).await;
    }
    assert_eq!(provider.requests().len(), 0);
    provider.reply(Script::json(200, "{}"));
    let mut client = gateway.client().await;
    client.post(&target(Endpoint::Chat), &[BEARER], request(Endpoint::Chat, "m", false)).await.unwrap();
    assert_eq!(client.response().await.unwrap().0.status(), 200, "another model is served");
}

#[tokio::test]
async fn copilot_without_an_own_credential_is_refused_on_record() {
    let (provider, gateway) = unasked(Setup::default()).await;
    let looks = BAD_TOKEN.recorded(Outcome::Refused);
    for (endpoint, route) in [
        (Endpoint::Messages, "/v1/messages"),
        (Endpoint::Chat, "/chat/completions"),
        (Endpoint::Responses, "/responses"),
    ] {
        let body = request(endpoint, "m", true);
        let sent = Sent { method: "POST", path: &path("copilot", route), fields: &[BEARER], body: body.as_bytes() };
        assert_refusal("copilot", &gateway, endpoint, looks, sent).await;
    }
    assert_eq!(provider.requests().len(), 0);
}

#[tokio::test]
async fn request_that_cannot_be_recorded_is_refused_or_served_as_the_policy_says() {
    for error in [RecordError::Full, RecordError::Store("disk".to_owned()), RecordError::Closed] {
        for endpoint in Endpoint::ALL {
            let body = request(endpoint, "m", false);
            let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: body.as_bytes() };

            let (provider, gateway) = unasked(Setup::default()).await;
            gateway.records.refuse(error.clone());
            assert_refusal(&error.to_string(), &gateway, endpoint, UNRECORDED, sent).await;
            assert_eq!(provider.requests().len(), 0);

            let (provider, gateway) = unasked(Setup { policy: RecordingPolicy::BestEffort, ..Setup::default() }).await;
            gateway.records.refuse(error.clone());
            provider.reply(Script::json(200, "{}"));
            let mut client = gateway.client().await;
            let (head, body) = sent.send(&mut client).await;
            assert_eq!((head.status(), &body[..]), (200, &b"{}"[..]), "{error}");
            assert_eq!(gateway.records.len(), 0, "nothing is recorded of what has no start");
        }
    }
}

#[tokio::test]
async fn provider_that_cannot_be_reached_is_a_bad_gateway() {
    let refusing = Provider::refusing().await.unwrap();
    let gateway = Gateway::start(&refusing).await;
    let nowhere = Gateway::with(
        "",
        Setup {
            instances: |_| {
                // A label of more than 63 bytes is no name: the resolver says so without asking a server.
                let url = format!("http://{}.invalid", "x".repeat(64));
                let base = || BaseUrl::parse(&url).unwrap();
                vec![
                    Instance::builder(Kind::OpenAi, base()).build(),
                    Instance::builder(Kind::Anthropic, base()).build(),
                ]
            },
            ..Setup::default()
        },
    );
    let nowhere = nowhere.await;
    for endpoint in Endpoint::ALL {
        let body = request(endpoint, "m", true);
        let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: body.as_bytes() };
        assert_refusal("refusing", &gateway, endpoint, UNREACHABLE, sent).await;
        assert_refusal("unknown host", &nowhere, endpoint, UNREACHABLE, sent).await;
    }
    let sent = Sent { method: "GET", path: &path("openai", "/v1/models"), fields: &[BEARER], body: b"" };
    let proxied = Looks { outcome: None, ..UNREACHABLE };
    assert_refusal("proxied", &gateway, Endpoint::Chat, proxied, sent).await;
}

#[tokio::test]
async fn provider_that_accepts_no_key_is_a_limit_or_a_bad_gateway() {
    const LIMITED: Looks = looks(429, ["rate_limit_error"; 2], "keys_rate_limited").with(&[("retry-after", "7")]);
    const WRONG: Looks = looks(502, SERVER, "keys_refused");
    const SAID: &str = r#"{"error":{"type":"of the provider","message":"not for the client"}}"#;
    for (status, looks) in [(429, LIMITED), (401, WRONG)] {
        for endpoint in Endpoint::ALL {
            for streamed in [false, true] {
                // However many keys there are, the refusal is the gateway's.
                let (provider, gateway) = unasked(Setup::default()).await;
                provider.reply(Script::json(status, SAID).field("Retry-After", "6.5"));
                let body = request(endpoint, "m", streamed);
                let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: body.as_bytes() };
                assert_refusal("keys", &gateway, endpoint, looks.recorded(Outcome::Refused), sent).await;
                assert_eq!(provider.requests().len(), 1);
            }
        }
        let (provider, gateway) = unasked(Setup::default()).await;
        provider.reply(Script::json(status, SAID).field("Retry-After", "7"));
        let sent = Sent { method: "GET", path: &path("openai", "/v1/models"), fields: &[BEARER], body: b"" };
        assert_refusal("proxied", &gateway, Endpoint::Chat, looks, sent).await;
    }
}

#[tokio::test]
async fn provider_that_does_not_begin_to_answer_is_a_timeout() {
    let (provider, gateway) = unasked(Setup { header_timeout: Duration::from_millis(50), ..Setup::default() }).await;
    let looks = looks(504, ["timeout_error", "server_error"], "provider_timeout").recorded(Outcome::GatewayError);
    for endpoint in Endpoint::ALL {
        provider.reply(Script::json(200, "{}").hold(&Gate::new()));
        let body = request(endpoint, "m", true);
        let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: body.as_bytes() };
        assert_refusal("timeout", &gateway, endpoint, looks, sent).await;
        // The request is not left running.
        provider.client_closed().await;
    }
}

#[tokio::test]
async fn stream_that_has_begun_outlives_the_header_timeout() {
    let timeout = Duration::from_millis(50);
    let (provider, gateway) = unasked(Setup { header_timeout: timeout, ..Setup::default() }).await;
    let piece = Bytes::from_static(b": still there\n\n");
    provider.reply(Script::sse().repeat(piece.clone(), Duration::from_millis(5)));
    let mut client = gateway.client().await;
    client.post(&target(Endpoint::Chat), &[BEARER], request(Endpoint::Chat, "m", true)).await.unwrap();
    assert_eq!(client.head().await.unwrap().status(), 200);
    // At one piece every 5 ms at most, these take three times as long as the provider may take to begin.
    client.at_least(30 * piece.len()).await.unwrap();
}

#[tokio::test]
async fn requests_beyond_those_in_flight_are_refused() {
    let (provider, gateway) = unasked(Setup { max_concurrency: Some(1), ..Setup::default() }).await;
    let looks = looks(503, ["overloaded_error", "server_error"], "overloaded").with(&[("retry-after", "1")]);
    let gate = Gate::new();
    // A stream is in flight until its end, not only until its head.
    provider.reply(Script::sse().write("data: [DONE]\n\n").wait(&gate));
    let mut first = gateway.client().await;
    first.post(&target(Endpoint::Chat), &[BEARER], request(Endpoint::Chat, "m", true)).await.unwrap();
    first.head().await.unwrap();
    for endpoint in Endpoint::ALL {
        let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: b"{}" };
        let mut client = gateway.client().await;
        let response = sent.send(&mut client).await;
        assert_eq!(assert_refused("in flight", endpoint, looks, &response), None);
    }
    gate.open();
    first.body().await.unwrap();
    gateway.records.take().await;
    provider.reply(Script::json(200, "{}"));
    first.post(&target(Endpoint::Chat), &[BEARER], request(Endpoint::Chat, "m", false)).await.unwrap();
    assert_eq!(first.head().await.unwrap().status(), 200, "served again");
}

#[tokio::test]
async fn requests_beyond_the_rate_are_refused() {
    for endpoint in Endpoint::ALL {
        let (provider, gateway) = unasked(Setup { rate_limit: NonZeroU32::new(1), ..Setup::default() }).await;
        let looks = looks(429, ["rate_limit_error"; 2], "rate_limited").with(&[("retry-after", "1")]);
        provider.reply(Script::json(200, "{}"));
        let body = request(endpoint, "m", false);
        let sent = Sent { method: "POST", path: &target(endpoint), fields: &[BEARER], body: body.as_bytes() };
        let mut client = gateway.client().await;
        let (mut head, mut body) = sent.send(&mut client).await;
        assert_eq!(head.status(), 200);
        // A busy machine may take longer than the second that a request takes to be allowed again.
        while head.status() == 200 {
            provider.reply(Script::json(200, "{}"));
            (head, body) = sent.send(&mut client).await;
        }
        assert_eq!(assert_refused("rate", endpoint, looks, &(head, body)), None);
    }
}
