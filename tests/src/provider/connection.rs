//! One connection: read a request, play its script, again. The socket is read while a script plays, because that is
//! how a client's going away shows at once.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::script::Step;
use super::{ReceivedRequest, Script, State};
use crate::http1::{Framing, Head, Reader};

pub(super) async fn serve(stream: TcpStream, number: usize, state: Arc<State>) {
    let _open = Open::new(&state);
    let (closed, watching) = watch::channel(None);
    // An error here is the client's going away, which `closed` reports.
    let _ = exchanges(stream, number, &state, &watching).await;
    closed.send_replace(Some(Instant::now()));
}

async fn exchanges(
    mut stream: TcpStream,
    number: usize,
    state: &State,
    closed: &watch::Receiver<Option<Instant>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // Borrowed halves: an owned one would send a FIN when it goes, ahead of a reset.
    let (reader, mut writer) = stream.split();
    let mut reader = Reader::new(reader);
    while let Some(head) = reader.head().await? {
        let body = body(&head, &mut reader, &mut writer).await?;
        let last = head.get("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let request = ReceivedRequest { head, body, connection: number, closed: closed.clone() };
        let script = state.receive(request);
        match play(script, &mut reader, &mut writer, state).await {
            Ok(Ending::Open) if !last => {}
            Ok(Ending::Open | Ending::Closed) => break,
            Err(error) => {
                let _ = state.hung_up.send(Instant::now());
                return Err(error);
            }
        }
    }
    Ok(())
}

async fn body(head: &Head, reader: &mut Reader<ReadHalf<'_>>, writer: &mut WriteHalf<'_>) -> io::Result<Bytes> {
    if head.get("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    reader.rest(&mut Framing::of_request(head)?).await
}

/// How a script left the connection.
enum Ending {
    Open,
    Closed,
}

/// Plays a script to its end; an error when the client goes away before.
async fn play(
    script: Script,
    reader: &mut Reader<ReadHalf<'_>>,
    writer: &mut WriteHalf<'_>,
    state: &State,
) -> io::Result<Ending> {
    let mut steps = pin!(steps(script, writer, state));
    loop {
        tokio::select! {
            // A reply that is complete is no hang-up, whatever the client does next.
            biased;
            ending = &mut steps => return ending,
            read = reader.fill() => if !read? {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    }
}

async fn steps(script: Script, writer: &mut WriteHalf<'_>, state: &State) -> io::Result<Ending> {
    for step in script.into_steps() {
        match step {
            Step::Write(bytes) => write(&bytes, writer, state).await?,
            Step::Wait(gate) => gate.passed().await,
            Step::Repeat(bytes, every) => loop {
                write(&bytes, writer, state).await?;
                sleep(every).await;
            },
            Step::Close => return Ok(Ending::Closed),
            Step::Reset => {
                writer.as_ref().set_zero_linger()?;
                return Ok(Ending::Closed);
            }
        }
    }
    Ok(Ending::Open)
}

async fn write(mut bytes: &[u8], writer: &mut WriteHalf<'_>, state: &State) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = writer.write(bytes).await?;
        state.sent.fetch_add(written, Ordering::AcqRel);
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Counts a connection for as long as it is served, also when its task is aborted.
struct Open<'a>(&'a State);

impl<'a> Open<'a> {
    fn new(state: &'a State) -> Self {
        state.open.fetch_add(1, Ordering::AcqRel);
        Self(state)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}
