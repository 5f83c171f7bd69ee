//! Injected tools in this API: see [`crate::api::tools`].
//!
//! The calls are output items of type `function_call`. Every event names the item it belongs to by its `output_index` and
//! has a `sequence_number`, so that what is taken out shifts the numbers of all that follows. The last event holds the
//! whole response again, which some providers leave the items out of. After the reference at
//! <https://platform.openai.com/docs/api-reference/responses-streaming>.
//!
//! A stream passes untouched until a call of an injected tool begins, but for those tools themselves, which the provider
//! repeats in the response. From there on its events are looked at one by one. The last event is held back if anything
//! is to be kept before the client comes back, or if another round may follow.
//!
//! A client may come back with its history, or with the id of the response that it was shown, which is the first
//! round's. Both are put right: see [`restore`].

use std::{collections::BTreeSet, mem, sync::Arc};

use bytes::Bytes;

use self::{
    item::{Output, filled},
    kept::Turn,
    merged::Merged,
    numbers::Numbers,
    round::{Form, Held, Outcome, Round},
};
use crate::{
    api::tools::{Answer, Dialect, Finish, Kept, Next, Step, Whole},
    json::{Document, Edits, Value},
};

mod error;
mod event;
mod given;
mod item;
mod kept;
mod list;
mod merged;
mod numbers;
mod request;
mod restore;
mod round;
mod stream;

#[cfg(test)]
mod tests;

pub(in crate::api) use given::forget_given;
pub(in crate::api) use restore::restore;

/// The rounds of one request.
#[derive(Debug)]
pub(in crate::api) struct Rounds {
    names: Arc<BTreeSet<String>>,
    events: Whole,
    /// The reply that is being read.
    round: Round,
    /// It is not the first.
    later: bool,
    merged: Merged,
    numbers: Numbers,
    turn: Turn,
    /// What ended the reply before, which ends the exchange if it goes no further.
    held: Option<Held>,
}

impl Rounds {
    pub(in crate::api) fn new(names: Arc<BTreeSet<String>>) -> Rounds {
        Rounds {
            names,
            events: Whole::default(),
            round: Round::default(),
            later: false,
            merged: Merged::default(),
            numbers: Numbers::default(),
            turn: Turn::default(),
            held: None,
        }
    }

    /// Takes a reply that has come to its end, with what there is to be sent already.
    fn settle(&mut self, mut held: Held, sent: Bytes) -> Step {
        let round = &mut self.round;
        let done = round.take_done();
        if done.len() > round.items.len() {
            held.bare = round.items.is_empty();
            round.items = done;
        }
        let calls = round.items.iter().filter(|item| item.ours).map(|item| item.call(round.id.as_deref()));
        round.calls = calls.collect();
        self.merged.take(held.response(), &round.items);
        let mut calls = round.calls.clone();
        // Without this id nothing can be answered.
        let nameless = round.items.iter().any(|item| item.ours && item.text("call_id").is_none());
        let next = if held.outcome != Outcome::Completed {
            calls.extend(round.cut_calls(&calls));
            None
        } else if calls.is_empty() || nameless {
            None
        } else if item::await_client(&round.items) {
            Some(Next::Finish)
        } else {
            Some(Next::Again)
        };
        let next = next.unwrap_or_else(|| {
            let bytes = [&sent[..], &self.close(&held)].concat().into();
            Next::End(Finish { bytes, kept: self.ended(held.outcome) })
        });
        self.held = Some(held);
        Step { calls, next }
    }

    /// What is kept of a turn that has ended after more than one round. A client goes on from a response that is usable;
    /// one that broke off, or has calls that nobody answered, is not.
    fn ended(&mut self, outcome: Outcome) -> Option<Kept> {
        if !self.later {
            return None;
        }
        self.turn.extend(&self.round.items, &[]);
        if outcome != Outcome::Failed && self.round.calls.is_empty() {
            self.turn.answered(self.round.id.clone(), Vec::new());
        }
        Some(self.turn.kept(self.merged.id()))
    }

    /// The answered round as a part of the turn; its items, and the results.
    fn answer(&mut self, answers: &[Answer]) -> (Vec<Output>, Vec<String>) {
        let round = mem::take(&mut self.round);
        let outputs = request::outputs(&round.calls, answers);
        self.turn.extend(&round.items, &outputs);
        self.turn.answered(round.id, outputs.clone());
        (round.items, outputs)
    }

    /// The whole response of all rounds, in the form of the one that is held.
    fn close(&self, held: &Held) -> Bytes {
        let mut edits = Edits::new(held.document());
        self.merged.close(held.response(), &self.names, held.bare, &mut edits);
        match &held.form {
            Form::Body(_) => edits.apply(),
            Form::Event(event) => {
                self.numbers.show_late(event, &mut edits);
                [&event.with(&edits.apply())[..], &held.after].concat().into()
            }
        }
    }
}

impl Dialect for Rounds {
    fn feed(&mut self, bytes: Bytes) -> Bytes {
        self.pass(bytes)
    }

    fn end_stream(&mut self) -> Step {
        let rest = self.events.rest();
        let sent = self.relay(rest, true);
        if let Some(held) = self.round.held.take() {
            return self.settle(held, sent);
        }
        let calls = self.round.cut_calls(&[]);
        Step { calls, next: Next::End(Finish { bytes: sent, kept: self.ended(Outcome::Failed) }) }
    }

    fn reply(&mut self, body: Bytes) -> Step {
        let document = Document::parse(body.clone()).ok().filter(|document| document.get("output").is_some());
        // Not a response, so there is nothing to be done with it.
        let Some(document) = document else {
            return Step { calls: Vec::new(), next: Next::End(Finish { bytes: body, kept: None }) };
        };
        let outcome = match document.get("status").and_then(Value::as_str).as_deref() {
            None | Some("completed") => Outcome::Completed,
            Some("incomplete") => Outcome::Incomplete,
            Some(_) => Outcome::Failed,
        };
        self.round.id = filled(document.get("id")).map(Into::into);
        self.round.items = round::read(round::output(document.root()), &self.names);
        let held = Held { form: Form::Body(document), outcome, bare: false, after: Vec::new() };
        self.settle(held, Bytes::new())
    }

    fn next_request(&mut self, sent: &Document, answers: &[Answer]) -> Bytes {
        let says = self.held.as_ref().and_then(|held| held.response().get("store")).map(Value::text);
        let stored = says.or_else(|| sent.get("store").map(Value::text)) != Some(b"false");
        let (items, outputs) = self.answer(answers);
        self.later = true;
        self.numbers.begin_round(self.merged.shown());
        request::next(sent, item::replayed(&items, stored), &outputs)
    }

    fn finish(&mut self, _sent: &Document, answers: &[Answer]) -> Finish {
        self.answer(answers);
        Finish { bytes: self.cut_short(), kept: Some(self.turn.kept(self.merged.id())) }
    }

    fn cut_short(&mut self) -> Bytes {
        self.held.as_ref().map(|held| self.close(held)).unwrap_or_default()
    }

    fn left_off(&mut self) -> Option<Kept> {
        self.ended(Outcome::Incomplete)
    }

    fn provider_error(&mut self, status: u16, body: &[u8]) -> Bytes {
        error::event(status, body, self.numbers.next())
    }
}
