//! AWS event-stream frames.

use bytes::Bytes;
use http::StatusCode;

/// The largest frame that is read, in bytes.
pub const MAX_FRAME: usize = 16 << 20;

/// Turns the frames of `InvokeModelWithResponseStream` into the server-sent events of the Messages API.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    failure: Option<StreamFailure>,
}

/// Why a stream ended with an error event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamFailure {
    /// The status that the error would have had before the stream began; 502 for a broken frame.
    pub status: StatusCode,
    /// Anthropic's error type, e.g. `rate_limit_error`.
    pub kind: &'static str,
    /// Bedrock's exception, e.g. `throttlingException`; empty for a broken frame.
    pub exception: String,
    /// What it says.
    pub message: String,
}

impl StreamDecoder {
    /// A decoder at the start of a stream.
    pub fn new() -> StreamDecoder {
        StreamDecoder::default()
    }

    /// Takes the next bytes of the stream and returns the events that they complete, which may be none.
    ///
    /// After an exception, or something that is no frame, the last event is `error`, and later bytes are passed over.
    pub fn feed(&mut self, bytes: &[u8]) -> Bytes {
        let _ = bytes;
        todo!()
    }

    /// Ends the stream: an `error` event if it ended within a frame, else nothing.
    pub fn finish(&mut self) -> Bytes {
        todo!()
    }

    /// The failure that ended the stream.
    pub fn failure(&self) -> Option<&StreamFailure> {
        self.failure.as_ref()
    }
}

/// Reads a copy of the frames that a client gets as they are.
#[derive(Debug, Default)]
pub struct NativeDecoder {}

/// A Messages event within a frame.
#[derive(Debug)]
#[non_exhaustive]
pub struct NativeEvent<'a> {
    /// The event's `type`, e.g. `message_start`; `error` for exceptions.
    pub name: &'a str,
    /// Its JSON.
    pub data: &'a [u8],
}

impl NativeDecoder {
    /// A decoder at the start of a stream.
    pub fn new() -> NativeDecoder {
        NativeDecoder::default()
    }

    /// Takes the next bytes and hands every event they complete to `on_event`.
    ///
    /// Returns how many of `bytes` belong to complete frames, as [`crate::sse::Decoder::feed`] does for events: an
    /// [`exception_frame`] may only follow a complete one.
    pub fn feed(&mut self, bytes: &[u8], on_event: &mut dyn FnMut(NativeEvent<'_>)) -> usize {
        let _ = (bytes, on_event);
        todo!()
    }
}

/// The frame that ends a stream in which the gateway has to report an error, e.g. `modelStreamErrorException`.
pub fn exception_frame(exception: &str, message: &str) -> Bytes {
    let _ = (exception, message);
    todo!()
}
