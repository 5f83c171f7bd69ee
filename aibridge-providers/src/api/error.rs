//! Errors that providers report, in whatever shape.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    ProviderError,
    wire::{Text, lenient},
};

/// The most that is taken of an error which is not JSON, in bytes.
const MAX_TEXT: usize = 1024;

/// The members in which providers put an error, around it or in it.
#[derive(Default, Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    error: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type", alias = "__type", deserialize_with = "lenient")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    code: Option<&'a RawValue>,
    /// Google: `RESOURCE_EXHAUSTED`.
    #[serde(borrow, default, deserialize_with = "lenient")]
    status: Option<Text<'a>>,
    #[serde(borrow, default, alias = "Message", deserialize_with = "lenient")]
    message: Option<Text<'a>>,
    /// FastAPI, and what is built on it.
    #[serde(borrow, default, deserialize_with = "lenient")]
    detail: Option<Text<'a>>,
}

impl ProviderError {
    /// Reads an error event or body: `{"error":{...}}`, `{"error":"..."}`, or the error's members themselves.
    ///
    /// A member missing inside is looked for outside; proxies mix the shapes. `None` if neither type nor message is
    /// found.
    pub(super) fn read(json: &str) -> Option<ProviderError> {
        let outer: Fields<'_> = serde_json::from_str(json).ok()?;
        let inner = outer.error.map(|error| error.get()).unwrap_or_default();
        let inner: Fields<'_> = serde_json::from_str(inner)
            .unwrap_or_else(|_| Fields { message: serde_json::from_str(inner).ok(), ..Fields::default() });
        // Around an error, `type` only says that it is one.
        let outer_kind = outer.kind.map(|kind| kind.0).filter(|kind| kind != "error");
        let kind = inner
            .kind
            .map(|kind| kind.0)
            .filter(|kind| !kind.is_empty())
            .or_else(|| inner.code.and_then(name))
            .or_else(|| inner.status.map(|status| status.0))
            .or_else(|| inner.code.and_then(number))
            .or(outer_kind)
            .or_else(|| outer.code.and_then(name))
            .or_else(|| outer.status.map(|status| status.0))
            .unwrap_or_default();
        let message = [inner.message, inner.detail, outer.message, outer.detail].into_iter().flatten().next();
        let message = message.map(Text::into_string).unwrap_or_default();
        (!kind.is_empty() || !message.is_empty()).then(|| ProviderError { kind: kind.into_owned(), message })
    }

    /// Reads the body of an error response, which need not be JSON.
    pub(super) fn read_body(body: &[u8]) -> Option<ProviderError> {
        let text = body.trim_ascii();
        if text.is_empty() {
            return None;
        }
        let json = std::str::from_utf8(text).ok();
        // Google answers with an array of one error.
        let first =
            json.and_then(|text| serde_json::from_str::<Vec<&RawValue>>(text).ok()?.first().map(|raw| raw.get()));
        first.or(json).and_then(ProviderError::read).or_else(|| {
            let text = String::from_utf8_lossy(&text[..text.len().min(MAX_TEXT)]);
            // A character that the limit cut is no part of the message.
            let message = text.trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned();
            Some(ProviderError { kind: String::new(), message })
        })
    }
}

/// A code that is a word.
fn name(code: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(code.get()).ok().map(|code| code.0).filter(|code| !code.is_empty())
}

/// A code that is a number, in its spelling.
fn number(code: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<i64>(code.get()).ok().map(|_| Cow::Borrowed(code.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_in_the_shapes_that_providers_use() {
        for (body, kind, message) in [
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                "overloaded_error",
                "Overloaded",
            ),
            (
                r#"{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
                "invalid_request_error",
                "m",
            ),
            (r#"{"error":{"message":"m","type":null,"code":"rate_limit_exceeded"}}"#, "rate_limit_exceeded", "m"),
            (r#"{"type":"error","code":"server_error","message":"m","param":null}"#, "server_error", "m"),
            (r#"{"type":"error","code":"flat","message":"outside","error":{"type":"inside"}}"#, "inside", "outside"),
            (r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]"#, "RESOURCE_EXHAUSTED", "m"),
            (r#"{"error":{"code":402,"message":"m"}}"#, "402", "m"),
            (r#"{"error":"model not found"}"#, "", "model not found"),
            (r#"{"object":"error","message":"m","type":"BadRequestError","code":400}"#, "BadRequestError", "m"),
            (r#"{"message":"m"}"#, "", "m"),
            (r#"{"__type":"ThrottlingException","Message":"m"}"#, "ThrottlingException", "m"),
            (r#"{"detail":"Not Found"}"#, "", "Not Found"),
            ("upstream connect error\n", "", "upstream connect error"),
            ("{}", "", "{}"),
            (r#"{"error":null}"#, "", r#"{"error":null}"#),
        ] {
            let error = ProviderError::read_body(body.as_bytes()).unwrap();
            assert_eq!((error.kind.as_str(), error.message.as_str()), (kind, message), "{body}");
        }
    }

    #[test]
    fn a_blank_body_is_no_error() {
        assert_eq!(ProviderError::read_body(b" \n"), None);
    }

    #[test]
    fn text_is_cut_between_characters() {
        let error = ProviderError::read_body("é".repeat(600).replacen('é', "e", 1).as_bytes()).unwrap();
        assert_eq!(error.message.len(), MAX_TEXT - 1);
        assert!(ProviderError::read_body(&[0xff; 3]).is_some());
    }
}
