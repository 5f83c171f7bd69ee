use std::{borrow::Cow, iter::FusedIterator};

use super::{Value, skip, string};

/// The elements of an array, from [`Value::elements`].
///
/// Reading from the back does not pass over the elements before: the last message of a long conversation is found in
/// the time it takes to pass over that message.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    /// The elements that are left and the commas between them, without whitespace at either end.
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    pub(super) fn of(value: Value<'a>) -> Elements<'a> {
        Elements { rest: inside(value, value.is_array()) }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (value, rest) = self.rest.split_at(skip::value_end(self.rest, 0));
        self.rest = after(rest, b',');
        Some(Value::valid(value))
    }
}

impl DoubleEndedIterator for Elements<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (rest, value) = self.rest.split_at(skip::last_value_start(self.rest));
        let rest = rest.trim_ascii_end();
        self.rest = rest.strip_suffix(b",").unwrap_or(rest).trim_ascii_end();
        Some(Value::valid(value))
    }
}

impl FusedIterator for Elements<'_> {}

/// The members of an object in order, duplicates included, from [`Value::members`].
#[derive(Clone, Debug)]
pub struct Members<'a> {
    raw: RawMembers<'a>,
}

impl<'a> Members<'a> {
    pub(super) fn of(value: Value<'a>) -> Members<'a> {
        Members { raw: RawMembers::of(value) }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.raw.next().map(|(key, value)| (string::unescape(unquoted(key)), value))
    }
}

impl FusedIterator for Members<'_> {}

/// The members of an object, keys as they are written.
#[derive(Clone, Debug)]
pub(super) struct RawMembers<'a> {
    rest: &'a [u8],
}

impl<'a> RawMembers<'a> {
    pub(super) fn of(value: Value<'a>) -> RawMembers<'a> {
        RawMembers { rest: inside(value, value.is_object()) }
    }
}

impl<'a> Iterator for RawMembers<'a> {
    /// The key with its quotes, and the value.
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (key, rest) = self.rest.split_at(skip::string_end(self.rest, 0));
        let rest = after(rest, b':');
        let (value, rest) = rest.split_at(skip::value_end(rest, 0));
        self.rest = after(rest, b',');
        Some((key, Value::valid(value)))
    }
}

/// The text between the quotes of a string.
pub(super) fn unquoted(string: &[u8]) -> &[u8] {
    string.get(1..string.len().saturating_sub(1)).unwrap_or_default()
}

/// What is between the brackets of a container; nothing when it is not of the kind asked for.
fn inside(value: Value<'_>, right_kind: bool) -> &[u8] {
    if right_kind { unquoted(value.text()).trim_ascii() } else { &[] }
}

/// What follows `mark`, with the whitespace around it removed.
fn after(text: &[u8], mark: u8) -> &[u8] {
    let text = text.trim_ascii_start();
    text.strip_prefix(&[mark]).unwrap_or(text).trim_ascii_start()
}
