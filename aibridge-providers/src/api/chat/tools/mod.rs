//! Injected tools in this API: see [`crate::api::tools`].
//!
//! As long as no injected tool has been called, frames pass as they are. From the first such call on every event is looked
//! at: our calls, and what ends an inner round, are cut out of its bytes.

mod call;
mod calls;
mod chunk;
mod delta;
mod edit;
mod end;
mod error;
mod message;
mod reply;
mod restore;
mod stream;
mod usage;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, mem, sync::Arc};

use bytes::Bytes;
use serde_json::Value;

use self::{
    calls::{Calls, Numbering},
    message::Said,
};
use crate::{
    api::{
        tools::{Answer, Call, Dialect, Finish, Kept, Next, Step, Whole},
        wire::Budget,
    },
    json::{Document, Edits},
};

pub(in crate::api) use restore::restore;

/// How much of a round is kept to write the next round's request with, in bytes. No model says as much.
const MAX_KEPT: usize = 32 << 20;

/// The rounds of one request.
#[derive(Debug)]
pub(in crate::api) struct Rounds {
    names: Arc<BTreeSet<String>>,
    round: Round,
    /// How many rounds are over.
    over: usize,
    /// What the client has been told.
    client: Client,
    /// The messages of the rounds that are over, as elements of `messages`.
    history: Vec<u8>,
    /// The tokens of the rounds that are over.
    usage: Option<Value>,
    /// What the rounds that are over said in blocking replies.
    said: Said,
    whole: Whole,
    /// An event was too large to be held back: the rest of the stream is not looked at.
    lost: bool,
}

/// What the client has been told, over all rounds.
#[derive(Debug, Default)]
struct Client {
    /// The first chunk's `id`, `created` and `model`, as JSON.
    id: Option<Vec<u8>>,
    created: Option<Vec<u8>>,
    model: Option<Vec<u8>>,
    /// A chunk has told it the message's `role`.
    role: bool,
    numbering: Numbering,
}

/// One round.
#[derive(Debug)]
struct Round {
    /// The provider's id of the reply.
    id: Option<String>,
    /// The role had been told before this round.
    role_told: bool,
    calls: Calls,
    /// What the model said beside its calls.
    said: Said,
    /// Events are read, because an injected tool is called, or has been in an earlier round.
    reading: bool,
    /// What has passed before that: a copy, because a small frame would hold on to the buffer it was read into, which is
    /// many times its size.
    passed: Vec<u8>,
    budget: Budget,
    usage: Option<Value>,
    finish: Option<String>,
    done: bool,
    failed: bool,
    /// The events that end the round, if they are held back: they end the client's stream, or nothing.
    tail: Vec<Bytes>,
    /// What the stream's end left for the client.
    rest: Bytes,
    /// A blocking reply.
    document: Option<Document>,
}

impl Round {
    fn new(role_told: bool) -> Round {
        Round {
            id: None,
            role_told,
            calls: Calls::default(),
            said: Said::default(),
            reading: false,
            passed: Vec::new(),
            budget: Budget::new(MAX_KEPT),
            usage: None,
            finish: None,
            done: false,
            failed: false,
            tail: Vec::new(),
            rest: Bytes::new(),
            document: None,
        }
    }
}

impl Rounds {
    pub(in crate::api) fn new(names: Arc<BTreeSet<String>>) -> Rounds {
        Rounds {
            names,
            round: Round::new(false),
            over: 0,
            client: Client::default(),
            history: Vec::new(),
            usage: None,
            said: Said::default(),
            whole: Whole::default(),
            lost: false,
        }
    }

    /// What is to be done after the round. If the exchange is over, `finish` gives what the client still gets.
    fn step(&mut self, finish: impl FnOnce(&mut Rounds) -> Bytes) -> Step {
        self.round.calls.close(self.over);
        let calls = self.round.calls.ours(self.round.id.as_deref());
        let reason = self.round.finish.as_deref();
        let whole = !self.round.failed
            && (reason.is_some() || self.round.done)
            && !matches!(reason, Some("length" | "max_tokens" | "content_filter" | "error"));
        let next = if whole && !calls.is_empty() && (reason == Some("tool_calls") || calls.iter().all(is_complete)) {
            if self.round.calls.has_clients() { Next::Finish } else { Next::Again }
        } else {
            let kept = if whole && calls.is_empty() { self.kept(&[]) } else { None };
            Next::End(Finish { bytes: finish(self), kept })
        };
        Step { calls, next }
    }

    /// The round as elements of `messages`: the reply, and the results of our calls.
    fn messages(&self, answers: &[Answer]) -> Vec<Vec<u8>> {
        let reply = match &self.round.document {
            Some(document) => reply::message(document, &self.round.calls),
            None => message::assistant(&self.round.said, &self.round.calls),
        };
        let results = self.round.calls.ours(None).into_iter().map(|call| {
            let answer = answers.iter().find(|answer| answer.call_id == call.id);
            message::result(&call.id, answer)
        });
        [reply].into_iter().chain(results).collect()
    }

    /// Whether the round's end is held back: until it is known whether another round follows, and until the rounds before are
    /// kept for a client that has calls to run, because many a client comes back, or leaves, as soon as it has seen the end.
    fn holds_end(&self) -> bool {
        self.round.calls.has_ours() || (self.over > 0 && self.round.calls.has_clients())
    }

    /// What has to be put back when the client returns with the results of its own calls.
    fn kept(&self, answers: &[Answer]) -> Option<Kept> {
        let keys = self.round.calls.clients();
        let hidden = self.over > 0 || !answers.is_empty();
        if keys.is_empty() || !hidden {
            return None;
        }
        let mut hidden = self.history.clone();
        add_elements(&mut hidden, &self.messages(answers));
        Some(Kept { keys, hidden: hidden.into() })
    }
}

impl Dialect for Rounds {
    fn feed(&mut self, bytes: Bytes) -> Bytes {
        self.take(bytes)
    }

    fn end_stream(&mut self) -> Step {
        self.end()
    }

    fn reply(&mut self, body: Bytes) -> Step {
        self.blocking(body)
    }

    fn next_request(&mut self, sent: &Document, answers: &[Answer]) -> Bytes {
        let messages = self.messages(answers);
        let mut edits = Edits::new(sent);
        if let Some(array) = sent.get("messages") {
            messages.iter().for_each(|message| edits.append(array, message.as_slice()));
        }
        add_elements(&mut self.history, &messages);
        if let Some(message) = self.round.document.as_ref().and_then(reply::message_of) {
            self.said.add(message, &mut self.round.budget);
        }
        let round = mem::replace(&mut self.round, Round::new(self.client.role));
        self.round.rest = round.rest;
        self.round.reading = true;
        if let Some(figures) = round.usage {
            usage::add(self.usage.get_or_insert_default(), &figures);
        }
        self.over += 1;
        edits.apply()
    }

    fn finish(&mut self, _sent: &Document, answers: &[Answer]) -> Finish {
        let kept = self.kept(answers);
        let bytes = match self.round.document {
            Some(_) => self.merged(None),
            None => self.tail(),
        };
        Finish { bytes, kept }
    }

    fn cut_short(&mut self) -> Bytes {
        match self.round.document {
            Some(_) => self.merged(Some("stop")),
            None => self.stopped(),
        }
    }

    fn provider_error(&mut self, status: u16, body: &[u8]) -> Bytes {
        [mem::take(&mut self.round.rest), error::event(status, body)].concat().into()
    }
}

/// Whether the model has finished writing the call's arguments.
fn is_complete(call: &Call) -> bool {
    call.arguments.is_ok()
}

/// Adds elements to those of an array, with commas between them.
fn add_elements(elements: &mut Vec<u8>, more: &[Vec<u8>]) {
    for element in more {
        if !elements.is_empty() {
            elements.push(b',');
        }
        elements.extend_from_slice(element);
    }
}
