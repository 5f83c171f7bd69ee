use std::mem;

use bytes::Bytes;

use super::Whole;

/// So much of a stream is kept unread.
const KEPT: usize = 1 << 20;

/// How much room there is for it at first: for some ten events.
const FIRST: usize = 2048;

/// The beginning of a stream, as long as it calls no injected tool: it passes, and is kept for the case that one is called
/// later.
#[derive(Debug, Default)]
pub(super) struct Passed {
    whole: Whole,
    /// Whole events: a copy, because a small frame would hold on to the buffer it was read into, which is many times its
    /// size.
    seen: Vec<u8>,
}

/// A stream that is to be read from here on.
#[derive(Debug)]
pub(super) struct Read {
    /// What has passed.
    pub(super) before: Bytes,
    /// What has not.
    pub(super) now: Bytes,
}

impl Passed {
    /// Keeps bytes in which no tool is called and which pass, unless it needs a closer look whether they are whole events.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> bool {
        let fits = self.whole.len() == 0 && bytes.ends_with(b"\n\n") && self.seen.len() + bytes.len() <= KEPT;
        if fits {
            if self.seen.capacity() == 0 {
                self.seen.reserve(FIRST);
            }
            self.seen.extend_from_slice(bytes);
        }
        fits
    }

    /// The next bytes, as far as they are whole events: the same, uncopied; unless those events `may_call` one of the tools.
    pub(super) fn take(&mut self, bytes: Bytes, may_call: impl FnOnce(&[u8]) -> bool) -> Result<Bytes, Read> {
        let whole = self.whole.take(bytes);
        if may_call(&whole) || self.seen.len() + whole.len() + self.whole.len() > KEPT {
            let open = self.whole.rest();
            let now = if open.is_empty() { whole } else { [whole, open].concat().into() };
            return Err(self.read(now));
        }
        self.seen.extend_from_slice(&whole);
        Ok(whole)
    }

    /// What is left when the stream ends.
    pub(super) fn end(&mut self, may_call: impl FnOnce(&[u8]) -> bool) -> Result<Bytes, Read> {
        let open = self.whole.rest();
        if may_call(&open) { Err(self.read(open)) } else { Ok(open) }
    }

    fn read(&mut self, now: Bytes) -> Read {
        Read { before: mem::take(&mut self.seen).into(), now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "event: a\ndata: {\"text\":\"x\"}\n\ndata: {\"name\":\"bmcp_a\"}\n\ndata: 3\n\n";

    fn may_call(events: &[u8]) -> bool {
        memchr::memmem::find(events, b"bmcp_").is_some()
    }

    #[test]
    fn nothing_is_lost_when_reading_begins_wherever_the_stream_is_split() {
        for at in 0..STREAM.len() {
            let mut passed = Passed::default();
            let mut same = Vec::new();
            let mut pieces = [&STREAM[..at], &STREAM[at..]].into_iter().map(|piece| Bytes::from(piece.to_owned()));
            let read = pieces.by_ref().find_map(|piece| match passed.take(piece, may_call) {
                Ok(whole) => {
                    same.extend_from_slice(&whole);
                    None
                }
                Err(read) => Some(read),
            });
            let Read { before, now } = read.expect("a tool is called");
            assert_eq!(before, same, "what has passed is what is read");
            let rest: Vec<Bytes> = pieces.collect();
            assert_eq!([&before[..], &now, &rest.concat()].concat(), STREAM.as_bytes(), "{at}");
        }
    }

    #[test]
    fn a_long_stream_is_read() {
        let mut passed = Passed::default();
        let event = Bytes::from(format!("data: {}\n\n", "x".repeat(KEPT / 4)));
        let taken: Vec<_> = (0..4).map(|_| passed.take(event.clone(), may_call)).collect();
        assert!(taken[..3].iter().all(|taken| taken.as_ref().is_ok_and(|same| same.as_ptr() == event.as_ptr())));
        assert_eq!(taken[3].as_ref().map_err(|read| read.before.len()), Err(event.len() * 3));
    }

    #[test]
    fn an_event_without_an_end_is_read_if_it_may_be_a_call() {
        for (open, is_read) in [("data: {\"name\":\"bmcp_a", true), ("data: {\"na", false)] {
            let mut passed = Passed::default();
            assert_eq!(passed.take(Bytes::from_static(open.as_bytes()), may_call).expect("nothing yet"), "");
            assert_eq!(passed.end(may_call).is_err(), is_read, "{open}");
        }
    }
}
