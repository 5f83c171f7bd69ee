//! Errors that later rounds are answered with.

use bytes::Bytes;
use serde_json::json;

use crate::{api::ProviderError, json::Value, sse};

/// The provider's own error as a chunk, if it has the form of one; else one that says the same. The SDKs raise on a member
/// `error`.
pub(super) fn event(status: u16, body: &[u8]) -> Bytes {
    let own = Value::of(body).filter(|body| {
        let error = body.get("error");
        error.is_some_and(|error| error.is_object() || error.is_string())
    });
    if let Some(own) = own {
        return sse::encode("", own.text());
    }
    let error = ProviderError::read_body(body).unwrap_or_default();
    let message = match error.message.as_str() {
        "" => format!("the provider answered with status {status}"),
        message => message.to_owned(),
    };
    let kind = match error.kind.as_str() {
        "" if status < 500 => "invalid_request_error",
        "" => "server_error",
        kind => kind,
    };
    let error = json!({"error": {"message": message, "type": kind, "param": null, "code": null}});
    sse::encode("", error.to_string().as_bytes())
}
