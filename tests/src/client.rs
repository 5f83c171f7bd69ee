//! A client that sends exactly the bytes it is given and shows exactly those that come back.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::http1::{Framing, Head, Reader};

/// One connection, and on it one exchange after another.
///
/// Reading may be cancelled at any point and taken up again. Dropping the client closes the connection, as an agent
/// does when its user presses escape; [`abort`](Self::abort) resets it.
#[derive(Debug)]
pub struct RawClient {
    stream: Reader<TcpStream>,
    address: SocketAddr,
    framing: Framing,
    bodiless: bool,
}

impl RawClient {
    /// Connects, with Nagle's algorithm off so that every write leaves on its own.
    ///
    /// # Errors
    /// What connecting failed with.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = Reader::new(stream);
        Ok(Self { stream, address, framing: Framing::Length(0), bodiless: false })
    }

    /// Sends these bytes in one write, whatever they are.
    ///
    /// # Errors
    /// What the connection failed with.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.bodiless = bytes.as_ref().starts_with(b"HEAD ");
        self.stream.io_mut().write_all(bytes.as_ref()).await
    }

    /// Sends a request with these fields, in this order and spelling, between `Host` and `Content-Length`.
    ///
    /// # Errors
    /// What the connection failed with.
    pub async fn request(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> io::Result<()> {
        let body = body.as_ref();
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in fields {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        let _ = write!(request, "Content-Length: {}\r\n\r\n", body.len());
        let mut request = request.into_bytes();
        request.extend_from_slice(body);
        self.send(request).await
    }

    /// Sends a `POST` of JSON; see [`request`](Self::request).
    ///
    /// # Errors
    /// What the connection failed with.
    pub async fn post(&mut self, target: &str, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> io::Result<()> {
        let mut all = vec![("Content-Type", "application/json")];
        all.extend_from_slice(fields);
        self.request("POST", target, &all, body).await
    }

    /// The head of the next response. Interim responses (1xx) are passed over.
    ///
    /// # Errors
    /// `UnexpectedEof` when the peer closed instead of answering, `ConnectionReset` when it reset.
    pub async fn head(&mut self) -> io::Result<Head> {
        loop {
            let head = self.stream.head().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if head.status() == 101 || !(100..200).contains(&head.status()) {
                self.framing = Framing::of_response(&head, self.bodiless)?;
                return Ok(head);
            }
        }
    }

    /// The next piece of the body: exactly one transfer chunk where the body is chunked, otherwise what has arrived.
    /// `None` at its clean end.
    ///
    /// # Errors
    /// `UnexpectedEof` when the peer closed before the end of the body, `ConnectionReset` when it reset.
    pub async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        self.stream.piece(&mut self.framing).await
    }

    /// The rest of the body.
    ///
    /// # Errors
    /// As for [`chunk`](Self::chunk); what had arrived is lost then.
    pub async fn body(&mut self) -> io::Result<Bytes> {
        self.stream.rest(&mut self.framing).await
    }

    /// Reads until this many bytes of the body have arrived, or more where a chunk goes beyond them.
    ///
    /// # Errors
    /// As for [`chunk`](Self::chunk), and `UnexpectedEof` when the body is shorter.
    pub async fn at_least(&mut self, bytes: usize) -> io::Result<Bytes> {
        let mut read = Vec::new();
        while read.len() < bytes {
            read.extend_from_slice(&self.chunk().await?.ok_or(io::ErrorKind::UnexpectedEof)?);
        }
        Ok(read.into())
    }

    /// A whole response.
    ///
    /// # Errors
    /// As for [`head`](Self::head) and [`chunk`](Self::chunk).
    pub async fn response(&mut self) -> io::Result<(Head, Bytes)> {
        Ok((self.head().await?, self.body().await?))
    }

    /// Resets the connection (RST) where dropping would close it (FIN).
    ///
    /// # Errors
    /// When the socket option cannot be set.
    pub fn abort(mut self) -> io::Result<()> {
        self.stream.io_mut().set_zero_linger()
    }
}
