//! The fake provider: answers at once, and writes every event of a stream by itself.
//!
//! What a request wants is said in its headers, which pass a gateway unchanged:
//!
//! | header | meaning | default |
//! | --- | --- | --- |
//! | `x-load-events` | events in a stream | 104 |
//! | `x-load-gap-ms` | milliseconds between two events | 0, as fast as it goes |
//! | `x-load-hold` | present: only the first event, then the stream stays open until the client closes | absent |

use std::io::Result;
use std::rc::Rc;
use std::time::Duration;

use aibridge_benches::inputs::{self, Format};
use memchr::memmem;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep_until, timeout};

use crate::decode::Framing;
use crate::http1::{Connection, Head};

/// Events in a stream unless the request says otherwise.
pub(crate) const EVENTS: usize = 104;
const MOST_EVENTS: usize = 10_000;
const LONGEST_HOLD: Duration = Duration::from_secs(300);
const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
    cache-control: no-cache\r\nrequest-id: req_011CSHoEeqs5C35K2UUqR7Fy\r\ntransfer-encoding: chunked\r\n\r\n";

/// Serves until the process ends.
///
/// # Errors
///
/// When connections can no longer be accepted.
pub(crate) async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    let scripts: Rc<[Script]> =
        [Format::Messages, Format::Chat, Format::Responses].map(Script::new).into_iter().collect();
    let accept = async {
        loop {
            let (stream, _) = listener.accept().await?;
            let scripts = Rc::clone(&scripts);
            // A client that goes away in the middle is not the provider's business.
            spawn_local(async move { connection(stream, &scripts).await.ok() });
        }
    };
    LocalSet::new().run_until(accept).await
}

/// What is written for a format, made once.
struct Script {
    format: Format,
    reply: Vec<u8>,
    chunks: Vec<Vec<u8>>,
}

impl Script {
    fn new(format: Format) -> Self {
        Self { format, reply: json("200 OK", &inputs::reply(format)), chunks: chunks(format, EVENTS) }
    }
}

fn json(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nrequest-id: req_011CSHoEeqs5C35K2UUqR7Fy\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Each event as the chunk that goes on the wire; the last one ends the body.
fn chunks(format: Format, total: usize) -> Vec<Vec<u8>> {
    let mut chunks: Vec<Vec<u8>> = inputs::events(format, total)
        .iter()
        .map(|event| [format!("{:x}\r\n", event.len()).as_bytes(), event, b"\r\n"].concat())
        .collect();
    if let Some(last) = chunks.last_mut() {
        last.extend_from_slice(b"0\r\n\r\n");
    }
    chunks
}

/// What a request wants.
struct Order {
    format: Option<Format>,
    framing: Framing,
    events: usize,
    gap: Duration,
    hold: bool,
}

impl Order {
    fn parse(head: Head<'_>) -> Self {
        Self {
            format: Format::of_path(head.target()),
            framing: head.framing(),
            events: head.number("x-load-events").unwrap_or(EVENTS).min(MOST_EVENTS),
            gap: Duration::from_millis(head.number("x-load-gap-ms").unwrap_or(0)),
            hold: head.field("x-load-hold").is_some(),
        }
    }
}

async fn connection(stream: TcpStream, scripts: &[Script]) -> Result<()> {
    let mut connection = Connection::new(stream, 64 * 1024)?;
    let mut body = Vec::new();
    while let Some(order) = connection.head(Order::parse).await? {
        body.clear();
        connection.body(order.framing, |data| body.extend_from_slice(data)).await?;
        let Some(script) = scripts.iter().find(|script| Some(script.format) == order.format) else {
            connection.send(&json("404 Not Found", br#"{"error":{"message":"no such route"}}"#)).await?;
            continue;
        };
        if !wants_stream(&body) {
            connection.send(&script.reply).await?;
        } else if order.hold {
            connection.send(STREAM_HEAD).await?;
            connection.send(&script.chunks[0]).await?;
            timeout(LONGEST_HOLD, connection.closed()).await.ok();
            return Ok(());
        } else if order.events == EVENTS {
            stream_events(&mut connection, &script.chunks, order.gap).await?;
        } else {
            stream_events(&mut connection, &chunks(script.format, order.events), order.gap).await?;
        }
    }
    Ok(())
}

async fn stream_events(connection: &mut Connection, chunks: &[Vec<u8>], gap: Duration) -> Result<()> {
    connection.send(STREAM_HEAD).await?;
    let mut due = Instant::now();
    for chunk in chunks {
        if !gap.is_zero() {
            sleep_until(due).await;
            due += gap;
        }
        connection.send(chunk).await?;
    }
    Ok(())
}

/// Whether the body says `"stream": true`, looked for in its first and its last 4 KiB.
fn wants_stream(body: &[u8]) -> bool {
    const KEY: &[u8] = b"\"stream\"";
    let first = &body[..body.len().min(4096)];
    let last = &body[body.len().saturating_sub(4096)..];
    [first, last].into_iter().any(|part| {
        let Some(at) = memmem::find(part, KEY) else { return false };
        let mut rest = part[at + KEY.len()..].iter().filter(|byte| !byte.is_ascii_whitespace());
        rest.next() == Some(&b':') && rest.next() == Some(&b't')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_is_recognised_at_either_end_of_the_body() {
        assert!(wants_stream(&inputs::small_request(true)));
        assert!(wants_stream(&inputs::large_request(true)));
        assert!(wants_stream(br#"{"stream": true, "model": "x"}"#));
        assert!(!wants_stream(&inputs::large_request(false)));
        assert!(!wants_stream(b"{}"));
    }

    #[test]
    fn every_event_is_a_chunk_and_the_last_ends_the_body() {
        let chunks = chunks(Format::Messages, EVENTS);
        assert_eq!(chunks.len(), EVENTS);
        assert!(chunks.iter().all(|chunk| chunk.windows(6).any(|bytes| bytes == b"data: ")));
        assert_eq!(chunks.iter().filter(|chunk| chunk.ends_with(b"\r\n0\r\n\r\n")).count(), 1);
    }
}
