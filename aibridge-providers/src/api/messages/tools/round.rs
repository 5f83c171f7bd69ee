//! What is known of one round's stream.

use std::{collections::BTreeSet, mem};

use super::{
    block::Block,
    drafts::Drafts,
    ending::{is_cut, is_pause},
    event::Event,
    usage::Usage,
};
use crate::sse::split_events;

/// So much is kept of a round's stream, to put its reply together again. A round with more runs no calls.
pub(super) const KEPT: usize = 32 << 20;

/// What is known of a round.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) id: Option<String>,
    pub(super) usage: Usage,
    pub(super) stop_reason: Option<String>,
    /// Where the blocks went that began since events are looked at one by one.
    pub(super) places: Vec<(u64, Place)>,
    /// `message_delta` and `message_stop`, until it is known whether another round follows.
    pub(super) held: Vec<Vec<u8>>,
    /// The stream as it came, in whole events: a copy, because a small frame would hold on to the buffer it was read into,
    /// which is many times its size.
    seen: Vec<u8>,
    /// The message has begun.
    pub(super) begun: bool,
    pub(super) calls_ours: bool,
    pub(super) calls_client: bool,
    pub(super) stopped: bool,
    pub(super) failed: bool,
    /// Not all of the stream is in `seen`.
    pub(super) overflown: bool,
    /// An event was too long to be looked at, and with it the rest of the stream.
    pub(super) lost: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Hidden,
    At(u64),
}

/// What becomes of an event.
pub(super) enum Fate {
    Keep,
    Replace(Vec<u8>),
}

pub(super) const DROP: Fate = Fate::Replace(Vec::new());

impl Round {
    pub(super) fn keep(&mut self, whole: &[u8]) {
        self.overflown |= self.seen.len() + whole.len() > KEPT;
        if !self.overflown {
            self.seen.extend_from_slice(whole);
        }
    }

    /// An event that ends the message, and what has become of it. It is held back behind a call of ours, unless the
    /// model did not come to its end; and when rounds before have to be kept first, because many a client comes back, or
    /// leaves, as soon as it has seen the end.
    pub(super) fn end_event(&mut self, raw: &[u8], changed: Option<Vec<u8>>, later: bool) -> Fate {
        let hold = (self.calls_ours && !self.is_cut()) || (later && self.goes_on());
        if !hold && self.held.is_empty() {
            return changed.map_or(Fate::Keep, Fate::Replace);
        }
        self.held.push(changed.unwrap_or_else(|| raw.to_vec()));
        if hold { DROP } else { Fate::Replace(mem::take(&mut self.held).concat()) }
    }

    /// An event that is none of the message's. Behind an end that is held back, it is as well: some proxies send `[DONE]`,
    /// at which a client would stop reading.
    pub(super) fn aside(&mut self, raw: &[u8]) -> Fate {
        if !self.stopped || self.held.is_empty() {
            return Fate::Keep;
        }
        self.held.push(raw.to_vec());
        DROP
    }

    /// Where the events of a block go; `None` if it began before anything was changed.
    pub(super) fn place(&self, index: u64) -> Option<Place> {
        self.places.iter().rev().find(|(known, _)| *known == index).map(|(_, place)| *place)
    }

    /// The reply has come whole, up to the end that the model gave it.
    pub(super) fn is_complete(&self) -> bool {
        self.is_whole() && !self.is_cut()
    }

    /// The reply has come whole, and all of it is known.
    pub(super) fn is_whole(&self) -> bool {
        self.stopped && !self.failed && !self.overflown && !self.lost
    }

    /// The blocks of the reply.
    pub(super) fn blocks(&mut self, names: &BTreeSet<String>) -> Vec<Block> {
        let mut drafts = Drafts::default();
        for event in split_events(&mem::take(&mut self.seen)).filter_map(Event::read) {
            if let Some(value) = event.value() {
                drafts.event(&event.kind(value), value);
            }
        }
        drafts.finish(self.is_complete(), names, self.id.as_deref())
    }

    /// The client comes back to this reply: with results of its own, or for the rest.
    pub(super) fn goes_on(&self) -> bool {
        self.calls_client || self.is_paused()
    }

    /// The provider wants the reply back to go on with it.
    pub(super) fn is_paused(&self) -> bool {
        self.stop_reason.as_deref().is_some_and(is_pause)
    }

    /// The model did not come to its end: what it called so far is not run.
    pub(super) fn is_cut(&self) -> bool {
        self.stop_reason.as_deref().is_some_and(is_cut)
    }
}
