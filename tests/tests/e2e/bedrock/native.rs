//! Clients that speak Bedrock themselves, byte by byte.

use aibridge_store::record::Outcome;
use aibridge_tests::{Script, Transcript, exception, frames, resplit};
use bytes::Bytes;

use super::{MODEL, World, framed, plain::transcripts};
use crate::{
    expect::{expected, told},
    fixture::{BEARER, path},
};

const SIGNATURE: (&str, &str) = (
    "Authorization",
    "AWS4-HMAC-SHA256 Credential=AKIACLIENT/20261121/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=0",
);
const TOKEN: (&str, &str) = ("X-Coder-AI-Governance-Token", crate::fixture::TOKEN);

fn target(operation: &str) -> String {
    path("bedrock", &format!("/model/{MODEL}/{operation}"))
}

/// The transcript's request as such clients send it.
fn body(transcript: &Transcript) -> Vec<u8> {
    let mut body: serde_json::Value = serde_json::from_slice(&transcript.request).unwrap();
    let fields = body.as_object_mut().unwrap();
    fields.shift_remove("model");
    fields.shift_remove("stream");
    fields.insert("anthropic_version".to_owned(), "bedrock-2023-05-31".into());
    body.to_string().into()
}

#[tokio::test]
async fn frames_pass_byte_for_byte_and_are_recorded() {
    let mut world = World::new().await;
    for transcript in transcripts() {
        let name = &transcript.name;
        let reply = &transcript.streams[0];
        let all = frames(&reply.body);
        let sent = body(&transcript);
        let answer =
            world.ask(&target("invoke-with-response-stream"), &[TOKEN, SIGNATURE], &sent, framed(all.clone())).await;
        assert_eq!(answer.head.status(), 200, "{:?}", answer.body);
        assert_eq!(answer.body, all.concat(), "{name}");
        assert_eq!(answer.head.get("content-type"), Some("application/vnd.amazon.eventstream"));
        let recorded = world.gateway().records.take().await;
        assert_eq!(told(&recorded), expected(&transcript, reply, true), "{name}");
        assert_eq!((&*recorded.start.model, &*recorded.start.requested_model), (MODEL, MODEL));
        assert!(recorded.start.streaming);
        let received = world.received().await;
        assert_eq!(received.body, sent);
        assert!(!received.head.get("authorization").unwrap().contains("AKIACLIENT"));
    }
}

#[tokio::test]
async fn split_anywhere_frames_are_the_same_and_the_record_too() {
    let mut world = World::new().await;
    let transcript = Transcript::load("messages-plain").unwrap();
    let reply = &transcript.streams[0];
    let whole: Bytes = frames(&reply.body).concat().into();
    let sent = body(&transcript);
    for (first, second) in resplit(&whole).step_by(7) {
        let at = first.len();
        let pieces = [first, second].into_iter().filter(|piece| !piece.is_empty());
        let answer = world.ask(&target("invoke-with-response-stream"), &[BEARER], &sent, framed(pieces)).await;
        assert_eq!(answer.body, whole, "split at {at}");
        assert_eq!(told(&world.gateway().records.take().await), expected(&transcript, reply, true), "split at {at}");
    }
}

#[tokio::test]
async fn a_blocking_call_passes_byte_for_byte() {
    let mut world = World::new().await;
    let transcript = Transcript::load("messages-plain").unwrap();
    let reply = &transcript.blocking[0];
    let sent = body(&transcript);
    let answer = world.ask(&target("invoke"), &[BEARER], &sent, Script::json(200, reply.body.clone())).await;
    assert_eq!(answer.body, reply.body);
    let recorded = world.gateway().records.take().await;
    assert_eq!(told(&recorded), expected(&transcript, reply, true));
    assert!(!recorded.start.streaming);
    let received = world.received().await;
    assert_eq!(received.head.target(), format!("/model/{}/invoke", MODEL.replace(':', "%3A")));
}

#[tokio::test]
async fn errors_of_bedrock_pass_as_they_are() {
    let mut world = World::new().await;
    let script = Script::json(400, r#"{"message":"too short"}"#).field("x-amzn-ErrorType", "ValidationException");
    let answer = world.ask(&target("invoke"), &[BEARER], b"{}", script).await;
    assert_eq!((answer.head.status(), &*answer.body), (400, &br#"{"message":"too short"}"#[..]));
    assert_eq!(answer.head.get("x-amzn-errortype"), Some("ValidationException"));
    assert_eq!(world.gateway().records.take().await.end().error_type.as_deref(), Some("http_400"));
}

#[tokio::test]
async fn refusals_are_told_in_bedrocks_form() {
    let mut world = World::new().await;
    for (name, fields, body, status) in [
        ("bedrock", &[("Authorization", "Bearer wrong")][..], "{}", 401),
        ("bedrock", &[SIGNATURE], "{}", 401),
        ("bedrock", &[BEARER], "[", 400),
        ("nobody", &[BEARER], "{}", 404),
        ("stranger", &[BEARER], "{}", 502),
    ] {
        let target = path(name, &format!("/model/{MODEL}/invoke"));
        world.line.client.post(&target, fields, body).await.unwrap();
        let (head, body) = world.line.client.response().await.unwrap();
        assert_eq!(head.status(), status, "{body:?}");
        assert!(head.get("x-amzn-errortype").is_some_and(|kind| kind.ends_with("Exception")), "{head:?}");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(body["message"].is_string() && body.get("error").is_none(), "{body}");
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_ends_with_an_exception_after_its_last_whole_frame() {
    let mut world = World::new().await;
    let transcript = Transcript::load("messages-plain").unwrap();
    let all = frames(&transcript.streams[0].body);
    let half = all[2].slice(..all[2].len() / 2);
    let message = "aibridge: the provider's answer broke off before its end; try again";
    let expected = [all[0].clone(), all[1].clone(), exception("modelStreamErrorException", message)].concat();
    for rest in [None, Some(half)] {
        let pieces = all[..2].iter().cloned().chain(rest);
        let sent = body(&transcript);
        let answer = world.ask(&target("invoke-with-response-stream"), &[BEARER], &sent, framed(pieces).cut()).await;
        assert_eq!(answer.body, expected);
        assert_eq!(world.gateway().records.take().await.outcome(), Outcome::Truncated);
        world.line.client = world.gateway().client().await;
    }
}

#[tokio::test]
async fn an_exception_of_bedrocks_passes_and_is_recorded() {
    let mut world = World::new().await;
    let transcript = Transcript::load("messages-plain").unwrap();
    let first = frames(&transcript.streams[0].body)[0].clone();
    let pieces = [first, exception("throttlingException", "slow down")];
    let script = framed(pieces.clone());
    let answer = world.ask(&target("invoke-with-response-stream"), &[BEARER], &body(&transcript), script).await;
    assert_eq!(answer.body, pieces.concat());
    let recorded = world.gateway().records.take().await;
    assert_eq!(recorded.outcome(), Outcome::ProviderError);
    assert_eq!(recorded.end().error_type.as_deref(), Some("rate_limit_error"));
}
