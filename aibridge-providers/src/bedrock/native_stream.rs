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

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::read_message_from;

    use super::*;
    use crate::bedrock::testing::{EVENTS, frames};

    fn seen(decoder: &mut NativeDecoder, bytes: &[u8]) -> (Vec<(String, String)>, usize) {
        let mut seen = Vec::new();
        let complete = decoder.feed(bytes, &mut |event| {
            seen.push((event.name.to_owned(), String::from_utf8(event.data.to_vec()).unwrap()));
        });
        (seen, complete)
    }

    #[test]
    fn the_events_within_frames_are_read_however_these_are_split() {
        let frames = frames();
        let stream = frames.concat();
        let ends: Vec<usize> = (0..=frames.len()).map(|count| frames[..count].concat().len()).collect();
        let expected = EVENTS.map(|(name, data)| (name.to_owned(), data.to_owned()));
        for at in 0..=stream.len() {
            let mut decoder = NativeDecoder::new();
            let (mut all, complete) = seen(&mut decoder, &stream[..at]);
            assert_eq!(complete, *ends.iter().rfind(|end| **end <= at).unwrap(), "split at {at}");
            let (rest, complete) = seen(&mut decoder, &stream[at..]);
            assert_eq!(complete, stream.len() - at);
            all.extend(rest);
            assert_eq!(all, expected);
            assert_eq!(decoder.failure(), None);
        }
    }

    #[test]
    fn an_exception_or_damage_is_an_error_event_and_the_last_one() {
        let mut damaged = frames()[0].clone();
        *damaged.last_mut().unwrap() ^= 1;
        for (ending, complete, kind) in [
            (exception_frame("throttlingException", "m").to_vec(), true, "rate_limit_error"),
            (damaged, false, "api_error"),
        ] {
            let before = frames()[0].len();
            let stream = [&*frames()[0], &ending, &frames()[1]].concat();
            let mut decoder = NativeDecoder::new();
            let (events, bytes) = seen(&mut decoder, &stream);
            assert_eq!(events.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["message_start", "error"]);
            assert_eq!(bytes, before + if complete { ending.len() } else { 0 });
            assert_eq!(decoder.failure().unwrap().kind, kind);
            assert_eq!(seen(&mut decoder, &frames()[0]), (vec![], 0));
        }
    }

    #[test]
    fn an_exception_is_written_as_the_aws_sdks_read_it() {
        let frame = exception_frame("modelStreamErrorException", "a \"quoted\" message");
        let message = read_message_from(&*frame).unwrap();
        let headers = aws_smithy_eventstream::smithy::parse_response_headers(&message).unwrap();
        assert_eq!(
            (headers.message_type.as_str(), headers.smithy_type.as_str()),
            ("exception", "modelStreamErrorException")
        );
        assert_eq!(headers.content_type(), Some("application/json"));
        assert_eq!(&**message.payload(), br#"{"message":"a \"quoted\" message"}"#);
    }
}
