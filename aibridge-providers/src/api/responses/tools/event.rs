use std::borrow::Cow;

use bytes::Bytes;

use crate::{
    json::{Document, Value},
    sse::{self, Decoder},
};

/// An event as it stands in the stream, whose data is a JSON object.
#[derive(Debug)]
pub(super) struct Event {
    raw: Bytes,
    name: String,
    pub(super) document: Document,
    /// The document lies in `raw` as it is.
    in_place: bool,
}

/// What a piece of the stream is that ends with a blank line.
pub(super) enum Piece {
    Event(Event),
    /// Data that is no JSON object, as the `[DONE]` of some providers.
    Text,
    /// A comment.
    Nothing,
}

impl Piece {
    pub(super) fn read(raw: &Bytes) -> Piece {
        let mut piece = Piece::Nothing;
        let mut take = |event: sse::Event<'_>| {
            let in_place = raw.as_ptr_range().contains(&event.data.as_ptr());
            let data = if in_place { raw.slice_ref(event.data) } else { Bytes::copy_from_slice(event.data) };
            piece = match Document::parse(data) {
                Err(_) => Piece::Text,
                Ok(document) => Piece::Event(Event {
                    raw: raw.clone(),
                    name: String::from_utf8_lossy(event.name).into_owned(),
                    document,
                    in_place,
                }),
            };
        };
        // It is in memory already, so there is nothing to be limited.
        let mut decoder = Decoder::new(usize::MAX);
        decoder.feed(raw, &mut take);
        decoder.finish(&mut take);
        piece
    }
}

impl Event {
    /// The event's type; some providers leave it to the event's name, others leave that out.
    pub(super) fn kind(&self) -> Cow<'_, str> {
        self.get("type").and_then(Value::as_str).unwrap_or(Cow::Borrowed(&self.name))
    }

    pub(super) fn get(&self, key: &str) -> Option<Value<'_>> {
        self.document.get(key)
    }

    /// The event with other data, `data`, if it is other data.
    pub(super) fn with(&self, data: &Bytes) -> Bytes {
        let old = self.document.bytes();
        if old == data {
            return self.raw.clone();
        }
        if !self.in_place {
            return sse::encode(&self.name, data);
        }
        let start = old.as_ptr().addr() - self.raw.as_ptr().addr();
        [&self.raw[..start], data, &self.raw[start + old.len()..]].concat().into()
    }
}
