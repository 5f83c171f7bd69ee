use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    Value,
    iter::{RawMembers, unquoted},
    scan::{Count, MemberSpan, scan},
    string,
};

/// How many top-level members are remembered; requests have about twenty. An object with more is searched instead, so
/// that hostile bodies of many tiny members cost no memory.
const REMEMBERED: usize = 64;

/// A validated JSON document whose top level is an object. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Document {
    bytes: Bytes,
    root: Range<usize>,
    /// The top-level members, unless there are too many.
    members: Option<Arc<[MemberSpan]>>,
}

/// Why bytes are not a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The bytes are not JSON; the offset is that of the first offending byte.
    #[error("not valid JSON at byte {0}")]
    Syntax(usize),
    /// The document is JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// Arrays and objects are nested deeper than 512.
    #[error("nested too deeply")]
    TooDeep,
}

impl Document {
    /// Validates `bytes` in one pass.
    ///
    /// # Errors
    ///
    /// [`JsonError`], when `bytes` are not one JSON object (with whitespace around it at most), or nest arrays and
    /// objects deeper than 512.
    pub fn parse(bytes: Bytes) -> Result<Document, JsonError> {
        let mut members = Vec::with_capacity(32);
        let mut forgotten = false;
        let root = scan(&bytes, |member| {
            if members.len() < REMEMBERED {
                members.push(member);
            } else {
                forgotten = true;
            }
        })?;
        if bytes[root.start] != b'{' {
            return Err(JsonError::NotAnObject);
        }
        Ok(Document { bytes, root, members: (!forgotten).then(|| members.into()) })
    }

    /// The whole document, as it was given.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The top-level object as a value.
    pub fn root(&self) -> Value<'_> {
        Value::valid(&self.bytes[self.root.clone()])
    }

    /// The value of a top-level member; of duplicates, the last. Costs a comparison per member.
    pub fn get(&self, key: &str) -> Option<Value<'_>> {
        match &self.members {
            Some(members) => Some(Value::valid(&self.bytes[self.find(members, key)?.value.clone()])),
            None => self.root().get(key),
        }
    }

    /// How many elements the array has that is the value of a top-level member; 0, if it is no array. They were counted
    /// when the document was read.
    ///
    /// ```
    /// use aibridge_providers::json::Document;
    ///
    /// let request = Document::parse(r#"{"tools": [{"a": [1, 2]}, {}], "model": "m"}"#.into())?;
    /// assert_eq!((request.count("tools"), request.count("model")), (2, 0));
    /// # Ok::<(), aibridge_providers::json::JsonError>(())
    /// ```
    pub fn count(&self, key: &str) -> usize {
        match self.counted(key) {
            Some(count) => count.elements,
            None => self.get(key).map_or(0, |array| array.elements().count()),
        }
    }

    /// Whether elements of that array may have arrays directly in them that are not empty: `false` is certain.
    pub(crate) fn may_nest(&self, key: &str) -> bool {
        self.counted(key).is_none_or(|count| count.nested > 0)
    }

    /// Whether a character in the value of a top-level member may be written as its number (`\u0061`): `false` is certain.
    pub(crate) fn may_number(&self, key: &str) -> bool {
        self.counted(key).is_none_or(|count| count.numbered)
    }

    fn counted(&self, key: &str) -> Option<Count> {
        self.members.as_ref().and_then(|members| self.find(members, key)?.count)
    }

    fn find<'m>(&self, members: &'m [MemberSpan], key: &str) -> Option<&'m MemberSpan> {
        // Most begin with another letter, or, if they are empty, with the closing quote; any may begin with an escape.
        let first = key.as_bytes().first().unwrap_or(&b'"');
        let alike = |member: &MemberSpan| matches!(self.bytes.get(member.key.start + 1), Some(byte) if byte == first || *byte == b'\\');
        members
            .iter()
            .rev()
            .find(|member| alike(member) && string::means(unquoted(&self.bytes[member.key.clone()]), key))
    }

    /// The span of a value of this document, for an edit.
    ///
    /// # Panics
    ///
    /// If `value` was not read from this document.
    pub fn span(&self, value: Value<'_>) -> Range<usize> {
        self.span_of(value.text())
    }

    /// The document with `text` in the place of the bytes of `span`, which are a top-level member's value, or lie inside
    /// of it. The result is known to be valid: there is no second pass.
    pub(super) fn with_value_changed(&self, span: Range<usize>, text: &[u8]) -> Document {
        let bytes = self.spliced(&span, text);
        let moved = |at: usize| at + bytes.len() - self.bytes.len();
        let members = self.members.as_ref().map(|members| {
            let member = |member: &MemberSpan| {
                let MemberSpan { key, value, count } = member.clone();
                if key.start >= span.end {
                    let (key, value) = (moved(key.start)..moved(key.end), moved(value.start)..moved(value.end));
                    MemberSpan { key, value, count }
                } else if value.end >= span.end {
                    MemberSpan { key, value: value.start..moved(value.end), count: None }
                } else {
                    MemberSpan { key, value, count }
                }
            };
            members.iter().map(member).collect()
        });
        Document { root: self.root.start..moved(self.root.end), members, bytes }
    }

    /// The document with a further top-level member, the last one: its key, which needs no escapes, a colon and its value,
    /// and before them a comma unless it is the first.
    pub(super) fn with_member(&self, member: &Bytes) -> Document {
        let inside = self.inside(&self.root);
        let at = inside.end;
        let bytes = self.spliced(&(at..at), member);
        let added = member.len();
        let key = at + usize::from(!inside.is_empty());
        let key = key..key + 2 + unquoted(&bytes[key..]).iter().take_while(|byte| **byte != b'"').count();
        let member = MemberSpan { value: key.end + 1..at + added, key, count: None };
        let members = self.members.as_ref().filter(|members| members.len() < REMEMBERED);
        let members = members.map(|members| members.iter().cloned().chain([member]).collect());
        Document { root: self.root.start..self.root.end + added, members, bytes }
    }

    /// The inside of the array or object at `span`, without the blanks around it.
    pub(crate) fn inside(&self, span: &Range<usize>) -> Range<usize> {
        let text = &self.bytes[span.start + 1..span.end - 1];
        let end = span.start + 1 + text.trim_ascii_end().len();
        end - text.trim_ascii().len()..end
    }

    fn spliced(&self, span: &Range<usize>, text: &[u8]) -> Bytes {
        [&self.bytes[..span.start], text, &self.bytes[span.end..]].concat().into()
    }

    /// The span of some text of this document.
    fn span_of(&self, text: &[u8]) -> Range<usize> {
        let start = text.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr());
        let span = start.map(|start| start..start + text.len()).filter(|span| span.end <= self.bytes.len());
        span.expect("a value of this document")
    }

    /// Where the members of an object of this document lie.
    pub(super) fn members_of(&self, object: Value<'_>) -> Vec<MemberSpan> {
        match &self.members {
            Some(members) if self.span(object) == self.root => members.to_vec(),
            _ => RawMembers::of(object)
                .map(|(key, value)| MemberSpan { key: self.span_of(key), value: self.span(value), count: None })
                .collect(),
        }
    }
}
