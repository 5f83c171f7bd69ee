//! Every byte arrives as it was sent, in both directions, however it is split.

use std::fmt::Debug;

use aibridge_store::record::Outcome;
use aibridge_tests::{Endpoint, Gate, LineEnd, Reply, Script, Transcript, events, line_ends, resplit};
use bytes::Bytes;
use serde_json::Value;

use crate::{
    encodings::{brotli, gzip, zstd},
    expect::{client_stream, expected, request, target, told, upstream_request, without_error_event},
    fixture::{BEARER, Recorded},
    line::Line,
};

impl Line {
    /// Asks what a transcript asks; returns what the client got and what was recorded.
    async fn ask(&mut self, transcript: &Transcript, streamed: bool, script: Script) -> (Bytes, Recorded) {
        let body = if streamed { &transcript.streaming_request } else { &transcript.request };
        self.send(transcript.endpoint, body, script).await
    }

    async fn send(&mut self, endpoint: Endpoint, body: &[u8], script: Script) -> (Bytes, Recorded) {
        self.provider.reply(script);
        self.client.post(&target(endpoint), &[BEARER], body).await.unwrap();
        let (_, body) = self.client.response().await.unwrap();
        (body, self.gateway.records.take().await)
    }

    /// Asserts that a stream in these pieces reaches the client unchanged, and is recorded as its transcript says.
    async fn assert_stream(
        &mut self,
        transcript: &Transcript,
        pieces: (Bytes, Bytes),
        sent: &Sent<'_>,
        at: impl Debug,
    ) {
        let (body, recorded) = self.ask(transcript, true, sent.reply.script_split(pieces)).await;
        // Not `assert_eq`: the difference of two streams is found faster at a position than in two pages.
        assert!(body == sent.to_client, "{}, split at {at:?}: {body:?}", transcript.name);
        if let Some(records) = &sent.records {
            assert_eq!(&told(&recorded), records, "{}, split at {at:?}", transcript.name);
        }
    }
}

/// A streamed reply: what of it the client gets, and what is recorded of it.
struct Sent<'a> {
    reply: &'a Reply,
    to_client: Bytes,
    /// Transcripts tell of their first round only.
    records: Option<Vec<Value>>,
}

fn sent<'a>(transcript: &Transcript, round: usize, reply: &'a Reply) -> Sent<'a> {
    let records = (round == 0).then(|| expected(transcript, reply, true));
    Sent { reply, to_client: client_stream(transcript, &reply.body), records }
}

#[tokio::test]
async fn what_is_sent_is_what_arrives_both_ways() {
    let mut line = Line::new().await;
    for transcript in Transcript::all().unwrap() {
        let name = &transcript.name;
        let blocking = transcript.blocking.iter().map(|reply| (false, reply));
        for (streamed, reply) in blocking.chain(transcript.streams.iter().map(|reply| (true, reply))) {
            let (body, _) = line.ask(&transcript, streamed, reply.script()).await;
            let upstream = line.provider.next_request().await;
            assert_eq!(upstream.body, upstream_request(&transcript, streamed), "{name}, streamed: {streamed}");
            let to_client = if reply.streamed { client_stream(&transcript, &reply.body) } else { reply.body.clone() };
            assert_eq!(body, to_client, "{name}, streamed: {streamed}");
            assert_eq!(upstream.head.get("content-length").unwrap(), upstream.body.len().to_string(), "{name}");
            assert_eq!(upstream.head.get("transfer-encoding"), None, "{name}");
        }
    }
}

/// Longer streams repeat the same events: they are split at every fifth byte and around the line ends.
const SHORT: usize = 3100;

async fn assert_every_split(endpoint: Endpoint) {
    for transcript in Transcript::of(endpoint).unwrap() {
        let mut line = Line::new().await;
        for (round, reply) in transcript.streams.iter().enumerate() {
            let sent = sent(&transcript, round, reply);
            let all = reply.body.len() <= SHORT;
            for pieces in resplit(&reply.body) {
                let at = pieces.0.len();
                if !all && at % 5 > 0 && !near_line_end(&reply.body, at) {
                    continue;
                }
                line.assert_stream(&transcript, pieces, &sent, at).await;
            }
        }
    }
}

#[tokio::test]
async fn messages_streams_pass_split_at_every_byte() {
    assert_every_split(Endpoint::Messages).await;
}

#[tokio::test]
async fn chat_streams_pass_split_at_every_byte() {
    assert_every_split(Endpoint::Chat).await;
}

#[tokio::test]
async fn responses_streams_pass_split_at_every_byte() {
    assert_every_split(Endpoint::Responses).await;
}

/// Whether a split here is around a line end, where line ends other than LF make a difference.
pub(crate) fn near_line_end(bytes: &[u8], at: usize) -> bool {
    bytes[at.saturating_sub(2)..(at + 2).min(bytes.len())].iter().any(|byte| matches!(byte, b'\r' | b'\n'))
}

#[tokio::test]
async fn streams_pass_with_every_line_end() {
    for transcript in Transcript::all().unwrap() {
        let mut line = Line::new().await;
        for (round, reply) in transcript.streams.iter().enumerate().filter(|(_, reply)| reply.streamed) {
            for end in [LineEnd::CrLf, LineEnd::Cr] {
                let mut sent = sent(&transcript, round, reply);
                sent.to_client = line_ends(&sent.to_client, end);
                let body = line_ends(&reply.body, end);
                for pieces in resplit(&body).filter(|(first, _)| near_line_end(&body, first.len())) {
                    let at = (end, pieces.0.len());
                    line.assert_stream(&transcript, pieces, &sent, at).await;
                }
            }
        }
    }
}

/// A body that no serializer would write.
const ODD: &str = "\u{20}\t{\n \"b\" : 1e+2,\"model\":\"first\",  \"unknown\": {\"z\": [ ], \"a\": -0.0, \"z\": 1.10},\r\n\
    \"m\\u006fdel\" : \"odd\\/m\\u00f6del\" ,\"max_tokens\":10000000000000000000000001,\
    \"messages\":[{\"role\":\"user\",\"content\":\"\\ud83d\\ude00 \\\"q\\\" \\u0000 <&>\"}],\"input\":\"x\",\"stream\" :STREAM } \n";

#[tokio::test]
async fn odd_json_passes_as_it_is() {
    let mut line = Line::new().await;
    for endpoint in Endpoint::ALL {
        for streamed in ["false", "true"] {
            let body = ODD.replace("STREAM", streamed);
            let asks_for_usage = endpoint == Endpoint::Chat && streamed == "true";
            let upstream = match asks_for_usage {
                true => body.replace(":true }", r#":true,"stream_options":{"include_usage":true} }"#),
                false => body.clone(),
            };
            let (reply, recorded) = line.send(endpoint, body.as_bytes(), Script::json(200, ODD)).await;
            assert_eq!(line.provider.next_request().await.body, upstream, "{endpoint:?}, streamed: {streamed}");
            assert_eq!(reply, ODD, "{endpoint:?}");
            assert_eq!(recorded.start.model, "odd/m\u{f6}del", "the last of two keys counts");
        }
    }
}

#[tokio::test]
async fn usage_is_asked_for_by_an_edit_of_its_member_only() {
    const PLAIN: &str = r#"{"model":"m",  "stream":true, "messages": [] }"#;
    let mut line = Line::new().await;
    let stream = Transcript::load("chat-plain").unwrap().streams[0].body.clone();
    let hidden = client_stream(&Transcript::load("chat-plain").unwrap(), &stream);
    for (options, upstream, hides) in [
        (r#", "stream_options": {"a": [1 ] }"#, r#", "stream_options": {"a": [1 ],"include_usage":true }"#, true),
        (r#", "stream_options":  null"#, r#", "stream_options":  {"include_usage":true}"#, true),
        ("", r#","stream_options":{"include_usage":true}"#, true),
        (r#", "stream_options": {"include_usage" : false}"#, r#", "stream_options": {"include_usage" : false}"#, false),
        (r#", "stream_options": {"include_usage":true }"#, r#", "stream_options": {"include_usage":true }"#, false),
        (r#", "stream_options": "odd""#, r#", "stream_options": "odd""#, false),
    ] {
        let with = |options: &str| PLAIN.replace(" }", &format!("{options} }}"));
        let script = Script::sse().write(stream.clone());
        let (body, recorded) = line.send(Endpoint::Chat, with(options).as_bytes(), script).await;
        assert_eq!(line.provider.next_request().await.body, with(upstream));
        assert_eq!(body, if hides { &hidden } else { &stream }, "{options}");
        assert_eq!(recorded.usage().usage_source, "final", "{options}");
    }
}

#[tokio::test]
async fn large_request_passes() {
    let mut line = Line::new().await;
    let mut content = vec![b'x'; 32 << 20];
    // So that a body shifted by a few bytes would not pass for the same.
    for (at, byte) in content.iter_mut().enumerate().filter(|(at, _)| at % 4099 == 0) {
        *byte = b'a' + u8::try_from(at % 26).unwrap();
    }
    let body = request(Endpoint::Messages, "m", false).replace("Hi", std::str::from_utf8(&content).unwrap());
    let (_, recorded) = line.send(Endpoint::Messages, body.as_bytes(), Script::json(200, "{}")).await;
    assert!(line.provider.next_request().await.body == body.as_bytes());
    assert_eq!(recorded.start.request_bytes, body.len() as u64);
    assert_eq!(recorded.prompts()[0].len(), 32 << 20);
}

#[tokio::test]
async fn long_event_passes_and_is_said_to_be_unobserved() {
    let mut line = Line::new().await;
    for transcript in ["messages-plain", "chat-usage", "responses-plain"].map(|name| Transcript::load(name).unwrap()) {
        let long = vec![b'x'; 16 << 20];
        let body = [b"data: {\"x\": \"", &long[..], b"\"}\n\n", &transcript.streams[0].body[..]].concat();
        let pieces = body.chunks(100_003).map(Bytes::copy_from_slice);
        let (got, recorded) = line.ask(&transcript, true, transcript.streams[0].head().writes(pieces)).await;
        assert!(got == body, "{}", transcript.name);
        assert_eq!(told(&recorded), expected(&transcript, &transcript.streams[0], true));
        assert_eq!(recorded.end().metadata["unobserved_events"], 1);
        assert_eq!(recorded.end().response_bytes, body.len() as u64);
    }
}

#[tokio::test]
async fn event_leaves_when_it_arrives() {
    let mut line = Line::new().await;
    for transcript in Transcript::all().unwrap() {
        for reply in transcript.streams.iter().filter(|reply| reply.streamed) {
            let gate = Gate::new();
            let all = events(&reply.body);
            let script = all.iter().fold(reply.head(), |script, event| script.wait(&gate).write(event.clone()));
            line.provider.reply(script);
            line.client.post(&target(transcript.endpoint), &[BEARER], &transcript.streaming_request).await.unwrap();
            line.client.head().await.unwrap();
            let shown: Vec<_> = all.iter().map(|event| client_stream(&transcript, event)).collect();
            for event in shown {
                gate.pass_one();
                if !event.is_empty() {
                    assert_eq!(line.client.chunk().await.unwrap().unwrap(), event, "{}", transcript.name);
                }
            }
            assert_eq!(line.client.chunk().await.unwrap(), None);
            line.gateway.records.take().await;
        }
    }
}

#[tokio::test]
async fn heartbeat_leaves_when_it_arrives() {
    let mut line = Line::new().await;
    for endpoint in Endpoint::ALL {
        let gate = Gate::new();
        let beats = [": ping\n\n", ":\n", "\r\n", ": with CR\r\r", "event: ping\ndata: {\"type\": \"ping\"}\n\n"];
        let script = beats.iter().fold(Script::sse(), |script, beat| script.wait(&gate).write(*beat));
        line.provider.reply(script);
        line.client.post(&target(endpoint), &[BEARER], request(endpoint, "m", true)).await.unwrap();
        line.client.head().await.unwrap();
        for beat in beats {
            gate.pass_one();
            assert_eq!(line.client.chunk().await.unwrap().unwrap(), beat, "{endpoint:?}");
        }
        let error = line.client.body().await.unwrap();
        assert_eq!(without_error_event(endpoint, &error).unwrap(), "", "heartbeats alone are no reply");
        assert_eq!(line.gateway.records.take().await.outcome(), Outcome::Truncated);
    }
}

#[tokio::test]
async fn chunked_request_passes_with_a_length() {
    let mut line = Line::new().await;
    let body = request(Endpoint::Messages, "m", false);
    for expect in ["", "Expect: 100-continue\r\n"] {
        line.provider.reply(Script::json(200, "{}"));
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\n{}: {}\r\n{expect}Transfer-Encoding: chunked\r\n\r\n",
            target(Endpoint::Messages),
            BEARER.0,
            BEARER.1
        );
        line.client.send(head).await.unwrap();
        for byte in body.as_bytes() {
            line.client.send([b"1\r\n", &[*byte][..], b"\r\n"].concat()).await.unwrap();
        }
        line.client.send("0\r\nX-Trailer: 1\r\n\r\n").await.unwrap();
        assert_eq!(line.client.response().await.unwrap().1, "{}");
        let received = line.provider.next_request().await;
        assert_eq!(received.body, body);
        assert_eq!(received.head.get("content-length").unwrap(), body.len().to_string());
        assert_eq!(received.head.get("transfer-encoding"), None);
        assert_eq!(line.gateway.records.take().await.start.request_bytes, body.len() as u64);
    }
}

#[tokio::test]
async fn coded_replies_pass_as_they_came_and_are_observed() {
    let mut line = Line::new().await;
    for transcript in Transcript::all().unwrap() {
        for (streamed, reply) in [(false, &transcript.blocking[0]), (true, &transcript.streams[0])] {
            let twice = gzip(&brotli(&reply.body));
            for (coding, coded) in [
                ("gzip", gzip(&reply.body)),
                ("br", brotli(&reply.body)),
                ("zstd", zstd(&reply.body)),
                ("br, gzip", twice),
            ] {
                let head = reply
                    .fields
                    .iter()
                    .fold(Script::chunked(reply.status), |script, (name, value)| script.field(name, value));
                let script =
                    head.field("Content-Encoding", coding).writes(coded.chunks(97).map(Bytes::copy_from_slice));
                line.provider.reply(script);
                let body = if streamed { &transcript.streaming_request } else { &transcript.request };
                line.client.post(&target(transcript.endpoint), &[BEARER], body).await.unwrap();
                let (head, body) = line.client.response().await.unwrap();
                let context = format!("{}, streamed: {streamed}, {coding}", transcript.name);
                assert_eq!(head.get("content-encoding"), Some(coding), "{context}");
                assert!(body == coded, "{context}");
                let recorded = line.gateway.records.take().await;
                assert_eq!(told(&recorded), expected(&transcript, reply, true), "{context}");
            }
        }
    }
}

#[tokio::test]
async fn reply_in_an_unknown_coding_passes_unobserved() {
    let mut line = Line::new().await;
    for coding in ["compress", "gzip, br, zstd", "\u{e9}"] {
        let script = Script::json(200, "not what it says").field("Content-Encoding", coding);
        let (body, recorded) = line.send(Endpoint::Chat, request(Endpoint::Chat, "m", false).as_bytes(), script).await;
        assert_eq!(body, "not what it says");
        assert_eq!((recorded.outcome(), recorded.usage().usage_source), (Outcome::Completed, "none"), "{coding}");
    }
}
