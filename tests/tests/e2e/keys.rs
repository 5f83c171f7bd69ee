//! Pools of keys over the wire.

use std::sync::{Arc, Mutex};

use aibridge_providers::provider::{BaseUrl, Instance, Kind, Secret};
use aibridge_store::record::Outcome;
use aibridge_tests::{Endpoint, Provider, ReceivedRequest, Script, Transcript};
use tokio::net::TcpListener;

use crate::{
    expect::{client_stream, request, target, told, upstream_request},
    fixture::{BEARER, GOVERNANCE, OWN, Setup, path},
    line::Line,
};

const KEYS: [&str; 3] = ["sk-first-0123456789abcdef", "sk-second-0123456789abcde", "sk-third-0123456789abcdef"];

fn pools(url: &str) -> Vec<Instance> {
    [(Kind::OpenAi, format!("{url}/v1/")), (Kind::Anthropic, url.to_owned())]
        .into_iter()
        .map(|(kind, url)| {
            let builder = Instance::builder(kind, BaseUrl::parse(&url).unwrap());
            KEYS.into_iter().fold(builder, |builder, key| builder.key(Secret::new(key))).build()
        })
        .collect()
}

fn setup() -> Setup {
    Setup { instances: pools, ..Setup::default() }
}

/// The place of the key that came with a request.
fn place(request: &ReceivedRequest) -> Option<usize> {
    let key = request.head.get("authorization").or(request.head.get("x-api-key"))?;
    KEYS.iter().position(|it| *it == key.trim_start_matches("Bearer "))
}

/// A provider that answers the keys at these places with these statuses, and others with the transcript.
async fn provider(refused: &'static [(usize, u16)], transcript: Transcript, streamed: bool) -> Provider {
    Provider::replying(move |request| {
        let status = refused.iter().find(|(slot, _)| Some(*slot) == place(request)).map(|(_, status)| *status);
        match status {
            Some(status) => Script::json(status, r#"{"error":{"type":"t","message":"m"}}"#).field("Retry-After", "600"),
            None if streamed => transcript.streams[0].script(),
            None => transcript.blocking[0].script(),
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn next_key_serves_the_same_request_and_the_client_sees_nothing_of_the_first() {
    for name in ["messages-plain", "chat-plain", "responses-plain"] {
        for streamed in [false, true] {
            let transcript = Transcript::load(name).unwrap();
            let endpoint = transcript.endpoint;
            let provider = provider(&[(0, 429), (1, 401)], transcript.clone(), streamed).await;
            let mut line = Line::to(provider, setup()).await;
            let body = if streamed { &transcript.streaming_request } else { &transcript.request };
            for expected in [&[0, 1, 2][..], &[2]] {
                line.client.post(&target(endpoint), &[BEARER], body).await.unwrap();
                let (head, reply) = line.client.response().await.unwrap();
                assert_eq!((head.status(), head.get("retry-after")), (200, None));
                match streamed {
                    true => assert_eq!(reply, client_stream(&transcript, &transcript.streams[0].body), "{name}"),
                    false => assert_eq!(reply, transcript.blocking[0].body, "{name}"),
                }
                for slot in expected {
                    let got = line.provider.next_request().await;
                    assert_eq!(
                        (place(&got), got.body),
                        (Some(*slot), upstream_request(&transcript, streamed)),
                        "{name}"
                    );
                }
                let recorded = line.gateway.records.take().await;
                assert_eq!(recorded.outcome(), Outcome::Completed);
                assert_eq!(&*recorded.start.credential_hint, "sk-f...cdef", "the one it began with");
                assert_eq!(recorded.end().credential_hint.as_deref(), Some("sk-t...cdef"), "the one that answered");
                recorded.usage();
            }
            assert_eq!(line.provider.connections(), 1, "what a key was refused with is read, and the connection kept");
        }
    }
}

#[tokio::test]
async fn route_that_is_passed_through_fails_over_when_its_body_is_empty() {
    let plain = Transcript::load("chat-plain").unwrap();
    let mut line = Line::to(provider(&[(0, 429)], plain, false).await, setup()).await;
    line.client.request("GET", &path("openai", "/v1/models"), &[BEARER], "").await.unwrap();
    assert_eq!(line.client.response().await.unwrap().0.status(), 200);
    let slots = |line: &Line| line.provider.requests().iter().map(place).collect::<Vec<_>>();
    assert_eq!(slots(&line), [Some(0), Some(1)]);

    line.client.request("POST", &path("anthropic", "/v1/messages/count_tokens"), &[BEARER], "{}").await.unwrap();
    let (head, _) = line.client.response().await.unwrap();
    assert_eq!((head.status(), head.get("retry-after")), (429, Some("1")), "its body is gone; the client has it");
    line.client.request("POST", &path("anthropic", "/v1/messages/count_tokens"), &[BEARER], "{}").await.unwrap();
    assert_eq!(line.client.response().await.unwrap().0.status(), 200, "by the second key");
    assert_eq!(slots(&line)[2..], [Some(0), Some(1)]);
    assert_eq!(line.gateway.records.len(), 0);
}

#[tokio::test]
async fn stored_response_is_continued_with_the_key_that_made_it() {
    let limited = Arc::new(Mutex::new(true));
    let transcript = Transcript::load("responses-plain").unwrap();
    for streamed in [false, true] {
        *limited.lock().unwrap() = true;
        let reply = transcript.clone();
        let first_limited = limited.clone();
        let provider = Provider::replying(move |request| match place(request) {
            Some(0) if *first_limited.lock().unwrap() => Script::json(429, "{}").field("retry-after-ms", "1"),
            _ if request.json()["stream"] == true => reply.streams[0].script(),
            _ => reply.blocking[0].script(),
        });
        let mut line = Line::to(provider.await.unwrap(), setup()).await;
        line.client
            .post(&target(Endpoint::Responses), &[BEARER], request(Endpoint::Responses, "m", streamed))
            .await
            .unwrap();
        line.client.response().await.unwrap();
        let recorded = line.gateway.records.take().await;
        let id = recorded.usage().provider_response_id.clone().unwrap();
        *limited.lock().unwrap() = false;
        // The first key can be used again.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        for (id, slot) in [(&*id, 1), ("resp_unknown", 0)] {
            let body = format!(r#"{{"model":"m","previous_response_id":"{id}","input":"And?"}}"#);
            line.client.post(&target(Endpoint::Responses), &[BEARER], body).await.unwrap();
            line.client.response().await.unwrap();
            assert_eq!(line.provider.requests().last().and_then(place), Some(slot), "{id}");
            line.gateway.records.take().await;
        }
    }
}

#[tokio::test]
async fn own_credential_gets_the_providers_own_refusal_and_asks_once() {
    for status in [401, 429] {
        let provider = Provider::replying(move |_| Script::json(status, "{}").field("Retry-After", "9")).await.unwrap();
        let mut line = Line::to(provider, setup()).await;
        for (route, body) in [("/v1/chat/completions", r#"{"model":"m"}"#), ("/v1/models", "")] {
            let method = if body.is_empty() { "GET" } else { "POST" };
            line.client.request(method, &path("openai", route), &[GOVERNANCE, OWN], body).await.unwrap();
            let (head, reply) = line.client.response().await.unwrap();
            assert_eq!((head.status(), head.get("retry-after"), &*reply), (status, Some("9"), &b"{}"[..]));
            assert_eq!(line.provider.requests().len(), if body.is_empty() { 2 } else { 1 });
        }
        let recorded = line.gateway.records.take().await;
        assert_eq!(recorded.end().credential_hint, None);
        assert_eq!(told(&recorded).last().unwrap()["end"]["outcome"], "provider_error");
    }
}

#[tokio::test]
async fn nothing_is_repeated_once_the_reply_has_begun() {
    let setup = Setup { max_retries: 3, ..setup() };
    let mut line = Line::with(setup).await;
    line.provider.reply(Script::sse().write("data: {\"choices\":[]}\n\n").cut());
    line.client.post(&target(Endpoint::Chat), &[BEARER], request(Endpoint::Chat, "m", true)).await.unwrap();
    line.client.response().await.unwrap();
    assert_eq!(line.gateway.records.take().await.outcome(), Outcome::Truncated);
    assert_eq!(line.provider.requests().len(), 1);
}

#[tokio::test]
async fn attempts_are_as_many_as_the_policy_says() {
    for retries in [0, 2] {
        let provider = Provider::replying(|_| Script::json(529, "{}").field("retry-after-ms", "1")).await.unwrap();
        let mut line = Line::to(provider, Setup { max_retries: retries, ..setup() }).await;
        line.client
            .post(&target(Endpoint::Messages), &[BEARER], request(Endpoint::Messages, "m", false))
            .await
            .unwrap();
        assert_eq!(line.client.response().await.unwrap().0.status(), 529);
        assert_eq!(line.provider.requests().len(), retries as usize + 1);
        assert_eq!(told(&line.gateway.records.take().await).len(), 3, "one interception, one round trip");

        // A connection on which nothing was sent: TLS does not come about.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(Mutex::new(0));
        let count = accepted.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                drop(stream);
            }
        });
        let gateway =
            crate::fixture::Gateway::with(&format!("https://{address}"), Setup { max_retries: retries, ..setup() })
                .await;
        let mut client = gateway.client().await;
        client.post(&target(Endpoint::Chat), &[BEARER], request(Endpoint::Chat, "m", false)).await.unwrap();
        assert_eq!(client.response().await.unwrap().0.status(), 502);
        assert_eq!(*accepted.lock().unwrap(), retries + 1);
        accepting.abort();
    }
}

#[tokio::test]
async fn request_that_may_have_been_read_is_not_sent_again() {
    let mut line = Line::with(Setup { max_retries: 3, ..setup() }).await;
    line.provider.reply(Script::raw().reset());
    line.client.post(&target(Endpoint::Chat), &[BEARER], request(Endpoint::Chat, "m", false)).await.unwrap();
    assert_eq!(line.client.response().await.unwrap().0.status(), 502);
    assert_eq!(line.provider.requests().len(), 1);
}
