//! One call: the bytes that are sent, what must come back, and how long it took.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use crate::decode::Decoder;
use crate::http1::{Connection, Head};
use crate::subject::Endpoint;

/// Fields as a coding agent sends them, so that whoever is in between has as many to copy.
const FIELDS: &str = "accept: application/json\r\n\
    accept-encoding: gzip, deflate, br\r\n\
    anthropic-beta: claude-code-20250219,interleaved-thinking-2025-05-14\r\n\
    anthropic-version: 2023-06-01\r\n\
    content-type: application/json\r\n\
    user-agent: claude-cli/2.0.14 (external, cli)\r\n\
    x-app: cli\r\n\
    x-stainless-lang: js\r\n\
    x-stainless-retry-count: 0\r\n\
    x-stainless-timeout: 600\r\n";

/// A request, and the length of the reply to it.
#[derive(Debug)]
pub(crate) struct Call {
    wire: Vec<u8>,
    expected: usize,
}

/// From the first byte sent to the first and to the last byte of the reply's body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) first_byte: Duration,
    pub(crate) latency: Duration,
}

impl Call {
    /// `fields` are further header lines, each with its line end; `expected` is in bytes, without framing.
    pub(crate) fn new(endpoint: &Endpoint, fields: &str, body: &[u8], expected: usize) -> Self {
        let Endpoint { path, address, token } = endpoint;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             {FIELDS}{fields}content-length: {}\r\n\r\n",
            body.len()
        );
        Self { wire: [head.as_bytes(), body].concat(), expected }
    }

    /// Sends the request and reads the whole reply.
    ///
    /// # Errors
    ///
    /// When the connection fails, the status is not 200 or the reply is not as long as it must be.
    pub(crate) async fn perform(&self, connection: &mut Connection) -> anyhow::Result<Timing> {
        let sent = Instant::now();
        let mut decoder = self.start(connection).await?;
        let (mut received, mut first_byte) = (0, None);
        while !decoder.is_done() {
            let mut count = |data: &[u8]| {
                first_byte.get_or_insert_with(|| sent.elapsed());
                received += data.len();
            };
            connection.advance(&mut decoder, &mut count).await.context("the reply was cut short")?;
        }
        let latency = sent.elapsed();
        ensure!(received == self.expected, "the reply has {received} bytes instead of {}", self.expected);
        Ok(Timing { first_byte: first_byte.unwrap_or(latency), latency })
    }

    /// Sends the request and reads the head of the reply.
    async fn start(&self, connection: &mut Connection) -> anyhow::Result<Decoder> {
        connection.send(&self.wire).await.context("the request could not be sent")?;
        let parse = |head: Head<'_>| (head.target().parse(), head.framing());
        let (status, framing) =
            connection.head(parse).await.context("no reply")?.context("closed instead of a reply")?;
        ensure!(status == Ok(200_u16), "the status is {status:?}");
        Ok(Decoder::new(framing))
    }

    /// Sends the request and reads until `expected` bytes of the body are there, leaving the stream open.
    ///
    /// # Errors
    ///
    /// As for `perform`, and when the reply ends.
    pub(crate) async fn open(&self, connection: &mut Connection) -> anyhow::Result<()> {
        let mut decoder = self.start(connection).await?;
        let mut received = 0;
        while received < self.expected {
            connection.advance(&mut decoder, &mut |data| received += data.len()).await?;
            ensure!(!decoder.is_done(), "the stream ended instead of staying open");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use aibridge_benches::inputs::{self, Format};
    use tokio::net::TcpListener;

    use super::*;
    use crate::provider::EVENTS;
    use crate::subject::PATH;
    use crate::{provider, relay};

    /// Runs `test` with a relay in front of a provider, which sends as many bytes more.
    async fn through_relay<F: Future>(add: usize, test: impl FnOnce(Endpoint) -> F) -> F::Output {
        let listen = || TcpListener::bind(("127.0.0.1", 0));
        let provider = listen().await.expect("a port is free");
        let upstream = provider.local_addr().expect("it is bound").to_string();
        let upstream = http::Uri::builder().scheme("http").authority(upstream).path_and_query("/").build();
        let relay = listen().await.expect("a port is free");
        let address = relay.local_addr().expect("it is bound");
        tokio::select! {
            output = test(Endpoint { address, path: PATH.into(), token: "t".into() }) => output,
            _ = provider::serve(provider) => unreachable!("the provider serves for ever"),
            _ = relay::serve(relay, upstream.expect("it is a URI"), add) => unreachable!("the relay serves for ever"),
        }
    }

    fn stream_length(events: usize) -> usize {
        inputs::events(Format::Messages, events).iter().map(|event| event.len()).sum()
    }

    #[tokio::test]
    async fn replies_come_through_the_relay_complete() {
        for add in [0, 9_000] {
            through_relay(add, async |endpoint| {
                let mut connection = Connection::connect(endpoint.address).await.expect("it listens");
                let reply = inputs::reply(Format::Messages).len();
                for (fields, body, expected) in [
                    ("", inputs::small_request(false), reply),
                    ("", inputs::large_request(false), reply),
                    ("", inputs::large_request(true), stream_length(EVENTS)),
                    ("x-load-events: 7\r\nx-load-gap-ms: 1\r\n", inputs::small_request(true), stream_length(7)),
                ] {
                    let timing = Call::new(&endpoint, fields, &body, expected).perform(&mut connection).await;
                    let timing = timing.expect("one connection serves all of them");
                    assert!(timing.first_byte <= timing.latency);
                }
            })
            .await;
        }
    }

    #[tokio::test]
    async fn held_stream_opens_and_stays_open() {
        through_relay(0, async |endpoint| {
            let mut connection = Connection::connect(endpoint.address).await.expect("it listens");
            let first = inputs::events(Format::Messages, EVENTS)[0].len();
            let call = Call::new(&endpoint, "x-load-hold: 1\r\n", &inputs::small_request(true), first);
            call.open(&mut connection).await.expect("the first event comes");
        })
        .await;
    }

    #[tokio::test]
    async fn reply_of_another_length_or_status_is_an_error() {
        through_relay(0, async |endpoint| {
            let mut connection = Connection::connect(endpoint.address).await.expect("it listens");
            let body = inputs::small_request(false);
            let error = Call::new(&endpoint, "", &body, 1).perform(&mut connection).await.expect_err("one byte");
            assert!(error.to_string().contains("instead of 1"), "{error}");
            let elsewhere = Endpoint { path: "/elsewhere".into(), ..endpoint };
            let error = Call::new(&elsewhere, "", &body, 1).perform(&mut connection).await.expect_err("no route");
            assert!(error.to_string().contains("404"), "{error}");
        })
        .await;
    }
}
