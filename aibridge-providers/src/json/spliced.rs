use std::{ops::Range, sync::OnceLock};

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Document, Value};

/// A document with changes that are not written out: the rest of it stays where it is.
///
/// A conversation of many megabytes is sent with a few bytes more than it came with; [`Spliced::piece`] gives these bytes
/// without a copy. Whoever needs it in one piece has it from [`Spliced::document`], at the cost of one for each change.
#[derive(Clone, Debug)]
pub struct Spliced {
    before: Document,
    /// In the order of their places, which do not overlap. Few requests have more than two: tools, and asking for the usage.
    changes: SmallVec<[Change; 2]>,
    /// How many bytes it has with them.
    len: usize,
    /// In one piece, once somebody needs it so: few do.
    written: OnceLock<Box<Document>>,
}

#[derive(Clone, Debug)]
struct Change {
    /// What `text` takes the place of.
    span: Range<usize>,
    text: Bytes,
    /// `text` is a member of the document, and not within the value of one.
    is_member: bool,
}

impl Spliced {
    /// `document` as it is.
    pub fn new(document: &Document) -> Spliced {
        let len = document.bytes().len();
        Spliced { before: document.clone(), changes: SmallVec::new(), len, written: OnceLock::new() }
    }

    /// The document without the changes.
    pub fn before(&self) -> &Document {
        &self.before
    }

    /// With `text` in the place of `span`, which is a top-level member's value or lies inside of it, and in which nothing
    /// has been changed yet.
    pub(crate) fn with_value_changed(self, span: Range<usize>, text: Bytes) -> Spliced {
        self.with(Change { span, text, is_member: false })
    }

    /// With a further member of the object that is a top-level member's `value`: its key, which needs no escapes, a colon
    /// and its value.
    pub(crate) fn with_member_in(self, value: Value<'_>, member: &str) -> Spliced {
        let inside = self.before().inside(&self.before().span(value));
        let comma = if inside.is_empty() { "" } else { "," };
        self.with_value_changed(inside.end..inside.end, [comma, member].concat().into())
    }

    /// With a further top-level member: a comma, the key, which needs no escapes, a colon and the value.
    pub(crate) fn with_member(self, member: &Bytes) -> Spliced {
        let inside = self.before().inside(&self.before().span(self.before().root()));
        let is_first = inside.is_empty() && !self.changes.iter().any(|change| change.is_member);
        let (span, text) = (inside.end..inside.end, member.slice(usize::from(is_first)..));
        self.with(Change { span, text, is_member: true })
    }

    fn with(mut self, change: Change) -> Spliced {
        self.len = self.len + change.text.len() - change.span.len();
        // At one position, what is inserted comes before what is replaced.
        let place = |change: &Change| (change.span.start, change.span.end);
        let at = self.changes.partition_point(|other| place(other) <= place(&change));
        self.changes.insert(at, change);
        self.written = OnceLock::new();
        self
    }

    /// The document in one piece.
    pub fn document(&self) -> &Document {
        let Spliced { before, changes, written, .. } = self;
        written.get_or_init(|| {
            // Members go to the end, and the last value first, so that what is still to be changed stays in its place.
            let members = changes.iter().filter(|change| change.is_member);
            let document = members.fold(before.clone(), |document, change| document.with_member(&change.text));
            let values = changes.iter().rev().filter(|change| !change.is_member);
            let change =
                |document: Document, change: &Change| document.with_value_changed(change.span.clone(), &change.text);
            Box::new(values.fold(document, change))
        })
    }

    /// How many bytes [`Spliced::document`] has.
    #[expect(clippy::len_without_is_empty, reason = "a document has at least its braces")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes of [`Spliced::document`] from the offset `from` on, as many as there are in one piece. Only at the end there
    /// are none.
    ///
    /// # Panics
    ///
    /// If `from` is greater than [`Spliced::len`].
    pub fn piece(&self, from: usize) -> Bytes {
        let Spliced { before, changes, written, .. } = self;
        if let Some(written) = written.get() {
            return written.bytes().slice(from..);
        }
        // Up to `copied` it is what stands up to `at` in the document without the changes.
        let (mut copied, mut at) = (0, 0);
        for Change { span, text, .. } in changes {
            let unchanged = copied + span.start - at;
            if from < unchanged {
                return before.bytes().slice(at + from - copied..span.start);
            }
            copied = unchanged + text.len();
            at = span.end;
            if from < copied {
                return text.slice(from - unchanged..);
            }
        }
        before.bytes().slice(at + from - copied..)
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

    #[track_caller]
    fn assert_is(spliced: &Spliced, expected: &str, count: usize) {
        let all = pieces(spliced);
        assert_eq!(all.concat(), expected.as_bytes(), "{spliced:?}");
        assert_eq!((all.len(), spliced.len()), (count, expected.len()), "{expected}");
        for from in 0..=expected.len() {
            assert!(expected.as_bytes()[from..].starts_with(&spliced.piece(from)), "{expected} from {from}");
        }
        let read = Document::parse(expected.to_owned().into()).expect("JSON");
        assert_eq!(spliced.document().bytes(), read.bytes());
        for key in ["a", "b", "c", "d"] {
            let text = |document: &Document| document.get(key).map(|value| value.text().to_vec());
            assert_eq!(text(spliced.document()), text(&read), "{expected}: {key}");
            assert_eq!(spliced.document().count(key), read.count(key), "{expected}: {key}");
        }
        assert_eq!(pieces(spliced), [read.bytes().clone()], "written once, it is sent so");
    }

    #[test]
    fn in_pieces_it_is_the_same_as_in_one() {
        const MEMBERS: [Bytes; 2] = [Bytes::from_static(br#","c":null"#), Bytes::from_static(br#","d":[1]"#)];
        for (json, with_one, with_both) in [
            (r#"{"a": 1}"#, r#"{"a": 1,"c":null}"#, r#"{"a": 1,"c":null,"d":[1]}"#),
            (" { } \n", r#" {"c":null } "#, r#" {"c":null,"d":[1] } "#),
            ("{}", r#"{"c":null}"#, r#"{"c":null,"d":[1]}"#),
        ] {
            let document = Document::parse(json.into()).unwrap();
            let [one, both] = [with_one, with_both].map(|expected| match json.ends_with('\n') {
                true => format!("{expected}\n"),
                false => expected.to_owned(),
            });
            assert_is(&Spliced::new(&document), json, 1);
            let spliced = Spliced::new(&document).with_member(&MEMBERS[0]);
            assert_is(&spliced, &one, 3);
            // What has been written out is no obstacle.
            assert_is(&spliced.with_member(&MEMBERS[1]), &both, 4);
        }
    }

    #[test]
    fn changes_of_values_and_members_add_up_in_any_order() {
        const JSON: &str = r#"{"a": [1, 2], "b": {}, "x": {"y": 0 }}"#;
        let document = Document::parse(JSON.into()).unwrap();
        let [a, b, x] = ["a", "b", "x"].map(|key| document.get(key).unwrap());
        let element = document.span(a).start + 1;
        let changes: [&dyn Fn(Spliced) -> Spliced; 6] = [
            &|spliced| spliced.with_value_changed(element..element, Bytes::from_static(b"0,")),
            &|spliced| spliced.with_value_changed(element..element + 1, Bytes::from_static(b"100")),
            &|spliced| spliced.with_value_changed(element + 3..element + 4, Bytes::from_static(b"[200]")),
            &|spliced| spliced.with_member_in(b, r#""c":1"#),
            &|spliced| spliced.with_member_in(x, r#""c":1"#),
            &|spliced| spliced.with_member(&Bytes::from_static(br#","d":null"#)),
        ];
        let expected = r#"{"a": [0,100, [200]], "b": {"c":1}, "x": {"y": 0,"c":1 },"d":null}"#;
        for first in 0..changes.len() {
            for step in [1, 5] {
                let order = (0..changes.len()).map(|number| &changes[(first + number * step) % changes.len()]);
                let spliced = order.fold(Spliced::new(&document), |spliced, change| change(spliced));
                assert_is(&spliced, expected, 12);
            }
        }
    }
}
