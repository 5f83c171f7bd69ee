//! What of the rounds' streams reaches the client.

use std::{collections::BTreeSet, mem, sync::Arc};

use bytes::Bytes;
use memchr::memmem::Finder;

use super::{
    block::{self, Block},
    drafts::Drafts,
    event::Event,
    rewrite::Rewrite,
    usage::Usage,
};
use crate::{
    api::{tools::Whole, turn::has},
    json::{Document, Edits, Value},
    sse::{self, split_events},
};

/// So much is kept of a round's stream, to put its reply together again. A round with more runs no calls.
const KEPT: usize = 32 << 20;

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
    round: Round,
}

/// What is known of a round.
#[derive(Debug, Default)]
struct Round {
    id: Option<String>,
    usage: Usage,
    stop_reason: Option<String>,
    /// Where the blocks went that began since events are looked at one by one.
    places: Vec<(u64, Place)>,
    /// `message_delta` and `message_stop`, until it is known whether another round follows.
    held: Vec<Vec<u8>>,
    /// The stream as it came, in whole events.
    frames: Vec<Bytes>,
    size: usize,
    /// The message has begun.
    begun: bool,
    calls_ours: bool,
    calls_client: bool,
    stopped: bool,
    failed: bool,
    /// Not all of the stream is in `frames`.
    overflown: bool,
    /// An event was too long to be looked at, and with it the rest of the stream.
    lost: bool,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Hidden,
    At(u64),
}

/// What becomes of an event.
enum Fate {
    Keep,
    Replace(Vec<u8>),
}

const DROP: Fate = Fate::Replace(Vec::new());

impl Relay {
    pub(super) fn new(names: Arc<BTreeSet<String>>) -> Relay {
        let call = Finder::new("tool_use");
        Relay { names, call, whole: Whole::default(), next: 0, before: None, round: Round::default() }
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
                self.round.end_event(raw, None)
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
        let place = self.round.places.iter().rev().find(|(known, _)| *known == index);
        match place.map(|(_, place)| *place) {
            Some(Place::Hidden) => DROP,
            Some(Place::At(number)) if number != index => Fate::Replace(event.renumbered(member, number)),
            // A block that began before anything was changed.
            _ => Fate::Keep,
        }
    }

    fn message_delta(&mut self, raw: &[u8], event: &Event<'_>, value: Value<'_>) -> Fate {
        self.round.usage.update(value.get("usage"));
        if let Some(reason) = value.get("delta").and_then(|delta| delta.get("stop_reason")).and_then(Value::as_str) {
            self.round.stop_reason = Some(reason.into_owned());
        }
        let summed = self.total().map(|total| event.edited(|document, edits| total.write(document, edits)));
        self.round.end_event(raw, summed)
    }

    /// The usage of this round and those before it, if there are any.
    fn total(&self) -> Option<Usage> {
        let mut total = self.before.clone()?;
        total.add(&self.round.usage);
        Some(total)
    }

    /// The reply has come whole, up to the end that the model gave it.
    pub(super) fn is_complete(&self) -> bool {
        self.is_whole() && !self.round.is_cut()
    }

    /// The reply has come whole, and all of it is known.
    pub(super) fn is_whole(&self) -> bool {
        let round = &self.round;
        round.stopped && !round.failed && !round.overflown && !round.lost
    }

    pub(super) fn calls_ours(&self) -> bool {
        self.round.calls_ours
    }

    pub(super) fn calls_client(&self) -> bool {
        self.round.calls_client
    }

    /// The blocks of the reply.
    pub(super) fn blocks(&mut self) -> Vec<Block> {
        let mut drafts = Drafts::default();
        for frame in mem::take(&mut self.round.frames) {
            for event in split_events(&frame).filter_map(Event::read) {
                if let Some(value) = event.value() {
                    drafts.event(&event.kind(value), value);
                }
            }
        }
        drafts.finish(self.is_complete(), &self.names, self.round.id.as_deref())
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
            return self.made_end();
        }
        held.iter().flat_map(|event| done(event)).collect::<Vec<u8>>().into()
    }

    fn made_end(&self) -> Bytes {
        let usage = self.total().unwrap_or_else(|| self.round.usage.clone()).to_json();
        let delta = format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn","stop_sequence":null}},"usage":{usage}}}"#
        );
        let stop = sse::encode("message_stop", br#"{"type":"message_stop"}"#);
        [sse::encode("message_delta", delta.as_bytes()), stop].concat().into()
    }
}

impl Round {
    fn keep(&mut self, whole: &Bytes) {
        let size = self.size + whole.len() + size_of::<Bytes>();
        if self.overflown || size > KEPT {
            self.overflown = true;
            return;
        }
        self.size = size;
        self.frames.push(whole.clone());
    }

    /// An event that ends the message, and what has become of it. It is held back behind a call of ours, unless the
    /// model did not come to its end.
    fn end_event(&mut self, raw: &[u8], changed: Option<Vec<u8>>) -> Fate {
        let hold = self.calls_ours && !self.is_cut();
        if !hold && self.held.is_empty() {
            return changed.map_or(Fate::Keep, Fate::Replace);
        }
        self.held.push(changed.unwrap_or_else(|| raw.to_vec()));
        if hold { DROP } else { Fate::Replace(mem::take(&mut self.held).concat()) }
    }

    /// An event that is none of the message's. Behind an end that is held back, it is as well: some proxies send `[DONE]`,
    /// at which a client would stop reading.
    fn aside(&mut self, raw: &[u8]) -> Fate {
        if !self.stopped || self.held.is_empty() {
            return Fate::Keep;
        }
        self.held.push(raw.to_vec());
        DROP
    }

    /// The model did not come to its end: what it called so far is not run.
    fn is_cut(&self) -> bool {
        self.stop_reason.as_deref().is_some_and(is_cut)
    }
}

/// Whether a reply that stopped for `reason` did not come to the model's own end.
pub(super) fn is_cut(reason: &str) -> bool {
    matches!(reason, "max_tokens" | "model_context_window_exceeded" | "refusal")
}

/// `event`, a `message_delta` perhaps, in which the model is done.
fn done(event: &[u8]) -> Vec<u8> {
    let Some(parsed) = Event::read(event) else { return event.to_vec() };
    parsed.edited(end_turn)
}

/// Puts an `end_turn` into `document`, a message or a `message_delta`, if it has a reason to stop.
pub(super) fn end_turn(document: &Document, edits: &mut Edits<'_>) {
    let reason = document.get("delta").unwrap_or(document.root()).get("stop_reason");
    if let Some(reason) = reason.filter(|reason| !reason.is_null()) {
        edits.replace(reason, r#""end_turn""#);
    }
}
