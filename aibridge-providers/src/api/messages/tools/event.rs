use std::borrow::Cow;

use bytes::Bytes;

use super::splice::splice;
use crate::{
    json::{Document, Edits, Value},
    sse::{self, Decoder},
};

/// One event of a stream, as it stands. What is changed of it is spliced into its own bytes.
#[derive(Debug)]
pub(super) struct Event<'a> {
    raw: &'a [u8],
    name: Cow<'a, [u8]>,
    /// Borrowed from `raw`, unless it is spread over several `data` lines.
    data: Cow<'a, [u8]>,
}

impl<'a> Event<'a> {
    /// Reads an event; `None` if it has no data, as a comment.
    pub(super) fn read(raw: &'a [u8]) -> Option<Event<'a>> {
        let mut found = None;
        let mut note = |event: sse::Event<'_>| {
            found = Some((within(raw, "event", event.name), within(raw, "data", event.data)));
        };
        let mut decoder = Decoder::new(usize::MAX);
        decoder.feed(raw, &mut note);
        // The last event of a stream may lack its blank line.
        decoder.finish(&mut note);
        let (name, data) = found?;
        Some(Event { raw, name, data })
    }

    /// What the data says, if it is a JSON object.
    pub(super) fn value(&self) -> Option<Value<'_>> {
        Value::of(&self.data).filter(|value| value.is_object())
    }

    /// The `type` of the data, or the event's name.
    pub(super) fn kind<'v>(&'v self, value: Value<'v>) -> Cow<'v, str> {
        value.get("type").and_then(Value::as_str).unwrap_or_else(|| String::from_utf8_lossy(&self.name))
    }

    /// The event with another number in the place of `index`, a value of its data.
    pub(super) fn renumbered(&self, index: Value<'_>, number: u64) -> Vec<u8> {
        self.with_data(&splice(&self.data, index.text(), number.to_string().as_bytes()))
    }

    /// The event with its data edited.
    pub(super) fn edited(&self, edit: impl FnOnce(&Document, &mut Edits<'_>)) -> Vec<u8> {
        let Ok(document) = Document::parse(Bytes::copy_from_slice(&self.data)) else { return self.raw.to_vec() };
        let mut edits = Edits::new(&document);
        edit(&document, &mut edits);
        if edits.is_empty() {
            return self.raw.to_vec();
        }
        self.with_data(&edits.apply())
    }

    fn with_data(&self, data: &[u8]) -> Vec<u8> {
        match self.data {
            Cow::Borrowed(old) => splice(self.raw, old, data),
            Cow::Owned(_) => sse::encode(&String::from_utf8_lossy(&self.name), data).into(),
        }
    }
}

/// The value of a field of `raw`, borrowed if it lies there on one line.
fn within<'a>(raw: &'a [u8], field: &str, value: &[u8]) -> Cow<'a, [u8]> {
    let lines = raw.split(|byte| matches!(byte, b'\n' | b'\r'));
    let values = lines.filter_map(|line| line.strip_prefix(field.as_bytes())?.strip_prefix(b":"));
    let mut values = values.map(|value| value.strip_prefix(b" ").unwrap_or(value));
    values.find(|line| *line == value).map_or_else(|| Cow::Owned(value.to_vec()), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_number_changes_whatever_surrounds_it() {
        for (raw, expected) in [
            (
                "event: e\ndata: {\"type\":\"e\", \"index\" : 3 ,\"x\":1.50}  \n\n",
                "event: e\ndata: {\"type\":\"e\", \"index\" : 12 ,\"x\":1.50}  \n\n",
            ),
            ("id: 7\r\ndata:{\"index\":3}\r\n: note\r\n\r\n", "id: 7\r\ndata:{\"index\":12}\r\n: note\r\n\r\n"),
            ("event: e\ndata: {\ndata: \"index\":3}\n\n", "event: e\ndata: {\ndata: \"index\":12}\n\n"),
        ] {
            let event = Event::read(raw.as_bytes()).unwrap();
            let index = event.value().unwrap().get("index").unwrap();
            assert_eq!(String::from_utf8(event.renumbered(index, 12)).unwrap(), expected);
        }
    }

    #[test]
    fn an_event_without_data_is_none_and_one_without_type_goes_by_its_name() {
        assert!(Event::read(b": note\n\n").is_none());
        assert!(Event::read(b"event: ping\n\n").is_none());
        let event = Event::read(b"event: ping\ndata: {}\n").unwrap();
        assert_eq!(event.kind(event.value().unwrap()), "ping");
        let event = Event::read(b"event: ping\ndata: {\"type\":\"pong\"}\n\n").unwrap();
        assert_eq!(event.kind(event.value().unwrap()), "pong");
        assert!(Event::read(b"data: [1]\n\n").unwrap().value().is_none());
    }
}
