//! Injected tools in this API: see [`crate::api::tools`].
//!
//! A round's stream passes untouched until a call of an injected tool begins. From there on its events are looked at one by
//! one: those of such calls, and those between two rounds, are taken out, and the blocks behind them are numbered anew. The
//! last `message_delta` carries the usage of all rounds, because the SDKs take its figures for those of the whole
//! message.
//!
//! Calls are run when the reply has come whole and the model came to its own end. At its token limit, at that of its context
//! window, and in a refusal, what it called is reported and not run, and the client sees that reason.

mod block;
mod container;
mod drafts;
mod ending;
mod error;
mod event;
mod relay;
mod replies;
mod restore;
mod results;
mod rewrite;
mod round;
mod splice;
mod usage;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, mem, sync::Arc};

use bytes::Bytes;

use self::{block::Block, relay::Relay, replies::Replies};
use crate::{
    api::tools::{Answer, Call, Dialect, Finish, Kept, Next, Step},
    json::{Document, Edits},
};

pub(in crate::api) use restore::restore;

/// The rounds of one request.
#[derive(Debug)]
pub(in crate::api) struct Rounds {
    names: Arc<BTreeSet<String>>,
    relay: Relay,
    /// The replies, if they are not streamed.
    replies: Option<Replies>,
    /// The last reply has ended: what comes next is another's.
    ended: bool,
    /// The blocks of the last reply, if it called an injected tool.
    blocks: Vec<Block>,
    /// The messages that the rounds before have added.
    turn: Vec<Vec<u8>>,
}

impl Rounds {
    pub(in crate::api) fn new(names: Arc<BTreeSet<String>>) -> Rounds {
        let relay = Relay::new(names.clone());
        Rounds { names, relay, replies: None, ended: false, blocks: Vec::new(), turn: Vec::new() }
    }

    fn begin(&mut self) {
        if mem::take(&mut self.ended) {
            self.blocks.clear();
            self.relay.begin();
        }
    }

    /// Keeps the rounds before a reply that the client comes back to, and that has no call of ours to be run: one with calls
    /// of its own, or one that is paused, which is known by the calls that the provider runs. Any other turn needs nothing:
    /// what it thought is over.
    fn keep_shown(&mut self, is_paused: bool) -> Option<Kept> {
        self.blocks.retain(|block| block.call().is_none());
        let mut keys: Vec<_> = self.blocks.iter().filter_map(Block::client_call).cloned().collect();
        if is_paused {
            keys.extend(self.blocks.iter().filter_map(Block::hosted_call).cloned());
        }
        (!keys.is_empty() && !self.turn.is_empty()).then(|| restore::keep(keys, &self.turn, &self.blocks, &[]))
    }

    fn results(&self, answers: &[Answer]) -> Vec<String> {
        results::results(&self.blocks, answers)
    }
}

impl Dialect for Rounds {
    fn feed(&mut self, bytes: Bytes) -> Bytes {
        self.begin();
        self.relay.feed(bytes)
    }

    fn end_stream(&mut self) -> Step {
        self.begin();
        self.ended = true;
        let rest = self.relay.end();
        let ours = self.relay.round().calls_ours;
        if !ours && (self.turn.is_empty() || !self.relay.round().goes_on()) {
            return Step { calls: Vec::new(), next: end(rest, None) };
        }
        let is_whole = self.relay.round().is_whole();
        self.blocks = self.relay.blocks();
        block::tell_apart(&mut self.blocks, self.turn.len());
        let calls = calls(&self.blocks);
        let next = if !ours || !self.relay.round().is_complete() || !results::can_be_sent(&self.blocks) {
            let is_paused = self.relay.round().is_paused();
            let kept = if is_whole { self.keep_shown(is_paused) } else { None };
            end([self.relay.held(), rest].concat().into(), kept)
        } else if self.relay.round().calls_client {
            Next::Finish
        } else {
            Next::Again
        };
        Step { calls, next }
    }

    fn reply(&mut self, body: Bytes) -> Step {
        let replies = self.replies.get_or_insert_default();
        let Some(blocks) = replies.take(body.clone(), &self.names) else {
            return Step { calls: Vec::new(), next: end(body, None) };
        };
        self.blocks = blocks;
        block::tell_apart(&mut self.blocks, self.turn.len());
        let calls = calls(&self.blocks);
        let calls_client = self.blocks.iter().any(|block| block.client_call().is_some());
        let (is_complete, is_paused) = (replies.is_complete(), replies.is_paused());
        let next = if calls.is_empty() || !is_complete || !results::can_be_sent(&self.blocks) {
            // With nothing to be run, a message that asks for it would leave the client waiting.
            let done = is_complete && !calls.is_empty() && !calls_client;
            end(replies.merged(done), self.keep_shown(is_paused))
        } else if calls_client {
            Next::Finish
        } else {
            Next::Again
        };
        Step { calls, next }
    }

    fn next_request(&mut self, sent: &Document, answers: &[Answer]) -> Bytes {
        let reply = results::assistant(&self.blocks);
        let answer = results::message("user", &self.results(answers));
        let mut edits = Edits::new(sent);
        if let Some(messages) = sent.get("messages") {
            edits.append(messages, reply.clone());
            edits.append(messages, answer.clone());
        }
        let container = match &self.replies {
            Some(replies) => replies.container(),
            None => self.relay.container(),
        };
        container.hand_on(sent, &mut edits);
        self.turn.extend([reply, answer]);
        edits.apply()
    }

    fn finish(&mut self, _sent: &Document, answers: &[Answer]) -> Finish {
        let bytes = match &self.replies {
            Some(replies) => replies.merged(false),
            None => self.relay.ending(),
        };
        let keys = self.blocks.iter().filter_map(Block::client_call).cloned().collect();
        Finish { bytes, kept: Some(restore::keep(keys, &self.turn, &self.blocks, &self.results(answers))) }
    }

    fn cut_short(&mut self) -> Bytes {
        match &self.replies {
            Some(replies) => replies.merged(true),
            None => self.relay.end_turn(),
        }
    }

    fn provider_error(&mut self, status: u16, body: &[u8]) -> Bytes {
        error::event(status, body)
    }
}

fn calls(blocks: &[Block]) -> Vec<Call> {
    blocks.iter().filter_map(Block::call).cloned().collect()
}

fn end(bytes: Bytes, kept: Option<Kept>) -> Next {
    Next::End(Finish { bytes, kept })
}
