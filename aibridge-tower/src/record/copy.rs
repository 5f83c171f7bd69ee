//! How the copy of a reply is to be read.

use aibridge_providers::encoding::StreamDecoder;
use http::{HeaderMap, header};

/// What has to be done to the bytes first.
pub(crate) enum Coding {
    /// Nothing.
    Plain,
    /// They are decoded.
    Coded(StreamDecoder),
    /// They cannot be read.
    Unreadable,
}

/// What `Content-Encoding` says.
pub(crate) fn coding(headers: &HeaderMap) -> Coding {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Coding::Plain };
    match value.to_str().map(StreamDecoder::new) {
        Ok(Ok(None)) => Coding::Plain,
        Ok(Ok(Some(decoder))) => Coding::Coded(decoder),
        _ => Coding::Unreadable,
    }
}

/// Whether `Content-Type` names an event stream. Parameters may follow.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    let essence = |value: &[u8]| value.get(..17).is_some_and(|start| start.eq_ignore_ascii_case(b"text/event-stream"));
    headers.get(header::CONTENT_TYPE).is_some_and(|value| essence(value.as_bytes()))
}
