//! One request of a client's, from its first round to its last.

use std::sync::{Arc, PoisonError};

use aibridge_mcp::Toolbox;
use aibridge_providers::{
    api::{
        Api, Calls, Refusal,
        tools::{Answer, Call, Exchange, Finish, Names},
    },
    json::Document,
};
use aibridge_store::record::Outcome;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::Request;
use uuid::Uuid;

use super::{
    answer::{Model, Runner},
    head::Head,
    layer::Settings,
    service::Spare,
};
use crate::{parse::AiBody, record::Interception};

/// What stays the same while rounds go by, and what they have come to.
pub(super) struct Turn<S> {
    spare: Spare<S>,
    pub(super) exchange: Exchange,
    pub(super) runner: Runner,
    head: Head,
    body: AiBody,
    rounds: usize,
}

impl<S> Turn<S> {
    /// Before the first round, with the request as it is about to be sent.
    pub(super) fn new(
        spare: Spare<S>,
        settings: Arc<Settings>,
        actor: Uuid,
        toolbox: Arc<Toolbox>,
        names: Names,
        request: &Request<AiBody>,
    ) -> Turn<S> {
        let (head, body) = (Head::of(request), request.body().clone());
        let exchange = Exchange::new(body.api(), names);
        let runner = Runner { settings, actor, toolbox, interception: None };
        Turn { spare, exchange, runner, head, body, rounds: 0 }
    }

    /// A service for a further round.
    pub(super) fn service(&self) -> S
    where
        S: Clone,
    {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn api(&self) -> Api {
        self.body.api()
    }

    /// How the last round trip ended, as far as somebody records it.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.runner.interception.as_ref().map(|interception| interception.summary().outcome)
    }

    /// The provider's stream was dropped, because it cannot be read; the client is told of it.
    pub(super) fn ended_unread(&self, refusal: &Refusal) {
        if let Some(interception) = &self.runner.interception {
            let error = (refusal.reason.as_str().to_owned(), refusal.message.clone());
            interception.ended(Outcome::Truncated, Some(error));
        }
    }

    /// Ends a stream with an error of the gateway's.
    pub(super) fn refuse(&mut self, refusal: &Refusal) -> Bytes {
        self.exchange.provider_error(refusal.reason.status().as_u16(), &self.body.api().format().body(refusal))
    }

    /// The first round has been answered.
    pub(super) fn begun(&mut self, interception: Option<Interception>) {
        self.runner.interception = interception;
    }

    /// Whether the client gets the next bytes of a stream as they are. If so, they are taken.
    pub(super) fn passes(&mut self, bytes: &Bytes) -> bool {
        self.exchange.passes(bytes, self.calls())
    }

    /// What the client gets in the place of the next bytes of a stream.
    pub(super) fn shown(&mut self, bytes: Bytes) -> Bytes {
        self.exchange.pass(bytes, self.calls())
    }

    /// What whoever records has read of tool calls in the stream.
    fn calls(&self) -> Calls {
        self.runner.interception.as_ref().map_or(Calls::Possible, Interception::calls)
    }

    /// Whether the model has been told that there are no more rounds.
    pub(super) fn is_exhausted(&self) -> bool {
        self.rounds > self.runner.settings.max_rounds
    }

    /// Runs the calls of a reply, some at a time, and gives the answers in the order of the calls.
    pub(super) async fn run(&mut self, calls: Vec<Call>) -> Vec<Answer> {
        self.rounds += 1;
        if self.is_exhausted() {
            return calls.into_iter().map(|call| self.runner.refuse(&call, LIMIT)).collect();
        }
        let (runner, model) = (&self.runner, &Model::of(&self.head, &self.body));
        let running =
            calls.into_iter().enumerate().map(async |(place, call)| (place, runner.answer(call, model).await));
        // In whatever order they end: one that takes long must not keep the others from beginning.
        let ended = stream::iter(running).buffer_unordered(runner.settings.parallel);
        let mut answers: Vec<_> = ended.collect().await;
        answers.sort_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// The next round's request.
    pub(super) fn next(&mut self, answers: &[Answer]) -> Option<Request<AiBody>> {
        let sent = self.sent()?;
        let bytes = self.exchange.next_request(&sent, answers);
        let mut request = self.head.request(self.body.clone());
        if let Some(interception) = &self.runner.interception {
            request.extensions_mut().insert(interception.clone());
        }
        AiBody::edit(&mut request, bytes);
        // What is kept is what was sent: a further round continues it.
        self.body = request.body().clone();
        Some(request)
    }

    /// The end of a turn in which the client has calls of its own to run.
    pub(super) fn finish(&mut self, answers: &[Answer]) -> Bytes {
        match self.sent() {
            Some(sent) => {
                let finish = self.exchange.finish(&sent, answers);
                self.end(finish)
            }
            None => Bytes::new(),
        }
    }

    /// The end of a turn whose model calls on although it was told that there are no more rounds.
    pub(super) fn cut_short(&mut self) -> Bytes {
        let finish = self.exchange.cut_short();
        self.end(finish)
    }

    /// The end of any turn.
    pub(super) fn end(&mut self, finish: Finish) -> Bytes {
        if let Some(kept) = finish.kept {
            self.runner.settings.history.keep(self.runner.actor, kept);
        }
        finish.bytes
    }

    /// The body of the last round's request. It has been parsed before it was sent, so that it is there.
    fn sent(&self) -> Option<Document> {
        self.body.outgoing()
    }
}

/// What the model is told after the last round in which tools are run.
pub(super) const LIMIT: &str = "The limit of tool calls for this request is reached and this call was not run. Do not \
                                call this tool again; answer with what is known.";
