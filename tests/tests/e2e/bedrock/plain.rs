//! Messages clients on `InvokeModel`.

use aibridge_tests::{Endpoint, Script, Transcript, frames};
use serde_json::json;

use super::{KEY, MODEL, SMALL, World, data, framed};
use crate::{
    expect::{expected, told},
    fixture::{BEARER, path},
};

/// The transcripts whose streams begin.
pub(super) fn transcripts() -> Vec<Transcript> {
    let all = Transcript::of(Endpoint::Messages).unwrap();
    all.into_iter().filter(|transcript| transcript.streams[0].status == 200).collect()
}

#[tokio::test]
async fn streams_come_back_as_events_and_are_recorded_like_anthropics_own() {
    let mut world = World::new().await;
    for transcript in transcripts() {
        let reply = &transcript.streams[0];
        let script = framed(frames(&reply.body));
        let target = path("bedrock", "/v1/messages?beta=true");
        let answer = world.ask(&target, &[BEARER], &transcript.streaming_request, script).await;
        let name = &transcript.name;
        assert_eq!((answer.head.status(), answer.head.get("request-id")), (200, Some("amzn-1")), "{name}");
        assert!(answer.head.get("content-type").unwrap().starts_with("text/event-stream"));
        assert_eq!(data(&answer.body), data(&reply.body), "{name}");
        let recorded = world.gateway().records.take().await;
        assert_eq!(told(&recorded), expected(&transcript, reply, true), "{name}");
        assert_eq!((recorded.start.provider.as_str(), recorded.start.streaming), ("bedrock", true));

        let received = world.received().await;
        let asked: serde_json::Value = serde_json::from_slice(&transcript.streaming_request).unwrap();
        let requested = asked["model"].as_str().unwrap();
        let model = if requested.contains("haiku") { SMALL } else { MODEL };
        let encoded = model.replace(':', "%3A");
        assert_eq!(received.head.target(), format!("/model/{encoded}/invoke-with-response-stream"), "{name}");
        assert_eq!((&*recorded.start.model, &*recorded.start.requested_model), (model, requested), "{name}");
        let sent = received.json();
        assert_eq!((&sent["model"], &sent["stream"]), (&json!(null), &json!(null)), "{name}");
        assert_eq!(sent["messages"], asked["messages"], "{name}");
    }
}

#[tokio::test]
async fn blocking_replies_pass_byte_for_byte_and_are_recorded() {
    let mut world = World::new().await;
    for transcript in transcripts().into_iter().filter(|transcript| transcript.blocking[0].status == 200) {
        let reply = &transcript.blocking[0];
        let script = Script::json(200, reply.body.clone());
        let answer = world.ask(&path("bedrock", "/v1/messages"), &[BEARER], &transcript.request, script).await;
        assert_eq!((answer.head.status(), answer.body), (200, reply.body.clone()), "{}", transcript.name);
        let recorded = world.gateway().records.take().await;
        assert_eq!(told(&recorded), expected(&transcript, reply, true), "{}", transcript.name);
        assert!(world.received().await.head.target().ends_with("/invoke"));
    }
}

#[tokio::test]
async fn the_request_is_signed_over_what_is_sent() {
    let mut world = World::new().await;
    let fields = [
        BEARER,
        ("anthropic-version", "2026-10-21"),
        ("anthropic-beta", "context-1m-2025-08-07, oauth-2025-04-20"),
        ("Accept-Encoding", "gzip, br"),
        ("X-Amz-Date", "20200101T000000Z"),
        ("X-Amz-Security-Token", "the client's own"),
        ("X-Stainless-Lang", "js"),
        ("User-Agent", "claude-cli/2.1"),
    ];
    let body = br#"{"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [], "metadata": {"user_id": "u"}}"#;
    let answer = world.ask(&path("bedrock", "/v1/messages"), &fields, body, Script::json(200, "{}")).await;
    assert_eq!(answer.head.status(), 200, "{:?}", answer.body);
    let received = world.received().await;
    let head = &received.head;
    for gone in ["anthropic-version", "anthropic-beta", "accept-encoding", "x-amz-security-token", "x-api-key"] {
        assert_eq!(head.get(gone), None, "{gone}");
    }
    assert_eq!((head.get("x-stainless-lang"), head.get("user-agent")), (Some("js"), Some("claude-cli/2.1")));
    assert_eq!((head.get("content-type"), head.get("accept")), (Some("application/json"), Some("application/json")));
    assert!(head.get("authorization").unwrap().contains("SignedHeaders=content-type;host;x-amz-date,"));
    let sent = received.json();
    assert_eq!(sent["anthropic_version"], "bedrock-2023-05-31");
    assert_eq!(sent["anthropic_beta"], json!(["context-1m-2025-08-07"]));
    assert_eq!(sent.get("metadata"), None);
    let recorded = world.gateway().records.take().await;
    let hint = "AKIA...MPLE";
    assert_eq!((recorded.start.credential_kind, &*recorded.start.credential_hint), ("centralized", hint));
    assert!(KEY.0.starts_with("AKIA") && KEY.0.ends_with("MPLE"));
}

#[tokio::test]
async fn a_model_that_bedrock_knows_is_asked_for_as_it_is() {
    let mut world = World::new().await;
    for (model, segment) in [
        ("anthropic.claude-opus-4-6-v1:0", "anthropic.claude-opus-4-6-v1%3A0"),
        (
            "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2",
            "arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2",
        ),
    ] {
        let body = format!(r#"{{"model": "{model}", "max_tokens": 9, "messages": []}}"#);
        let target = path("bedrock", "/v1/messages");
        let answer = world.ask(&target, &[BEARER], body.as_bytes(), Script::json(200, "{}")).await;
        assert_eq!(answer.head.status(), 200, "{:?}", answer.body);
        assert_eq!(world.received().await.head.target(), format!("/model/{segment}/invoke"));
        let recorded = world.gateway().records.take().await;
        assert_eq!((&*recorded.start.model, &*recorded.start.requested_model), (model, model));
    }
}

#[tokio::test]
async fn a_users_own_bedrock_key_goes_unsigned() {
    let mut world = World::new().await;
    world.line.provider.reply(Script::json(200, "{}"));
    let fields = [
        ("X-Coder-AI-Governance-Token", crate::fixture::TOKEN),
        ("Authorization", "Bearer bedrock-api-key-0123456789"),
    ];
    let body = br#"{"model": "claude-haiku-4-5", "max_tokens": 9, "messages": []}"#;
    world.line.client.post(&path("bedrock", "/v1/messages"), &fields, body).await.unwrap();
    assert_eq!(world.line.client.response().await.unwrap().0.status(), 200);
    let received = world.received().await;
    assert_eq!(received.head.all("authorization"), ["Bearer bedrock-api-key-0123456789"]);
    assert_eq!(received.head.get("x-amz-date"), None);
    assert!(received.head.target().contains("haiku"));
    assert_eq!(world.gateway().records.take().await.start.credential_kind, "byok");
}
