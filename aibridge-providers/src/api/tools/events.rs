use bytes::{Bytes, BytesMut};
use memchr::memchr2_iter;

/// Cuts a stream of server-sent events behind whole events.
#[derive(Debug, Default)]
pub(in crate::api) struct Whole {
    open: BytesMut,
}

/// What ends an event: a blank line behind another line, in any of the three line ends.
const ENDS: [&[u8]; 3] = [b"\n\n", b"\n\r\n", b"\r\r"];

impl Whole {
    /// The whole events that `bytes` complete, without a copy if none was open; what follows them is kept.
    pub(in crate::api) fn take(&mut self, mut bytes: Bytes) -> Bytes {
        if self.open.is_empty() {
            if bytes.ends_with(b"\n\n") {
                return bytes;
            }
            let whole = bytes.split_to(end_of_last(&bytes, 0));
            self.open.extend_from_slice(&bytes);
            return whole;
        }
        let known = self.open.len().saturating_sub(2);
        self.open.extend_from_slice(&bytes);
        let end = end_of_last(&self.open, known);
        self.open.split_to(end).freeze()
    }

    /// How much of an event is kept that is still open, in bytes.
    pub(in crate::api) fn len(&self) -> usize {
        self.open.len()
    }

    /// The event that is still open when the stream ends.
    pub(in crate::api) fn rest(&mut self) -> Bytes {
        self.open.split().freeze()
    }
}

/// Behind the last whole event of `bytes`, searched from `from` on.
fn end_of_last(bytes: &[u8], from: usize) -> usize {
    let bytes = &bytes[from..];
    // Line ends are seldom far apart, so that the last blank line is soon found from the back.
    let mut lines = memchr2_iter(b'\n', b'\r', bytes).rev();
    let end = lines.find(|at| ENDS.iter().any(|end| bytes[..=*at].ends_with(end)));
    end.map_or(0, |at| from + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_the_stream_is_split() {
        for end in ["\n", "\r\n", "\r"] {
            let stream = "event: a\ndata: 1\n\n: note\n\ndata: 2\n\ndata: open".replace('\n', end);
            for at in 0..=stream.len() {
                let mut whole = Whole::default();
                let mut seen = Vec::new();
                for piece in [&stream[..at], &stream[at..]] {
                    let part = whole.take(Bytes::copy_from_slice(piece.as_bytes()));
                    let blank = [end, end].concat();
                    assert!(part.is_empty() || part.ends_with(blank.as_bytes()) || part == end.as_bytes(), "{part:?}");
                    seen.extend_from_slice(&part);
                }
                assert!(seen.ends_with("data: 2\n\n".replace('\n', end).as_bytes()), "{end:?} {at} {seen:?}");
                seen.extend_from_slice(&whole.rest());
                assert_eq!(seen, stream.as_bytes());
            }
        }
    }
}
