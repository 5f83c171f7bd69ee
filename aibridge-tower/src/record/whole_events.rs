//! Passes an event stream on event by event.

use std::mem;

use aibridge_providers::{
    api::{Api, chat},
    sse,
};
use bytes::{Buf, Bytes, BytesMut};

use crate::refuse;

/// The longest beginning of an event that is held back. A longer event passes as it comes.
const HOLD: usize = 64 * 1024;

/// Holds back the beginning of an event until the rest of it is there, so that a stream that breaks off can still end
/// with an error event of its own instead of half an event.
#[derive(Debug)]
pub(super) struct WholeEvents {
    held: BytesMut,
    /// An event longer than [`HOLD`] is passing.
    torn: bool,
    hide_usage: bool,
    /// The last thing passed was a usage chunk, kept back, that ended with CR: an LF that comes next belongs to it.
    hid_cr: bool,
}

impl WholeEvents {
    /// With `hide_usage`, the usage chunk of a Chat stream that the client did not ask for is kept from it.
    pub(super) fn new(hide_usage: bool) -> WholeEvents {
        WholeEvents { held: BytesMut::new(), torn: false, hide_usage, hid_cr: false }
    }

    /// Whether what has passed ends with an event.
    pub(super) fn is_between(&self) -> bool {
        !self.torn
    }

    /// Takes `data`, of which the first `boundary` bytes complete events, and returns what goes on.
    pub(super) fn pass(&mut self, mut data: Bytes, mut boundary: usize) -> Bytes {
        if mem::take(&mut self.hid_cr) && data.first() == Some(&b'\n') {
            data.advance(1);
            boundary = boundary.saturating_sub(1);
        }
        if boundary == 0 && self.torn {
            return data;
        }
        let rest = data.split_off(boundary.min(data.len()));
        let whole = match self.held.is_empty() {
            true => data,
            false if boundary == 0 => Bytes::new(),
            false => {
                self.held.extend_from_slice(&data);
                self.held.split().freeze()
            }
        };
        if boundary > 0 {
            self.torn = false;
        }
        let whole = if self.hide_usage { self.without_usage(whole) } else { whole };
        self.hold(whole, rest)
    }

    fn hold(&mut self, whole: Bytes, rest: Bytes) -> Bytes {
        if rest.is_empty() {
            return whole;
        }
        self.held.extend_from_slice(&rest);
        if self.held.len() <= HOLD {
            return whole;
        }
        self.torn = true;
        let held = self.held.split();
        if whole.is_empty() {
            return held.freeze();
        }
        let mut joined = BytesMut::with_capacity(whole.len() + held.len());
        joined.extend_from_slice(&whole);
        joined.extend_from_slice(&held);
        joined.freeze()
    }

    /// The stream ended as it should: what is held back goes, with or without its last blank line.
    pub(super) fn rest(&mut self) -> Bytes {
        let rest = self.held.split().freeze();
        if self.hide_usage { self.without_usage(rest) } else { rest }
    }

    /// What is held back goes to nobody, and whether the client has half of something.
    pub(super) fn abandon(&mut self) -> bool {
        self.held.clear();
        self.torn
    }

    /// The stream broke off: half an event is of no use to the client, an error event is.
    pub(super) fn cut(&mut self, api: Api) -> Bytes {
        self.held.clear();
        let event = api.error_event(&refuse::truncated());
        if !self.torn {
            return event;
        }
        // The long event that is passing has to be closed first.
        let mut closed = BytesMut::from(&b"\n\n"[..]);
        closed.extend_from_slice(&event);
        closed.freeze()
    }

    /// The events of `whole` without the usage chunk.
    fn without_usage(&mut self, whole: Bytes) -> Bytes {
        // Only a chunk that carries figures holds this.
        if memchr::memmem::find(&whole, b"\"usage\"").is_none() {
            return whole;
        }
        let mut kept = BytesMut::with_capacity(whole.len());
        // Line ends in front belong to the event before, which they end if it was a long one or its CR has passed.
        let line_ends = whole.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let (line_ends, events) = whole.split_at(line_ends);
        kept.extend_from_slice(line_ends);
        for raw in sse::split_events(events) {
            let mut is_usage = false;
            let mut decoder = sse::Decoder::new(HOLD);
            let mut check = |event: sse::Event<'_>| is_usage |= chat::is_usage_chunk(event.data);
            decoder.feed(raw, &mut check);
            decoder.finish(&mut check);
            self.hid_cr = is_usage && raw.ends_with(b"\r");
            if !is_usage {
                kept.extend_from_slice(raw);
            }
        }
        kept.freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n";
    const DELTA: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n";
    const DONE: &str = "data: [DONE]\n\n";
    const LINE_ENDS: [&str; 3] = ["\n", "\r\n", "\r"];

    /// The splitter and the decoder that tells it where events end.
    struct Stream {
        events: WholeEvents,
        decoder: sse::Decoder,
        sent: BytesMut,
    }

    impl Stream {
        fn new(hide_usage: bool) -> Stream {
            Stream { events: WholeEvents::new(hide_usage), decoder: sse::Decoder::new(1 << 20), sent: BytesMut::new() }
        }

        fn pass(&mut self, data: &[u8]) {
            let boundary = self.decoder.feed(data, &mut |_| {});
            let passed = self.events.pass(Bytes::copy_from_slice(data), boundary);
            self.sent.extend_from_slice(&passed);
        }

        fn end(mut self) -> BytesMut {
            let rest = self.events.rest();
            self.sent.extend_from_slice(&rest);
            self.sent
        }

        fn cut(mut self) -> BytesMut {
            let event = self.events.cut(Api::Chat);
            self.sent.extend_from_slice(&event);
            self.sent
        }
    }

    fn sample(line_end: &str) -> Vec<u8> {
        let text = format!(": hello\n\nevent: a\ndata: 1\n\n: beat\n{DELTA}id: 3\ndata: 2\ndata: 3\n\ndata: open");
        text.replace('\n', line_end).into_bytes()
    }

    /// How many bytes of `stream` are events that are complete.
    fn complete(stream: &[u8]) -> usize {
        sse::Decoder::new(1 << 20).feed(stream, &mut |_| {})
    }

    /// The data of the events in `stream`.
    fn data(stream: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut decoder = sse::Decoder::new(1 << 20);
        decoder.feed(stream, &mut |event| found.push(event.data.to_vec()));
        decoder.finish(&mut |event| found.push(event.data.to_vec()));
        found
    }

    #[test]
    fn split_anywhere_every_byte_passes_in_order_and_no_event_before_its_end() {
        for line_end in LINE_ENDS {
            let sample = sample(line_end);
            for first in 0..=sample.len() {
                for second in first..=sample.len() {
                    let mut stream = Stream::new(false);
                    for (from, to) in [(0, first), (first, second), (second, sample.len())] {
                        stream.pass(&sample[from..to]);
                        assert_eq!(stream.sent, sample[..complete(&sample[..to])], "{line_end:?} {first} {second}");
                    }
                    assert_eq!(stream.end(), sample);
                }
            }
        }
    }

    #[test]
    fn split_anywhere_the_usage_chunk_is_hidden_and_nothing_else() {
        for line_end in LINE_ENDS {
            let with = [DELTA, USAGE, DONE].concat().replace('\n', line_end).into_bytes();
            let without = [DELTA, DONE].concat().replace('\n', line_end).into_bytes();
            for at in 0..=with.len() {
                let mut stream = Stream::new(true);
                stream.pass(&with[..at]);
                stream.pass(&with[at..]);
                let sent = stream.end();
                assert_eq!(sent, without, "{line_end:?} {at}");
            }
        }
    }

    #[test]
    fn a_usage_chunk_without_its_blank_line_is_hidden_too() {
        let mut stream = Stream::new(true);
        stream.pass(DELTA.as_bytes());
        stream.pass(USAGE.trim_end().as_bytes());
        assert_eq!(stream.end(), DELTA);
    }

    #[test]
    fn a_usage_chunk_the_client_asked_for_passes() {
        let mut stream = Stream::new(false);
        stream.pass(USAGE.as_bytes());
        assert_eq!(stream.end(), USAGE);
    }

    #[test]
    fn an_event_longer_than_is_held_passes_as_it_comes() {
        let start = [b"data: ", &[b'a'; HOLD - 6][..]].concat();
        let mut stream = Stream::new(false);
        stream.pass(DELTA.as_bytes());
        stream.pass(&start);
        assert_eq!(stream.sent.len(), DELTA.len(), "as much as may be held is held");
        stream.pass(b"b");
        assert_eq!(stream.sent.len(), DELTA.len() + HOLD + 1);
        stream.pass(b"c");
        assert_eq!(stream.sent.len(), DELTA.len() + HOLD + 2);
        stream.pass(b"\n\ndata: half");
        assert_eq!(stream.sent.len(), DELTA.len() + HOLD + 4, "behind it events are whole again");
        assert!(stream.end().ends_with(b"abc\n\ndata: half"));
    }

    #[test]
    fn behind_a_long_event_the_usage_chunk_is_hidden() {
        for line_end in LINE_ENDS {
            let ending = format!("\n\n{USAGE}{DONE}").replace('\n', line_end);
            for at in 0..=ending.len() {
                let mut stream = Stream::new(true);
                stream.pass(&[b"data: ", &[b'a'; HOLD][..]].concat());
                stream.pass(&ending.as_bytes()[..at]);
                stream.pass(&ending.as_bytes()[at..]);
                let sent = data(&stream.end());
                assert_eq!(sent.len(), 2, "{line_end:?} {at}");
                assert_eq!((sent[0].len(), &*sent[1]), (HOLD, &b"[DONE]"[..]), "{line_end:?} {at}");
            }
        }
    }

    #[test]
    fn a_stream_that_is_cut_ends_with_an_error_event_after_its_last_whole_event() {
        let sample = sample("\n");
        for at in 0..=sample.len() {
            let mut stream = Stream::new(false);
            stream.pass(&sample[..at]);
            let sent = stream.cut();
            let event = &sent[complete(&sample[..at])..];
            assert!(event.starts_with(b"data: {\"error\"") && event.ends_with(b"\n\n"), "{at}");
            let events = data(&sent);
            assert_eq!(events[..events.len() - 1], data(&sample[..complete(&sample[..at])]));
        }
    }

    #[test]
    fn a_long_event_that_is_cut_is_closed_before_the_error_event() {
        let mut stream = Stream::new(false);
        stream.pass(&[b"data: ", &[b'a'; HOLD][..]].concat());
        let sent = data(&stream.cut());
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0].len(), HOLD);
        assert!(sent[1].starts_with(b"{\"error\""));
    }

    proptest! {
        #[test]
        fn however_bytes_arrive_they_all_leave_in_order(
            frames in prop::collection::vec("(data: |[a\\n\\r:]){0,12}", 0..12),
            long in prop::option::of(0usize..12),
        ) {
            let mut stream = Stream::new(false);
            let mut all = Vec::new();
            for (at, frame) in frames.iter().enumerate() {
                let mut frame = frame.clone().into_bytes();
                if long == Some(at) {
                    frame.extend([b'a'; HOLD]);
                }
                stream.pass(&frame);
                all.extend(frame);
                prop_assert!(all.starts_with(&stream.sent));
                prop_assert!(stream.sent.len() >= complete(&all));
            }
            prop_assert_eq!(stream.end(), all);
        }
    }
}
