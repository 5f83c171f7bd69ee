//! Streams: what is taken out of them, and what ends them.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;
use serde_json::Value as Tree;

use super::{
    Client, MAX_KEPT, Rounds,
    calls::begins,
    chunk::{Choice, Chunk, Read},
    usage,
};
use crate::{
    api::tools::Step,
    json::{Edits, Value},
    sse::{self, split_events},
};

/// What bytes have to contain in which a tool call begins: no need to look at others before an injected tool is called.
static BEGINS: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| ["\"tool_calls\"", "\"name\""].map(Finder::new));

impl Rounds {
    /// Takes bytes of the stream and gives what the client gets in their place.
    pub(super) fn take(&mut self, bytes: Bytes) -> Bytes {
        if self.open > MAX_KEPT {
            // An event without end: nothing can be known of it.
            return bytes;
        }
        let before = self.open + bytes.len();
        let frame = self.whole.take(bytes);
        self.open = before - frame.len();
        let mut rest = std::mem::take(&mut self.round.rest);
        if self.open > MAX_KEPT {
            self.round.failed = true;
            return [rest, self.frame(frame), self.whole.rest()].concat().into();
        }
        let frame = self.frame(frame);
        if rest.is_empty() {
            return frame;
        }
        rest = [rest, frame].concat().into();
        rest
    }

    /// The stream has ended.
    pub(super) fn end(&mut self) -> Step {
        let open = self.whole.rest();
        self.open = 0;
        // Half an event cannot be edited.
        let drop = self.round.reading && matches!(Read::event(&open), Read::Other);
        let last = if drop { Bytes::new() } else { self.frame(open) };
        self.round.rest = [std::mem::take(&mut self.round.rest), last].concat().into();
        self.step(|rounds| {
            if rounds.round.failed {
                rounds.round.tail.clear();
            }
            rounds.tail()
        })
    }

    /// What was held back of the round.
    pub(super) fn tail(&mut self) -> Bytes {
        let rest = std::mem::take(&mut self.round.rest);
        if self.round.tail.is_empty() {
            return rest;
        }
        let tail = std::mem::take(&mut self.round.tail);
        [rest].into_iter().chain(tail).collect::<Vec<_>>().concat().into()
    }

    /// The end of the stream, as if the model had finished where it called a tool.
    pub(super) fn stopped(&mut self) -> Bytes {
        let mut end = std::mem::take(&mut self.round.rest).to_vec();
        let (mut finished, mut done) = (false, false);
        let mut closing = Vec::new();
        for event in std::mem::take(&mut self.round.tail) {
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
    fn keep(&mut self, bytes: &Bytes) {
        if !bytes.is_empty() && self.round.budget.take(bytes.len()) {
            self.round.passed.push(bytes.clone());
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
                return self.round.calls.has_ours().then(|| self.hold(event.clone()));
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
            let held = self.round.calls.has_ours() && chunk.is_choiceless() && chunk.usage().is_some();
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
        (!same).then_some(deltas)
    }

    /// The event with the tool calls `deltas` and the edits made so far; nothing, if it has nothing left to say.
    fn changed(&mut self, chunk: &Chunk, choice: Choice<'_>, deltas: Vec<Vec<u8>>, mut edits: Edits<'_>) -> Bytes {
        let ours = self.round.calls.has_ours();
        let finish = choice.finish().filter(|_| ours);
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
        if ours && finish.is_none() && !self.round.tail.is_empty() && deltas.is_empty() && !choice.says() {
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

    /// Reads what has passed, now that an injected tool may be called.
    fn catch_up(&mut self) {
        self.round.reading = true;
        for frame in std::mem::take(&mut self.round.passed) {
            for event in split_events(&frame) {
                if let Read::Chunk(chunk) = Read::event(&frame.slice_ref(event)) {
                    self.read(&chunk);
                    chunk.choice().and_then(|choice| self.calls(choice));
                    self.client.role |= chunk.choice().and_then(Choice::role).is_some();
                }
            }
        }
    }

    /// Reads what the next round's request, the client's later chunks and the end of the round need.
    fn read(&mut self, chunk: &Chunk) {
        let document = chunk.document();
        let text =
            |key| document.get(key).filter(|value| !value.is_null()).map(|value: Value<'_>| value.text().to_vec());
        if self.round.id.is_none() {
            self.round.id = document.get("id").and_then(Value::as_str).map(|id| id.into_owned());
        }
        if self.client.id.is_none() {
            self.client.id = text("id");
        }
        if self.client.created.is_none() {
            (self.client.created, self.client.model) = (text("created"), text("model"));
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

    /// Makes a later round's chunk one of the reply that the client knows: its id, and its tokens with those before.
    fn continue_reply(&self, chunk: &Chunk, edits: &mut Edits<'_>) {
        if self.over == 0 {
            return;
        }
        if let (Some(id), Some(known)) = (chunk.document().get("id"), &self.client.id)
            && id.text() != known.as_slice()
        {
            edits.replace(id, known.as_slice());
        }
        if let (Some(figures), Some(before)) = (chunk.usage(), &self.usage) {
            edits.replace(figures, total(before, figures));
        }
    }

    /// Holds an event back.
    fn hold(&mut self, event: Bytes) -> Bytes {
        self.round.tail.push(event);
        Bytes::new()
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

/// Tokens with those of earlier rounds.
pub(super) fn total(before: &Tree, figures: Value<'_>) -> Vec<u8> {
    let mut total = before.clone();
    usage::add(&mut total, &figures.to_value());
    total.to_string().into_bytes()
}

fn unchanged(choice: Choice<'_>) -> Vec<Vec<u8>> {
    choice.calls().into_iter().flat_map(Value::elements).map(|delta| delta.text().to_vec()).collect()
}

/// Whether an array has these elements.
fn same(array: Value<'_>, elements: &[Vec<u8>]) -> bool {
    array.elements().map(Value::text).eq(elements.iter().map(Vec::as_slice))
}

pub(super) fn array(elements: &[Vec<u8>]) -> Vec<u8> {
    [b"[".as_slice(), &elements.join(&b','), b"]"].concat()
}
