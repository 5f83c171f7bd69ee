//! As much of HTTP/1.1 as the fake provider and the callers need, over a plain socket.
//!
//! Written by hand for two reasons: the provider must put every event on the wire by itself, and neither may take
//! the cores from what is measured.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::decode::{Decoder, Framing};

/// A connection and what was read from it ahead.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Connection {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        // Large enough for a whole burst, small enough for thousands of connections.
        Self::new(TcpStream::connect(address).await?, 16 * 1024)
    }

    /// `buffer` is in bytes, and the longest head that is understood.
    pub(crate) fn new(stream: TcpStream, buffer: usize) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; buffer].into_boxed_slice(), start: 0, end: 0 })
    }

    /// One write.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads a head and lets `parse` take from it what it needs; `None` when the peer closed between messages.
    pub(crate) async fn head<T>(&mut self, parse: impl FnOnce(Head<'_>) -> T) -> Result<Option<T>> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(length) = unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = std::str::from_utf8(&unread[..length]).map_err(|_| invalid("head is not text"))?;
                let parsed = parse(Head(head));
                self.start += length + 4;
                return Ok(Some(parsed));
            }
            if self.fill().await? == 0 {
                return if self.start == self.end { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// Reads a body to its end.
    pub(crate) async fn body(&mut self, framing: Framing, mut sink: impl FnMut(&[u8])) -> Result<()> {
        let mut decoder = Decoder::new(framing);
        while !decoder.is_done() {
            self.advance(&mut decoder, &mut sink).await?;
        }
        Ok(())
    }

    /// Decodes what has arrived, and waits for more only when nothing has.
    pub(crate) async fn advance(&mut self, decoder: &mut Decoder, sink: &mut impl FnMut(&[u8])) -> Result<()> {
        if self.start == self.end && self.fill().await? == 0 {
            return Err(Error::new(ErrorKind::UnexpectedEof, "closed in the middle of a body"));
        }
        self.start += decoder.decode(&self.buffer[self.start..self.end], sink)?;
        Ok(())
    }

    /// Waits until the peer closes.
    pub(crate) async fn closed(&mut self) {
        while matches!(self.stream.read(&mut self.buffer).await, Ok(1..)) {}
    }

    async fn fill(&mut self) -> Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            return Err(invalid("head is too long"));
        }
        let read = self.stream.read(&mut self.buffer[self.end..]).await?;
        self.end += read;
        Ok(read)
    }
}

/// The start line and the fields of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a>(&'a str);

impl<'a> Head<'a> {
    /// The second word of the start line: the path of a request, the status of a response.
    pub(crate) fn target(self) -> &'a str {
        self.0.split([' ', '\r']).nth(1).unwrap_or_default()
    }

    pub(crate) fn field(self, name: &str) -> Option<&'a str> {
        self.0.split("\r\n").skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The number in a field; `None` also when it is not a number.
    pub(crate) fn number<T: std::str::FromStr>(self, name: &str) -> Option<T> {
        self.field(name)?.parse().ok()
    }

    /// A message with neither a length nor chunks has no body: nothing here ends a body by closing.
    pub(crate) fn framing(self) -> Framing {
        match self.field("transfer-encoding") {
            Some(_) => Framing::Chunked,
            None => Framing::Length(self.number("content-length").unwrap_or(0)),
        }
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_gives_target_fields_and_framing() {
        let head = Head("POST /v1/messages HTTP/1.1\r\nHost: a:1\r\nContent-Length: 12\r\nX-Load-Gap-Ms:10");
        assert_eq!(head.target(), "/v1/messages");
        assert_eq!(head.field("host"), Some("a:1"));
        assert_eq!(head.number("x-load-gap-ms"), Some(10));
        assert_eq!(head.framing(), Framing::Length(12));
        assert_eq!(Head("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked").framing(), Framing::Chunked);
        assert_eq!(Head("HTTP/1.1 204\r\nA: b").target(), "204");
    }
}
