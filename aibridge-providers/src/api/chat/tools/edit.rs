//! What the client gets in the place of an event.

use bytes::Bytes;
use serde_json::Value as Tree;

use super::{
    Rounds,
    chunk::{Choice, Chunk, is_blank},
    usage,
};
use crate::json::{Edits, Value};

impl Rounds {
    /// The event with the tool calls `deltas` and the edits made so far; nothing, if it has nothing left to say.
    pub(super) fn changed(
        &mut self,
        chunk: &Chunk,
        choice: Choice<'_>,
        deltas: Vec<Vec<u8>>,
        mut edits: Edits<'_>,
    ) -> Bytes {
        let held = self.holds_end();
        let finish = choice.finish().filter(|_| held);
        if finish.is_some() {
            let mut closing = edits.clone();
            choice.message.into_iter().for_each(|message| closing.replace(message, "{}"));
            self.hold(chunk.with(closing));
        }
        let role = choice.role().is_some();
        let again = role && self.round.role_told;
        let news = role && !self.client.role;
        let mut emptied = finish.is_some() || again;
        if let Some(message) = choice.message {
            if again {
                edits.remove(message, "role");
            }
            match choice.calls() {
                Some(calls) if deltas.is_empty() && calls.elements().next().is_some() => {
                    edits.remove(message, "tool_calls");
                    emptied = true;
                }
                Some(calls) if !same(calls, &deltas) => edits.replace(calls, array(&deltas)),
                None if !deltas.is_empty() => edits.set(message, "tool_calls", array(&deltas)),
                _ => {}
            }
        }
        // The tokens of a chunk that ends the round are told with its end.
        let tokens = chunk.usage().is_some() && finish.is_none();
        if held && finish.is_none() && !self.round.tail.is_empty() && deltas.is_empty() && !choice.says() {
            return self.hold(chunk.with(edits));
        }
        let ends = choice.finish().is_some() && finish.is_none();
        if emptied && deltas.is_empty() && !choice.says() && !news && !tokens && !ends {
            return Bytes::new();
        }
        if let Some(reason) = finish {
            edits.replace(reason, "null");
        }
        self.client.role |= role;
        chunk.with(edits)
    }

    /// Makes a later round's chunk one of the reply that the client knows: its id, and its tokens with those before.
    pub(super) fn continue_reply(&self, chunk: &Chunk, edits: &mut Edits<'_>) {
        if self.over == 0 {
            return;
        }
        if let (Some(id), Some(known)) = (chunk.document().get("id"), &self.client.id)
            && id.text() != known.as_slice()
            && !is_blank(id)
        {
            edits.replace(id, known.as_slice());
        }
        if let (Some(figures), Some(before)) = (chunk.usage(), &self.usage) {
            edits.replace(figures, total(before, figures));
        }
    }

    /// Holds an event back.
    pub(super) fn hold(&mut self, event: Bytes) -> Bytes {
        self.round.tail.push(event);
        Bytes::new()
    }
}

/// Tokens with those of earlier rounds.
pub(super) fn total(before: &Tree, figures: Value<'_>) -> Vec<u8> {
    let mut total = before.clone();
    usage::add(&mut total, &figures.to_value());
    total.to_string().into_bytes()
}

/// Whether an array has these elements.
fn same(array: Value<'_>, elements: &[Vec<u8>]) -> bool {
    array.elements().map(Value::text).eq(elements.iter().map(Vec::as_slice))
}

pub(super) fn array(elements: &[Vec<u8>]) -> Vec<u8> {
    [b"[".as_slice(), &elements.join(&b','), b"]"].concat()
}
