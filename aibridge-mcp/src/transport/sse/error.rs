use http::StatusCode;
use rmcp::transport::streamable_http_client::StreamableHttpError;

use crate::failure::Failure;

/// What goes wrong on this transport. Says no URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SseTransportError {
    #[error("authorization required")]
    Unauthorized,
    #[error("HTTP {0}")]
    Status(StatusCode),
    #[error("{0}")]
    Client(#[source] reqwest::Error),
    #[error("the event stream ended before it named an endpoint")]
    NoEndpoint,
    #[error("the endpoint is not a URL of the server's origin")]
    ForeignEndpoint,
    #[error("the answer is not an event stream")]
    NoStream,
}

impl SseTransportError {
    pub(crate) fn failure(&self) -> Failure {
        match self {
            SseTransportError::Unauthorized => Failure::Unauthorized,
            SseTransportError::Status(StatusCode::FORBIDDEN) => Failure::Forbidden,
            // How these servers say that they do not know the session the endpoint names.
            SseTransportError::Status(StatusCode::NOT_FOUND | StatusCode::GONE) => Failure::Forgotten,
            SseTransportError::Status(status) => Failure::Status(status.as_u16()),
            SseTransportError::Client(error) => Failure::of_client(error),
            SseTransportError::NoEndpoint => Failure::Closed,
            SseTransportError::ForeignEndpoint | SseTransportError::NoStream => Failure::Protocol,
        }
    }
}

impl From<reqwest::Error> for SseTransportError {
    fn from(error: reqwest::Error) -> SseTransportError {
        SseTransportError::Client(error.without_url())
    }
}

impl From<StreamableHttpError<reqwest::Error>> for SseTransportError {
    fn from(error: StreamableHttpError<reqwest::Error>) -> SseTransportError {
        match error {
            StreamableHttpError::AuthRequired(_) => SseTransportError::Unauthorized,
            StreamableHttpError::InsufficientScope(_) => SseTransportError::Status(StatusCode::FORBIDDEN),
            StreamableHttpError::HttpStatus(error) => {
                SseTransportError::Status(StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_GATEWAY))
            }
            StreamableHttpError::Client(error) => match error.status() {
                Some(StatusCode::UNAUTHORIZED) => SseTransportError::Unauthorized,
                Some(status) => SseTransportError::Status(status),
                None => error.into(),
            },
            _ => SseTransportError::NoStream,
        }
    }
}
