use std::collections::BTreeSet;

use super::*;
use crate::{Provider, RawClient, Scripted};

#[test]
fn every_transcript_is_well_formed() {
    let all = Transcript::all().unwrap();
    assert!(all.len() >= 13);
    for transcript in &all {
        let name = &transcript.name;
        for (request, streamed) in [(&transcript.request, false), (&transcript.streaming_request, true)] {
            let request: Value = serde_json::from_slice(request).unwrap();
            assert_eq!(request["stream"], streamed, "{name}");
            assert_eq!(request["model"], transcript.expect["model"], "{name}");
            let model = request["model"].as_str().unwrap();
            let (_, rest) = model.split_once("-test-").unwrap();
            assert_eq!(*name, format!("{}-{rest}", transcript.endpoint.name()));
        }
        assert_eq!(transcript.blocking.len(), transcript.streams.len(), "{name}");
        for reply in &transcript.blocking {
            let body: Value = serde_json::from_slice(&reply.body).unwrap();
            assert!(body["id"].is_string() || body["error"].is_object(), "{name}");
        }
        for reply in &transcript.streams {
            assert!(reply.streamed && reply.body.ends_with(b"\n\n"), "{name}");
            for line in std::str::from_utf8(&reply.body).unwrap().lines() {
                if let Some(data) = line.strip_prefix("data: ").filter(|data| *data != "[DONE]") {
                    assert!(serde_json::from_str::<Value>(data).is_ok(), "{name}: {data}");
                }
            }
        }
        assert!(transcript.expect["outcome"].is_string(), "{name}");
    }
    let endpoints: BTreeSet<_> = all.iter().map(|transcript| transcript.endpoint.name()).collect();
    assert_eq!(endpoints.len(), 3);
}

#[test]
fn reply_keeps_its_head() {
    let plain = Transcript::load("messages-plain").unwrap();
    let reply = &plain.streams[0];
    assert_eq!(reply.status, 200);
    assert!(reply.fields.contains(&("request-id".to_owned(), "req_t01Plain7hq2".to_owned())));
    assert!(reply.body.starts_with(b"event: message_start\n"));
    let overload = Transcript::load("messages-overload").unwrap();
    assert_eq!((overload.blocking[0].status, overload.blocking[0].streamed), (529, false));
}

#[test]
fn events_and_splits_are_the_stream_again() {
    for transcript in Transcript::all().unwrap() {
        for reply in &transcript.streams {
            let events = events(&reply.body);
            assert!(events.len() > 3);
            assert!(events.iter().all(|event| event.ends_with(b"\n\n")));
            assert_eq!(events.concat(), reply.body);
        }
    }
    let splits: Vec<_> = resplit(&Bytes::from_static(b"abc")).collect();
    assert_eq!(splits, [(Bytes::from("a"), Bytes::from("bc")), (Bytes::from("ab"), Bytes::from("c"))]);
}

#[test]
fn line_ends_change_nothing_else() {
    let stream = Bytes::from_static("data: ü\n\n: x\n".as_bytes());
    assert_eq!(line_ends(&stream, LineEnd::Lf), stream);
    assert_eq!(line_ends(&stream, LineEnd::CrLf), "data: ü\r\n\r\n: x\r\n");
    assert_eq!(line_ends(&stream, LineEnd::Cr), "data: ü\r\r: x\r");
}

#[tokio::test]
async fn transcript_is_served_as_it_stands() {
    let plain = Transcript::load("messages-plain").unwrap();
    let provider = Provider::start().await.unwrap();
    let mut client = RawClient::connect(provider.address()).await.unwrap();

    provider.reply(plain.streams[0].script());
    client.post("/", &[], plain.streaming_request.clone()).await.unwrap();
    assert_eq!(client.head().await.unwrap().get("request-id"), Some("req_t01Plain7hq2"));
    for event in events(&plain.streams[0].body) {
        assert_eq!(client.chunk().await.unwrap().unwrap(), event, "an event a chunk");
    }
    assert_eq!(client.chunk().await.unwrap(), None);

    let (first, second) = resplit(&plain.streams[0].body).nth(100).unwrap();
    provider.reply(plain.streams[0].script_split((first.clone(), second.clone())));
    client.post("/", &[], plain.streaming_request.clone()).await.unwrap();
    client.head().await.unwrap();
    assert_eq!(client.chunk().await.unwrap().unwrap(), first);
    assert_eq!(client.chunk().await.unwrap().unwrap(), second);
    assert_eq!(client.chunk().await.unwrap(), None);

    provider.reply(plain.blocking[0].script());
    client.post("/", &[], plain.request.clone()).await.unwrap();
    assert_eq!(client.response().await.unwrap().1, plain.blocking[0].body);
}

/// What the scripted provider answers to this body.
async fn ask(provider: &Provider, endpoint: Endpoint, key: &str, body: &str) -> std::io::Result<(u16, Bytes)> {
    let mut client = RawClient::connect(provider.address()).await?;
    client.post(endpoint.path(), &[("authorization", &format!("Bearer {key}"))], body).await?;
    let (head, body) = client.response().await?;
    Ok((head.status(), body))
}

#[tokio::test]
async fn model_chooses_what_the_scripted_provider_does() {
    let scripted = Scripted::load().unwrap().key("k");
    let provider = Provider::replying(move |request| scripted.script(request)).await.unwrap();
    for transcript in Transcript::all().unwrap() {
        let request = std::str::from_utf8(&transcript.request).unwrap();
        let (status, body) = ask(&provider, transcript.endpoint, "k", request).await.unwrap();
        assert_eq!((status, body), (transcript.blocking[0].status, transcript.blocking[0].body.clone()));
    }
    let usage = Transcript::load("chat-usage").unwrap();
    let request = std::str::from_utf8(&usage.streaming_request).unwrap();
    assert_eq!(ask(&provider, Endpoint::Chat, "k", request).await.unwrap().1, usage.streams[0].body);
    let plain = Transcript::load("chat-plain").unwrap();
    let request = std::str::from_utf8(&plain.streaming_request).unwrap();
    let stream = ask(&provider, Endpoint::Chat, "k", request).await.unwrap().1;
    assert_eq!(events(&stream).len() + 1, events(&plain.streams[0].body).len(), "no usage that was not asked for");

    let second = r#"{"model":"claude-test-tools","messages":[{"role":"user","content":[{"type":"tool_result"}]}]}"#;
    let tools = Transcript::load("messages-tools").unwrap();
    assert_eq!(ask(&provider, Endpoint::Messages, "k", second).await.unwrap().1, tools.blocking[1].body);

    let (status, body) = ask(&provider, Endpoint::Messages, "k", r#"{"model":"x-test-error-529"}"#).await.unwrap();
    assert!(status == 529 && String::from_utf8_lossy(&body).contains("overloaded_error"));
    assert_eq!(ask(&provider, Endpoint::Chat, "other", "{}").await.unwrap().0, 401);
    for (stream, error) in [("cut", std::io::ErrorKind::UnexpectedEof), ("reset", std::io::ErrorKind::ConnectionReset)]
    {
        for streamed in [true, false] {
            let body = format!(r#"{{"model":"gpt-test-{stream}","stream":{streamed}}}"#);
            let ended = ask(&provider, Endpoint::Responses, "k", &body).await;
            assert_eq!(ended.unwrap_err().kind(), error, "{body}");
        }
    }
}
