use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use super::Document;

/// A document with one change that is not written out: the rest of it stays where it is. Cheap to clone.
///
/// A conversation of many megabytes is sent with a few bytes more than it came with; [`Spliced::segments`] are these bytes
/// without a copy. Whoever needs it in one piece has it from [`Spliced::document`], at the cost of one.
#[derive(Clone, Debug)]
pub struct Spliced(Arc<Splice>);

#[derive(Debug)]
struct Splice {
    before: Document,
    change: Change,
    written: OnceLock<Document>,
}

#[derive(Debug)]
enum Change {
    None,
    /// `text` in the place of bytes that are a top-level member's value, or lie inside of it.
    Value {
        span: Range<usize>,
        text: Vec<Bytes>,
    },
    /// A further top-level member, the last one.
    Member {
        key: &'static str,
        value: Vec<Bytes>,
    },
}

impl Spliced {
    /// `document` as it is.
    pub(crate) fn unchanged(document: &Document) -> Spliced {
        Spliced::new(document, Change::None)
    }

    /// `document` with `text` in the place of `span`, which is a top-level member's value or lies inside of it.
    pub(crate) fn with_value_changed(document: &Document, span: Range<usize>, text: Vec<Bytes>) -> Spliced {
        Spliced::new(document, Change::Value { span, text })
    }

    /// `document` with a further top-level member. `key` needs no escapes.
    pub(crate) fn with_member(document: &Document, key: &'static str, value: Vec<Bytes>) -> Spliced {
        Spliced::new(document, Change::Member { key, value })
    }

    fn new(document: &Document, change: Change) -> Spliced {
        Spliced(Arc::new(Splice { before: document.clone(), change, written: OnceLock::new() }))
    }

    /// The document in one piece.
    pub fn document(&self) -> &Document {
        let Splice { before, change, written } = &*self.0;
        written.get_or_init(|| match change {
            Change::None => before.clone(),
            Change::Value { span, text } => before.with_value_changed(span.clone(), text),
            Change::Member { key, value } => before.with_member(key, value),
        })
    }

    /// The bytes of [`Spliced::document`], in pieces. None of them is empty.
    pub fn segments(&self) -> Vec<Bytes> {
        let Splice { before, change, written } = &*self.0;
        let bytes = before.bytes();
        let mut segments = match change {
            _ if written.get().is_some() => vec![self.document().bytes().clone()],
            Change::None => vec![bytes.clone()],
            Change::Value { span, text } => {
                let around = (bytes.slice(..span.start), bytes.slice(span.end..));
                [&[around.0], &text[..], &[around.1]].concat()
            }
            Change::Member { key, value } => {
                let (at, comma) = before.end_of_members();
                let name = Bytes::from([comma, "\"", key, "\":"].concat());
                [&[bytes.slice(..at), name], &value[..], &[bytes.slice(at..)]].concat()
            }
        };
        segments.retain(|segment| !segment.is_empty());
        segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_pieces_it_is_the_same_as_in_one() {
        let text = || vec![Bytes::from_static(b"7"), Bytes::from_static(b",")];
        for json in [r#"{"a": [1, 2], "b": "x"}"#, " { } \n", r#"{"a":[0]}"#] {
            let document = Document::parse(Bytes::copy_from_slice(json.as_bytes())).unwrap();
            let mut spliced = vec![
                (Spliced::unchanged(&document), json.to_owned()),
                (Spliced::with_member(&document, "c", vec![Bytes::from_static(b"null")]), String::new()),
            ];
            if let Some(at) = json.find('[') {
                let changed = format!("{}7,{}", &json[..=at], &json[at + 1..]);
                spliced.push((Spliced::with_value_changed(&document, at + 1..at + 1, text()), changed));
            }
            for (spliced, expected) in spliced {
                let pieces = spliced.segments();
                assert!(pieces.iter().all(|piece| !piece.is_empty()));
                assert_eq!(pieces.concat(), spliced.document().bytes()[..], "{json}");
                assert_eq!(spliced.segments(), [spliced.document().bytes().clone()], "written once, it is sent so");
                assert!(expected.is_empty() || spliced.document().bytes() == &expected, "{json}");
            }
        }
    }
}
