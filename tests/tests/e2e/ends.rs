//! How round trips end, what the client sees of it, and what the records say.

use std::{io::ErrorKind, time::Duration};

use aibridge_store::record::Outcome;
use aibridge_tests::{Endpoint, Gate, Provider, RawClient, Reply, Script, Transcript, events};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    expect::{client_stream, expected, request, target, told, without_error_event},
    fixture::{BEARER, Gateway, Recorded, path},
};

/// An end in the words of [`told`].
fn end(outcome: Outcome, status: impl Into<Option<u16>>, error: impl Into<Option<&'static str>>) -> Value {
    json!({"end": {"outcome": outcome.as_str(), "status": status.into(), "error": error.into()}})
}

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
        let provider = Provider::start().await.unwrap();
        let gateway = Gateway::start(&provider.url()).await;
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

async fn start() -> (Provider, Gateway) {
    let provider = Provider::start().await.unwrap();
    let gateway = Gateway::start(&provider.url()).await;
    (provider, gateway)
}

/// How a client goes away.
#[derive(Clone, Copy, Debug)]
enum Leave {
    Close,
    Abort,
}

impl Leave {
    fn leave(self, client: RawClient) -> Instant {
        let at = Instant::now();
        match self {
            Leave::Close => drop(client),
            Leave::Abort => client.abort().unwrap(),
        }
        at
    }
}

/// Within this time of the client's going the provider's connection is closed.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The machine may be busy with other tests: of several tries one has to be as quick as it should be.
fn assert_quick(name: &str, taken: &[Duration]) {
    assert!(taken.iter().any(|one| *one < AT_ONCE), "{name}: {taken:?}");
}

#[tokio::test]
async fn client_that_leaves_closes_the_providers_stream_and_is_recorded() {
    let (provider, gateway) = start().await;
    for (name, tokens, source) in [
        ("messages-plain", [21, 1, 2048, 148], "partial"),
        ("chat-plain", [0; 4], "none"),
        ("responses-plain", [0; 4], "none"),
    ] {
        let transcript = Transcript::load(name).unwrap();
        let first = events(&transcript.streams[0].body)[..3].to_vec();
        let mut taken = Vec::new();
        for leave in [Leave::Close, Leave::Abort, Leave::Close] {
            provider.reply(transcript.streams[0].head().writes(first.clone()).wait(&Gate::new()));
            let mut client = gateway.client().await;
            client.post(&target(transcript.endpoint), &[BEARER], &transcript.streaming_request).await.unwrap();
            client.head().await.unwrap();
            client.at_least(first.concat().len()).await.unwrap();
            let left = leave.leave(client);
            taken.push(provider.client_closed().await - left);
            let recorded = gateway.records.take().await;
            let all = told(&recorded);
            assert_eq!(all[0]["prompt"], transcript.expect["prompt"], "{name}");
            assert_eq!(all[1]["usage"]["tokens"], json!(tokens), "{name}");
            assert_eq!(all[1]["usage"]["source"], source, "{name}");
            assert_eq!(all[1]["usage"]["response_id"], transcript.expect["response_id"], "{name}");
            assert_eq!(all[2..], [end(Outcome::ClientGone, 200, None)], "{name}");
        }
        assert_quick(name, &taken);
    }
}

#[tokio::test]
async fn client_that_leaves_before_the_head_cancels_the_request() {
    let (provider, gateway) = start().await;
    for endpoint in Endpoint::ALL {
        for streamed in [false, true] {
            let mut taken = Vec::new();
            for leave in [Leave::Close, Leave::Abort, Leave::Close] {
                provider.reply(Script::sse().hold(&Gate::new()));
                let mut client = gateway.client().await;
                client.post(&target(endpoint), &[BEARER], request(endpoint, "m", streamed)).await.unwrap();
                provider.next_request().await;
                let left = leave.leave(client);
                taken.push(provider.client_closed().await - left);
                let recorded = gateway.records.take().await;
                let none =
                    json!({"usage": {"response_id": null, "tokens": [0, 0, 0, 0], "extras": {}, "source": "none"}});
                let expected = [json!({"prompt": "Hi"}), none, end(Outcome::ClientGone, None, None)];
                assert_eq!(told(&recorded), expected, "{endpoint:?}, streamed: {streamed}");
            }
            assert_quick(endpoint.name(), &taken);
        }
    }
}

#[tokio::test]
async fn client_that_leaves_with_the_terminal_event_has_got_all() {
    let (provider, gateway) = start().await;
    for name in ["messages-plain", "chat-plain", "responses-plain"] {
        let transcript = Transcript::load(name).unwrap();
        let reply = &transcript.streams[0];
        provider.reply(reply.script().wait(&Gate::new()));
        let mut client = gateway.client().await;
        client.post(&target(transcript.endpoint), &[BEARER], &transcript.streaming_request).await.unwrap();
        client.head().await.unwrap();
        client.at_least(client_stream(&transcript, &reply.body).len()).await.unwrap();
        drop(client);
        provider.client_closed().await;
        assert_eq!(told(&gateway.records.take().await), expected(&transcript, reply, true), "{name}");
    }
}

#[tokio::test]
async fn client_that_leaves_a_whole_reply_is_recorded() {
    let (provider, gateway) = start().await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"id\": ";
    for endpoint in Endpoint::ALL {
        provider.reply(Script::raw().write(head).wait(&Gate::new()));
        let mut client = gateway.client().await;
        client.post(&target(endpoint), &[BEARER], request(endpoint, "m", false)).await.unwrap();
        client.head().await.unwrap();
        client.at_least(7).await.unwrap();
        drop(client);
        provider.client_closed().await;
        let recorded = gateway.records.take().await;
        assert_eq!(told(&recorded).last().unwrap(), &end(Outcome::ClientGone, 200, None));
        assert_eq!(recorded.usage().usage_source, "none");
    }
}

#[tokio::test]
async fn client_that_leaves_a_proxied_route_closes_it_too() {
    let (provider, gateway) = start().await;
    for script in [Script::sse().write("data: one\n\n").wait(&Gate::new()), Script::sse().hold(&Gate::new())] {
        provider.reply(script);
        let mut client = gateway.client().await;
        client.request("GET", &path("openai", "/v1/responses/resp_1?stream=true"), &[BEARER], "").await.unwrap();
        provider.next_request().await;
        drop(client);
        provider.client_closed().await;
    }
    assert_eq!(gateway.records.len(), 0);
}

#[tokio::test]
async fn client_that_leaves_within_its_request_leaves_nothing() {
    let (provider, gateway) = start().await;
    for endpoint in Endpoint::ALL {
        let body = request(endpoint, "left", true);
        for leave in [Leave::Close, Leave::Abort] {
            let mut client = gateway.client().await;
            let head = format!(
                "POST {} HTTP/1.1\r\nHost: x\r\n{}: {}\r\nContent-Length: {}\r\n\r\n",
                target(endpoint),
                BEARER.0,
                BEARER.1,
                body.len()
            );
            client.send(head).await.unwrap();
            client.send(&body[..body.len() - 1]).await.unwrap();
            leave.leave(client);
        }
        provider.reply(Script::json(200, "{}"));
        let mut client = gateway.client().await;
        client.post(&target(endpoint), &[BEARER], request(endpoint, "stays", false)).await.unwrap();
        client.response().await.unwrap();
        assert_eq!(gateway.records.take().await.start.model, "stays");
        assert_eq!(provider.next_request().await.json()["model"], "stays");
    }
}

#[tokio::test]
async fn error_of_the_provider_passes_as_it_came() {
    const ANTHROPIC: &str =
        r#"{"type":"error", "error":{"type":"overloaded_error","message":"Overl\u006faded"},"request_id":"req_1"}"#;
    const OPENAI: &str = r#"{ "error": {"message":"No.","type":"invalid_request_error","param":null,"code":"x"}}"#;
    const HTML: &str = "<html><body>502 Bad Gateway</body></html>\n";
    let zstd = zstd::encode_all(ANTHROPIC.as_bytes(), 0).unwrap();
    let (provider, gateway) = start().await;
    let mut client = gateway.client().await;
    for endpoint in Endpoint::ALL {
        for streamed in [false, true] {
            for (status, kind, coding, body, error, message) in [
                (400, "application/json", None, OPENAI.as_bytes(), "invalid_request_error", Some("No.")),
                (401, "application/json", None, OPENAI.as_bytes(), "invalid_request_error", Some("No.")),
                (
                    429,
                    "application/json; charset=utf-8",
                    None,
                    ANTHROPIC.as_bytes(),
                    "overloaded_error",
                    Some("Overloaded"),
                ),
                (529, "application/json", Some("zstd"), &zstd[..], "overloaded_error", Some("Overloaded")),
                (502, "text/html", None, HTML.as_bytes(), "http_502", Some(HTML.trim_ascii_end())),
                (500, "text/event-stream", None, b"data: odd\n\n", "http_500", Some("data: odd")),
                (503, "text/plain", None, b"", "http_503", Some("")),
                (302, "text/plain", None, b"elsewhere", "http_302", Some("elsewhere")),
            ] {
                let mut script = Script::whole(status, body.to_vec())
                    .field("Content-Type", kind)
                    .field("Retry-After", "7")
                    .field("x-should-retry", "true")
                    .field("Location", "https://elsewhere.example/");
                if let Some(coding) = coding {
                    script = script.field("Content-Encoding", coding);
                }
                provider.reply(script);
                client.post(&target(endpoint), &[BEARER], request(endpoint, "m", streamed)).await.unwrap();
                let (head, got) = client.response().await.unwrap();
                let context = format!("{endpoint:?}, {status}");
                assert_eq!(head.status(), status, "{context}");
                assert_eq!(got, body, "{context}");
                assert_eq!(head.get("content-type"), Some(kind), "{context}");
                assert_eq!(head.get("content-encoding"), coding, "{context}");
                assert_eq!((head.get("retry-after"), head.get("x-should-retry")), (Some("7"), Some("true")));
                assert_eq!(head.get("content-length").unwrap(), body.len().to_string(), "{context}");
                let recorded = gateway.records.take().await;
                let all = told(&recorded);
                assert_eq!(all.len(), 3, "{context}: prompt, usage, end");
                assert_eq!(all[2], end(Outcome::ProviderError, status, error), "{context}");
                assert_eq!(recorded.end().error_message.as_deref(), message, "{context}");
                assert_eq!(recorded.usage().usage_source, "none", "{context}");
            }
        }
    }
}

#[tokio::test]
async fn error_event_of_the_provider_passes_and_is_recorded() {
    let (provider, gateway) = start().await;
    let mut client = gateway.client().await;
    let chat = Transcript::load("chat-plain").unwrap();
    let mut begun = events(&chat.streams[0].body)[..2].to_vec();
    begun.push(Bytes::from_static(
        b"data: {\"error\": {\"message\": \"gone\", \"type\": \"server_error\", \"param\": null, \"code\": 500}}\n\n",
    ));
    let overload = Transcript::load("messages-overload").unwrap();
    let failed = Transcript::load("responses-failed").unwrap();
    for (transcript, all, error) in [
        (&overload, events(&overload.streams[0].body), "overloaded_error"),
        (&failed, events(&failed.streams[0].body), "server_error"),
        (&chat, begun, "server_error"),
    ] {
        for cut in [false, true] {
            let script = transcript.streams[0].head().writes(all.clone());
            provider.reply(if cut { script.cut() } else { script });
            client.post(&target(transcript.endpoint), &[BEARER], &transcript.streaming_request).await.unwrap();
            let (_, body) = client.response().await.unwrap();
            assert_eq!(body, all.concat(), "{}: nothing of the gateway's own", transcript.name);
            let recorded = gateway.records.take().await;
            assert_eq!(told(&recorded).last().unwrap(), &end(Outcome::ProviderError, 200, error));
            // One token record, whatever it knows.
            recorded.usage();
        }
    }
}

#[tokio::test]
async fn background_response_is_accepted_and_its_stream_still_ends_truthfully() {
    const QUEUED: &str = r#"{"id":"resp_bg","object":"response","status":"queued","background":true,"output":[]}"#;
    const CREATED: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":\
        {\"id\":\"resp_bg\",\"status\":\"queued\",\"background\":true}}\n\n";
    let (provider, gateway) = start().await;
    let mut client = gateway.client().await;
    let usage = json!({"usage": {"response_id": "resp_bg", "tokens": [0, 0, 0, 0], "extras": {}, "source": "none"}});
    let expected = [json!({"prompt": "Hi"}), usage, end(Outcome::Accepted, 200, None)];
    for script in [Script::json(200, QUEUED), Script::sse().write(CREATED).cut(), Script::sse().write(CREATED)] {
        provider.reply(script);
        client.post(&target(Endpoint::Responses), &[BEARER], request(Endpoint::Responses, "m", true)).await.unwrap();
        let (_, body) = client.response().await.unwrap();
        if body != QUEUED {
            assert_eq!(without_error_event(Endpoint::Responses, &body).unwrap(), CREATED);
        }
        assert_eq!(told(&gateway.records.take().await), expected);
    }
}
