use std::fmt;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    Kept, Names,
    passed::{Passed, Read},
};
use crate::{
    api::{Api, Calls, chat, messages, responses},
    json::Document,
};

/// A call the model made to an injected tool.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Call {
    /// The provider's id of the call, which the answer has to name.
    pub id: String,
    /// The id of the output item that holds the call (Responses).
    pub item_id: Option<String>,
    /// The provider's id of the reply.
    pub reply_id: Option<String>,
    /// The tool's name as the model was given it.
    pub name: String,
    /// The arguments; the raw text, when that is not a JSON object. No arguments at all are an empty object.
    pub arguments: Result<Map<String, Value>, String>,
}

/// What an injected tool answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "built by whoever runs tools")]
pub struct Answer {
    /// [`Call::id`].
    pub call_id: String,
    /// The result's content.
    pub parts: Vec<Part>,
    /// The call failed; the parts say how.
    pub is_error: bool,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// Text.
    Text(String),
    /// An image. APIs that take no images in tool results get a text in its place.
    Image {
        /// The media type, e.g. `image/png`.
        media_type: String,
        /// The bytes, base64 (RFC 4648, section 4).
        base64: String,
    },
}

/// What a provider's reply came to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// The calls of injected tools, in the model's order. With [`Next::End`] they are not to be run: the reply broke off,
    /// or ran into the provider's token limit.
    pub calls: Vec<Call>,
    /// What is to be done.
    pub next: Next,
}

/// What is to be done after a provider's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// The exchange is over.
    End(Finish),
    /// Run the calls, then [`Exchange::next_request`].
    Again,
    /// Run the calls, then [`Exchange::finish`]: the reply holds calls of the client's own, which have reached it.
    Finish,
}

/// The end of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finish {
    /// The rest of a stream (what was held back), or the whole of a blocking reply.
    pub bytes: Bytes,
    /// What has to be put back when the client continues the conversation.
    pub kept: Option<Kept>,
}

/// One request of a client's, over all rounds with the provider that it takes.
///
/// Either [`feed`](Exchange::feed) and [`end_stream`](Exchange::end_stream), or [`reply`](Exchange::reply), for each round.
pub struct Exchange {
    api: Api,
    names: Names,
    /// What has passed of a stream before.
    passed: Passed,
    /// What was said of tool calls in an event that is still open here: others may take its end for whole sooner.
    open: Calls,
    /// From the first reply on that may call one of the tools.
    rounds: Option<Box<dyn Dialect>>,
}

impl Exchange {
    /// Begins an exchange in `api` whose request was given the tools `names`.
    pub fn new(api: Api, names: Names) -> Exchange {
        Exchange { api, names, passed: Passed::default(), open: Calls::OnlyText, rounds: None }
    }

    fn rounds(&mut self) -> &mut dyn Dialect {
        let names = self.names.all();
        &mut **self.rounds.get_or_insert_with(|| match self.api {
            Api::Messages => Box::new(messages::Rounds::new(names.clone())),
            Api::Chat => Box::new(chat::Rounds::new(names.clone())),
            Api::Responses => Box::new(responses::Rounds::new(names.clone())),
        })
    }

    /// Takes the next bytes of a round's event stream, plain, and gives what the client gets in their place: the same
    /// bytes, uncopied, as long as nothing has to be changed.
    pub fn feed(&mut self, bytes: Bytes) -> Bytes {
        self.pass(bytes, Calls::Possible)
    }

    /// The same for bytes that somebody has read, who knows this about tool calls in the stream, these bytes included. What
    /// calls none is not looked at once more.
    pub fn pass(&mut self, bytes: Bytes, calls: Calls) -> Bytes {
        if self.passes(&bytes, calls) {
            return bytes;
        }
        if let Some(rounds) = &mut self.rounds {
            return rounds.feed(bytes);
        }
        let calls = calls.max(self.open);
        let shown = self.take(bytes, calls < Calls::Named);
        self.open = if self.passed.has_open() { calls } else { Calls::OnlyText };
        shown
    }

    /// Whether the client gets the next bytes as they are. If so, they are taken; if not, they have to be
    /// [given](Exchange::pass).
    #[inline]
    pub fn passes(&mut self, bytes: &Bytes, calls: Calls) -> bool {
        if self.rounds.is_some() || !self.passed.are_whole(bytes) {
            return false;
        }
        match calls {
            // Nothing of these is needed when a call comes later.
            Calls::OnlyText => true,
            Calls::Absent => self.passed.keep(bytes),
            Calls::Named | Calls::Possible => false,
        }
    }

    fn take(&mut self, bytes: Bytes, calls_none: bool) -> Bytes {
        let mut edited = None;
        let passed = self.passed.take(bytes, |events| {
            if calls_none || !may_call(self.api, &self.names, events) {
                return false;
            }
            if self.api == Api::Responses {
                edited = responses::forget_given(events, &self.names);
            }
            edited.is_none()
        });
        match passed {
            Ok(same) => edited.unwrap_or(same),
            Err(read) => self.read(read),
        }
    }

    /// Reads what has passed, and gives what the client gets in the place of what has not.
    fn read(&mut self, Read { before, now }: Read) -> Bytes {
        self.rounds().feed(before);
        self.rounds().feed(now)
    }

    /// The round's stream has ended, cleanly or not.
    pub fn end_stream(&mut self) -> Step {
        if self.rounds.is_none() {
            match self.passed.end(|open| may_call(self.api, &self.names, open)) {
                Ok(rest) => {
                    return Step { calls: Vec::new(), next: Next::End(Finish { bytes: rest, kept: None }) };
                }
                Err(read) => {
                    self.read(read);
                }
            }
        }
        self.rounds().end_stream()
    }

    /// Whether a blocking reply is the client's as it is, because somebody has read it, who knows this about tool calls in
    /// it. If not, it has to be [given](Exchange::reply).
    pub fn passes_whole(&self, calls: Calls) -> bool {
        self.rounds.is_none() && calls < Calls::Named
    }

    /// Takes a round's blocking reply, plain.
    pub fn reply(&mut self, body: Bytes) -> Step {
        // Most replies call none of them. Such a first one is the client's as it is.
        if self.rounds.is_none() && !self.names.may_occur(&body) {
            return Step { calls: Vec::new(), next: Next::End(Finish { bytes: body, kept: None }) };
        }
        self.rounds().reply(body)
    }

    /// The request of the next round: `sent`, the one that was answered, with the reply and the `answers` to all its calls.
    pub fn next_request(&mut self, sent: &Document, answers: &[Answer]) -> Bytes {
        self.rounds().next_request(sent, answers)
    }

    /// Ends a turn in which the client has calls of its own to run. `sent` is the last round's request.
    pub fn finish(&mut self, sent: &Document, answers: &[Answer]) -> Finish {
        self.rounds().finish(sent, answers)
    }

    /// Ends the reply here although the model wants more calls, as if it had come to its own end.
    pub fn cut_short(&mut self) -> Finish {
        Finish { bytes: self.rounds().cut_short(), kept: self.rounds().left_off() }
    }

    /// Ends a stream with the API's error event, because a later round was answered with `status` and `body`: the
    /// provider's own error, in the event's form.
    pub fn provider_error(&mut self, status: u16, body: &[u8]) -> Bytes {
        self.rounds().provider_error(status, body)
    }
}

/// Whether events have to be read, because one of the tools may be called in them. In Chat a name may come in pieces, so that
/// it cannot be searched for.
fn may_call(api: Api, names: &Names, events: &[u8]) -> bool {
    match api {
        Api::Messages | Api::Responses => names.may_occur(events),
        Api::Chat => !events.is_empty(),
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("api", &self.api).field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

/// An [`Exchange`] in one API.
pub(in crate::api) trait Dialect: fmt::Debug + Send {
    fn feed(&mut self, bytes: Bytes) -> Bytes;
    fn end_stream(&mut self) -> Step;
    fn reply(&mut self, body: Bytes) -> Step;
    fn next_request(&mut self, sent: &Document, answers: &[Answer]) -> Bytes;
    fn finish(&mut self, sent: &Document, answers: &[Answer]) -> Finish;
    fn cut_short(&mut self) -> Bytes;
    /// What is kept of an exchange that was cut short, where a client could not go on from its history alone.
    fn left_off(&mut self) -> Option<Kept> {
        None
    }
    fn provider_error(&mut self, status: u16, body: &[u8]) -> Bytes;
}

#[cfg(test)]
mod tests;
