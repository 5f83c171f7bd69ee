use std::mem;

use memchr::memchr2;

use super::{
    line::{BOM, Field},
    open::{Borrowed, Open},
    partial::Partial,
};

/// Splits a byte stream into events, holding only what is incomplete.
///
/// Takes time linear in the bytes, however they are chunked, and copies nothing of an event that lies in one chunk and
/// has a single `data` line. Differs from the standard in what a reader of model replies needs:
///
/// * [`Decoder::finish`] reports an event whose blank line is missing, where a browser would drop it.
/// * `id` and `retry` are not read: they serve clients that reconnect.
/// * Bytes that are not UTF-8 are handed out as they are.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    open: Open,
    /// The line that the last chunk ended in.
    partial: Partial,
    /// No line has been read, so that a byte order mark may come.
    first_line: bool,
    /// The last chunk ended with CR: an LF that comes next belongs to the same line end.
    after_cr: bool,
    /// A line other than a comment has been read since the last blank line.
    in_event: bool,
}

/// One event.
#[derive(Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The last `event:` field; empty when there was none.
    pub name: &'a [u8],
    /// The `data:` fields joined by LF.
    pub data: &'a [u8],
    /// The event exceeded the decoder's limit: `data` is empty. So is `name`, if it exceeded 1 KiB.
    pub oversize: bool,
}

impl Decoder {
    /// A decoder that keeps at most `limit` bytes of one event's data.
    ///
    /// An event with more data is reported as [`Event::oversize`], however it was chunked.
    pub fn new(limit: usize) -> Decoder {
        Decoder {
            limit,
            open: Open::new(limit),
            partial: Partial::default(),
            first_line: true,
            after_cr: false,
            in_event: false,
        }
    }

    /// Takes the next bytes and hands every event they complete to `on_event`.
    ///
    /// Returns how many of `bytes` belong to complete events (an event ends with its blank line): the bytes from
    /// there on are the beginning of an event that is still open. `0` when an event was open before and still is.
    ///
    /// Comment lines between events count as complete, so that heartbeats are not held back. The LF of a CR LF whose CR
    /// came with the last chunk counts as complete when that CR did.
    pub fn feed(&mut self, bytes: &[u8], on_event: &mut dyn FnMut(Event<'_>)) -> usize {
        let mut complete = 0;
        let mut pos = 0;
        if let Some(first) = bytes.first()
            && mem::take(&mut self.after_cr)
            && *first == b'\n'
        {
            pos = 1;
            if !self.in_event {
                complete = 1;
            }
        }
        let mut borrowed = Borrowed::default();
        while let Some(length) = memchr2(b'\n', b'\r', &bytes[pos..]) {
            let end = pos + length;
            let line = &bytes[pos..end];
            pos = end + 1;
            if bytes[end] == b'\r' {
                match bytes.get(pos) {
                    Some(b'\n') => pos += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            match self.line(line, &mut borrowed) {
                Some(Field::Comment) => {}
                Some(_) => self.in_event = true,
                None => {
                    self.open.end(&mut borrowed, on_event);
                    self.in_event = false;
                }
            }
            if !self.in_event {
                complete = pos;
            }
        }
        self.open.keep(&mut borrowed);
        let rest = &bytes[pos..];
        if !rest.is_empty() {
            self.partial.extend(rest, self.first_line, &mut self.open);
        }
        complete
    }

    /// Ends the stream: an event whose blank line is missing counts all the same.
    ///
    /// The decoder is then as new.
    pub fn finish(&mut self, on_event: &mut dyn FnMut(Event<'_>)) {
        self.partial.end(self.first_line, &mut self.open);
        self.open.end(&mut Borrowed::default(), on_event);
        *self = Decoder::new(self.limit);
    }

    /// Takes the end of a line, mostly all of it; `None` when the line is blank.
    #[inline]
    fn line<'a>(&mut self, line: &'a [u8], borrowed: &mut Borrowed<'a>) -> Option<Field> {
        let first_line = mem::take(&mut self.first_line);
        if self.partial.is_open() {
            self.partial.extend(line, first_line, &mut self.open);
            return self.partial.end(first_line, &mut self.open);
        }
        let line = if first_line { line.strip_prefix(BOM).unwrap_or(line) } else { line };
        (!line.is_empty()).then(|| self.open.line(line, borrowed))
    }

    /// The bytes of memory in use.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.open.capacity()
    }
}
