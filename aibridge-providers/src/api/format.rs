use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::{Api, ProviderError, Reason, Refusal};
use crate::sse;

/// A family of APIs that report errors in one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// `{"type":"error","error":{"type","message"}}`
    Anthropic,
    /// `{"error":{"message","type","param","code"}}`
    OpenAi,
}

impl Format {
    /// The format that a request probably speaks whose route is not known: Anthropic's if the path has a segment
    /// `messages` or an `anthropic-version` is given, else OpenAI's.
    pub fn guess(path: &str, headers: &HeaderMap) -> Format {
        if headers.contains_key("anthropic-version") || path.split('/').any(|segment| segment == "messages") {
            Format::Anthropic
        } else {
            Format::OpenAi
        }
    }

    /// The JSON body of a refusal in this format.
    ///
    /// ```
    /// use aibridge_providers::api::{Format, Reason, Refusal};
    ///
    /// let refusal = Refusal::new(Reason::RateLimited, "gateway: too many requests, try again in a minute");
    /// assert_eq!(
    ///     Format::Anthropic.body(&refusal),
    ///     r#"{"type":"error","error":{"type":"rate_limit_error","message":"gateway: too many requests, try again in a minute"}}"#,
    /// );
    /// ```
    pub fn body(self, refusal: &Refusal) -> Bytes {
        let error = self.error(refusal);
        let body = match self {
            Format::Anthropic => json!({"type": "error", "error": error}),
            Format::OpenAi => json!({"error": error}),
        };
        body.to_string().into()
    }

    /// Reads the body of a provider's error response, with any content coding removed.
    ///
    /// Either format is understood, as are the shapes of other providers and bodies that are not JSON, whose text is
    /// the message then. `None` if the body is blank.
    pub fn read_error(self, body: &[u8]) -> Option<ProviderError> {
        ProviderError::read_body(body)
    }

    /// The innermost object of a refusal.
    fn error(self, refusal: &Refusal) -> Value {
        let (kind, message) = (self.kind(refusal.reason), &refusal.message);
        match self {
            // The SDKs' helpers read this code, not the message.
            Format::Anthropic if refusal.reason == Reason::ThreadUnsupported => {
                json!({"type": kind, "message": message, "details": {"error_code": refusal.reason.as_str()}})
            }
            Format::Anthropic => json!({"type": kind, "message": message}),
            Format::OpenAi => {
                json!({"message": message, "type": kind, "param": null, "code": refusal.reason.as_str()})
            }
        }
    }

    /// The provider's own error type for a refusal.
    ///
    /// After <https://docs.claude.com/en/api/errors> and <https://platform.openai.com/docs/guides/error-codes>. What to
    /// retry the SDKs decide by the status; the types are for those who read them in a stream, and in logs.
    pub const fn kind(self, reason: Reason) -> &'static str {
        match (self, reason) {
            (Format::Anthropic, Reason::TooLarge) => "request_too_large",
            (
                _,
                Reason::InvalidRequest
                | Reason::ConflictingTokens
                | Reason::ThreadUnsupported
                | Reason::MethodNotAllowed
                | Reason::TooLarge
                | Reason::UnsupportedEncoding
                | Reason::WebSocket,
            ) => "invalid_request_error",
            (_, Reason::Unauthenticated) => "authentication_error",
            (_, Reason::ByokDisabled | Reason::ModelNotAllowed) => "permission_error",
            (_, Reason::UnknownProvider | Reason::UnknownRoute) => "not_found_error",
            (_, Reason::RateLimited | Reason::KeysRateLimited) => "rate_limit_error",
            (Format::Anthropic, Reason::BreakerOpen | Reason::Overloaded | Reason::ShuttingDown) => "overloaded_error",
            (Format::Anthropic, Reason::ProviderTimeout) => "timeout_error",
            (
                format,
                Reason::KeysRefused
                | Reason::ProviderUnreachable
                | Reason::ProviderTruncated
                | Reason::ProviderDisabled
                | Reason::RecordingUnavailable
                | Reason::IdentityUnavailable
                | Reason::BreakerOpen
                | Reason::Overloaded
                | Reason::ShuttingDown
                | Reason::ProviderTimeout
                | Reason::Internal,
            ) => match format {
                Format::Anthropic => "api_error",
                Format::OpenAi => "server_error",
            },
        }
    }
}

impl Api {
    /// The event that ends a stream of this API in which the gateway has to report an error.
    ///
    /// * Messages: `event: error` with the body's JSON.
    /// * Chat: the body's JSON as a chunk. The SDKs raise on a member `error`.
    /// * Responses: `event: error`, with the members at the top, as the reference has it, and again within `error`, as
    ///   OpenAI sends them: the SDKs raise only on the latter, others read only the former. `sequence_number`, which
    ///   the reference requires, is 0: what has been sent before is not known here.
    pub fn error_event(self, refusal: &Refusal) -> Bytes {
        let format = self.format();
        match self {
            Api::Messages => sse::encode("error", &format.body(refusal)),
            Api::Chat => sse::encode("", &format.body(refusal)),
            Api::Responses => {
                let event = json!({
                    "type": "error",
                    "code": refusal.reason.as_str(),
                    "message": refusal.message,
                    "param": null,
                    "sequence_number": 0,
                    "error": format.error(refusal),
                });
                sse::encode("error", event.to_string().as_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::api::Observer;

    /// Every reason, its status, and its type in either format.
    const REASONS: [(Reason, u16, &str, &str); 25] = [
        (Reason::InvalidRequest, 400, "invalid_request_error", "invalid_request_error"),
        (Reason::ConflictingTokens, 400, "invalid_request_error", "invalid_request_error"),
        (Reason::ThreadUnsupported, 400, "invalid_request_error", "invalid_request_error"),
        (Reason::Unauthenticated, 401, "authentication_error", "authentication_error"),
        (Reason::ByokDisabled, 403, "permission_error", "permission_error"),
        (Reason::ModelNotAllowed, 403, "permission_error", "permission_error"),
        (Reason::UnknownProvider, 404, "not_found_error", "not_found_error"),
        (Reason::UnknownRoute, 404, "not_found_error", "not_found_error"),
        (Reason::MethodNotAllowed, 405, "invalid_request_error", "invalid_request_error"),
        (Reason::TooLarge, 413, "request_too_large", "invalid_request_error"),
        (Reason::UnsupportedEncoding, 415, "invalid_request_error", "invalid_request_error"),
        (Reason::WebSocket, 426, "invalid_request_error", "invalid_request_error"),
        (Reason::RateLimited, 429, "rate_limit_error", "rate_limit_error"),
        (Reason::KeysRateLimited, 429, "rate_limit_error", "rate_limit_error"),
        (Reason::KeysRefused, 502, "api_error", "server_error"),
        (Reason::ProviderUnreachable, 502, "api_error", "server_error"),
        (Reason::ProviderTruncated, 502, "api_error", "server_error"),
        (Reason::ProviderDisabled, 503, "api_error", "server_error"),
        (Reason::RecordingUnavailable, 503, "api_error", "server_error"),
        (Reason::IdentityUnavailable, 503, "api_error", "server_error"),
        (Reason::BreakerOpen, 503, "overloaded_error", "server_error"),
        (Reason::Overloaded, 503, "overloaded_error", "server_error"),
        (Reason::ShuttingDown, 503, "overloaded_error", "server_error"),
        (Reason::ProviderTimeout, 504, "timeout_error", "server_error"),
        (Reason::Internal, 500, "api_error", "server_error"),
    ];

    #[test]
    fn every_reason_has_the_providers_own_type() {
        for (reason, status, anthropic, openai) in REASONS {
            let refusal = Refusal::new(reason, "a \"quoted\"\nmessage");
            assert_eq!(reason.status().as_u16(), status);
            let body: Value = serde_json::from_slice(&Format::Anthropic.body(&refusal)).unwrap();
            let mut expected = json!({"type": "error", "error": {"type": anthropic, "message": refusal.message}});
            if reason == Reason::ThreadUnsupported {
                expected["error"]["details"] = json!({"error_code": "thread_unsupported_request"});
            }
            assert_eq!(body, expected, "{reason:?}");
            let body: Value = serde_json::from_slice(&Format::OpenAi.body(&refusal)).unwrap();
            let error = json!({
                "message": refusal.message, "type": openai, "param": null, "code": reason.as_str(),
            });
            assert_eq!(body, json!({"error": error}), "{reason:?}");
        }
    }

    #[test]
    fn the_gateways_own_error_event_ends_a_stream_of_its_api() {
        for (reason, _, anthropic, openai) in REASONS {
            let refusal = Refusal::new(reason, "a \"quoted\"\nmessage");
            for api in [Api::Messages, Api::Chat, Api::Responses] {
                let mut observer = Observer::streaming(api);
                observer.feed(&api.error_event(&refusal), &mut |_| {});
                let reply = observer.reply();
                let error = reply.error.as_ref().expect("an error");
                let kind = if api == Api::Messages { anthropic } else { openai };
                assert_eq!((error.kind.as_str(), &error.message), (kind, &refusal.message));
                assert!(reply.terminal);
            }
        }
    }

    #[test]
    fn the_error_of_a_responses_stream_is_readable_flat_and_nested() {
        let event = Api::Responses.error_event(&Refusal::new(Reason::ProviderTruncated, "m"));
        assert_eq!(
            event,
            concat!(
                "event: error\ndata: {\"type\":\"error\",\"code\":\"provider_truncated\",\"message\":\"m\",",
                "\"param\":null,\"sequence_number\":0,\"error\":{\"message\":\"m\",\"type\":\"server_error\",",
                "\"param\":null,\"code\":\"provider_truncated\"}}\n\n",
            ),
        );
        assert_eq!(
            Api::Chat.error_event(&Refusal::new(Reason::Internal, "m")),
            "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":\"internal\"}}\n\n",
        );
    }

    #[test]
    fn the_format_is_guessed_from_path_and_version() {
        let none = HeaderMap::new();
        let mut version = HeaderMap::new();
        version.insert("anthropic-version", HeaderValue::from_static("2026-10-21"));
        for (path, headers, expected) in [
            ("/api/v2/aibridge/a/v1/messages", &none, Format::Anthropic),
            ("/a/v1/messages/count_tokens", &none, Format::Anthropic),
            ("/a/v1/models", &version, Format::Anthropic),
            ("/a/v1/models", &none, Format::OpenAi),
            ("/a/v1/chat/completions", &none, Format::OpenAi),
            ("/my-messages/v1/responses", &none, Format::OpenAi),
            ("", &none, Format::OpenAi),
        ] {
            assert_eq!(Format::guess(path, headers), expected, "{path}");
        }
    }
}
