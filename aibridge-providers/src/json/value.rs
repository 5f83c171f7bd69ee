use std::borrow::Cow;

use super::{
    Elements, Members,
    iter::{RawMembers, unquoted},
    scan, string, tree,
};

/// A value inside valid JSON text.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    text: &'a [u8],
}

impl<'a> Value<'a> {
    /// The JSON value that `text` holds, with whitespace around it at most; `None` when it is not JSON.
    ///
    /// For text that need not be kept, such as the data of a server-sent event.
    ///
    /// ```
    /// use aibridge_providers::json::Value;
    ///
    /// let event = Value::of(br#"{"type":"ping"}"#).expect("JSON");
    /// assert_eq!(event.get("type").and_then(|kind| kind.as_str()).as_deref(), Some("ping"));
    /// assert!(Value::of(b"[DONE]").is_none());
    /// ```
    pub fn of(text: &'a [u8]) -> Option<Value<'a>> {
        scan::scan(text, |_| {}).ok().map(|span| Value { text: &text[span] })
    }

    /// A value whose text is known to be valid, without whitespace around it.
    pub(super) fn valid(text: &'a [u8]) -> Value<'a> {
        Value { text }
    }

    /// The value's own bytes, e.g. `"a\u00e9"` with its quotes.
    pub fn text(self) -> &'a [u8] {
        self.text
    }

    /// The value, if it is a string, unescaped. A lone surrogate becomes U+FFFD.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        self.is_string().then(|| string::unescape(unquoted(self.text)))
    }

    /// The value, if it is a number that fits and is written without fraction or exponent.
    pub fn as_u64(self) -> Option<u64> {
        std::str::from_utf8(self.text).ok()?.parse().ok()
    }

    /// Whether the value is JSON `true`.
    pub fn is_true(self) -> bool {
        self.text == b"true"
    }

    /// Whether the value is JSON `null`.
    pub fn is_null(self) -> bool {
        self.text == b"null"
    }

    /// Whether the value is a string.
    pub fn is_string(self) -> bool {
        self.text.first() == Some(&b'"')
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
        RawMembers::of(self).filter(|(raw, _)| string::means(unquoted(raw), key)).last().map(|(_, value)| value)
    }

    /// The elements, if the value is an array; nothing otherwise. Can be read from the back as cheaply.
    pub fn elements(self) -> Elements<'a> {
        Elements::of(self)
    }

    /// The members, if the value is an object; nothing otherwise.
    pub fn members(self) -> Members<'a> {
        Members::of(self)
    }

    /// The value as serde_json's own, for keeping it.
    ///
    /// A number beyond the range of `f64` becomes a string of its digits, which serde_json cannot hold otherwise.
    pub fn to_value(self) -> serde_json::Value {
        tree::build(self)
    }
}
