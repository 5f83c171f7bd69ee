use std::{borrow::Cow, error::Error};

use rmcp::{
    service::{ClientInitializeError, ServiceError},
    transport::streamable_http_client::StreamableHttpError,
};

use crate::transport::{SseTransportError, TOO_LARGE};

/// Why a server could not be connected, listed or called.
///
/// What it says goes to the model and the records. It holds no URL, no header and no body, but may quote the server, and the
/// server the arguments or the credential it was sent: the log gets [`reason`](Failure::reason) and [`code`](Failure::code).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the server did not accept the credentials")]
    Unauthorized,
    #[error("the server forbids it to these credentials")]
    Forbidden,
    #[error("the user has not linked an account for the server")]
    NotLinked,
    #[error("the credentials for the server could not be had")]
    Credentials,
    #[error("the server cannot be reached")]
    Unreachable,
    #[error("the server answered with HTTP status {0}")]
    Status(u16),
    #[error("the server did not answer in time")]
    Timeout,
    #[error("the connection to the server was lost")]
    Closed,
    /// Its session is gone: what was asked has not been done.
    #[error("the server does not know the session any more")]
    Forgotten,
    #[error("the server answered: {message} (error {code})")]
    Rpc { code: i32, message: Cow<'static, str> },
    #[error("the server's answer was not understood")]
    Protocol,
    #[error("the server's answer is too large to be read")]
    TooLarge,
    #[error("the tool asks for what only a person can answer")]
    InputRequired,
    #[error("there is no such tool")]
    NoSuchTool,
    #[error("the gateway stopped it")]
    Stopped,
}

impl Failure {
    /// Its name in metrics and in the log.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Failure::Unauthorized => "unauthorized",
            Failure::Forbidden => "forbidden",
            Failure::NotLinked => "not_linked",
            Failure::Credentials => "credentials",
            Failure::Unreachable => "unreachable",
            Failure::Status(_) => "status",
            Failure::Timeout => "timeout",
            Failure::Closed => "closed",
            Failure::Forgotten => "forgotten",
            Failure::Rpc { .. } => "rpc",
            Failure::Protocol => "protocol",
            Failure::TooLarge => "too_large",
            Failure::InputRequired => "input_required",
            Failure::NoSuchTool => "no_such_tool",
            Failure::Stopped => "stopped",
        }
    }

    /// The number the server gave for it: the HTTP status, or the code of the JSON-RPC error.
    pub(crate) fn code(&self) -> Option<i32> {
        match self {
            Failure::Status(status) => Some((*status).into()),
            Failure::Rpc { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether it is the server's, and so would be every actor's. Too many requests are those of a credential, which is
    /// every actor's or, if it is `own`, one's.
    pub(crate) fn is_outage(&self, own: bool) -> bool {
        match self {
            Failure::Unreachable | Failure::Timeout | Failure::Closed => true,
            Failure::Status(status) => (*status == 429 && !own) || *status >= 500,
            _ => false,
        }
    }

    fn of_transport(error: &(dyn Error + 'static)) -> Failure {
        if let Some(error) = error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            return match error {
                StreamableHttpError::AuthRequired(_) => Failure::Unauthorized,
                StreamableHttpError::InsufficientScope(_) => Failure::Forbidden,
                StreamableHttpError::HttpStatus(error) if error.status == 403 => Failure::Forbidden,
                StreamableHttpError::HttpStatus(error) => Failure::Status(error.status),
                StreamableHttpError::Client(error) => Failure::of_client(error),
                StreamableHttpError::ResponseBodyTooLarge { .. } => Failure::TooLarge,
                StreamableHttpError::SessionExpired => Failure::Forgotten,
                StreamableHttpError::TransportChannelClosed
                | StreamableHttpError::UnexpectedEndOfStream
                | StreamableHttpError::Io(_)
                | StreamableHttpError::Sse(_) => Failure::Closed,
                _ => Failure::Protocol,
            };
        }
        match error.downcast_ref::<SseTransportError>() {
            Some(error) => error.failure(),
            None => Failure::Protocol,
        }
    }

    pub(crate) fn of_client(error: &reqwest::Error) -> Failure {
        match error.status() {
            Some(status) => Failure::Status(status.as_u16()),
            None if error.is_timeout() => Failure::Timeout,
            None if error.is_connect() => Failure::Unreachable,
            None if error.is_builder() || error.is_redirect() => Failure::Protocol,
            None => Failure::Closed,
        }
    }

    fn of_rpc(error: &rmcp::ErrorData) -> Failure {
        if error.message == TOO_LARGE {
            return Failure::TooLarge;
        }
        Failure::Rpc { code: error.code.0, message: error.message.clone() }
    }
}

impl From<ClientInitializeError> for Failure {
    fn from(error: ClientInitializeError) -> Failure {
        match error {
            ClientInitializeError::TransportError { error, .. } => Failure::of_transport(error.error.as_ref()),
            ClientInitializeError::JsonRpcError(error) => Failure::of_rpc(&error),
            ClientInitializeError::ConnectionClosed(_) => Failure::Closed,
            _ => Failure::Protocol,
        }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Failure {
        match error {
            ServiceError::McpError(error) => Failure::of_rpc(&error),
            ServiceError::TransportSend(error) => Failure::of_transport(error.error.as_ref()),
            ServiceError::TransportClosed | ServiceError::Cancelled { .. } => Failure::Closed,
            ServiceError::Timeout { .. } => Failure::Timeout,
            _ => Failure::Protocol,
        }
    }
}
