//! The frames of an event stream.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::events;

/// The frame that holds this event's JSON, padded as Bedrock does it.
///
/// # Panics
/// Never: the headers are short.
pub fn frame(event: &[u8]) -> Bytes {
    let payload = format!(r#"{{"bytes":"{}","p":"{}"}}"#, STANDARD.encode(event), "abcdefghij".repeat(event.len() % 4));
    write(payload, &[(":event-type", "chunk"), (":content-type", "application/json"), (":message-type", "event")])
}

/// The frame of an exception.
///
/// # Panics
/// Never: the headers are short.
pub fn exception(kind: &str, message: &str) -> Bytes {
    let payload = serde_json::json!({"message": message}).to_string();
    write(payload, &[(":message-type", "exception"), (":exception-type", kind), (":content-type", "application/json")])
}

/// The frames in which Bedrock sends this stream of Messages events.
pub fn frames(stream: &Bytes) -> Vec<Bytes> {
    let data = |event: &Bytes| {
        let text = String::from_utf8_lossy(event).into_owned();
        let data: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ").map(str::to_owned)).collect();
        (!data.is_empty()).then(|| data.join("\n"))
    };
    events(stream).iter().filter_map(data).map(|data| frame(data.as_bytes())).collect()
}

fn write(payload: String, headers: &[(&'static str, &str)]) -> Bytes {
    let header =
        |(name, value): &(&'static str, &str)| Header::new(*name, HeaderValue::String((*value).to_owned().into()));
    let message = headers.iter().map(header).fold(Message::new(payload), Message::add_header);
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).expect("short headers");
    bytes.into()
}
