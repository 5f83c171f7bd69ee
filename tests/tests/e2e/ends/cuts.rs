//! Providers that stop before their reply is over.

use std::io::ErrorKind;

use aibridge_store::record::Outcome;
use aibridge_tests::{Endpoint, Gate, Reply, Script, Transcript, events};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{end, start};
use crate::{
    expect::{client_stream, request, target, told, without_error_event},
    fixture::{BEARER, Recorded},
};

/// The first two texts of a transcript's stream, and its end: what a stream may be cut in, as short as it gets.
fn short(name: &str) -> (Transcript, Reply) {
    let transcript = Transcript::load(name).unwrap();
    let mut reply = transcript.streams[0].clone();
    let mut all = events(&reply.body);
    match transcript.endpoint {
        Endpoint::Messages => {}
        Endpoint::Chat => drop(all.drain(2..all.len() - 3)),
        Endpoint::Responses => {
            // The last event holds all the others once more.
            all.truncate(2);
            all.push(Bytes::from_static(
                b"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_t03plain\",\
                  \"status\":\"completed\",\"usage\":{\"input_tokens\":640,\"input_tokens_details\":{\"cached_tokens\":512},\
                  \"output_tokens\":29,\"total_tokens\":669,\"output_tokens_details\":{\"reasoning_tokens\":8}}}}\n\n",
            ));
        }
    }
    reply.body = all.concat().into();
    (transcript, reply)
}

/// Where events begin to count: as soon as their data is complete, with or without a blank line behind it.
fn complete_at(stream: &Bytes) -> Vec<(usize, Bytes)> {
    let mut start = 0;
    let mut found = Vec::new();
    for event in events(stream) {
        found.push((start + event.trim_ascii_end().len(), event.clone()));
        start += event.len();
    }
    found
}

/// How a provider's stream may stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// FIN without the final chunk.
    Fin,
    /// RST.
    Reset,
    /// The final chunk, but no terminal event.
    Clean,
}

/// The token record at each point of [`short`]: the last event of these that is complete says.
fn usage_after(endpoint: Endpoint, seen: &[&Bytes]) -> Value {
    let known: &[(&str, [u64; 4], &str)] = match endpoint {
        Endpoint::Messages => {
            &[("message_start", [21, 1, 2048, 148], "partial"), ("message_delta", [21, 61, 2048, 148], "final")]
        }
        Endpoint::Chat => &[(r#""choices":[]"#, [96, 37, 1024, 0], "final")],
        Endpoint::Responses => &[("response.completed", [128, 29, 512, 0], "final")],
    };
    let has = |mark: &str| seen.iter().any(|event| String::from_utf8_lossy(event).contains(mark));
    match known.iter().rev().find(|(mark, ..)| has(mark)) {
        Some((_, tokens, source)) => json!([tokens, source]),
        None => json!([[0, 0, 0, 0], "none"]),
    }
}

fn usage_of(recorded: &Recorded) -> Value {
    let usage = recorded.usage();
    let input =
        [usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens, usage.cache_write_input_tokens];
    json!([input, usage.usage_source])
}

async fn assert_every_cut(cut: Cut) {
    for name in ["messages-plain", "chat-plain", "responses-plain"] {
        let (transcript, reply) = short(name);
        let endpoint = transcript.endpoint;
        let (provider, gateway) = start().await;
        let mut client = gateway.client().await;
        let counting = complete_at(&reply.body);
        let (terminal, _) = *counting.last().unwrap();
        let whole = reply.body.len();
        for at in 0..=whole {
            let context = format!("{name}, {cut:?} at {at}");
            let sent = reply.body.slice(..at);
            let done = at >= terminal;
            let passed: Vec<_> = events(&sent).into_iter().filter(|event| done || event.ends_with(b"\n\n")).collect();
            let passed = client_stream(&transcript, &passed.concat().into());
            let script = if sent.is_empty() { reply.head() } else { reply.head().write(sent) };
            let mut script = Some(script);
            let gate = Gate::new();
            provider.reply(match cut {
                Cut::Fin => script.take().unwrap().cut(),
                Cut::Reset => script.take().unwrap().wait(&gate).reset(),
                Cut::Clean => script.take().unwrap(),
            });
            client.post(&target(endpoint), &[BEARER], &transcript.streaming_request).await.unwrap();
            assert_eq!(client.head().await.unwrap().status(), 200, "{context}");
            let mut body = Vec::new();
            if cut == Cut::Reset {
                // A reset may overtake what was written before. Of an event that is not complete nothing arrives to
                // wait for, so that what the gateway knows of it is left open below.
                let known = if done { 0 } else { passed.len() };
                body.extend_from_slice(&client.at_least(known).await.unwrap());
                gate.pass_one();
            }
            // The client's own connection ends this body cleanly, whatever happened to the provider's.
            body.extend_from_slice(&client.body().await.unwrap_or_else(|error| panic!("{context}: {error}")));
            let body = Bytes::from(body);
            let recorded = gateway.records.take().await;
            if cut == Cut::Reset && done {
                continue;
            }
            if done {
                assert!(body == passed, "{context}: {body:?}");
                assert_eq!(recorded.outcome(), Outcome::Completed, "{context}");
            } else {
                let without = without_error_event(endpoint, &body);
                assert!(without.as_ref() == Some(&passed), "{context}: {body:?}");
                assert_eq!(
                    told(&recorded).last().unwrap(),
                    &end(Outcome::Truncated, 200, "provider_truncated"),
                    "{context}"
                );
            }
            if cut != Cut::Reset {
                let seen: Vec<_> = counting.iter().filter(|(end, _)| *end <= at).map(|(_, event)| event).collect();
                assert_eq!(usage_of(&recorded), usage_after(endpoint, &seen), "{context}");
                let id = (!seen.is_empty()).then(|| transcript.expect["response_id"].as_str().unwrap());
                assert_eq!(recorded.usage().provider_response_id.as_deref(), id, "{context}");
            }
            assert_eq!(recorded.end().response_bytes, at as u64, "{context}");
        }
    }
}

#[tokio::test]
async fn stream_that_loses_its_connection_ends_with_the_error_event() {
    assert_every_cut(Cut::Fin).await;
}

#[tokio::test]
async fn stream_that_is_reset_ends_with_the_error_event() {
    assert_every_cut(Cut::Reset).await;
}

#[tokio::test]
async fn stream_that_ends_without_its_terminal_event_ends_with_the_error_event() {
    assert_every_cut(Cut::Clean).await;
}

#[tokio::test]
async fn tool_call_that_is_cut_keeps_its_raw_input() {
    let (provider, gateway) = start().await;
    for (name, last, input) in [
        ("messages-tools", r#""partial_json":"{\"harb""#, r#"{"harb"#),
        ("chat-tools", r#"[{"index":0,"function":{"arguments":"{\"harbour\""}}]"#, r#"{"harbour""#),
    ] {
        let transcript = Transcript::load(name).unwrap();
        let all = events(&transcript.streams[0].body);
        let at = all.iter().position(|event| String::from_utf8_lossy(event).contains(last)).unwrap();
        provider.reply(transcript.streams[0].head().writes(all[..=at].to_vec()).cut());
        let mut client = gateway.client().await;
        client.post(&target(transcript.endpoint), &[BEARER], &transcript.streaming_request).await.unwrap();
        client.response().await.unwrap();
        let recorded = gateway.records.take().await;
        let tool = told(&recorded).into_iter().find(|one| !one["tool"].is_null()).unwrap();
        assert_eq!((&tool["tool"]["input"], &tool["tool"]["metadata"]), (&json!(input), &json!({"truncated": true})));
        assert_eq!(recorded.outcome(), Outcome::Truncated);
    }
}

#[tokio::test]
async fn cut_of_a_coded_stream_is_a_reset() {
    let (provider, gateway) = start().await;
    for transcript in ["messages-plain", "chat-plain", "responses-plain"].map(|name| Transcript::load(name).unwrap()) {
        let coded = zstd::encode_all(&transcript.streams[0].body[..], 0).unwrap();
        for cut in [Cut::Fin, Cut::Reset, Cut::Clean] {
            let half = Bytes::copy_from_slice(&coded[..coded.len() / 2]);
            let gate = Gate::new();
            let script = transcript.streams[0].head().field("content-encoding", "zstd").write(half.clone());
            provider.reply(match cut {
                Cut::Fin => script.cut(),
                Cut::Reset => script.wait(&gate).reset(),
                Cut::Clean => script,
            });
            let mut client = gateway.client().await;
            client.post(&target(transcript.endpoint), &[BEARER], &transcript.streaming_request).await.unwrap();
            client.head().await.unwrap();
            assert_eq!(client.at_least(half.len()).await.unwrap(), half, "what came before the cut arrives");
            gate.open();
            assert_broken(client.body().await);
            assert_eq!(gateway.records.take().await.outcome(), Outcome::Truncated, "{} {cut:?}", transcript.name);
        }
    }
}

fn assert_broken(result: std::io::Result<Bytes>) {
    let kind = result.unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{kind}");
}

#[tokio::test]
async fn cut_of_a_whole_reply_is_a_reset() {
    let (provider, gateway) = start().await;
    for name in ["messages-plain", "chat-plain", "responses-plain"] {
        let transcript = Transcript::load(name).unwrap();
        let body = &transcript.blocking[0].body;
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        for at in (0..body.len()).step_by(7) {
            provider.reply(Script::raw().write(head.clone()).write(body.slice(..at)).cut());
            let mut client = gateway.client().await;
            client.post(&target(transcript.endpoint), &[BEARER], &transcript.request).await.unwrap();
            // Whether the head arrives depends on whether the cut was known before it was written.
            assert_broken(client.response().await.map(|(_, body)| body));
            let recorded = gateway.records.take().await;
            let all = told(&recorded);
            assert_eq!(all.last().unwrap(), &end(Outcome::Truncated, 200, "provider_truncated"), "{name} at {at}");
            assert_eq!(recorded.usage().usage_source, "none", "{name} at {at}");
            assert_eq!(recorded.end().response_bytes, at as u64);
        }
    }
}

#[tokio::test]
async fn reply_that_is_cut_within_its_head_is_a_bad_gateway() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n";
    let (provider, gateway) = start().await;
    let mut client = gateway.client().await;
    for endpoint in Endpoint::ALL {
        for at in 0..HEAD.len() {
            provider.reply(Script::raw().write(&HEAD[..at]).cut());
            client.post(&target(endpoint), &[BEARER], request(endpoint, "m", true)).await.unwrap();
            assert_eq!(client.response().await.unwrap().0.status(), 502, "cut at {at}");
            let recorded = gateway.records.take().await;
            let expected = end(Outcome::GatewayError, 502, "provider_unreachable");
            assert_eq!(told(&recorded).last().unwrap(), &expected);
            assert_eq!(recorded.usage().usage_source, "none");
        }
    }
}
