use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use super::Document;

/// A document with one change that is not written out: the rest of it stays where it is. Cheap to clone.
///
/// A conversation of many megabytes is sent with a few bytes more than it came with; [`Spliced::piece`] gives these bytes
/// without a copy. Whoever needs it in one piece has it from [`Spliced::document`], at the cost of one.
#[derive(Clone, Debug)]
pub struct Spliced(Arc<Splice>);

#[derive(Debug)]
struct Splice {
    before: Document,
    /// What `text` takes the place of.
    span: Range<usize>,
    text: Bytes,
    /// `text` is a member of the document, and not within the value of one.
    is_member: bool,
    written: OnceLock<Document>,
}

impl Spliced {
    /// `document` as it is.
    pub(crate) fn unchanged(document: &Document) -> Spliced {
        Spliced::with_value_changed(document, 0..0, Bytes::new())
    }

    /// `document` with `text` in the place of `span`, which is a top-level member's value or lies inside of it.
    pub(crate) fn with_value_changed(document: &Document, span: Range<usize>, text: Bytes) -> Spliced {
        Spliced::new(document, span, text, false)
    }

    /// `document` with a further top-level member: a comma, the key, which needs no escapes, a colon and the value.
    pub(crate) fn with_member(document: &Document, member: &Bytes) -> Spliced {
        let (at, is_first) = document.end_of_members();
        Spliced::new(document, at..at, member.slice(usize::from(is_first)..), true)
    }

    fn new(document: &Document, span: Range<usize>, text: Bytes, is_member: bool) -> Spliced {
        Spliced(Arc::new(Splice { before: document.clone(), span, text, is_member, written: OnceLock::new() }))
    }

    /// The document in one piece.
    pub fn document(&self) -> &Document {
        let Splice { before, span, text, is_member, written } = &*self.0;
        written.get_or_init(|| match is_member {
            _ if span.is_empty() && text.is_empty() => before.clone(),
            true => before.with_member(text),
            false => before.with_value_changed(span.clone(), text),
        })
    }

    /// How many bytes [`Spliced::document`] has.
    #[expect(clippy::len_without_is_empty, reason = "a document has at least its braces")]
    pub fn len(&self) -> usize {
        let Splice { before, span, text, .. } = &*self.0;
        before.bytes().len() - span.len() + text.len()
    }

    /// The bytes of [`Spliced::document`] from the offset `from` on, as many as there are in one piece. Only at the end there
    /// are none.
    ///
    /// # Panics
    ///
    /// If `from` is greater than [`Spliced::len`].
    pub fn piece(&self, from: usize) -> Bytes {
        let Splice { before, span, text, written, .. } = &*self.0;
        if let Some(written) = written.get() {
            return written.bytes().slice(from..);
        }
        let behind = span.start + text.len();
        if from < span.start {
            before.bytes().slice(from..span.start)
        } else if from < behind {
            text.slice(from - span.start..)
        } else {
            before.bytes().slice(span.end + (from - behind)..)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(spliced: &Spliced) -> Vec<Bytes> {
        let mut sent = 0;
        let mut next = || {
            let piece = spliced.piece(sent);
            sent += piece.len();
            (!piece.is_empty()).then_some(piece)
        };
        std::iter::from_fn(&mut next).collect()
    }

    #[test]
    fn in_pieces_it_is_the_same_as_in_one() {
        for json in [r#"{"a": [1, 2], "b": "x"}"#, " { } \n", "{}", r#"{"a":[0]}"#] {
            let document = Document::parse(Bytes::copy_from_slice(json.as_bytes())).unwrap();
            let mut spliced = vec![
                (Spliced::unchanged(&document), json.to_owned(), 1),
                (Spliced::with_member(&document, &Bytes::from_static(br#","c":null"#)), String::new(), 3),
            ];
            if let Some(at) = json.find('[') {
                let changed = |text: &str, from: usize| format!("{}{text}{}", &json[..=at], &json[from..]);
                let inserted = Spliced::with_value_changed(&document, at + 1..at + 1, Bytes::from_static(b"7,"));
                spliced.push((inserted, changed("7,", at + 1), 3));
                let replaced = Spliced::with_value_changed(&document, at + 1..at + 2, Bytes::from_static(b"70"));
                spliced.push((replaced, changed("70", at + 2), 3));
            }
            for (spliced, expected, count) in spliced {
                let all = pieces(&spliced);
                assert_eq!(all.len(), count, "{json}");
                assert_eq!(spliced.len(), all.concat().len());
                let whole = spliced.document().bytes().clone();
                assert_eq!(all.concat(), whole[..], "{json}");
                let read = Document::parse(whole.clone()).expect("JSON");
                for key in ["a", "b", "c"] {
                    let text = |document: &Document| document.get(key).map(|value| value.text().to_vec());
                    assert_eq!(text(spliced.document()), text(&read), "{json}: {key}");
                    assert_eq!(spliced.document().count(key), read.count(key), "{json}: {key}");
                }
                assert_eq!(pieces(&spliced), std::slice::from_ref(&whole), "written once, it is sent so");
                assert!(expected.is_empty() || whole == expected, "{json}");
            }
        }
    }
}
