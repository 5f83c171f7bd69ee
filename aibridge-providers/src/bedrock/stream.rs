//! From event-stream frames to server-sent events.

use bytes::Bytes;
use memchr::memmem;

use super::{
    event::{Said, StreamFailure, read, with_name},
    frames::Frames,
};
use crate::{
    json::{Document, Edits},
    sse::encode_onto,
};

/// What Bedrock adds to a stream's last event, and Anthropic's API does not have.
const METRICS: &str = "amazon-bedrock-invocationMetrics";

/// Turns the frames of `InvokeModelWithResponseStream` into the server-sent events of the Messages API.
///
/// The data of an event are the bytes that the frame holds, its name is its `type`; only Bedrock's own
/// `amazon-bedrock-invocationMetrics` is removed. Both checksums of every frame are compared. At most one frame is kept,
/// of up to [`MAX_FRAME`](super::MAX_FRAME) bytes.
///
/// ```
/// use aibridge_providers::bedrock::{StreamDecoder, exception_frame};
///
/// let frame = exception_frame("throttlingException", "Too many tokens");
/// let mut decoder = StreamDecoder::new();
/// assert!(decoder.feed(&frame[..20]).is_empty());
/// assert_eq!(
///     decoder.feed(&frame[20..]),
///     "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"Too many tokens\"}}\n\n",
/// );
/// assert_eq!(decoder.failure().map(|failure| failure.status.as_u16()), Some(429));
/// ```
#[derive(Debug, Default)]
pub struct StreamDecoder {
    frames: Frames,
    /// The JSON of the event that is being read, kept for its capacity.
    data: Vec<u8>,
    failure: Option<StreamFailure>,
}

impl StreamDecoder {
    /// A decoder at the start of a stream.
    pub fn new() -> StreamDecoder {
        StreamDecoder::default()
    }

    /// Takes the next bytes of the stream and returns the events that they complete, which may be none.
    ///
    /// An exception, or something that is no frame, becomes an `error` event, and is the end: later bytes are passed
    /// over.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Bytes {
        let mut events = Vec::new();
        while self.failure.is_none() {
            match self.frames.next(&mut bytes) {
                Ok(Some(message)) => match read(&message, &mut self.data) {
                    Said::Event => append(&mut events, &mut self.data),
                    Said::Nothing => {}
                    Said::Failure(failure) => self.fail(failure, &mut events),
                },
                Ok(None) => break,
                Err(error) => self.fail(error.into(), &mut events),
            }
        }
        events.into()
    }

    /// Ends the stream: an `error` event if it ended within a frame, else nothing.
    ///
    /// Whether the stream was whole otherwise is for a reader of its events to say: the last one is `message_stop`.
    pub fn finish(&mut self) -> Bytes {
        let mut events = Vec::new();
        if let Err(error) = self.frames.finish()
            && self.failure.is_none()
        {
            self.fail(error.into(), &mut events);
        }
        events.into()
    }

    /// What ended the stream with an `error` event.
    pub fn failure(&self) -> Option<&StreamFailure> {
        self.failure.as_ref()
    }

    fn fail(&mut self, failure: StreamFailure, events: &mut Vec<u8>) {
        encode_onto(events, "error", &failure.data());
        self.failure = Some(failure);
    }
}

/// Appends the event that `data` is to `events`.
fn append(events: &mut Vec<u8>, data: &mut Vec<u8>) {
    if memmem::find(data, METRICS.as_bytes()).is_some()
        && let Ok(document) = Document::parse(std::mem::take(data).into())
    {
        let mut edits = Edits::new(&document);
        edits.remove(document.root(), METRICS);
        data.extend_from_slice(&edits.apply());
    }
    with_name(data, |name| encode_onto(events, name, data));
}

#[cfg(test)]
mod tests;
