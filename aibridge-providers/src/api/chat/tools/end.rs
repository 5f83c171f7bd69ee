//! What ends the client's stream.

use std::mem;

use bytes::Bytes;

use super::{
    Client, Rounds,
    chunk::{Choice, Read},
};
use crate::{json::Edits, sse};

impl Rounds {
    /// What was held back of the round.
    pub(super) fn tail(&mut self) -> Bytes {
        let rest = mem::take(&mut self.round.rest);
        if self.round.tail.is_empty() {
            return rest;
        }
        let tail = mem::take(&mut self.round.tail);
        [rest].into_iter().chain(tail).collect::<Vec<_>>().concat().into()
    }

    /// The end of the stream, as if the model had finished where it called a tool.
    pub(super) fn stopped(&mut self) -> Bytes {
        let mut end = mem::take(&mut self.round.rest).to_vec();
        let (mut finished, mut done) = (false, false);
        let mut closing = Vec::new();
        for event in mem::take(&mut self.round.tail) {
            let read = Read::event(&event);
            done |= matches!(read, Read::Done);
            let Read::Chunk(chunk) = read else {
                closing.extend_from_slice(&event);
                continue;
            };
            let mut edits = Edits::new(chunk.document());
            if let Some(reason) = chunk.choice().and_then(Choice::finish) {
                edits.replace(reason, r#""stop""#);
                finished = true;
            }
            closing.extend_from_slice(&chunk.with(edits));
        }
        if !finished {
            end.extend_from_slice(&self.client.closing_chunk());
        }
        end.extend_from_slice(&closing);
        if !done {
            end.extend_from_slice(&sse::encode("", b"[DONE]"));
        }
        end.into()
    }
}

impl Client {
    /// A chunk that ends the message.
    fn closing_chunk(&self) -> Bytes {
        let known = |text: &Option<Vec<u8>>, other: &str| match text {
            Some(text) => String::from_utf8_lossy(text).into_owned(),
            None => other.to_owned(),
        };
        let json = format!(
            r#"{{"id":{},"object":"chat.completion.chunk","created":{},"model":{},"choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}]}}"#,
            known(&self.id, r#""""#),
            known(&self.created, "0"),
            known(&self.model, r#""""#),
        );
        sse::encode("", json.as_bytes())
    }
}
