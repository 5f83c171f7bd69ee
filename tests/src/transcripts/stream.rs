//! What a test does to an event stream: take it apart, and end its lines differently.

use bytes::{Bytes, BytesMut};

/// The events of a stream whose lines end in LF, each with the empty line that ends it. Together they are the stream.
pub fn events(stream: &Bytes) -> Vec<Bytes> {
    let mut events = Vec::new();
    let mut start = 0;
    for at in 1..stream.len() {
        if &stream[at - 1..=at] == b"\n\n" && stream.get(at + 1) != Some(&b'\n') {
            events.push(stream.slice(start..=at));
            start = at + 1;
        }
    }
    if start < stream.len() {
        events.push(stream.slice(start..));
    }
    events
}

/// These bytes in two parts, at every position between two of them.
pub fn resplit(bytes: &Bytes) -> impl Iterator<Item = (Bytes, Bytes)> + use<> {
    let bytes = bytes.clone();
    (1..bytes.len()).map(move |at| (bytes.slice(..at), bytes.slice(at..)))
}

/// The three line ends of an event stream ([WHATWG HTML, 9.2.5](https://html.spec.whatwg.org/multipage/server-sent-events.html)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the standard knows three")]
pub enum LineEnd {
    /// `\n`
    Lf,
    /// `\r\n`
    CrLf,
    /// `\r`
    Cr,
}

impl LineEnd {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Lf, Self::CrLf, Self::Cr];

    const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
            Self::Cr => b"\r",
        }
    }
}

/// The stream, whose lines end in LF, with its lines ending in this.
pub fn line_ends(stream: &Bytes, end: LineEnd) -> Bytes {
    let mut ended = BytesMut::with_capacity(stream.len());
    for line in stream.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                ended.extend_from_slice(line);
                ended.extend_from_slice(end.bytes());
            }
            None => ended.extend_from_slice(line),
        }
    }
    ended.freeze()
}
