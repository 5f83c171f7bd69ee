//! What the tests of this module share.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{Protocol, Settings};

/// The settings of an instance with these models.
pub(super) fn settings(model: &str, small_fast_model: &str) -> Settings {
    Settings {
        protocol: Protocol::InvokeModel,
        region: "us-east-1".to_owned(),
        model: model.to_owned(),
        small_fast_model: small_fast_model.to_owned(),
        credentials: Vec::new(),
        role_arn: None,
        external_id: None,
    }
}

/// A frame with headers that are strings.
pub(super) fn frame(headers: &[(&'static str, &str)], payload: impl Into<bytes::Bytes>) -> Vec<u8> {
    let mut message = Message::new(payload);
    for (name, value) in headers {
        message = message.add_header(Header::new(*name, HeaderValue::String((*value).to_owned().into())));
    }
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

/// The frame in which Bedrock sends an event.
pub(super) fn chunk(data: &str) -> Vec<u8> {
    let headers = [(":event-type", "chunk"), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, json!({"bytes": STANDARD.encode(data), "p": "abcdefgh"}).to_string())
}

/// The events of a short reply: a name, and data as Bedrock sends them.
pub(super) const EVENTS: [(&str, &str); 6] = [
    (
        "message_start",
        r#"{"type":"message_start","message":{"id":"msg_bdrk_1","usage":{"input_tokens":3,"output_tokens":1}}}"#,
    ),
    ("content_block_start", r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#),
    (
        "content_block_delta",
        r#"{ "type":"content_block_delta", "index":0,"delta":{"type":"text_delta","text":"h\u00e9 \"€\" \n"}}"#,
    ),
    ("content_block_stop", r#"{"type":"content_block_stop","index":0}"#),
    ("message_delta", r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#),
    ("message_stop", r#"{"type":"message_stop"}"#),
];

/// The frames of [`EVENTS`].
pub(super) fn frames() -> Vec<Vec<u8>> {
    EVENTS.iter().map(|(_, data)| chunk(data)).collect()
}
