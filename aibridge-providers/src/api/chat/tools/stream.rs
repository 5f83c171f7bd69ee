//! Streams: which of their events are read, and what is learnt from them.

use std::{mem, sync::LazyLock};

use bytes::Bytes;
use memchr::memmem::Finder;

use super::{
    MAX_KEPT, Rounds,
    chunk::{Choice, Chunk, Read, is_blank},
    delta::{begins, merged},
};
use crate::{
    api::tools::Step,
    json::{Edits, Value},
    sse::split_events,
};

/// What bytes have to contain in which a tool call begins: no need to look at others before an injected tool is called.
static BEGINS: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| ["\"tool_calls\"", "\"name\""].map(Finder::new));

impl Rounds {
    /// Takes bytes of the stream and gives what the client gets in their place.
    pub(super) fn take(&mut self, bytes: Bytes) -> Bytes {
        if self.lost {
            return bytes;
        }
        let frame = self.whole.take(bytes);
        let frame = self.frame(frame);
        let rest = mem::take(&mut self.round.rest);
        if self.whole.len() > MAX_KEPT {
            // An event without end: nothing can be known of it.
            self.lost = true;
            self.round.failed = true;
            return [rest, frame, self.whole.rest()].concat().into();
        }
        if rest.is_empty() { frame } else { [rest, frame].concat().into() }
    }

    /// The stream has ended.
    pub(super) fn end(&mut self) -> Step {
        let open = self.whole.rest();
        let last = match Read::event(&open) {
            _ if !self.round.reading => self.frame(open),
            // Half an event cannot be edited.
            Read::Other => Bytes::new(),
            // More may have to follow it than its provider thought.
            Read::Chunk(_) | Read::Done => self.frame([&open[..], b"\n\n"].concat().into()),
        };
        self.round.rest = [mem::take(&mut self.round.rest), last].concat().into();
        self.step(|rounds| {
            if rounds.round.failed {
                rounds.round.tail.clear();
            }
            rounds.tail()
        })
    }

    /// Takes whole events.
    fn frame(&mut self, frame: Bytes) -> Bytes {
        if self.passes(&frame) {
            self.keep(&frame);
            return frame;
        }
        let mut at = 0;
        // What the client gets, once it is not the same.
        let mut edited: Option<Vec<u8>> = None;
        for event in split_events(&frame) {
            let event = frame.slice_ref(event);
            let start = at;
            at += event.len();
            match (self.event(&event), &mut edited) {
                (None, None) => {}
                (None, Some(edited)) => edited.extend_from_slice(&event),
                (Some(other), Some(edited)) => edited.extend_from_slice(&other),
                (Some(other), edited) => *edited = Some([&frame[..start], &other].concat()),
            }
        }
        edited.map_or(frame, Bytes::from)
    }

    /// Whether bytes need not be looked at.
    fn passes(&self, bytes: &[u8]) -> bool {
        !self.round.reading && BEGINS.iter().any(|needle| needle.find(bytes).is_none())
    }

    /// Keeps what passes unread, for the case that it is needed.
    fn keep(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && self.round.budget.take(bytes.len()) {
            self.round.passed.extend_from_slice(bytes);
        }
    }

    /// Takes an event. Gives what the client gets in its place; `None` if that is the same.
    fn event(&mut self, event: &Bytes) -> Option<Bytes> {
        if self.passes(event) {
            self.keep(event);
            return None;
        }
        let read = Read::event(event);
        if !self.round.reading {
            if !matches!(&read, Read::Chunk(chunk) if self.begins(chunk)) {
                self.keep(event);
                return None;
            }
            self.catch_up();
        }
        let chunk = match read {
            Read::Chunk(chunk) => chunk,
            Read::Done => {
                self.round.done = true;
                return self.holds_end().then(|| self.hold(event.clone()));
            }
            Read::Other => return None,
        };
        if chunk.is_error() {
            self.round.failed = true;
            return None;
        }
        let choice = chunk.choice();
        let deltas = choice.and_then(|choice| self.calls(choice));
        self.read(&chunk);
        let mut edits = Edits::new(chunk.document());
        self.continue_reply(&chunk, &mut edits);
        let Some(choice) = choice else {
            let event = chunk.with(edits);
            let held = self.holds_end() && chunk.is_choiceless() && chunk.usage().is_some();
            return Some(if held { self.hold(event) } else { event });
        };
        Some(self.changed(&chunk, choice, deltas.unwrap_or_else(|| unchanged(choice)), edits))
    }

    /// Whether an injected tool is, or may be, called in the chunk.
    fn begins(&self, chunk: &Chunk) -> bool {
        let deltas = chunk.choice().and_then(Choice::calls).into_iter().flat_map(Value::elements);
        deltas.into_iter().any(|delta| begins(delta, &self.names))
    }

    /// The tool calls that the client gets of a chunk; `None` if they are the same.
    fn calls(&mut self, choice: Choice<'_>) -> Option<Vec<Vec<u8>>> {
        let mut same = true;
        let mut deltas = Vec::new();
        for delta in choice.calls().into_iter().flat_map(Value::elements) {
            let round = &mut self.round;
            match round.calls.delta(delta, &self.names, &mut self.client.numbering, &mut round.budget) {
                None => deltas.push(delta.text().to_vec()),
                Some(other) => {
                    same = false;
                    deltas.extend(other);
                }
            }
        }
        if choice.finish().is_some() {
            let released = self.round.calls.settle(&mut self.client.numbering);
            same &= released.is_empty();
            deltas.extend(released);
        }
        (!same).then(|| merged(deltas))
    }

    /// Reads what has passed, now that an injected tool may be called.
    fn catch_up(&mut self) {
        self.round.reading = true;
        let passed = Bytes::from(mem::take(&mut self.round.passed));
        for event in split_events(&passed) {
            if let Read::Chunk(chunk) = Read::event(&passed.slice_ref(event)) {
                self.round.failed |= chunk.is_error();
                self.read(&chunk);
                chunk.choice().and_then(|choice| self.calls(choice));
                self.client.role |= chunk.choice().and_then(Choice::role).is_some();
            }
        }
    }

    /// Reads what the next round's request, the client's later chunks and the end of the round need.
    fn read(&mut self, chunk: &Chunk) {
        let document = chunk.document();
        // Azure begins with a chunk of filter results that has an empty id.
        let id = document.get("id").filter(|id| !is_blank(*id));
        if let (None, Some(id)) = (&self.round.id, id) {
            self.round.id = id.as_str().map(|id| id.into_owned());
            let known = |key| document.get(key).map(|value: Value<'_>| value.text().to_vec());
            let client = &mut self.client;
            if client.id.is_none() {
                (client.id, client.created, client.model) = (known("id"), known("created"), known("model"));
            }
        }
        if let Some(figures) = chunk.usage() {
            self.round.usage = Some(figures.to_value());
        }
        if let Some(choice) = chunk.choice() {
            if let Some(message) = choice.message {
                self.round.said.add(message, &mut self.round.budget);
            }
            if let Some(reason) = choice.finish().and_then(Value::as_str) {
                self.round.finish = Some(reason.into_owned());
            }
        }
    }
}

fn unchanged(choice: Choice<'_>) -> Vec<Vec<u8>> {
    choice.calls().into_iter().flat_map(Value::elements).map(|delta| delta.text().to_vec()).collect()
}
