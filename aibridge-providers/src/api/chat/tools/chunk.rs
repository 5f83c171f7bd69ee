//! One event of a stream, to be read and edited.

use std::ops::Range;

use bytes::Bytes;

use super::MAX_KEPT;
use crate::{
    api::wire::is_done,
    json::{Document, Edits, Value},
    sse::{self, Decoder, Event},
};

/// What an event is.
pub(super) enum Read {
    Chunk(Chunk),
    /// `[DONE]`
    Done,
    /// A comment, or nothing that is understood.
    Other,
}

/// An event whose data is a JSON object.
pub(super) struct Chunk {
    event: Bytes,
    name: Vec<u8>,
    /// Where the data lies in the event, if it is in one piece.
    data: Option<Range<usize>>,
    document: Document,
}

/// The first choice of a chunk, or of a whole completion.
#[derive(Clone, Copy)]
pub(super) struct Choice<'a> {
    choice: Value<'a>,
    /// `delta`; `message` in a whole completion.
    pub(super) message: Option<Value<'a>>,
}

impl Read {
    /// Reads an event as it stands in the stream.
    pub(super) fn event(event: &Bytes) -> Read {
        let mut read = Read::Other;
        let mut on_event = |found: Event<'_>| {
            if is_done(found.data) {
                read = Read::Done;
                return;
            }
            let span = span(event, found.data);
            let data = match &span {
                Some(span) => event.slice(span.clone()),
                None => Bytes::copy_from_slice(found.data),
            };
            if let Ok(document) = Document::parse(data) {
                read = Read::Chunk(Chunk { event: event.clone(), name: found.name.to_vec(), data: span, document });
            }
        };
        let mut decoder = Decoder::new(MAX_KEPT);
        decoder.feed(event, &mut on_event);
        decoder.finish(&mut on_event);
        read
    }
}

impl Chunk {
    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    pub(super) fn choice(&self) -> Option<Choice<'_>> {
        Choice::of(&self.document, "delta")
    }

    /// The tokens, if it has some.
    pub(super) fn usage(&self) -> Option<Value<'_>> {
        self.document.get("usage").filter(|usage| usage.is_object())
    }

    /// Whether it has no choice at all, as the chunk that brings the usage.
    pub(super) fn is_choiceless(&self) -> bool {
        self.document.get("choices").is_none_or(|choices| choices.elements().next().is_none())
    }

    pub(super) fn is_error(&self) -> bool {
        self.name == b"error" || self.document.get("error").is_some_and(|error| !error.is_null())
    }

    /// The event with the edits made to its data.
    pub(super) fn with(&self, edits: Edits<'_>) -> Bytes {
        if edits.is_empty() {
            return self.event.clone();
        }
        let data = edits.apply();
        match &self.data {
            Some(span) => [&self.event[..span.start], &data, &self.event[span.end..]].concat().into(),
            None => sse::encode(&String::from_utf8_lossy(&self.name), &data),
        }
    }
}

impl<'a> Choice<'a> {
    pub(super) fn of(document: &'a Document, message: &str) -> Option<Choice<'a>> {
        let mut choices = document.get("choices")?.elements();
        let choice =
            choices.find(|choice| choice.get("index").and_then(Value::as_u64).is_none_or(|index| index == 0))?;
        Some(Choice { choice, message: choice.get(message) })
    }

    /// Why the model finished, if it has. Some say `""` until it has.
    pub(super) fn finish(self) -> Option<Value<'a>> {
        self.choice.get("finish_reason").filter(|reason| reason.is_string() && reason.text() != b"\"\"")
    }

    pub(super) fn calls(self) -> Option<Value<'a>> {
        self.message?.get("tool_calls").filter(|calls| calls.is_array())
    }

    pub(super) fn role(self) -> Option<Value<'a>> {
        self.message?.get("role").filter(|role| role.is_string())
    }

    /// Whether the message says anything beside role and tool calls.
    pub(super) fn says(self) -> bool {
        let mut members = self.message.into_iter().flat_map(Value::members);
        members.any(|(key, value)| !matches!(&*key, "role" | "tool_calls") && !is_blank(value))
    }
}

/// Whether a value says nothing.
pub(super) fn is_blank(value: Value<'_>) -> bool {
    matches!(value.text(), b"null" | b"\"\"" | b"[]" | b"{}")
}

/// Where `part` lies in `whole`.
fn span(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let span = start..start + part.len();
    (span.end <= whole.len()).then_some(span)
}
