//! The orderly end.

use std::{io::ErrorKind, time::Duration};

use aibridge_tests::{Endpoint, Gate, Provider, RawClient, Script, Transcript, events};
use bytes::Bytes;
use tokio::time::{Instant, timeout};

use crate::{
    home::{Home, PATIENCE, eventually},
    process::{Gateway, path},
};

/// A gateway with a stream under way whose first half has arrived, and whose second waits for the gate.
struct Streaming {
    home: Home,
    gateway: Gateway,
    client: RawClient,
    provider: Provider,
    gate: Gate,
    rest: Bytes,
}

impl Streaming {
    async fn start(grace: &str) -> Streaming {
        let home = Home::new();
        let token = home.token("ali").await;
        let gate = Gate::new();
        let transcript = Transcript::load("messages-plain").unwrap();
        let events = events(&transcript.streams[0].body);
        let (first, last) = events.split_at(events.len() / 2);
        let provider = Provider::start().await.unwrap();
        provider.reply(Script::sse().writes(first.iter().cloned()).wait(&gate).writes(last.iter().cloned()));
        let gateway = home.server().env("CODER_SHUTDOWN_GRACE", grace).provider(&provider).start().await;
        let mut client = gateway.client().await;
        let fields = [("Authorization", &*format!("Bearer {token}"))];
        client
            .post(&path("anthropic", Endpoint::Messages.path()), &fields, &transcript.streaming_request)
            .await
            .unwrap();
        assert_eq!(client.head().await.unwrap().status(), 200);
        let half = first.concat();
        assert_eq!(client.at_least(half.len()).await.unwrap(), half);
        Streaming { home, gateway, client, provider, gate, rest: last.concat().into() }
    }

    /// SIGTERM; returns when it is obeyed.
    async fn terminate(&mut self) {
        self.gateway.signal("TERM").await;
        self.gateway.stderr.line("stopping: ").await;
    }
}

#[tokio::test]
async fn a_stream_in_flight_finishes_while_newcomers_are_turned_away() {
    let mut streaming = Streaming::start("30s").await;
    // Connections with the beginning of a request, which is finished too late.
    let (early, late) = ("POST /api/v2/aibridge/anthropic/v1/messages HTTP/1.1\r\nHost:", " gateway\r\n\r\n");
    let mut begun = Vec::new();
    for _ in 0..8 {
        let mut client = streaming.gateway.client().await;
        client.send(early).await.unwrap();
        begun.push(client);
    }
    // Others that came after them have been served.
    for _ in 0..8 {
        assert_eq!(streaming.gateway.get("/healthz").await.0.status(), 200);
    }
    streaming.terminate().await;

    let address = streaming.gateway.address;
    eventually("nobody listens", async || {
        let refused = RawClient::connect(address).await.err();
        refused.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    })
    .await;
    let mut told = 0;
    for mut client in begun {
        // One whose first bytes had not been read yet is closed without an answer.
        let _ = client.send(late).await;
        let Ok((head, body)) = timeout(PATIENCE, client.response()).await.unwrap() else { continue };
        assert_eq!((head.status(), head.get("retry-after"), head.get("connection")), (503, Some("1"), Some("close")));
        let error = crate::process::json(&body);
        assert_eq!((&error["type"], &error["error"]["type"]), (&"error".into(), &"overloaded_error".into()));
        assert_eq!(client.head().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        told += 1;
    }
    assert!(told > 0, "a request that comes too late is told so");

    streaming.gate.open();
    assert_eq!(streaming.client.body().await.unwrap(), streaming.rest);
    assert_eq!(streaming.gateway.exit().await.status.code(), Some(0));
    let one = streaming.home.interceptions().await.remove(0);
    assert_eq!((&one["outcome"], &one["token_usages"][0]["usage_source"]), (&"completed".into(), &"final".into()));
    assert_eq!(one["user_prompts"].as_array().unwrap().len(), 1);
    assert_eq!(streaming.provider.requests().len(), 1, "those that came too late went nowhere");
}

#[tokio::test]
async fn a_stream_that_outlasts_the_grace_period_is_cut_and_recorded() {
    let mut streaming = Streaming::start("150ms").await;
    streaming.terminate().await;
    let cut = timeout(PATIENCE, streaming.client.body()).await.unwrap();
    assert!(cut.is_err(), "no clean end: {cut:?}");
    timeout(PATIENCE, streaming.provider.client_closed()).await.unwrap();
    let ended = streaming.gateway.exit().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("did not finish in time"), "{}", ended.stderr);
    let one = streaming.home.interceptions().await.remove(0);
    // Closed now and not by the next start, which would not know the tokens.
    assert_eq!((&one["outcome"], &one["error_type"]), (&"gateway_error".into(), &"interrupted".into()), "{one:#}");
    assert_eq!(one["token_usages"][0]["usage_source"], "partial", "{one:#}");
    assert_eq!(one["http_status"], 200, "{one:#}");
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut streaming = Streaming::start("1h").await;
    streaming.terminate().await;
    streaming.gateway.signal("TERM").await;
    assert_eq!(streaming.gateway.exit().await.status.code(), Some(130));
    // The next start closes what was left.
    streaming.home.server().provider(&streaming.provider).start().await.stop().await;
    assert_eq!(streaming.home.interceptions().await[0]["error_type"], "interrupted");
}

#[tokio::test]
async fn idle_connections_do_not_hold_it_up() {
    let home = Home::new();
    let gateway = home.server().start().await;
    let mut used = gateway.client().await;
    used.request("GET", "/healthz", &[], "").await.unwrap();
    used.response().await.unwrap();
    let unused = gateway.client().await;
    let begun = Instant::now();
    gateway.signal("INT").await;
    let ended = gateway.exit().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("stopped"), "{}", ended.stderr);
    assert!(begun.elapsed() < Duration::from_secs(10), "not the 30 seconds of grace");
    drop((used, unused));
}
