//! The files in `data/`; `data/README.md` describes them.

use std::io;

use bytes::Bytes;
use serde_json::Value;

use super::{Endpoint, Reply, Transcript};
use crate::http1::find;

const MARK: &[u8] = b"=== ";

pub(super) fn parse(name: &str, file: &[u8]) -> io::Result<Transcript> {
    let fail = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {what}"));
    let prefix = name.split('-').next();
    let endpoint = Endpoint::ALL.into_iter().find(|endpoint| Some(endpoint.name()) == prefix);
    let endpoint = endpoint.ok_or_else(|| fail("the name begins with no API"))?;

    let mut request = None;
    let mut streaming_request = None;
    let (mut blocking, mut streams) = (Vec::new(), Vec::new());
    let mut expect = Value::Null;
    for (title, content) in sections(file) {
        match title.as_str() {
            "request" => request = Some(Bytes::copy_from_slice(content)),
            "streaming request" => streaming_request = Some(Bytes::copy_from_slice(content)),
            "blocking" => blocking.push(reply(content, false).ok_or_else(|| fail("a reply's head"))?),
            "stream" => streams.push(reply(content, true).ok_or_else(|| fail("a reply's head"))?),
            "expect" => expect = serde_json::from_slice(content).map_err(|error| fail(&error.to_string()))?,
            other => return Err(fail(&format!("unknown section {other}"))),
        }
    }
    let request = request.ok_or_else(|| fail("no request"))?;
    let streaming_request = match streaming_request {
        Some(given) => given,
        None => streaming(&request).ok_or_else(|| fail("the request lacks \"stream\": false"))?,
    };
    let name = name.to_owned();
    Ok(Transcript { name, endpoint, request, streaming_request, blocking, streams, expect })
}

/// Title and content of each section; what stands before the first is commentary.
fn sections(file: &[u8]) -> Vec<(String, &[u8])> {
    let mut found: Vec<(String, usize, usize)> = Vec::new();
    let mut at = 0;
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        if let Some(title) = line.strip_prefix(MARK) {
            if let Some(previous) = found.last_mut() {
                previous.2 = at;
            }
            found.push((String::from_utf8_lossy(title).trim().to_owned(), at + line.len(), file.len()));
        }
        at += line.len();
    }
    found.into_iter().map(|(title, start, end)| (title, &file[start..end])).collect()
}

fn reply(content: &[u8], streamed: bool) -> Option<Reply> {
    if !content.starts_with(b"HTTP/") {
        let kind = if streamed { "text/event-stream; charset=utf-8" } else { "application/json" };
        let fields = vec![("content-type".to_owned(), kind.to_owned())];
        return Some(Reply { status: 200, fields, body: Bytes::copy_from_slice(content), streamed });
    }
    let end = find(content, b"\n\n")?;
    let head = String::from_utf8_lossy(&content[..end]);
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let fields = lines
        .map(|line| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect::<Option<Vec<_>>>()?;
    // A refusal is sent whole, also to a client that asked for a stream.
    let streamed = streamed && status == 200;
    Some(Reply { status, fields, body: Bytes::copy_from_slice(&content[end + 2..]), streamed })
}

fn streaming(request: &[u8]) -> Option<Bytes> {
    const OFF: &[u8] = b"\"stream\": false";
    let at = find(request, OFF)?;
    Some([&request[..at], b"\"stream\": true", &request[at + OFF.len()..]].concat().into())
}
