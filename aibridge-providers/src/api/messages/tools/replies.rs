//! What of the rounds' blocking replies reaches the client.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{
    block::Block,
    container::Container,
    drafts::array,
    ending::{end_turn, is_cut, is_pause},
    usage::Usage,
};
use crate::json::{Document, Edits, Value};

/// Merges the replies into one.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// The first round's id, as it is written.
    id: Option<Bytes>,
    /// The client's blocks of the rounds before.
    shown: Vec<Bytes>,
    /// The usage of the rounds before; `None` in the first.
    before: Option<Usage>,
    container: Container,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    document: Document,
    shown: Vec<Bytes>,
    hides: bool,
    usage: Usage,
}

impl Replies {
    /// Takes a round's reply, and gives its blocks; `None` if it is no message.
    pub(super) fn take(&mut self, body: Bytes, names: &BTreeSet<String>) -> Option<Vec<Block>> {
        let document = Document::parse(body).ok()?;
        let content = document.get("content").filter(|content| content.is_array())?;
        if let Some(done) = self.last.take() {
            self.shown.extend(done.shown);
            self.before.get_or_insert_default().add(&done.usage);
        }
        let slice = |value: Value<'_>| document.bytes().slice(document.span(value));
        let id = document.get("id");
        if self.before.is_none() {
            self.id = id.map(slice);
        }
        let id = id.and_then(Value::as_str);
        let blocks: Vec<Block> =
            content.elements().map(|block| Block::read(slice(block), None, names, id.as_deref())).collect();
        let shown: Vec<Bytes> =
            blocks.iter().filter(|block| block.call().is_none()).map(|block| block.json.clone()).collect();
        let mut usage = Usage::default();
        usage.update(document.get("usage"));
        self.container.note(document.get("container"));
        let hides = shown.len() < blocks.len();
        self.last = Some(Last { document, shown, hides, usage });
        Some(blocks)
    }

    /// Where the provider runs code.
    pub(super) fn container(&self) -> &Container {
        &self.container
    }

    /// The last reply has come whole, and the model was done.
    pub(super) fn is_complete(&self) -> bool {
        !self.stopped_for(is_cut)
    }

    /// The provider wants the last reply back to go on with it.
    pub(super) fn is_paused(&self) -> bool {
        self.stopped_for(is_pause)
    }

    fn stopped_for(&self, is: fn(&str) -> bool) -> bool {
        let document = self.last.as_ref().map(|last| &last.document);
        let reason = document.and_then(|document| document.get("stop_reason")).and_then(Value::as_str);
        reason.is_some_and(|reason| is(&reason))
    }

    /// The reply for the client: the last one, with what the others add to it.
    pub(super) fn merged(&self, done: bool) -> Bytes {
        let Some(last) = &self.last else { return Bytes::new() };
        let document = &last.document;
        let mut edits = Edits::new(document);
        if let Some(before) = &self.before {
            let mut total = before.clone();
            total.add(&last.usage);
            total.write(document, &mut edits);
            self.container.tell(Some(document.root()), &mut edits);
            if let Some(id) = &self.id {
                edits.set(document.root(), "id", id.clone());
            }
        }
        if last.hides || !self.shown.is_empty() {
            let all: Vec<&Bytes> = self.shown.iter().chain(&last.shown).collect();
            edits.set(document.root(), "content", array(&all));
        }
        if done {
            end_turn(document, &mut edits);
        }
        edits.apply()
    }
}
