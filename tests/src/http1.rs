//! HTTP/1.1 as it stands on the wire (RFC 9112), with nothing normalised away.

use std::fmt;
use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The start line and the fields of a request or response, byte for byte as they arrived.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    raw: Bytes,
    text: String,
}

impl Head {
    fn new(raw: Bytes) -> Self {
        let text = String::from_utf8_lossy(&raw).into_owned();
        Self { raw, text }
    }

    /// Everything up to and including the empty line.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The first line, such as `POST /v1/messages HTTP/1.1` or `HTTP/1.1 200 OK`.
    pub fn start_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The status code of a response; 0 when this is no response.
    pub fn status(&self) -> u16 {
        self.start_line().split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default()
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.start_line().split(' ').next().unwrap_or_default()
    }

    /// The target of a request, with its query.
    pub fn target(&self) -> &str {
        self.start_line().split(' ').nth(1).unwrap_or_default()
    }

    /// All fields in their order and spelling, values without the blanks around them.
    pub fn fields(&self) -> Vec<(&str, &str)> {
        self.text.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(n, v)| (n, v.trim())).collect()
    }

    /// The value of the first field of this name, in any spelling.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// The values of all fields of this name, in any spelling.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields().into_iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v).collect()
    }

    fn is_chunked(&self) -> bool {
        self.all("transfer-encoding").iter().any(|value| value.to_ascii_lowercase().contains("chunked"))
    }

    fn content_length(&self) -> io::Result<Option<usize>> {
        let parse = |value: &str| value.parse().map_err(|_| invalid("content-length is not a number"));
        self.get("content-length").map(parse).transpose()
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How the rest of the current body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Framing {
    pub(crate) fn of_request(head: &Head) -> io::Result<Self> {
        if head.is_chunked() {
            return Ok(Self::Chunked);
        }
        Ok(Self::Length(head.content_length()?.unwrap_or(0)))
    }

    /// `bodiless`: the request was a `HEAD`.
    pub(crate) fn of_response(head: &Head, bodiless: bool) -> io::Result<Self> {
        if bodiless || matches!(head.status(), 100..200 | 204 | 304) {
            return Ok(Self::Length(0));
        }
        if head.is_chunked() {
            return Ok(Self::Chunked);
        }
        Ok(head.content_length()?.map_or(Self::UntilClose, Self::Length))
    }
}

/// The reading side of a connection. Every method may be cancelled and called again: a piece leaves the buffer only
/// when it is there as a whole.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    io: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) fn new(io: R) -> Self {
        Self { io, buffer: BytesMut::new() }
    }

    pub(crate) fn io_mut(&mut self) -> &mut R {
        &mut self.io
    }

    /// Reads what is there; `false` when the peer has finished.
    pub(crate) async fn fill(&mut self) -> io::Result<bool> {
        Ok(self.io.read_buf(&mut self.buffer).await? > 0)
    }

    async fn need(&mut self) -> io::Result<()> {
        if self.fill().await? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The next head; `None` when the peer closed before sending any of it.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(Head::new(self.buffer.split_to(at + 4).freeze())));
            }
            if self.buffer.is_empty() {
                if !self.fill().await? {
                    return Ok(None);
                }
            } else {
                self.need().await?;
            }
        }
    }

    /// The next piece of a body: one chunk as the peer framed it, otherwise what has arrived. `None` at its clean
    /// end; `UnexpectedEof` when the peer closed before.
    pub(crate) async fn piece(&mut self, framing: &mut Framing) -> io::Result<Option<Bytes>> {
        match framing {
            Framing::Length(0) => Ok(None),
            Framing::Length(left) => {
                if self.buffer.is_empty() {
                    self.need().await?;
                }
                let piece = self.buffer.split_to(self.buffer.len().min(*left)).freeze();
                *left -= piece.len();
                Ok(Some(piece))
            }
            Framing::UntilClose => {
                if self.buffer.is_empty() && !self.fill().await? {
                    return Ok(None);
                }
                Ok(Some(self.buffer.split().freeze()))
            }
            Framing::Chunked => {
                let chunk = self.chunk().await?;
                if chunk.is_none() {
                    *framing = Framing::Length(0);
                }
                Ok(chunk)
            }
        }
    }

    async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(line) = find(&self.buffer, b"\r\n") {
                let size = chunk_size(&self.buffer[..line])?;
                let start = line + 2;
                if size == 0 {
                    if let Some(end) = find(&self.buffer[line..], b"\r\n\r\n") {
                        self.buffer.advance(line + end + 4);
                        return Ok(None);
                    }
                } else if self.buffer.len() >= start + size + 2 {
                    self.buffer.advance(start);
                    let chunk = self.buffer.split_to(size).freeze();
                    if &self.buffer[..2] != b"\r\n" {
                        return Err(invalid("a chunk is longer than its size says"));
                    }
                    self.buffer.advance(2);
                    return Ok(Some(chunk));
                }
            }
            self.need().await?;
        }
    }

    /// The rest of a body.
    pub(crate) async fn rest(&mut self, framing: &mut Framing) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.piece(framing).await? {
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }
}

fn chunk_size(line: &[u8]) -> io::Result<usize> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = std::str::from_utf8(digits).map_err(|_| invalid("chunk size"))?;
    usize::from_str_radix(digits.trim(), 16).map_err(|_| invalid("chunk size"))
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn head_keeps_spelling_order_and_bytes() {
        let wire = b"GET /a?b=c HTTP/1.1\r\nx-ONE:  1\r\nX-One: 2 \r\n\r\nrest";
        let mut reader = Reader::new(&wire[..]);
        let head = reader.head().await.unwrap().unwrap();
        assert_eq!(head.raw(), &wire[..wire.len() - 4]);
        assert_eq!((head.method(), head.target()), ("GET", "/a?b=c"));
        assert_eq!(head.fields(), [("x-ONE", "1"), ("X-One", "2")]);
        assert_eq!(head.all("X-ONE"), ["1", "2"]);
    }

    #[tokio::test]
    async fn chunks_come_as_framed_however_they_arrive() {
        let wire = b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: 1\r\n\r\nnext";
        for at in 0..=wire.len() {
            let (a, b) = wire.split_at(at);
            let mut reader = Reader::new(AsyncReadExt::chain(a, b));
            let mut framing = Framing::Chunked;
            assert_eq!(reader.piece(&mut framing).await.unwrap().unwrap(), "abc");
            assert_eq!(reader.piece(&mut framing).await.unwrap().unwrap(), "de");
            assert_eq!(reader.piece(&mut framing).await.unwrap(), None);
            assert_eq!(reader.piece(&mut framing).await.unwrap(), None, "the end stays the end");
        }
    }

    #[tokio::test]
    async fn body_that_stops_early_is_an_error() {
        for (wire, framing) in [
            (&b"5\r\nab"[..], Framing::Chunked),
            (b"2\r\nab\r\n", Framing::Chunked),
            (b"2\r\nab\r\n0\r\n", Framing::Chunked),
            (b"ab", Framing::Length(3)),
        ] {
            let error = Reader::new(wire).rest(&mut framing.clone()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{framing:?}");
        }
    }

    #[tokio::test]
    async fn body_may_end_with_the_connection() {
        assert_eq!(Reader::new(&b"ab"[..]).rest(&mut Framing::UntilClose).await.unwrap(), "ab");
    }
}
