use std::{mem, ops::RangeInclusive};

use bytes::Bytes;

use super::Whole;

/// So much of a stream is kept unread.
const KEPT: usize = 1 << 20;

/// How much room a piece of what is kept has: the first for some ten events, each further one twice as much.
const ROOM: RangeInclusive<usize> = 2048..=32_768;

/// From this size on bytes for which there is no room yet are kept as they are. Smaller ones are copied, because they would
/// hold on to the buffer they were read into, which is many times their size.
const LARGE: usize = 8192;

/// The beginning of a stream, as long as it calls no injected tool: it passes, and is kept for the case that one is called
/// later.
#[derive(Debug, Default)]
pub(super) struct Passed {
    whole: Whole,
    seen: Seen,
}

/// Whole events, in pieces that are not moved as more come.
#[derive(Debug, Default)]
struct Seen {
    pieces: Vec<Bytes>,
    last: Vec<u8>,
    len: usize,
}

impl Seen {
    #[inline]
    fn add(&mut self, bytes: &Bytes) {
        self.len += bytes.len();
        if self.last.capacity() - self.last.len() < bytes.len() {
            return self.add_piece(bytes);
        }
        self.last.extend_from_slice(bytes);
    }

    /// Adds bytes for which there is no more room.
    #[cold]
    fn add_piece(&mut self, bytes: &Bytes) {
        if bytes.len() >= LARGE {
            self.begin(0);
            self.pieces.push(bytes.clone());
            return;
        }
        let room = (self.last.capacity() * 2).clamp(*ROOM.start(), *ROOM.end());
        self.begin(room.max(bytes.len()));
        self.last.extend_from_slice(bytes);
    }

    /// Begins a piece with room for so many bytes.
    fn begin(&mut self, room: usize) {
        let last = mem::replace(&mut self.last, Vec::with_capacity(room));
        if !last.is_empty() {
            self.pieces.push(last.into());
        }
    }

    fn take(&mut self) -> Bytes {
        self.begin(0);
        self.len = 0;
        mem::take(&mut self.pieces).concat().into()
    }
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
    /// Keeps whole events in which no tool is called, unless they are too much.
    #[inline]
    pub(super) fn keep(&mut self, bytes: &Bytes) -> bool {
        let fits = self.seen.len + bytes.len() <= KEPT;
        if fits {
            self.seen.add(bytes);
        }
        fits
    }

    /// Whether an event has begun and not ended.
    pub(super) fn has_open(&self) -> bool {
        self.whole.len() > 0
    }

    /// Whether the next bytes are whole events, which is not certain if it is denied.
    #[inline]
    pub(super) fn are_whole(&self, bytes: &Bytes) -> bool {
        self.whole.len() == 0 && bytes.ends_with(b"\n\n")
    }

    /// The next bytes, as far as they are whole events: the same, uncopied; unless those events `may_call` one of the tools.
    pub(super) fn take(&mut self, bytes: Bytes, may_call: impl FnOnce(&Bytes) -> bool) -> Result<Bytes, Read> {
        let whole = self.whole.take(bytes);
        if may_call(&whole) || self.seen.len + whole.len() + self.whole.len() > KEPT {
            let open = self.whole.rest();
            let now = if open.is_empty() { whole } else { [whole, open].concat().into() };
            return Err(self.read(now));
        }
        self.seen.add(&whole);
        Ok(whole)
    }

    /// What is left when the stream ends.
    pub(super) fn end(&mut self, may_call: impl FnOnce(&Bytes) -> bool) -> Result<Bytes, Read> {
        let open = self.whole.rest();
        if may_call(&open) { Err(self.read(open)) } else { Ok(open) }
    }

    fn read(&mut self, now: Bytes) -> Read {
        Read { before: self.seen.take(), now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "event: a\ndata: {\"text\":\"x\"}\n\ndata: {\"name\":\"bmcp_a\"}\n\ndata: 3\n\n";

    fn may_call(events: &Bytes) -> bool {
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
    fn what_is_kept_is_what_has_passed_in_pieces_of_any_size() {
        let mut passed = Passed::default();
        let mut all = Vec::new();
        for size in (1..400).chain([LARGE, 7, LARGE - 10, LARGE * 2, 3000]) {
            let event = Bytes::from(format!("data: {}\n\n", "x".repeat(size)));
            assert!(passed.are_whole(&event) && passed.keep(&event));
            all.extend_from_slice(&event);
        }
        assert!(!passed.are_whole(&Bytes::from_static(b"data: half")));
        let Err(Read { before, now }) = passed.take(Bytes::from_static(b"data: bmcp_\n\n"), may_call) else {
            panic!("a tool is called");
        };
        assert_eq!((before, &*now), (all.into(), &b"data: bmcp_\n\n"[..]));
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
