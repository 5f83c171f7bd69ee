//! One reply of the provider's, as far as it has come.

use bytes::Bytes;

use super::{event::Event, item};
use crate::{
    api::tools::Call,
    json::{Document, Value},
};

#[derive(Debug, Default)]
pub(super) struct Round {
    /// The provider's id of the response.
    pub(super) id: Option<String>,
    /// The calls that have been taken out of the stream, in their order.
    pub(super) hidden: Vec<Hidden>,
    /// The items that are done, with their index: some providers leave them out of the whole response.
    pub(super) done: Vec<(Option<u64>, Document)>,
    /// The provider has reported an error.
    pub(super) failed: bool,
    /// What ends the reply.
    pub(super) held: Option<Held>,
    /// All items of the whole reply.
    pub(super) items: Vec<Document>,
    /// Its calls of injected tools.
    pub(super) calls: Vec<Call>,
}

/// A call of an injected tool that the stream has begun.
#[derive(Debug)]
pub(super) struct Hidden {
    index: Option<u64>,
    item: Document,
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
    pub(super) whole: Whole,
    pub(super) outcome: Outcome,
    /// The response itself leaves its items out.
    pub(super) bare: bool,
    /// What follows it in the stream.
    pub(super) after: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Whole {
    Event(Event),
    Body(Document),
}

impl Round {
    /// Takes an item of the stream that calls an injected tool; gives its index, if it has one.
    pub(super) fn hide(&mut self, index: Option<u64>, item: Document, done: bool) {
        let arguments = item.get("arguments").and_then(Value::as_str).unwrap_or_default().into_owned();
        let same = |hidden: &&mut Hidden| match (hidden.index, index) {
            (Some(known), Some(index)) => known == index,
            _ => item::text(hidden.item.root(), "id") == item::text(item.root(), "id"),
        };
        match self.hidden.iter_mut().find(same) {
            Some(hidden) => *hidden = Hidden { index: hidden.index, item, arguments, done },
            None => self.hidden.push(Hidden { index, item, arguments, done }),
        }
    }

    /// Whether the event belongs to a hidden item, whose arguments it may bring.
    pub(super) fn is_hidden(&mut self, event: &Event) -> bool {
        let index = event.get("output_index").and_then(Value::as_u64);
        let id = item::text(event.document.root(), "item_id");
        let Some(hidden) = self.hidden.iter_mut().find(|hidden| match (hidden.index, index) {
            (Some(hidden), Some(index)) => hidden == index,
            _ => id.is_some() && id == item::text(hidden.item.root(), "id"),
        }) else {
            return false;
        };
        match &*event.kind() {
            "response.function_call_arguments.delta" => {
                hidden.arguments.push_str(&event.get("delta").and_then(Value::as_str).unwrap_or_default());
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
    pub(super) fn take_done(&mut self) -> Vec<Document> {
        let mut done = std::mem::take(&mut self.done);
        // Those without one come last, as they came.
        done.sort_by_key(|(index, _)| index.unwrap_or(u64::MAX));
        done.dedup_by(|again, first| first.0.is_some() && again.0 == first.0);
        done.into_iter().map(|(_, item)| item).collect()
    }

    /// The hidden calls that are not among `calls`, as far as their arguments have come.
    pub(super) fn cut_calls(&self, calls: &[Call]) -> Vec<Call> {
        let id = self.id.as_deref();
        let calls_cut = self.hidden.iter().map(|hidden| Call {
            arguments: item::arguments(&hidden.arguments, !hidden.done),
            ..item::call(hidden.item.root(), id)
        });
        calls_cut.filter(|cut| calls.iter().all(|call| call.id != cut.id)).collect()
    }
}

impl Held {
    pub(super) fn document(&self) -> &Document {
        match &self.whole {
            Whole::Event(event) => &event.document,
            Whole::Body(document) => document,
        }
    }

    pub(super) fn response(&self) -> Value<'_> {
        match &self.whole {
            Whole::Event(event) => response(event).unwrap_or(event.document.root()),
            Whole::Body(document) => document.root(),
        }
    }
}

/// The response that an event holds.
pub(super) fn response(event: &Event) -> Option<Value<'_>> {
    event.get("response").filter(|response| response.is_object())
}

/// The items that a response says its output is.
pub(super) fn output(document: &Document, response: Value<'_>) -> Vec<Document> {
    let items = response.get("output").into_iter().flat_map(Value::elements);
    items.filter_map(|item| own(document, item)).collect()
}

/// An object of a document as one of its own.
pub(super) fn own(document: &Document, object: Value<'_>) -> Option<Document> {
    let text: Bytes = document.bytes().slice(document.span(object));
    Document::parse(text).ok()
}
