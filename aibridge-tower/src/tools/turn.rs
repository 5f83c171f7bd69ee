//! One request of a client's, from its first round to its last.

use std::{borrow::Cow, sync::Arc};

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
use http::{Request, response::Parts};
use uuid::Uuid;

use super::{
    answer::{Model, Runner},
    head::Head,
    service::Shared,
    watch::Watch,
};
use crate::{
    Credential,
    parse::AiBody,
    record::{Interception, KeepAlive},
};

/// What stays the same while rounds go by, and what they have come to.
pub(super) struct Turn<S> {
    shared: Arc<Shared<S>>,
    pub(super) exchange: Exchange,
    actor: Uuid,
    toolbox: Arc<Toolbox>,
    /// Where it is recorded, if it is.
    interception: Option<Interception>,
    /// With which the last round was answered: what it said may be bound to that.
    credential: Option<Credential>,
    head: Head,
    body: AiBody,
    /// As the client sent it.
    plain: AiBody,
    rounds: usize,
}

impl<S> Turn<S> {
    /// Before the first round, with the request as it is about to be sent.
    pub(super) fn new(
        shared: Arc<Shared<S>>,
        actor: Uuid,
        toolbox: Arc<Toolbox>,
        names: Names,
        plain: AiBody,
        request: &Request<AiBody>,
    ) -> Turn<S> {
        let (head, body) = (Head::of(request), request.body().clone());
        let exchange = Exchange::new(body.api(), names);
        Turn { shared, exchange, actor, toolbox, interception: None, credential: None, head, body, plain, rounds: 0 }
    }

    /// A service for a further round.
    pub(super) fn service(&self) -> S
    where
        S: Clone,
    {
        self.shared.service()
    }

    pub(super) fn api(&self) -> Api {
        self.body.api()
    }

    /// How the last round trip ended, as far as somebody records it.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.interception.as_ref().map(|interception| interception.summary().outcome)
    }

    /// The provider's stream was dropped, because it cannot be read; the client is told of it.
    pub(super) fn ended_unread(&self, refusal: &Refusal) {
        if let Some(interception) = &self.interception {
            let error = (refusal.reason.as_str().to_owned(), refusal.message.clone());
            interception.ended(Outcome::Truncated, Some(error));
        }
    }

    /// A reply cannot be read, and the client gets this in its place.
    pub(super) fn refused(&self, outcome: Outcome, refusal: &Refusal) {
        if let Some(interception) = &self.interception {
            interception.refused(outcome, refusal);
        }
    }

    /// The provider has refused the request with our tools in it.
    pub(super) fn tools_refused(&self, status: u16) {
        let Model { provider, name: model } = Model::of(&self.head, &self.body);
        tracing::warn!(provider, model, status, "the provider refused a request with tools, which it is sent without");
        let tools = self.body.injected().map_or(0, Names::len);
        self.shared.settings.metrics.left_out(provider, tools);
    }

    /// Ends a stream with an error of the gateway's.
    pub(super) fn refuse(&mut self, refusal: &Refusal) -> Bytes {
        self.exchange.provider_error(refusal.reason.status().as_u16(), &self.body.api().format().body(refusal))
    }

    /// The first round has been answered with this head.
    pub(super) fn begun(&mut self, head: &Parts) {
        self.interception = head.extensions.get::<Interception>().cloned();
        self.answered(head);
    }

    /// A round has been answered with this head.
    pub(super) fn answered(&mut self, head: &Parts) {
        self.credential = head.extensions.get::<Credential>().cloned();
    }

    /// Whether a first reply of this head, which has been read to its end, is the client's as it is.
    pub(super) fn passes_whole(&self, head: &Parts) -> bool {
        let interception = head.extensions.get::<Interception>();
        interception.is_some_and(|interception| self.exchange.passes_whole(interception.calls()))
    }

    /// Ends an interception as left by its client, unless told otherwise.
    pub(super) fn watch(&self) -> Watch {
        Watch::new(self.interception.clone())
    }

    /// Records a call that was not run.
    pub(super) fn not_run(&self, call: &Call, why: &str) {
        self.runner().not_run(call, why);
    }

    fn runner(&self) -> Runner<'_> {
        let Turn { shared, actor, toolbox, interception, .. } = self;
        Runner { settings: &shared.settings, actor: *actor, toolbox, interception: interception.as_ref() }
    }

    /// Whether the client gets the next bytes of a stream as they are. If so, they are taken.
    pub(super) fn passes(&mut self, bytes: &Bytes) -> bool {
        self.exchange.passes(bytes, self.calls())
    }

    /// What is sent while tools run, if the host has turned that on.
    pub(super) fn keep_alive(&self) -> Option<Box<KeepAlive>> {
        let every = self.interception.as_ref()?.keep_alive()?;
        Some(Box::new(KeepAlive::new(every, self.api())))
    }

    /// What the client gets in the place of the next bytes of a stream.
    pub(super) fn shown(&mut self, bytes: Bytes) -> Bytes {
        self.exchange.pass(bytes, self.calls())
    }

    /// What whoever records has read of tool calls in the stream.
    fn calls(&self) -> Calls {
        self.interception.as_ref().map_or(Calls::Possible, Interception::calls)
    }

    /// Whether the model has been told that there are no more rounds.
    pub(super) fn is_exhausted(&self) -> bool {
        self.rounds > self.shared.settings.max_rounds
    }

    /// Runs the calls of a reply, some at a time, and gives the answers in the order of the calls.
    pub(super) async fn run(&mut self, calls: Vec<Call>) -> Vec<Answer> {
        self.rounds += 1;
        if self.is_exhausted() {
            return calls.into_iter().map(|call| self.runner().refuse(&call, LIMIT)).collect();
        }
        let (runner, model) = (&self.runner(), &Model::of(&self.head, &self.body));
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
        let mut request = self.follows(self.head.request(self.body.clone()));
        AiBody::edit(&mut request, bytes);
        // What is kept is what was sent: a further round continues it.
        self.body = request.body().clone();
        Some(request)
    }

    /// The first round's request as the client sent it, without our tools.
    pub(super) fn without_tools(&self) -> Request<AiBody> {
        let mut request = self.follows(self.head.again(self.plain.clone()));
        // In plain, because the head is that of a body in plain.
        if let Some(document) = self.plain.outgoing() {
            AiBody::edit(&mut request, document.bytes().clone());
        }
        request
    }

    /// `request` as one that follows the one before: it goes on with its record, and with its credential.
    fn follows(&self, mut request: Request<AiBody>) -> Request<AiBody> {
        if let Some(interception) = &self.interception {
            request.extensions_mut().insert(interception.clone());
        }
        if let Some(credential) = &self.credential {
            request.extensions_mut().insert(credential.clone());
        }
        request
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
            self.shared.settings.history.keep(self.actor, kept);
        }
        finish.bytes
    }

    /// The body of the last round's request. It has been parsed before it was sent, so that it is there.
    fn sent(&self) -> Option<Document> {
        self.body.outgoing().map(Cow::into_owned)
    }
}

/// What the model is told after the last round in which tools are run.
pub(super) const LIMIT: &str = "The limit of tool calls for this request is reached and this call was not run. Do not \
                                call this tool again; answer with what is known.";
