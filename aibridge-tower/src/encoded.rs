//! How a reply is to be read.

use aibridge_providers::encoding::StreamDecoder;
use http::{HeaderMap, header};

/// What has to be done to the bytes first.
pub(crate) enum Coding {
    /// Nothing.
    Plain,
    /// They are decoded.
    Coded(Box<StreamDecoder>),
    /// They cannot be read.
    Unreadable,
}

/// What `Content-Encoding` says.
pub(crate) fn coding(headers: &HeaderMap) -> Coding {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Coding::Plain };
    match value.to_str().map(StreamDecoder::new) {
        Ok(Ok(None)) => Coding::Plain,
        Ok(Ok(Some(decoder))) => Coding::Coded(Box::new(decoder)),
        _ => Coding::Unreadable,
    }
}

/// Whether `Content-Type` names an event stream.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    is_type(headers, b"text/event-stream")
}

/// Whether `Content-Type` names a stream of AWS's frames.
pub(crate) fn is_frames(headers: &HeaderMap) -> bool {
    is_type(headers, b"application/vnd.amazon.eventstream")
}

/// Parameters may follow.
fn is_type(headers: &HeaderMap, essence: &[u8]) -> bool {
    let is = |value: &[u8]| value.get(..essence.len()).is_some_and(|start| start.eq_ignore_ascii_case(essence));
    headers.get(header::CONTENT_TYPE).is_some_and(|value| is(value.as_bytes()))
}
