//! Reading replies leniently: a field of an unexpected shape is absent, never an error.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de::Visitor};
use serde_json::{Value, value::RawValue};

/// Reads a field if it has the expected shape, and passes over it otherwise.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// A JSON string, borrowed where it has no escapes. A lone surrogate is replaced, where serde's own strings fail.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
                Ok(Text(String::from_utf8_lossy(bytes)))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(String::from_utf8_lossy(bytes).into_owned())))
            }
        }

        // serde_json hands out strings asked for as bytes without insisting on paired surrogates.
        deserializer.deserialize_bytes(TextVisitor)
    }
}

/// `{"type": ...}` of any object.
#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, default, rename = "type", deserialize_with = "lenient")]
    kind: Option<Text<'a>>,
}

/// The `type` of an event's data, for providers that leave the `event:` line out. Chat's `[DONE]`, which some
/// providers send in every API, has none.
pub(super) fn type_of(data: &[u8]) -> serde_json::Result<Option<Cow<'_, str>>> {
    if let Some(kind) = leading_type(data) {
        return Ok(Some(Cow::Borrowed(kind)));
    }
    if data.is_empty() || is_done(data) {
        return Ok(None);
    }
    let typed: Typed<'_> = serde_json::from_slice(data)?;
    Ok(typed.kind.map(|kind| kind.0))
}

/// Whether `data` is the `[DONE]` that ends a Chat stream.
pub(super) fn is_done(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]"
}

/// The `type`, where it is the first member and free of escapes, as providers write it. Spares parsing text deltas.
fn leading_type(data: &[u8]) -> Option<&str> {
    let data = data.trim_ascii_start().strip_prefix(b"{")?;
    let data = data.trim_ascii_start().strip_prefix(b"\"type\"")?;
    let data = data.trim_ascii_start().strip_prefix(b":")?;
    let data = data.trim_ascii_start().strip_prefix(b"\"")?;
    let kind = &data[..memchr::memchr2(b'"', b'\\', data)?];
    (data[kind.len()] == b'"').then(|| std::str::from_utf8(kind).ok()).flatten()
}

/// The input of a tool from the text in which the model wrote it, and whether the text breaks off. What is not JSON
/// stays text: nothing is invented.
pub(super) fn tool_input(text: String, cut: bool) -> (Value, bool) {
    match serde_json::from_str::<Value>(&text) {
        // A number may go on, an object may not.
        Ok(value) if !cut || value.is_object() => (value, false),
        Ok(_) => (Value::String(text), true),
        Err(error) => (Value::String(text), cut || error.is_eof()),
    }
}

/// How much of a reply is kept while its parts are incomplete, in bytes: a provider that never ends a part must not
/// fill the memory.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) const fn new(bytes: usize) -> Budget {
        Budget(bytes)
    }

    /// Takes `bytes` out of the budget. Once there are too few left, nothing more is given out, so that a text that is
    /// not kept whole is missing its end and nothing else.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_found_wherever_it_stands() {
        for data in [
            r#"{"type":"ping"}"#,
            r#" { "type" : "ping" , "a":1}"#,
            r#"{"a":{"type":"inner"},"type":"pi\u006eg"}"#,
            r#"{"type":"pi\u006eg"}"#,
        ] {
            assert_eq!(type_of(data.as_bytes()).unwrap().as_deref(), Some("ping"), "{data}");
        }
        for data in [r#"{"type":7}"#, "{}", "[DONE]"] {
            assert_eq!(type_of(data.as_bytes()).unwrap(), None, "{data}");
        }
        assert!(type_of(br#"{"type":"pi"#).is_err());
    }

    #[test]
    fn text_that_breaks_off_is_kept_as_text() {
        for (text, cut, input, truncated) in [
            (r#"{"a":1}"#, false, serde_json::json!({"a": 1}), false),
            (r#"{"a":1}"#, true, serde_json::json!({"a": 1}), false),
            (r#"{"a":1"#, true, r#"{"a":1"#.into(), true),
            (r#"{"a":1"#, false, r#"{"a":1"#.into(), true),
            ("12", true, "12".into(), true),
            ("12", false, 12.into(), false),
            ("", true, "".into(), true),
            ("ls -l", false, "ls -l".into(), false),
        ] {
            assert_eq!(tool_input(text.to_owned(), cut), (input, truncated), "{text} {cut}");
        }
    }

    #[test]
    fn a_spent_budget_gives_nothing_out() {
        let mut budget = Budget::new(10);
        assert_eq!([4, 7, 1].map(|bytes| budget.take(bytes)), [true, false, false]);
    }

    #[test]
    fn a_lone_surrogate_is_replaced() {
        let text: Text<'_> = serde_json::from_str(r#""a\ud83db""#).unwrap();
        assert_eq!(text.0, "a\u{fffd}\u{fffd}\u{fffd}b");
        let text: Text<'_> = serde_json::from_str(r#""a\ud83d\ude00b""#).unwrap();
        assert_eq!(text.0, "a😀b");
        assert!(serde_json::from_str::<Text<'_>>("7").is_err());
    }
}
