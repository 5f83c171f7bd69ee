//! The blocks of a reply, put together again from its stream.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::block::Block;
use crate::json::{Document, Edits, Value};

/// The blocks as far as they have come.
#[derive(Debug, Default)]
pub(super) struct Drafts(Vec<Draft>);

/// A block: its start, and what its deltas add. Strings are joined as they are written between their quotes, so that
/// their escapes stay, and those of a pair that was split come together.
#[derive(Debug)]
struct Draft {
    index: Option<u64>,
    start: Bytes,
    /// Members that deltas of the same name go on: `text`, `thinking`, `signature`.
    strings: Vec<(String, Vec<u8>)>,
    /// `partial_json`
    input: Vec<u8>,
    citations: Vec<Vec<u8>>,
    stopped: bool,
}

impl Drafts {
    /// Takes an event of the stream.
    pub(super) fn event(&mut self, kind: &str, event: Value<'_>) {
        let index = event.get("index").and_then(Value::as_u64);
        match kind {
            "content_block_start" => {
                if let Some(start) = event.get("content_block") {
                    self.0.push(Draft::new(index, start));
                }
            }
            "content_block_delta" => {
                if let (Some(draft), Some(delta)) = (self.open(index), event.get("delta")) {
                    draft.append(delta);
                }
            }
            "content_block_stop" => {
                if let Some(draft) = self.open(index) {
                    draft.stopped = true;
                }
            }
            _ => {}
        }
    }

    fn open(&mut self, index: Option<u64>) -> Option<&mut Draft> {
        self.0.iter_mut().rev().find(|draft| draft.index == index)
    }

    /// The blocks. In a reply that is not `complete`, an input of which nothing came is missing, not empty.
    pub(super) fn finish(self, complete: bool, names: &BTreeSet<String>, reply: Option<&str>) -> Vec<Block> {
        let blocks = self.0.into_iter().filter_map(|draft| {
            let (json, broken) = draft.finish(complete)?;
            Some(Block::read(json, broken, names, reply))
        });
        blocks.collect()
    }
}

impl Draft {
    fn new(index: Option<u64>, start: Value<'_>) -> Draft {
        let start = Bytes::copy_from_slice(start.text());
        Draft { index, start, strings: Vec::new(), input: Vec::new(), citations: Vec::new(), stopped: false }
    }

    fn append(&mut self, delta: Value<'_>) {
        for (key, value) in delta.members() {
            match &*key {
                "type" => {}
                "partial_json" => self.input.extend_from_slice(inside(value)),
                "citation" => self.citations.push(value.text().to_vec()),
                // Also of deltas not known yet: those known are all called after the member that they go on.
                _ if value.is_string() => match self.strings.iter_mut().find(|(member, _)| *member == key) {
                    Some((_, text)) => text.extend_from_slice(inside(value)),
                    None => self.strings.push((key.into_owned(), inside(value).to_vec())),
                },
                _ => {}
            }
        }
    }

    /// The block, and its input as text, if that is no object.
    fn finish(self, complete: bool) -> Option<(Bytes, Option<String>)> {
        let document = Document::parse(self.start).ok()?;
        let mut edits = Edits::new(&document);
        for (member, more) in self.strings {
            let start = document.get(&member).map(inside).unwrap_or_default();
            edits.set(document.root(), &member, quoted(&[start, &more].concat()));
        }
        if !self.citations.is_empty() {
            let start = document.get("citations").into_iter().flat_map(Value::elements);
            let all: Vec<&[u8]> = start.map(Value::text).chain(self.citations.iter().map(Vec::as_slice)).collect();
            edits.set(document.root(), "citations", array(&all));
        }
        let mut broken = None;
        if !self.input.is_empty() {
            let text = quoted(&self.input);
            let text = Value::of(&text).and_then(Value::as_str).unwrap_or_default();
            let object = Value::of(text.as_bytes()).filter(|input| input.is_object());
            // The provider takes objects only, and asks for this one around what a model wrote wrongly.
            let input = object.map_or_else(
                || serde_json::json!({"INVALID_JSON": text}).to_string().into_bytes(),
                |object| object.text().to_vec(),
            );
            if object.is_none() {
                broken = Some(text.clone().into_owned());
            }
            edits.set(document.root(), "input", input);
        } else if !self.stopped && !complete {
            broken = Some(String::new());
        }
        Some((edits.apply(), broken))
    }
}

/// A JSON array of `elements`.
pub(super) fn array<T: AsRef<[u8]>>(elements: &[T]) -> Vec<u8> {
    let mut json = vec![b'['];
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        json.extend_from_slice(element.as_ref());
    }
    json.push(b']');
    json
}

/// What is between the quotes of a string; nothing of other values.
fn inside(value: Value<'_>) -> &[u8] {
    value.text().strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or_default()
}

fn quoted(inside: &[u8]) -> Vec<u8> {
    [b"\"", inside, b"\""].concat()
}
