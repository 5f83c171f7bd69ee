//! Clients that go away.

use std::time::Duration;

use aibridge_store::record::Outcome;
use aibridge_tests::{Endpoint, Gate, RawClient, Script, Transcript, events};
use serde_json::json;
use tokio::time::Instant;

use super::{end, start};
use crate::{
    expect::{client_stream, expected, request, target, told},
    fixture::{BEARER, path},
};

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
