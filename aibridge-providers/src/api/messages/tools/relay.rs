//! What of the rounds' streams reaches the client.

use std::{collections::BTreeSet, mem, sync::Arc};

use bytes::Bytes;
use memchr::memmem::Finder;

use super::{
    block::{self, Block},
    container::Container,
    ending,
    event::Event,
    rewrite::Rewrite,
    round::{DROP, Fate, KEPT, Place, Round},
    usage::Usage,
};
use crate::{
    api::{tools::Whole, turn::has},
    json::Value,
    sse::split_events,
};

/// Takes the calls of injected tools and the seams between the rounds out of the streams.
#[derive(Debug)]
pub(super) struct Relay {
    names: Arc<BTreeSet<String>>,
    /// Whatever has to do with a call has this in it.
    call: Finder<'static>,
    whole: Whole,
    /// The index of the client's next block, once blocks are numbered anew.
    next: u64,
    /// The usage of the rounds before; `None` in the first.
    before: Option<Usage>,
    container: Container,
    round: Round,
}

impl Relay {
    pub(super) fn new(names: Arc<BTreeSet<String>>) -> Relay {
        let call = Finder::new("tool_use");
        Relay {
            names,
            call,
            whole: Whole::default(),
            next: 0,
            before: None,
            container: Container::default(),
            round: Round::default(),
        }
    }

    /// Begins the next round.
    pub(super) fn begin(&mut self) {
        let done = mem::take(&mut self.round);
        self.before.get_or_insert_default().add(&done.usage);
    }

    /// Takes the next bytes of the round's stream, and gives what the client gets of them.
    pub(super) fn feed(&mut self, bytes: Bytes) -> Bytes {
        if self.round.lost {
            return if self.is_quiet() { bytes } else { Bytes::new() };
        }
        let whole = self.whole.take(bytes);
        let shown = self.pass(whole);
        if self.whole.len() <= KEPT {
            return shown;
        }
        self.round.lost = true;
        let open = self.whole.rest();
        if self.is_quiet() { [shown, open].concat().into() } else { shown }
    }

    /// Ends the round's stream, and gives what the client gets of what was left.
    pub(super) fn end(&mut self) -> Bytes {
        let rest = self.whole.rest();
        // Half an event is nothing, if the events around it have been changed.
        if !self.is_quiet() && Event::read(&rest).is_none_or(|event| event.value().is_none()) {
            return Bytes::new();
        }
        self.pass(rest)
    }

    /// Nothing of ours has been called: the client's stream is the provider's.
    fn is_quiet(&self) -> bool {
        self.before.is_none() && !self.round.calls_ours
    }

    fn pass(&mut self, whole: Bytes) -> Bytes {
        if whole.is_empty() {
            return whole;
        }
        self.round.keep(&whole);
        if self.is_plain(&whole) {
            return whole;
        }
        let mut rewrite = Rewrite::of(&whole);
        for event in split_events(&whole) {
            match if self.is_plain(event) { Fate::Keep } else { self.event(event) } {
                Fate::Keep => rewrite.keep(event),
                Fate::Replace(bytes) => rewrite.replace(&bytes),
            }
        }
        rewrite.finish()
    }

    /// Whether there is nothing in `events` to be looked at.
    fn is_plain(&self, events: &[u8]) -> bool {
        self.is_quiet() && self.round.begun && self.call.find(events).is_none()
    }

    fn event(&mut self, raw: &[u8]) -> Fate {
        let event = Event::read(raw);
        let Some((event, value)) = event.as_ref().and_then(|event| Some((event, event.value()?))) else {
            return self.round.aside(raw);
        };
        match &*event.kind(value) {
            "message_start" => self.message_start(value),
            "content_block_start" => self.block_start(event, value),
            "message_delta" => self.message_delta(raw, event, value),
            "message_stop" => {
                self.round.stopped = true;
                self.round.end_event(raw, None, self.before.is_some())
            }
            "error" => {
                self.round.failed = true;
                Fate::Keep
            }
            _ if value.get("index").is_some() => self.in_place(event, value),
            _ => self.round.aside(raw),
        }
    }

    fn message_start(&mut self, event: Value<'_>) -> Fate {
        self.round.begun = true;
        if let Some(message) = event.get("message") {
            self.round.id = message.get("id").and_then(Value::as_str).map(|id| id.into_owned());
            self.round.usage.update(message.get("usage"));
            self.container.note(message.get("container"));
        }
        if self.before.is_some() { DROP } else { Fate::Keep }
    }

    fn block_start(&mut self, event: &Event<'_>, value: Value<'_>) -> Fate {
        let index = value.get("index").and_then(Value::as_u64).unwrap_or_default();
        let block = value.get("content_block");
        if block.is_some_and(|block| block::ours(block, &self.names).is_some()) {
            if self.is_quiet() {
                self.next = index;
            }
            self.round.calls_ours = true;
            self.round.places.push((index, Place::Hidden));
            return DROP;
        }
        self.round.calls_client |= block.is_some_and(|block| has(block, "type", "tool_use"));
        if self.is_quiet() {
            return Fate::Keep;
        }
        self.round.places.push((index, Place::At(self.next)));
        self.next += 1;
        self.in_place(event, value)
    }

    /// An event of a block goes where its block went.
    fn in_place(&self, event: &Event<'_>, value: Value<'_>) -> Fate {
        let Some(member) = value.get("index") else { return Fate::Keep };
        let Some(index) = member.as_u64() else { return Fate::Keep };
        match self.round.place(index) {
            Some(Place::Hidden) => DROP,
            Some(Place::At(number)) if number != index => Fate::Replace(event.renumbered(member, number)),
            _ => Fate::Keep,
        }
    }

    fn message_delta(&mut self, raw: &[u8], event: &Event<'_>, value: Value<'_>) -> Fate {
        self.round.usage.update(value.get("usage"));
        let delta = value.get("delta");
        if let Some(reason) = delta.and_then(|delta| delta.get("stop_reason")).and_then(Value::as_str) {
            self.round.stop_reason = Some(reason.into_owned());
        }
        self.container.note(delta.and_then(|delta| delta.get("container")));
        let summed = self.total().map(|total| {
            event.edited(|document, edits| {
                total.write(document, edits);
                self.container.tell(document.get("delta"), edits);
            })
        });
        self.round.end_event(raw, summed, self.before.is_some())
    }

    /// The usage of this round and those before it, if there are any.
    fn total(&self) -> Option<Usage> {
        let mut total = self.before.clone()?;
        total.add(&self.round.usage);
        Some(total)
    }

    /// The round.
    pub(super) fn round(&self) -> &Round {
        &self.round
    }

    /// Where the provider runs code.
    pub(super) fn container(&self) -> &Container {
        &self.container
    }

    /// The blocks of the round's reply.
    pub(super) fn blocks(&mut self) -> Vec<Block> {
        self.round.blocks(&self.names)
    }

    /// What was held back of the reply's end, if it came to one, for a client that has no tool to run.
    pub(super) fn held(&mut self) -> Bytes {
        if !self.round.stopped || self.round.failed || self.round.held.is_empty() {
            return Bytes::new();
        }
        let asks = !self.round.calls_client && self.round.stop_reason.as_deref() == Some("tool_use");
        if asks { self.end_turn() } else { self.ending() }
    }

    /// The reply's own end.
    pub(super) fn ending(&mut self) -> Bytes {
        mem::take(&mut self.round.held).concat().into()
    }

    /// The reply's end, as if the model had been done.
    pub(super) fn end_turn(&mut self) -> Bytes {
        let held = mem::take(&mut self.round.held);
        if held.is_empty() {
            let usage = self.total().unwrap_or_else(|| self.round.usage.clone());
            return ending::made(&usage);
        }
        held.iter().flat_map(|event| ending::done(event)).collect::<Vec<u8>>().into()
    }
}
