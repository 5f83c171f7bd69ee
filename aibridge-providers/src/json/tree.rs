//! From valid text to `serde_json::Value`.
//!
//! Not through serde_json's own parser, which refuses what [`Document`](super::Document) accepts: nesting beyond 128,
//! lone surrogates, numbers beyond `f64`.

use serde_json::{Map, Value as Tree};

use super::{Value, iter::unquoted, skip, string};

/// Builds the tree of `value`. Recurses as deep as the value is nested, which the validator limits.
pub(super) fn build(value: Value<'_>) -> Tree {
    let mut reader = Reader { rest: value.text() };
    reader.value()
}

struct Reader<'a> {
    /// What has not been read, beginning with the first byte of a value or punctuation.
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Tree {
        match self.rest.first() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => Tree::String(self.string()),
            _ => {
                let scalar = self.take(skip::value_end(self.rest, 0));
                serde_json::from_slice(scalar).unwrap_or_else(|_| String::from_utf8_lossy(scalar).into())
            }
        }
    }

    fn object(&mut self) -> Tree {
        let mut members = Map::new();
        self.punctuation(b'{');
        while !self.punctuation(b'}') && !self.rest.is_empty() {
            let key = self.string();
            self.punctuation(b':');
            members.insert(key, self.value());
            self.punctuation(b',');
        }
        Tree::Object(members)
    }

    fn array(&mut self) -> Tree {
        let mut elements = Vec::new();
        self.punctuation(b'[');
        while !self.punctuation(b']') && !self.rest.is_empty() {
            elements.push(self.value());
            self.punctuation(b',');
        }
        Tree::Array(elements)
    }

    fn string(&mut self) -> String {
        let quoted = self.take(skip::string_end(self.rest, 0));
        string::unescape(unquoted(quoted)).into_owned()
    }

    /// Passes `mark` and the whitespace around it, if it comes next.
    fn punctuation(&mut self, mark: u8) -> bool {
        self.rest = self.rest.trim_ascii_start();
        let Some(rest) = self.rest.strip_prefix(&[mark]) else { return false };
        self.rest = rest.trim_ascii_start();
        true
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }
}
