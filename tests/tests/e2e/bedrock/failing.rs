//! What Bedrock refuses, and streams that fail.

use aibridge_store::record::Outcome;
use aibridge_tests::{Script, Transcript, exception, frames};
use bytes::Bytes;
use serde_json::json;

use super::{KEY, SECOND, World, data, framed};
use crate::{
    expect::error_event,
    fixture::{BEARER, path},
};

const ASK: &[u8] = br#"{"model": "claude-sonnet-4-5", "max_tokens": 9, "stream": true, "messages": []}"#;

fn transcript() -> Transcript {
    Transcript::load("messages-plain").unwrap()
}

async fn stream(world: &mut World, script: Script) -> Bytes {
    let answer = world.ask(&path("bedrock", "/v1/messages"), &[BEARER], ASK, script).await;
    assert_eq!(answer.head.status(), 200);
    answer.body
}

#[tokio::test]
async fn errors_are_told_as_anthropic_tells_them() {
    let mut world = World::new().await;
    for (status, exception, kind) in [
        (403, "AccessDeniedException", "permission_error"),
        (400, "ValidationException", "invalid_request_error"),
        (404, "ResourceNotFoundException", "not_found_error"),
        (503, "ServiceUnavailableException", "overloaded_error"),
        (500, "InternalServerException", "api_error"),
    ] {
        let script = Script::json(status, r#"{"message":"said by bedrock"}"#)
            .field("x-amzn-ErrorType", format!("{exception}:http://internal.amazon.com/coral/com.amazon.bedrock/"))
            .field("x-amzn-RequestId", "amzn-7");
        let answer = world.ask(&path("bedrock", "/v1/messages"), &[BEARER], ASK, script).await;
        let expected = json!({"type": "error", "error": {"type": kind, "message": "said by bedrock"}});
        assert_eq!(answer.json(), expected, "{exception}");
        assert_eq!(answer.head.get("content-type"), Some("application/json"));
        assert_eq!(
            (answer.head.get("request-id"), answer.head.get("x-amzn-requestid")),
            (Some("amzn-7"), Some("amzn-7"))
        );
        let recorded = world.gateway().records.take().await;
        assert_eq!(
            (recorded.outcome(), recorded.end().http_status),
            (Outcome::ProviderError, Some(answer.head.status()))
        );
        assert_eq!(recorded.end().error_type.as_deref(), Some(kind));
    }
}

#[tokio::test]
async fn an_access_key_that_aws_does_not_know_is_told_without_naming_it() {
    let mut world = World::new().await;
    world.line.client.post(&path("revoked", "/v1/messages"), &[BEARER], ASK).await.unwrap();
    let (head, body) = world.line.client.response().await.unwrap();
    let text = String::from_utf8_lossy(&body);
    assert_eq!(head.status(), 502, "{text}");
    assert!(!text.contains("AKIA") && !text.contains("gone"), "{text}");
}

#[tokio::test]
async fn of_several_access_keys_the_next_signs_when_one_is_throttled() {
    let mut world = World::new().await;
    let throttled = || {
        Script::json(400, r#"{"message":"slow down"}"#)
            .field("x-amzn-ErrorType", "ThrottlingException")
            .field("Retry-After", "30")
    };
    world.answers.0.lock().unwrap().push_back(throttled());
    let answer = world.ask(&path("pool", "/v1/messages"), &[BEARER], ASK, Script::json(200, "{}")).await;
    assert_eq!(answer.head.status(), 200);
    let answer = world.ask(&path("pool", "/v1/messages"), &[BEARER], ASK, throttled()).await;
    assert_eq!((answer.head.status(), answer.head.get("retry-after")), (429, Some("30")));
    let signed: Vec<String> = world
        .line
        .provider
        .requests()
        .iter()
        .map(|request| {
            let authorization = request.head.get("authorization").unwrap();
            authorization.split(['=', '/']).nth(1).unwrap().to_owned()
        })
        .collect();
    assert_eq!(signed, [KEY.0, SECOND.0, SECOND.0]);
    let recorded = world.gateway().records.ended(2).await;
    assert_eq!(&*recorded[0].start.credential_hint, "AKIA...MPLE");
    assert_eq!(recorded[0].end().credential_hint.as_deref(), Some("AKIA...COND"));
}

#[tokio::test]
async fn an_exception_in_a_stream_is_an_error_event_and_the_end() {
    let mut world = World::new().await;
    let all = frames(&transcript().streams[0].body);
    let begun: Vec<Bytes> = all[..3].to_vec();
    for (kind, of) in [
        ("throttlingException", "rate_limit_error"),
        ("modelStreamErrorException", "api_error"),
        ("internalServerException", "api_error"),
    ] {
        let script = framed(begun.iter().cloned().chain([exception(kind, "went wrong")]));
        let events = data(&stream(&mut world, script).await);
        assert_eq!(events.len(), 4);
        assert_eq!(events[3]["type"], "error");
        assert_eq!(events[3]["error"], json!({"type": of, "message": "went wrong"}), "{kind}");
        let recorded = world.gateway().records.take().await;
        assert_eq!((recorded.outcome(), recorded.end().error_type.as_deref()), (Outcome::ProviderError, Some(of)));
    }
}

#[tokio::test]
async fn a_frame_whose_checksum_is_wrong_is_an_error_event_and_the_end() {
    let mut world = World::new().await;
    let all = frames(&transcript().streams[0].body);
    for at in [4, 9, 40, all[2].len() - 1] {
        let mut broken = all[2].to_vec();
        broken[at] ^= 1;
        let script = framed(all[..2].iter().cloned().chain([broken.into()]).chain(all[3..].iter().cloned()));
        let events = data(&stream(&mut world, script).await);
        assert_eq!((events.len(), &events[2]["type"]), (3, &json!("error")), "at {at}");
        assert_eq!(world.gateway().records.take().await.outcome(), Outcome::ProviderError);
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_ends_with_an_error_event() {
    let mut world = World::new().await;
    let all = frames(&transcript().streams[0].body);
    let half = all[2].slice(..all[2].len() / 2);
    // Between frames and within one, with and without the end of HTTP's own framing.
    for (pieces, clean) in [(&all[..2], false), (&all[..2], true), (&[all[0].clone(), all[1].clone(), half][..], true)]
    {
        let script = framed(pieces.iter().cloned());
        let script = if clean { script } else { script.cut() };
        let events = data(&stream(&mut world, script).await);
        assert_eq!((events.len(), &events[2]["type"]), (3, &json!("error")));
        if pieces.len() == 2 {
            assert_eq!(events[2], error_event(aibridge_tests::Endpoint::Messages));
        }
        let outcome = world.gateway().records.take().await.outcome();
        assert!(matches!(outcome, Outcome::Truncated | Outcome::ProviderError), "{outcome:?}");
        world.line.client = world.gateway().client().await;
    }
}

#[tokio::test]
async fn what_invoke_model_has_no_operation_for_is_not_asked() {
    let mut world = World::new().await;
    for (method, route) in [("POST", "/v1/messages/count_tokens"), ("GET", "/v1/models"), ("GET", "/v1/models/m")] {
        world.line.client.request(method, &path("bedrock", route), &[BEARER], "").await.unwrap();
        let (head, body) = world.line.client.response().await.unwrap();
        assert_eq!(head.status(), 404, "{route}");
        assert!(String::from_utf8_lossy(&body).contains(&format!("route not supported: {method} ")), "{body:?}");
    }
    assert_eq!(world.line.provider.requests().len(), 0);
}

#[tokio::test]
async fn a_message_thread_is_refused_in_the_way_on_which_the_sdks_go_on_without_one() {
    let mut world = World::new().await;
    for thread in [r#"{"type":"create"}"#, r#"{"type":"continue","previous_message_id":"msg_1"}"#] {
        let ask = format!(r#"{{"model": "claude-opus-4-5", "max_tokens": 9, "thread": {thread}, "messages": []}}"#);
        world.line.client.post(&path("bedrock", "/v1/messages"), &[BEARER], ask).await.unwrap();
        let (head, body) = world.line.client.response().await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((head.status(), &body["error"]["type"]), (400, &json!("invalid_request_error")), "{body}");
        assert_eq!(body["error"]["details"]["error_code"], "thread_unsupported_request", "{body}");
        assert_eq!(world.gateway().records.take().await.outcome(), Outcome::Refused);
    }
    assert!(world.line.provider.requests().is_empty());
    let ask = br#"{"model": "claude-opus-4-5", "max_tokens": 9, "thread": null, "messages": []}"#;
    let answer = world.ask(&path("bedrock", "/v1/messages"), &[BEARER], ask, Script::json(200, "{}")).await;
    assert_eq!(answer.head.status(), 200);
    assert_eq!(world.received().await.json().get("thread"), None);
}
