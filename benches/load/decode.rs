//! Message bodies of HTTP/1.1, piece by piece ([RFC 9112, section 6 and 7.1](https://www.rfc-editor.org/rfc/rfc9112)).

use std::io::{Error, ErrorKind, Result};

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Bytes that are left of a body without chunks.
    Plain(u64),
    /// The size read so far.
    Size(u64),
    /// The rest of the line after the size, with the size.
    SizeLine(u64),
    /// Bytes that are left of the chunk.
    Data(u64),
    /// The line end after a chunk.
    DataEnd,
    /// In the trailer section, with the length of the current line.
    Trailer(usize),
    Done,
}

/// Takes the framing off a body without keeping any of it.
#[derive(Debug)]
pub(crate) struct Decoder(State);

impl Decoder {
    pub(crate) fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Plain(length),
            Framing::Chunked => State::Size(0),
        })
    }

    pub(crate) fn is_done(&self) -> bool {
        self.0 == State::Done
    }

    /// Decodes what `input` holds of this body, hands the content to `sink` and says how many bytes were taken.
    ///
    /// # Errors
    ///
    /// When a chunk size is not a number.
    pub(crate) fn decode(&mut self, input: &[u8], sink: &mut impl FnMut(&[u8])) -> Result<usize> {
        let mut taken = 0;
        while let Some(&byte) = input.get(taken) {
            match self.0 {
                State::Done => break,
                State::Plain(left) | State::Data(left) => {
                    let data = upto(&input[taken..], left);
                    sink(data);
                    taken += data.len();
                    let left = left - data.len() as u64;
                    self.0 = match (self.0, left) {
                        (State::Plain(_), 0) => State::Done,
                        (State::Plain(_), _) => State::Plain(left),
                        (_, 0) => State::DataEnd,
                        (_, _) => State::Data(left),
                    };
                    continue;
                }
                State::Size(size) => self.0 = size_digit(size, byte)?,
                State::SizeLine(size) if byte == b'\n' => {
                    self.0 = if size == 0 { State::Trailer(0) } else { State::Data(size) };
                }
                State::SizeLine(_) => {}
                State::DataEnd if byte == b'\n' => self.0 = State::Size(0),
                State::DataEnd => {}
                State::Trailer(0) if byte == b'\n' => self.0 = State::Done,
                State::Trailer(_) if byte == b'\n' => self.0 = State::Trailer(0),
                State::Trailer(length) if byte != b'\r' => self.0 = State::Trailer(length + 1),
                State::Trailer(_) => {}
            }
            taken += 1;
        }
        Ok(taken)
    }
}

fn upto(input: &[u8], limit: u64) -> &[u8] {
    usize::try_from(limit).ok().and_then(|limit| input.get(..limit)).unwrap_or(input)
}

fn size_digit(size: u64, byte: u8) -> Result<State> {
    match char::from(byte).to_digit(16) {
        // Sixteen megabytes: whatever is larger is not one of our chunks.
        Some(digit) if size < 1 << 20 => Ok(State::Size(size * 16 + u64::from(digit))),
        None if matches!(byte, b'\r' | b';' | b' ') => Ok(State::SizeLine(size)),
        _ => Err(Error::new(ErrorKind::InvalidData, "chunk size is not a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &[u8] = b"5\r\nhello\r\n1;x=y\r\n \r\nC\r\nworld, again\r\n0\r\nA: b\r\n\r\nHTTP";

    fn decode(framing: Framing, pieces: [&[u8]; 2]) -> (String, usize, bool) {
        let (mut decoder, mut text, mut taken) = (Decoder::new(framing), Vec::new(), 0);
        for piece in pieces {
            taken += decoder.decode(piece, &mut |data| text.extend_from_slice(data)).expect("the body is well formed");
        }
        (String::from_utf8(text).expect("the body is text"), taken, decoder.is_done())
    }

    #[test]
    fn chunked_body_is_the_same_wherever_it_is_split() {
        for at in 0..=WIRE.len() {
            let (first, second) = WIRE.split_at(at);
            let expected = ("hello world, again".to_owned(), WIRE.len() - 4, true);
            assert_eq!(decode(Framing::Chunked, [first, second]), expected, "split at {at}");
        }
    }

    #[test]
    fn body_with_a_length_ends_there() {
        assert_eq!(decode(Framing::Length(5), [b"hel", b"loHTTP"]), ("hello".to_owned(), 5, true));
        assert_eq!(decode(Framing::Length(5), [b"hel", b"l"]), ("hell".to_owned(), 4, false));
    }

    #[test]
    fn chunk_without_a_size_is_an_error() {
        assert!(Decoder::new(Framing::Chunked).decode(b"data: {}", &mut |_| {}).is_err());
    }
}
