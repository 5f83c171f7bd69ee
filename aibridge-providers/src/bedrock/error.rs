//! Errors between Bedrock's form and Anthropic's.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::api::Refusal;

/// An error reply in Anthropic's form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorReply {
    /// The status.
    pub status: StatusCode,
    /// `{"type":"error","error":{"type","message"}}`
    pub body: Bytes,
}

/// Translates an error reply of Bedrock: a status beyond 299, with any content coding of `body` removed.
pub fn translate_error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ErrorReply {
    let _ = (status, headers, body);
    todo!()
}

/// A refusal of the gateway in Bedrock's form. The status is the refusal's own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NativeRefusal {
    /// The value of the header `x-amzn-errortype`.
    pub error_type: &'static str,
    /// `{"message":"..."}`
    pub body: Bytes,
}

/// Puts `refusal` into Bedrock's form, for clients that speak it.
pub fn native_refusal(refusal: &Refusal) -> NativeRefusal {
    let _ = refusal;
    todo!()
}
