use bytes::Bytes;
use serde_json::json;

use crate::{api::ProviderError, api::turn::has, json::Value, sse};

/// The event for a provider's error response: its own error, if it is in this API's form.
pub(super) fn event(status: u16, body: &[u8]) -> Bytes {
    let own = Value::of(body).filter(|body| has(*body, "type", "error"));
    if let Some(own) = own.filter(|body| body.get("error").is_some_and(Value::is_object)) {
        return sse::encode("error", own.text());
    }
    let mut error = ProviderError::read_body(body).unwrap_or_default();
    if error.kind.is_empty() {
        error.kind = kind(status).to_owned();
    }
    if error.message.is_empty() {
        error.message = format!("the provider answered with status {status}");
    }
    let event = json!({"type": "error", "error": {"type": error.kind, "message": error.message}});
    sse::encode("error", event.to_string().as_bytes())
}

/// After <https://docs.claude.com/en/api/errors>.
fn kind(status: u16) -> &'static str {
    match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}
