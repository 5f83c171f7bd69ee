//! The event streams of all rounds as one.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::{
    Rounds,
    event::{Event, Piece},
    item::{Item, Output, filled},
    merged,
    round::{self, Form, Held, MAX_KEPT, Outcome},
};
use crate::{
    json::{Edits, Value},
    sse,
};

/// What an event has in it that holds an item, and one that holds the response.
static NEEDLES: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new("output_item"), Finder::new("\"response\"")]);

/// What becomes of an event.
enum Shown {
    AsIs,
    Edited(Bytes),
    Hidden,
}

impl Rounds {
    /// What the client gets of the next bytes.
    pub(super) fn pass(&mut self, bytes: Bytes) -> Bytes {
        if self.round.lost {
            return if self.is_changed() { Bytes::new() } else { bytes };
        }
        let events = self.events.take(bytes);
        let shown = self.relay(events, false);
        if self.events.len() <= MAX_KEPT {
            return shown;
        }
        self.round.lost = true;
        let open = self.events.rest();
        if self.is_changed() { shown } else { [shown, open].concat().into() }
    }

    /// What the client gets of whole events; of an event that broke off, if `cut`.
    pub(super) fn relay(&mut self, frame: Bytes, cut: bool) -> Bytes {
        if !self.is_read(&frame) {
            return frame;
        }
        let mut relayed: Option<Vec<u8>> = None;
        let mut passed = 0;
        for event in sse::split_events(&frame) {
            let shown = match self.event(&frame.slice_ref(event), cut) {
                Shown::AsIs => event,
                Shown::Edited(ref edited) => {
                    relayed.get_or_insert_with(|| frame[..passed].to_vec()).extend_from_slice(edited);
                    &[]
                }
                Shown::Hidden => {
                    relayed.get_or_insert_with(|| frame[..passed].to_vec());
                    &[]
                }
            };
            if let Some(relayed) = &mut relayed {
                relayed.extend_from_slice(shown);
            }
            passed += event.len();
        }
        relayed.map_or(frame, Bytes::from)
    }

    /// Whether events have to be looked into. Before the first call of an injected tool only those that hold an item or
    /// the response: the rest are as they were.
    fn is_read(&self, events: &[u8]) -> bool {
        self.is_changed() || NEEDLES.iter().any(|needle| needle.find(events).is_some())
    }

    /// Whether the client's stream is no longer the provider's.
    fn is_changed(&self) -> bool {
        self.later || !self.round.hidden.is_empty() || self.round.held.is_some()
    }

    fn event(&mut self, raw: &Bytes, cut: bool) -> Shown {
        if !self.is_read(raw) {
            return Shown::AsIs;
        }
        let changed = self.is_changed();
        let event = match Piece::read(raw) {
            Piece::Event(event) => event,
            Piece::Text => {
                return match &mut self.round.held {
                    Some(held) => {
                        held.after.extend_from_slice(raw);
                        Shown::Hidden
                    }
                    None if cut && changed => Shown::Hidden,
                    None => Shown::AsIs,
                };
            }
            // What is left of an event that broke off.
            Piece::Nothing if cut && changed => return Shown::Hidden,
            Piece::Nothing => return Shown::AsIs,
        };
        if self.round.held.is_some() {
            return Shown::Hidden;
        }
        if let Some(response) = round::response(&event) {
            self.merged.identify(response);
            if self.round.id.is_none() {
                self.round.id = filled(response.get("id")).map(Into::into);
            }
        }
        let hidden = match &*event.kind() {
            "response.created" | "response.queued" | "response.in_progress" => self.later,
            "response.completed" => return self.end(event, Outcome::Completed),
            "response.incomplete" => return self.end(event, Outcome::Incomplete),
            "response.failed" => return self.end(event, Outcome::Failed),
            "response.output_item.added" => self.item(&event, false),
            "response.output_item.done" => self.item(&event, true),
            "error" => {
                self.round.failed = true;
                false
            }
            _ => self.round.is_hidden(&event),
        };
        if hidden {
            self.numbers.pass_over(&event);
            return Shown::Hidden;
        }
        self.show(&event)
    }

    /// Takes an item; whether it is hidden.
    fn item(&mut self, event: &Event, done: bool) -> bool {
        let Some(item) = event.get("item") else { return false };
        let hidden = Item::of(item).is_ours(&self.names);
        if !hidden && !done {
            return false;
        }
        let Some(item) = Output::read(item, &self.names) else { return false };
        let index = event.get("output_index").and_then(Value::as_u64);
        if hidden {
            self.round.hide(index, item.clone(), done);
            if let Some(index) = index {
                self.numbers.hide_item(index);
            }
        }
        if done {
            self.round.keep(index, item);
        }
        hidden
    }

    /// Takes the event that ends a reply. It is held back if this may not be the last, or if something is to be kept
    /// before the client comes back.
    fn end(&mut self, event: Event, outcome: Outcome) -> Shown {
        let items = || round::response(&event).into_iter().flat_map(round::output);
        if !self.is_changed() && !items().any(|item| Item::of(item).is_ours(&self.names)) {
            return self.show(&event);
        }
        self.round.items = round::read(items(), &self.names);
        let outcome = if self.round.failed { Outcome::Failed } else { outcome };
        self.numbers.pass_over(&event);
        self.round.held = Some(Held { form: Form::Event(event), outcome, bare: false, after: Vec::new() });
        Shown::Hidden
    }

    fn show(&mut self, event: &Event) -> Shown {
        let mut edits = Edits::new(&event.document);
        self.numbers.show(event, &mut edits);
        let response = round::response(event);
        if self.later {
            self.merged.rename(event.document.root(), "response_id", &mut edits);
            response.inspect(|response| self.merged.rename(*response, "id", &mut edits));
        }
        if let Some(response) = response {
            merged::forget_tools(response, &self.names, &mut edits);
        }
        if edits.is_empty() { Shown::AsIs } else { Shown::Edited(event.with(&edits.apply())) }
    }
}
