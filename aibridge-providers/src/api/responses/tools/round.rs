//! One reply of the provider's, as far as it has come.

use std::collections::BTreeSet;

use super::{
    event::Event,
    item::{self, Output, filled},
};
use crate::{
    api::{tools::Call, wire::Budget},
    json::{Document, Value},
};

/// How much is kept of a reply's stream, in bytes. No event and no reply is that large; a provider that never ends one must
/// not fill the memory.
pub(super) const MAX_KEPT: usize = 32 << 20;

#[derive(Debug)]
pub(super) struct Round {
    /// The provider's id of the response.
    pub(super) id: Option<String>,
    /// The calls that have been taken out of the stream, in their order.
    pub(super) hidden: Vec<Hidden>,
    /// The items that are done, with their index: some providers leave them out of the whole response.
    done: Vec<(Option<u64>, Output)>,
    budget: Budget,
    /// An event was too large to be read, and with it the rest of the stream.
    pub(super) lost: bool,
    /// The provider has reported an error.
    pub(super) failed: bool,
    /// What ends the reply.
    pub(super) held: Option<Held>,
    /// All items of the whole reply.
    pub(super) items: Vec<Output>,
    /// Its calls of injected tools.
    pub(super) calls: Vec<Call>,
}

/// A call of an injected tool that the stream has begun.
#[derive(Debug)]
pub(super) struct Hidden {
    index: Option<u64>,
    item: Output,
    arguments: String,
    done: bool,
}

/// How a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed,
    /// At a limit.
    Incomplete,
    Failed,
}

/// The whole response, held back until it is known whether it is the last.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) form: Form,
    pub(super) outcome: Outcome,
    /// The response itself leaves its items out.
    pub(super) bare: bool,
    /// What follows it in the stream.
    pub(super) after: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Form {
    Event(Event),
    Body(Document),
}

impl Default for Round {
    fn default() -> Round {
        Round {
            id: None,
            hidden: Vec::new(),
            done: Vec::new(),
            budget: Budget::new(MAX_KEPT),
            lost: false,
            failed: false,
            held: None,
            items: Vec::new(),
            calls: Vec::new(),
        }
    }
}

impl Round {
    /// Takes an item that is done. Those that are too much are left to the whole response.
    pub(super) fn keep(&mut self, index: Option<u64>, item: Output) {
        if self.budget.take(item.document.bytes().len()) {
            self.done.push((index, item));
        }
    }

    /// Takes an item of the stream that calls an injected tool; gives its index, if it has one.
    pub(super) fn hide(&mut self, index: Option<u64>, item: Output, done: bool) {
        let arguments = item.document.get("arguments").and_then(Value::as_str).unwrap_or_default().into_owned();
        let same = |hidden: &&mut Hidden| match (hidden.index, index) {
            (Some(known), Some(index)) => known == index,
            _ => hidden.item.text("id") == item.text("id"),
        };
        match self.hidden.iter_mut().find(same) {
            Some(hidden) => *hidden = Hidden { index: hidden.index, item, arguments, done },
            None => self.hidden.push(Hidden { index, item, arguments, done }),
        }
    }

    /// Whether the event belongs to a hidden item, whose arguments it may bring.
    pub(super) fn is_hidden(&mut self, event: &Event) -> bool {
        let index = event.get("output_index").and_then(Value::as_u64);
        let id = filled(event.get("item_id"));
        let Some(hidden) = self.hidden.iter_mut().find(|hidden| match (hidden.index, index) {
            (Some(hidden), Some(index)) => hidden == index,
            _ => id.is_some() && id == hidden.item.text("id"),
        }) else {
            return false;
        };
        match &*event.kind() {
            "response.function_call_arguments.delta" => {
                let delta = event.get("delta").and_then(Value::as_str).unwrap_or_default();
                if self.budget.take(delta.len()) {
                    hidden.arguments.push_str(&delta);
                }
            }
            "response.function_call_arguments.done" => {
                if let Some(arguments) = event.get("arguments").and_then(Value::as_str) {
                    hidden.arguments = arguments.into_owned();
                }
            }
            _ => {}
        }
        true
    }

    /// The items that were done, in the order of their indexes.
    pub(super) fn take_done(&mut self) -> Vec<Output> {
        let mut done = std::mem::take(&mut self.done);
        // Those without one come last, as they came.
        done.sort_by_key(|(index, _)| index.unwrap_or(u64::MAX));
        done.dedup_by(|again, first| first.0.is_some() && again.0 == first.0);
        done.into_iter().map(|(_, item)| item).collect()
    }

    /// The hidden calls that are not among `calls`, as far as their arguments have come.
    pub(super) fn cut_calls(&self, calls: &[Call]) -> Vec<Call> {
        let id = self.id.as_deref();
        let calls_cut = self
            .hidden
            .iter()
            .map(|hidden| Call { arguments: item::arguments(&hidden.arguments, !hidden.done), ..hidden.item.call(id) });
        calls_cut.filter(|cut| calls.iter().all(|call| call.id != cut.id)).collect()
    }
}

impl Held {
    pub(super) fn document(&self) -> &Document {
        match &self.form {
            Form::Event(event) => &event.document,
            Form::Body(document) => document,
        }
    }

    pub(super) fn response(&self) -> Value<'_> {
        match &self.form {
            Form::Event(event) => response(event).unwrap_or(event.document.root()),
            Form::Body(document) => document.root(),
        }
    }
}

/// The response that an event holds.
pub(super) fn response(event: &Event) -> Option<Value<'_>> {
    event.get("response").filter(|response| response.is_object())
}

/// The items that a response says its output is.
pub(super) fn output<'a>(response: Value<'a>) -> impl Iterator<Item = Value<'a>> {
    response.get("output").into_iter().flat_map(Value::elements)
}

/// Copies of items.
pub(super) fn read<'a>(items: impl IntoIterator<Item = Value<'a>>, names: &BTreeSet<String>) -> Vec<Output> {
    items.into_iter().filter_map(|item| Output::read(item, names)).collect()
}
