use std::time::Duration;

use http::StatusCode;

/// Why the gateway itself did not serve a request, as the client is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The class of the refusal, from which status and type follow.
    pub reason: Reason,
    /// What is wrong and what to do, for the person who reads it. Says that it comes from the gateway.
    pub message: String,
    /// Sent as `Retry-After`, rounded up to whole seconds.
    pub retry_after: Option<Duration>,
}

/// The class of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// 400: the request is malformed.
    InvalidRequest,
    /// 400: `Authorization` and `X-Api-Key` carry different values.
    ConflictingTokens,
    /// 400: the provider keeps no message threads. In Anthropic's format it has the `details` on which their SDKs go on
    /// without a thread, sending the whole history.
    ThreadUnsupported,
    /// 401: no or no valid gateway token.
    Unauthenticated,
    /// 403: the user brought a provider credential of their own, which is switched off.
    ByokDisabled,
    /// 403: the model is not allowed on this instance.
    ModelNotAllowed,
    /// 404: no provider instance of that name.
    UnknownProvider,
    /// 404: the route is not served.
    UnknownRoute,
    /// 405: the route exists for another method.
    MethodNotAllowed,
    /// 413: the body exceeds the limit.
    TooLarge,
    /// 415: the body has an unknown content coding.
    UnsupportedEncoding,
    /// 426: WebSocket upgrades are not served.
    WebSocket,
    /// 429: the actor's rate limit is reached.
    RateLimited,
    /// 429: the provider limits the rate of every key of the organisation's.
    KeysRateLimited,
    /// 502: the provider refused every key of the organisation's.
    KeysRefused,
    /// 502: the provider could not be reached.
    ProviderUnreachable,
    /// 502: the provider stopped without the terminal event of its stream.
    ProviderTruncated,
    /// 503: the provider instance, or the gateway's provider routes, are switched off.
    ProviderDisabled,
    /// 503: the request cannot be recorded, and recording is required.
    RecordingUnavailable,
    /// 503: the source of identity is down.
    IdentityUnavailable,
    /// 503: the provider keeps failing, and is not asked for a while.
    BreakerOpen,
    /// 503: as many requests are in flight as are allowed.
    Overloaded,
    /// 503: the gateway is shutting down.
    ShuttingDown,
    /// 504: the provider answered no headers in time.
    ProviderTimeout,
    /// 500: a fault of the gateway or of its wiring.
    Internal,
}

impl Reason {
    /// The HTTP status of this refusal.
    pub const fn status(self) -> StatusCode {
        match self {
            Reason::InvalidRequest | Reason::ConflictingTokens | Reason::ThreadUnsupported => StatusCode::BAD_REQUEST,
            Reason::Unauthenticated => StatusCode::UNAUTHORIZED,
            Reason::ByokDisabled | Reason::ModelNotAllowed => StatusCode::FORBIDDEN,
            Reason::UnknownProvider | Reason::UnknownRoute => StatusCode::NOT_FOUND,
            Reason::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Reason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Reason::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Reason::WebSocket => StatusCode::UPGRADE_REQUIRED,
            Reason::RateLimited | Reason::KeysRateLimited => StatusCode::TOO_MANY_REQUESTS,
            Reason::KeysRefused | Reason::ProviderUnreachable | Reason::ProviderTruncated => StatusCode::BAD_GATEWAY,
            Reason::ProviderDisabled
            | Reason::RecordingUnavailable
            | Reason::IdentityUnavailable
            | Reason::BreakerOpen
            | Reason::Overloaded
            | Reason::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Reason::ProviderTimeout => StatusCode::GATEWAY_TIMEOUT,
            Reason::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The name used in records, logs, metrics and as the OpenAI error `code`, e.g. `provider_disabled`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::InvalidRequest => "invalid_request",
            Reason::ConflictingTokens => "conflicting_tokens",
            Reason::ThreadUnsupported => "thread_unsupported_request",
            Reason::Unauthenticated => "unauthenticated",
            Reason::ByokDisabled => "byok_disabled",
            Reason::ModelNotAllowed => "model_not_allowed",
            Reason::UnknownProvider => "unknown_provider",
            Reason::UnknownRoute => "unknown_route",
            Reason::MethodNotAllowed => "method_not_allowed",
            Reason::TooLarge => "request_too_large",
            Reason::UnsupportedEncoding => "unsupported_encoding",
            Reason::WebSocket => "websocket_not_supported",
            Reason::RateLimited => "rate_limited",
            Reason::KeysRateLimited => "keys_rate_limited",
            Reason::KeysRefused => "keys_refused",
            Reason::ProviderUnreachable => "provider_unreachable",
            Reason::ProviderTruncated => "provider_truncated",
            Reason::ProviderDisabled => "provider_disabled",
            Reason::RecordingUnavailable => "recording_unavailable",
            Reason::IdentityUnavailable => "identity_unavailable",
            Reason::BreakerOpen => "breaker_open",
            Reason::Overloaded => "overloaded",
            Reason::ShuttingDown => "shutting_down",
            Reason::ProviderTimeout => "provider_timeout",
            Reason::Internal => "internal",
        }
    }
}

impl Refusal {
    /// A refusal for `reason`, telling the client `message`.
    pub fn new(reason: Reason, message: impl Into<String>) -> Refusal {
        Refusal { reason, message: message.into(), retry_after: None }
    }

    /// Tells the client when to try again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Refusal {
        self.retry_after = Some(wait);
        self
    }
}
