//! Errors between Bedrock's form and Anthropic's.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::{
    api::{Format, Reason, Refusal},
    json::Value,
};

/// The reply header that names an error of Bedrock's.
pub const ERROR_TYPE_HEADER: &str = "x-amzn-errortype";

/// An error reply in Anthropic's form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorReply {
    /// The status.
    pub status: StatusCode,
    /// `{"type":"error","error":{"type","message"}}`
    pub body: Bytes,
}

/// An error of Bedrock's, and what it is at Anthropic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exception {
    name: &'static str,
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
}

const fn row(name: &'static str, status: StatusCode, kind: &'static str) -> Exception {
    Exception { name, status, kind }
}

/// After the errors of [InvokeModel] and those [common to all actions]; their names are compared in any case.
///
/// [InvokeModel]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html#API_runtime_InvokeModel_Errors
/// [common to all actions]: https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
const EXCEPTIONS: &[Exception] = &[
    row("ValidationException", StatusCode::BAD_REQUEST, "invalid_request_error"),
    // Not 401: to an agent that means that its own credential is wrong.
    row("AccessDeniedException", StatusCode::FORBIDDEN, "permission_error"),
    row("ExpiredTokenException", StatusCode::FORBIDDEN, "permission_error"),
    row("IncompleteSignature", StatusCode::FORBIDDEN, "permission_error"),
    row("InvalidClientTokenId", StatusCode::FORBIDDEN, "permission_error"),
    row("InvalidSignatureException", StatusCode::FORBIDDEN, "permission_error"),
    row("MissingAuthenticationTokenException", StatusCode::FORBIDDEN, "permission_error"),
    row("NotAuthorized", StatusCode::FORBIDDEN, "permission_error"),
    row("OptInRequired", StatusCode::FORBIDDEN, "permission_error"),
    row("UnrecognizedClientException", StatusCode::FORBIDDEN, "permission_error"),
    row("ResourceNotFoundException", StatusCode::NOT_FOUND, "not_found_error"),
    row("ModelTimeoutException", StatusCode::REQUEST_TIMEOUT, "timeout_error"),
    row("ModelErrorException", StatusCode::FAILED_DEPENDENCY, "api_error"),
    row("ModelStreamErrorException", StatusCode::FAILED_DEPENDENCY, "api_error"),
    row("ModelNotReadyException", StatusCode::TOO_MANY_REQUESTS, "rate_limit_error"),
    row("ServiceQuotaExceededException", StatusCode::TOO_MANY_REQUESTS, "rate_limit_error"),
    row("ThrottlingException", StatusCode::TOO_MANY_REQUESTS, "rate_limit_error"),
    row("InternalFailure", StatusCode::INTERNAL_SERVER_ERROR, "api_error"),
    row("InternalServerException", StatusCode::INTERNAL_SERVER_ERROR, "api_error"),
    row("ServiceUnavailable", StatusCode::SERVICE_UNAVAILABLE, "overloaded_error"),
    row("ServiceUnavailableException", StatusCode::SERVICE_UNAVAILABLE, "overloaded_error"),
];

/// What the exception of that name is; one that is not known is the service's fault.
pub(super) fn exception(name: &str) -> Exception {
    known(name).unwrap_or(row("", StatusCode::INTERNAL_SERVER_ERROR, "api_error"))
}

fn known(name: &str) -> Option<Exception> {
    // `com.amazon.coral.service#ThrottlingException:http://internal.amazon.com/...`
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    let name = name.rsplit_once('#').map_or(name, |(_, name)| name).trim();
    EXCEPTIONS.iter().find(|exception| exception.name.eq_ignore_ascii_case(name)).copied()
}

/// Translates an error reply of Bedrock's, with any content coding of `body` removed.
///
/// What the error is says the header `x-amzn-errortype`, else the body, else the status. A body that is in Anthropic's
/// form already stays as it is. Headers are left to the caller; `x-amzn-requestid` is worth keeping.
///
/// ```
/// use aibridge_providers::bedrock::translate_error;
/// use http::{HeaderMap, HeaderValue, StatusCode};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-amzn-errortype", HeaderValue::from_static("ThrottlingException:http://internal.amazon.com/"));
/// let reply = translate_error(StatusCode::TOO_MANY_REQUESTS, &headers, br#"{"message":"Too many requests"}"#);
/// assert_eq!(reply.status, 429);
/// assert_eq!(reply.body, r#"{"type":"error","error":{"type":"rate_limit_error","message":"Too many requests"}}"#);
/// ```
pub fn translate_error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ErrorReply {
    let said = Value::of(body);
    if said.and_then(|said| said.get("type")).and_then(Value::as_str).is_some_and(|kind| kind == "error") {
        return ErrorReply { status, body: Bytes::copy_from_slice(body) };
    }
    let error = Format::Anthropic.read_error(body);
    let header = headers.get(ERROR_TYPE_HEADER).and_then(|value| value.to_str().ok());
    let exception = header.and_then(known).or_else(|| known(&error.as_ref()?.kind));
    let (status, kind) = exception.map_or((status, kind_of(status)), |exception| (exception.status, exception.kind));
    let name = header.unwrap_or_else(|| status.canonical_reason().unwrap_or("error"));
    let message = error.map(|error| error.message).filter(|message| !message.is_empty());
    let message = message.unwrap_or_else(|| format!("amazon bedrock: {name}"));
    ErrorReply { status, body: error_body(kind, &message).into() }
}

/// An error in Anthropic's form.
pub(super) fn error_body(kind: &str, message: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}}).to_string()
}

/// Anthropic's type for a status that Bedrock gives no name to, after <https://docs.claude.com/en/api/errors>.
fn kind_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    }
}

/// A refusal of the gateway in Bedrock's form. The status is the refusal's own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NativeRefusal {
    /// The value of the header `x-amzn-errortype`, by which the AWS SDKs tell errors apart.
    pub error_type: &'static str,
    /// `{"message":"..."}`
    pub body: Bytes,
}

/// Puts `refusal` into Bedrock's form, for clients that speak it.
///
/// ```
/// use aibridge_providers::{api::{Reason, Refusal}, bedrock::native_refusal};
///
/// let native = native_refusal(&Refusal::new(Reason::RateLimited, "aibridge: too many requests"));
/// assert_eq!(native.error_type, "ThrottlingException");
/// assert_eq!(native.body, r#"{"message":"aibridge: too many requests"}"#);
/// ```
pub fn native_refusal(refusal: &Refusal) -> NativeRefusal {
    let body = json!({"message": refusal.message}).to_string().into();
    NativeRefusal { error_type: native_type(refusal.reason), body }
}

/// Bedrock's error for a reason.
const fn native_type(reason: Reason) -> &'static str {
    match reason {
        Reason::InvalidRequest
        | Reason::ConflictingTokens
        | Reason::ThreadUnsupported
        | Reason::MethodNotAllowed
        | Reason::TooLarge
        | Reason::UnsupportedEncoding
        | Reason::WebSocket => "ValidationException",
        Reason::Unauthenticated => "UnrecognizedClientException",
        Reason::ByokDisabled | Reason::ModelNotAllowed => "AccessDeniedException",
        Reason::UnknownProvider | Reason::UnknownRoute => "ResourceNotFoundException",
        Reason::RateLimited | Reason::KeysRateLimited => "ThrottlingException",
        Reason::ProviderTimeout => "ModelTimeoutException",
        Reason::ProviderDisabled
        | Reason::RecordingUnavailable
        | Reason::IdentityUnavailable
        | Reason::Overloaded
        | Reason::BreakerOpen
        | Reason::ShuttingDown => "ServiceUnavailableException",
        Reason::ProviderUnreachable | Reason::ProviderTruncated | Reason::KeysRefused | Reason::Internal => {
            "InternalServerException"
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn translated(status: u16, error_type: Option<&str>, body: &str) -> (u16, serde_json::Value) {
        let mut headers = HeaderMap::new();
        if let Some(name) = error_type {
            headers.insert(ERROR_TYPE_HEADER, HeaderValue::from_str(name).unwrap());
        }
        let reply = translate_error(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes());
        (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap())
    }

    #[test]
    fn an_error_of_bedrock_has_the_type_and_status_that_anthropics_clients_know() {
        for (name, status, kind) in [
            ("ThrottlingException", 429, "rate_limit_error"),
            ("ServiceQuotaExceededException", 429, "rate_limit_error"),
            ("ModelNotReadyException", 429, "rate_limit_error"),
            ("ValidationException", 400, "invalid_request_error"),
            ("AccessDeniedException", 403, "permission_error"),
            ("ExpiredTokenException", 403, "permission_error"),
            ("UnrecognizedClientException", 403, "permission_error"),
            ("InvalidSignatureException", 403, "permission_error"),
            ("ResourceNotFoundException", 404, "not_found_error"),
            ("ModelTimeoutException", 408, "timeout_error"),
            ("ModelErrorException", 424, "api_error"),
            ("ModelStreamErrorException", 424, "api_error"),
            ("InternalServerException", 500, "api_error"),
            ("ServiceUnavailableException", 503, "overloaded_error"),
        ] {
            let expected = json!({"type": "error", "error": {"type": kind, "message": "a \"quoted\" m"}});
            let body = json!({"message": "a \"quoted\" m"}).to_string();
            let of_body = json!({"__type": format!("com.amazonaws#{name}"), "Message": "a \"quoted\" m"}).to_string();
            for (header, body) in [
                (Some(name.to_owned()), &body),
                (Some(format!("{name}:http://internal.amazon.com/coral/com.amazon.coral.service/")), &body),
                (Some(format!("com.amazon.coral.service#{name}")), &body),
                (None, &of_body),
            ] {
                assert_eq!(translated(418, header.as_deref(), body), (status, expected.clone()), "{header:?}");
            }
        }
    }

    #[test]
    fn an_error_of_no_known_name_keeps_its_status() {
        for (status, kind) in [
            (400, "invalid_request_error"),
            (401, "authentication_error"),
            (403, "permission_error"),
            (404, "not_found_error"),
            (408, "timeout_error"),
            (413, "request_too_large"),
            (422, "invalid_request_error"),
            (424, "invalid_request_error"),
            (429, "rate_limit_error"),
            (500, "api_error"),
            (502, "api_error"),
            (503, "overloaded_error"),
            (504, "timeout_error"),
            (529, "overloaded_error"),
        ] {
            for header in [None, Some("NewInTwentyThirty")] {
                let expected = json!({"type": "error", "error": {"type": kind, "message": "m"}});
                assert_eq!(translated(status, header, r#"{"message":"m"}"#), (status, expected));
            }
        }
    }

    #[test]
    fn there_is_a_message_whatever_the_body_is() {
        for (header, body, message) in [
            (Some("ThrottlingException"), "", "amazon bedrock: ThrottlingException"),
            (None, "", "amazon bedrock: Service Unavailable"),
            (None, "<html>down</html>", "<html>down</html>"),
            (None, "[1]", "[1]"),
        ] {
            assert_eq!(translated(503, header, body).1["error"]["message"], message);
        }
    }

    #[test]
    fn an_error_in_anthropics_form_passes_as_it_is() {
        let body = r#"{ "type":"error", "error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r" }"#;
        let reply = translate_error(StatusCode::from_u16(529).unwrap(), &HeaderMap::new(), body.as_bytes());
        assert_eq!((reply.status.as_u16(), &*reply.body), (529, body.as_bytes()));
    }

    #[test]
    fn a_refusal_has_the_name_by_which_aws_clients_decide_to_retry() {
        for (reason, name) in [
            (Reason::InvalidRequest, "ValidationException"),
            (Reason::TooLarge, "ValidationException"),
            (Reason::Unauthenticated, "UnrecognizedClientException"),
            (Reason::ModelNotAllowed, "AccessDeniedException"),
            (Reason::UnknownRoute, "ResourceNotFoundException"),
            (Reason::RateLimited, "ThrottlingException"),
            (Reason::ProviderTimeout, "ModelTimeoutException"),
            (Reason::Overloaded, "ServiceUnavailableException"),
            (Reason::ShuttingDown, "ServiceUnavailableException"),
            (Reason::ProviderUnreachable, "InternalServerException"),
            (Reason::Internal, "InternalServerException"),
        ] {
            let native = native_refusal(&Refusal::new(reason, "a \"quoted\" m"));
            assert_eq!(native.error_type, name);
            assert_eq!(native.body, r#"{"message":"a \"quoted\" m"}"#);
        }
    }
}
