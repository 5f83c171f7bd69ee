//! What a frame says.

use aws_smithy_types::event_stream::Message;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::StatusCode;

use super::{
    error::{Exception, error_body, exception},
    frames::{FrameError, KEPT_CAPACITY},
};
use crate::{api::Format, json::Value};

/// Why a stream ended with an error event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamFailure {
    /// The status that the error would have had before the stream began; 502 for a stream that is damaged.
    pub status: StatusCode,
    /// Anthropic's error type, e.g. `rate_limit_error`.
    pub kind: &'static str,
    /// Bedrock's exception, e.g. `throttlingException`; empty for a stream that is damaged.
    pub exception: String,
    /// What it says.
    pub message: String,
}

impl StreamFailure {
    /// `{"type":"error","error":{"type","message"}}`
    pub(super) fn data(&self) -> Vec<u8> {
        error_body(self.kind, &self.message).into()
    }
}

impl From<FrameError> for StreamFailure {
    fn from(error: FrameError) -> StreamFailure {
        StreamFailure {
            status: StatusCode::BAD_GATEWAY,
            kind: "api_error",
            exception: String::new(),
            message: format!("aibridge: the reply stream of amazon bedrock is damaged: {error}"),
        }
    }
}

/// What a frame says.
#[derive(Debug)]
pub(super) enum Said {
    /// A Messages event, whose JSON is in the buffer.
    Event,
    /// Nothing for readers of Messages.
    Nothing,
    /// The stream is over.
    Failure(StreamFailure),
}

/// Reads `message`, and puts the event's JSON, if it has one, into `data`.
///
/// After <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ResponseStream.html>.
pub(super) fn read(message: &Message, data: &mut Vec<u8>) -> Said {
    data.clear();
    data.shrink_to(KEPT_CAPACITY);
    let header = |name: &str| {
        let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
        header.value().as_string().ok().map(|value| value.as_str())
    };
    match header(":message-type") {
        Some("event") if header(":event-type") == Some("chunk") => match chunk(message.payload(), data) {
            Some(()) => Said::Event,
            None => Said::Failure(FrameError::Content.into()),
        },
        Some("exception") => {
            let name = header(":exception-type").unwrap_or_default();
            let said = Format::Anthropic.read_error(message.payload()).map(|error| error.message);
            Said::Failure(failure(name, said.unwrap_or_default()))
        }
        // What no model of the service describes.
        Some("error") => {
            let name = header(":error-code").unwrap_or_default();
            Said::Failure(failure(name, header(":error-message").unwrap_or_default().to_owned()))
        }
        // Further kinds of events may come; a frame of no known kind is none that must be understood.
        _ => Said::Nothing,
    }
}

fn failure(name: &str, message: String) -> StreamFailure {
    let Exception { status, kind, .. } = exception(name);
    let message = if message.is_empty() { format!("amazon bedrock: {name}") } else { message };
    StreamFailure { status, kind, exception: name.to_owned(), message }
}

/// Decodes `{"bytes": "...", "p": "padding"}`; `None` when that is no JSON object.
fn chunk(payload: &[u8], data: &mut Vec<u8>) -> Option<()> {
    let encoded = Value::of(payload)?.get("bytes")?.as_str()?;
    STANDARD.decode_vec(encoded.as_bytes(), data).ok()?;
    Value::of(data)?.is_object().then_some(())
}

/// The name of the event that `data` is, which [`read`] put there.
pub(super) fn with_name<T>(data: &[u8], then: impl FnOnce(&str) -> T) -> T {
    let kind = Value::of(data).and_then(|event| event.get("type")).and_then(Value::as_str);
    then(kind.as_deref().unwrap_or_default())
}
