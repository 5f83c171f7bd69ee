//! Frames for clients that speak Bedrock themselves: read beside, and written when the gateway ends a stream.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use serde_json::json;

use super::{
    event::{Said, StreamFailure, read, with_name},
    frames::Frames,
};

/// Reads a copy of the frames that a client gets as they are.
///
/// The same bounds hold as for [`StreamDecoder`](super::StreamDecoder). After an exception, or something that is no
/// frame, nothing more is read.
#[derive(Debug, Default)]
pub struct NativeDecoder {
    frames: Frames,
    data: Vec<u8>,
    failure: Option<StreamFailure>,
}

/// A Messages event within a frame.
#[derive(Debug)]
#[non_exhaustive]
pub struct NativeEvent<'a> {
    /// The event's `type`, e.g. `message_start`; `error` for exceptions.
    pub name: &'a str,
    /// Its JSON; for exceptions in Anthropic's form.
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
        let mut rest = bytes;
        let mut complete = 0;
        while self.failure.is_none() {
            let failure = match self.frames.next(&mut rest) {
                Ok(None) => break,
                Ok(Some(message)) => {
                    complete = bytes.len() - rest.len();
                    match read(&message, &mut self.data) {
                        Said::Event => {
                            with_name(&self.data, |name| on_event(NativeEvent { name, data: &self.data }));
                            continue;
                        }
                        Said::Nothing => continue,
                        Said::Failure(failure) => failure,
                    }
                }
                Err(error) => error.into(),
            };
            on_event(NativeEvent { name: "error", data: &failure.data() });
            self.failure = Some(failure);
        }
        complete
    }

    /// The exception, or the damage, behind which nothing was read.
    pub fn failure(&self) -> Option<&StreamFailure> {
        self.failure.as_ref()
    }
}

/// The frame that ends a stream in which the gateway has to report an error.
///
/// `exception` is one that the operation declares, e.g. `modelStreamErrorException` or `internalServerException`; the
/// AWS SDKs raise it with `message`.
pub fn exception_frame(exception: &str, message: &str) -> Bytes {
    let header = |name: &'static str, value: &str| Header::new(name, HeaderValue::String(value.to_owned().into()));
    let frame = Message::new(json!({"message": message}).to_string())
        .add_header(header(":message-type", "exception"))
        .add_header(header(":exception-type", exception))
        .add_header(header(":content-type", "application/json"));
    let mut bytes = Vec::new();
    // Only a header of more than 32 KiB is refused, and the names of exceptions are short.
    if write_message_to(&frame, &mut bytes).is_err() {
        bytes.clear();
    }
    bytes.into()
}
