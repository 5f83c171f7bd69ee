use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;

use super::Gate;

/// What the provider does with one request.
///
/// Every `write` is one write to the socket (with `TCP_NODELAY`), and in a stream one transfer chunk. A script that
/// runs to its end ends the response cleanly and keeps the connection; [`cut`](Self::cut) and
/// [`reset`](Self::reset) are the other two ends.
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) steps: Vec<Step>,
    status: u16,
    fields: Vec<(String, String)>,
    kind: Kind,
    hold: Option<Gate>,
}

#[derive(Clone, Debug)]
enum Kind {
    Whole(Bytes),
    Chunked,
    Raw,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Write(Bytes),
    Wait(Gate),
    Repeat(Bytes, Duration),
    Close,
    Reset,
}

impl Script {
    fn new(status: u16, kind: Kind) -> Self {
        Self { steps: Vec::new(), status, fields: Vec::new(), kind, hold: None }
    }

    /// A whole response with `Content-Length`; head and body leave in one write.
    pub fn whole(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, Kind::Whole(body.into()))
    }

    /// A whole response of JSON.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::whole(status, body).field("Content-Type", "application/json")
    }

    /// A whole response of plain text.
    pub fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self::whole(status, body).field("Content-Type", "text/plain")
    }

    /// A chunked response whose body is what follows. The head leaves in a write of its own.
    pub fn chunked(status: u16) -> Self {
        Self::new(status, Kind::Chunked)
    }

    /// A chunked response of server-sent events, status 200.
    pub fn sse() -> Self {
        Self::chunked(200).field("Content-Type", "text/event-stream; charset=utf-8").field("Cache-Control", "no-cache")
    }

    /// No response at all but what [`write`](Self::write) says, after which the connection is closed.
    pub fn raw() -> Self {
        Self::new(0, Kind::Raw)
    }

    /// Adds a header field, in this spelling, after those already there.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Sends nothing, not even the head, before the gate is passed.
    pub fn hold(mut self, gate: &Gate) -> Self {
        self.hold = Some(gate.clone());
        self
    }

    /// Writes these bytes: as one chunk of a chunked response, as they are in a raw one. After a whole response they
    /// are bytes that should not be there.
    pub fn write(self, bytes: impl Into<Bytes>) -> Self {
        let bytes = self.framed(bytes.into());
        self.step(Step::Write(bytes))
    }

    /// Writes each of these pieces on its own.
    pub fn writes<B: Into<Bytes>>(self, pieces: impl IntoIterator<Item = B>) -> Self {
        pieces.into_iter().fold(self, |script, piece| script.write(piece))
    }

    /// Goes no further before the gate is passed.
    pub fn wait(self, gate: &Gate) -> Self {
        self.step(Step::Wait(gate.clone()))
    }

    /// Writes these bytes again and again, at this interval, until the client goes away.
    pub fn repeat(self, bytes: impl Into<Bytes>, every: Duration) -> Self {
        let bytes = self.framed(bytes.into());
        self.step(Step::Repeat(bytes, every))
    }

    /// Closes the connection here (FIN): in a chunked response without the final chunk.
    pub fn cut(self) -> Self {
        self.step(Step::Close)
    }

    /// Resets the connection here (RST).
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn framed(&self, bytes: Bytes) -> Bytes {
        if !matches!(self.kind, Kind::Chunked) {
            return bytes;
        }
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(&bytes);
        chunk.extend_from_slice(b"\r\n");
        chunk.into()
    }

    /// All steps, from the head to the end.
    pub(super) fn into_steps(self) -> Vec<Step> {
        let mut steps: Vec<_> = self.hold.iter().cloned().map(Step::Wait).collect();
        match &self.kind {
            Kind::Whole(body) => {
                let mut message = self.head(&format!("Content-Length: {}\r\n", body.len()));
                message.extend_from_slice(body);
                steps.push(Step::Write(message.into()));
            }
            Kind::Chunked => steps.push(Step::Write(self.head("Transfer-Encoding: chunked\r\n").into())),
            Kind::Raw => {}
        }
        steps.extend(self.steps);
        match self.kind {
            Kind::Whole(_) => {}
            Kind::Chunked => steps.push(Step::Write(Bytes::from_static(b"0\r\n\r\n"))),
            Kind::Raw => steps.push(Step::Close),
        }
        steps
    }

    fn head(&self, framing: &str) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str(framing);
        head.push_str("\r\n");
        head.into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unassigned")
}
