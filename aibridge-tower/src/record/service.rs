use std::{
    mem,
    sync::Arc,
    task::{Context, Poll, ready},
};

use aibridge_providers::api::{Api, IncludeUsage, Refusal, chat};
use aibridge_store::record::Start;
use bytes::Bytes;
use chrono::Utc;
use http::{Extensions, Request, Response};
use http_body::Body;
use serde_json::Map;
use tower_service::Service;
use uuid::Uuid;

use super::{Interception, InterceptionFailed, RecordLayer, ResponseBody, ResponseFuture, body::Treatment};
use crate::{BoxError, Byok, ProviderRoute, auth::Actor, body, parse::AiBody, refuse};

/// Records one interception for each request. See the [module](super) documentation.
#[derive(Debug)]
pub struct Record<S> {
    inner: S,
    settings: RecordLayer,
    /// What `poll_ready` failed with, kept for the call, where the interception can say so.
    failed: Option<BoxError>,
}

impl<S> Record<S> {
    pub(super) fn new(inner: S, settings: RecordLayer) -> Record<S> {
        Record { inner, settings, failed: None }
    }
}

impl<S: Clone> Clone for Record<S> {
    fn clone(&self) -> Record<S> {
        Record::new(self.inner.clone(), self.settings.clone())
    }
}

impl<S, ResBody> Service<Request<AiBody>> for Record<S>
where
    S: Service<Request<AiBody>, Response = Response<ResBody>> + Clone,
    S::Error: Into<BoxError>,
    ResBody: Body<Data = Bytes>,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response<body::ResponseBody<ResponseBody<ResBody>>>;
    type Error = InterceptionFailed;
    type Future = ResponseFuture<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), InterceptionFailed>> {
        self.failed = ready!(self.inner.poll_ready(cx)).err().map(Into::into);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<AiBody>) -> Self::Future {
        // A clone may not be ready: leave it behind, carry off the service that `poll_ready` drove.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let failed = self.failed.take();
        let api = request.body().api();
        let keep_alive = self.settings.keep_alive;
        if let Some(interception) = request.extensions().get::<Interception>().cloned() {
            let treatment = Treatment { hide_usage: ask_for_usage(&mut request), keep_alive };
            return ResponseFuture::proceed(interception, inner, request, treatment, failed);
        }
        let start = match start(request.extensions(), request.body()) {
            Ok(start) => Arc::new(start),
            Err(refusal) => return ResponseFuture::refuse(api, refusal),
        };
        let treatment = Treatment { hide_usage: ask_for_usage(&mut request), keep_alive };
        let interception = Interception::new(start.clone(), &self.settings, request.body().injected().cloned());
        let started = self.settings.recorder.start(&start);
        ResponseFuture::start(started, interception, inner, request, self.settings.policy, treatment, failed)
    }
}

/// Asks a provider of Chat streams for the usage that it would not report otherwise. Returns whether the chunk that
/// carries it has to be kept from the client.
fn ask_for_usage(request: &mut Request<AiBody>) -> bool {
    let body = request.body();
    // Asked first, because the document may have to be read.
    if body.api() != Api::Chat || !body.facts().streaming || body.facts().include_usage != IncludeUsage::Unset {
        return false;
    }
    let Some(edited) = body.spliced().and_then(chat::ask_for_usage) else { return false };
    AiBody::splice(request, edited);
    true
}

fn start(extensions: &Extensions, body: &AiBody) -> Result<Start, Refusal> {
    let actor = extensions.get::<Actor>().ok_or_else(|| refuse::missing::<Actor>("Record"))?;
    let route = extensions.get::<ProviderRoute>().ok_or_else(|| refuse::missing::<ProviderRoute>("Record"))?;
    let instance = &route.instance;
    let (credential_kind, credential_hint) = match extensions.get::<Byok>() {
        Some(byok) => ("byok", byok.hint.clone()),
        None => ("centralized", String::from(&*instance.pool().hint(0))),
    };
    let facts = body.facts();
    let caller = body.caller().clone();
    let requested = facts.model.as_deref().unwrap_or_default();
    Ok(Start {
        id: Uuid::now_v7(),
        initiator_id: actor.id,
        api_key_id: actor.api_key_id.as_deref().map(str::to_owned),
        provider: instance.kind.as_str().to_owned(),
        provider_name: instance.name.clone(),
        requested_model: requested.to_owned(),
        model: route.upstream_model(requested).to_owned(),
        api: body.api().as_str(),
        streaming: facts.streaming,
        client: caller.client,
        user_agent: caller.user_agent,
        client_session_id: caller.session_id,
        agent_id: caller.agent_id,
        parent_agent_id: caller.parent_agent_id,
        correlating_tool_call_id: facts.answered_tool_call.clone(),
        credential_kind,
        credential_hint,
        metadata: Map::new(),
        started_at: Utc::now(),
        request_bytes: body.received(),
    })
}
