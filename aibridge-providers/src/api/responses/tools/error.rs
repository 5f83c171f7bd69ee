use bytes::Bytes;
use serde_json::json;

use super::item::filled;
use crate::{
    api::ProviderError,
    json::{Document, Value},
    sse,
};

/// The event `error` that says what a later round's request was answered with.
///
/// As OpenAI sends it: the members at the top, and the provider's own object again within `error`. The SDKs raise only on
/// the latter, others read only the former.
pub(super) fn event(status: u16, body: &[u8], sequence_number: u64) -> Bytes {
    let read = ProviderError::read_body(body).unwrap_or_default();
    let document = Document::parse(Bytes::copy_from_slice(body)).ok();
    let error = document.as_ref().and_then(|body| body.get("error")).filter(|error| error.is_object());
    let message = match read.message {
        message if message.is_empty() => format!("the provider answered with status {status}"),
        message => message,
    };
    let kind = match read.kind {
        kind if !kind.is_empty() => kind,
        _ if status == 429 => "rate_limit_exceeded".to_owned(),
        _ if status < 500 => "invalid_request_error".to_owned(),
        _ => "server_error".to_owned(),
    };
    let code = error.and_then(|error| filled(error.get("code"))).map_or(kind.clone(), Into::into);
    let param = error.and_then(|error| error.get("param")).map(Value::to_value);
    let error =
        error.map_or_else(|| json!({"message": message, "type": kind, "param": param, "code": code}), Value::to_value);
    let event = json!({
        "type": "error",
        "code": code,
        "message": message,
        "param": param,
        "sequence_number": sequence_number,
        "error": error,
    });
    sse::encode("error", event.to_string().as_bytes())
}
