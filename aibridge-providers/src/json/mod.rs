//! Reading and editing JSON by byte spans, so that bytes outside an edited value stay identical.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;

/// A validated JSON document whose top level is an object.
#[derive(Clone, Debug)]
pub struct Document {
    bytes: Bytes,
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
    /// Arrays and objects are nested deeper than the limit.
    #[error("nested too deeply")]
    TooDeep,
}

/// A value inside a validated document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    text: &'a [u8],
}

impl Document {
    /// Validates `bytes` in one pass.
    pub fn parse(bytes: Bytes) -> Result<Document, JsonError> {
        todo!("{bytes:?}")
    }

    /// The whole document, as it was given.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The top-level object as a value.
    pub fn root(&self) -> Value<'_> {
        Value { text: &self.bytes }
    }

    /// The value of a top-level member; of duplicates, the last.
    pub fn get(&self, key: &str) -> Option<Value<'_>> {
        todo!("{key}")
    }

    /// The span of a value of this document, for an edit.
    pub fn span(&self, value: Value<'_>) -> Range<usize> {
        todo!("{value:?}")
    }
}

impl<'a> Value<'a> {
    /// The value's own bytes, e.g. `"a\u00e9"` with its quotes.
    pub fn text(self) -> &'a [u8] {
        self.text
    }

    /// The value, if it is a string, unescaped. A lone surrogate becomes U+FFFD.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        todo!()
    }

    /// The value, if it is a number that fits.
    pub fn as_u64(self) -> Option<u64> {
        todo!()
    }

    /// Whether the value is JSON `true`.
    pub fn is_true(self) -> bool {
        self.text == b"true"
    }

    /// Whether the value is JSON `null`.
    pub fn is_null(self) -> bool {
        self.text == b"null"
    }

    /// Whether the value is an object.
    pub fn is_object(self) -> bool {
        self.text.first() == Some(&b'{')
    }

    /// Whether the value is an array.
    pub fn is_array(self) -> bool {
        self.text.first() == Some(&b'[')
    }

    /// The member of that name, if the value is an object; of duplicates, the last.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        todo!("{key}")
    }

    /// The elements, if the value is an array; nothing otherwise.
    pub fn elements(self) -> impl Iterator<Item = Value<'a>> {
        std::iter::empty()
    }

    /// The members, if the value is an object; nothing otherwise.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        std::iter::empty()
    }

    /// The value as serde_json's own, for keeping it.
    pub fn to_value(self) -> serde_json::Value {
        todo!()
    }
}
