use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
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

use super::{Interception, InterceptionFailed, RecordLayer, ResponseBody, ResponseFuture};
use crate::{BoxError, Byok, ProviderRoute, auth::Actor, body, parse::AiBody, refuse};

/// Records one interception for each request. See the [module](super) documentation.
#[derive(Clone, Debug)]
pub struct Record<S> {
    inner: S,
    settings: RecordLayer,
}

impl<S> Record<S> {
    pub(super) fn new(inner: S, settings: RecordLayer) -> Record<S> {
        Record { inner, settings }
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
        // A service that fails to become ready fails the call instead, where the interception can say so.
        match self.inner.poll_ready(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, mut request: Request<AiBody>) -> Self::Future {
        // A clone may not be ready: leave it behind, carry off the service that `poll_ready` drove.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let api = request.body().api();
        if let Some(interception) = request.extensions().get::<Interception>().cloned() {
            return ResponseFuture::proceed(interception, inner, request, api);
        }
        let start = match start(request.extensions(), request.body()) {
            Ok(start) => Arc::new(start),
            Err(refusal) => return ResponseFuture::refuse(api, refusal),
        };
        let hide_usage = ask_for_usage(&mut request);
        let interception = Interception::new(start.clone(), self.settings.recorder.clone(), self.settings.content);
        let started = self.settings.recorder.start(&start);
        ResponseFuture::start(started, interception, inner, request, self.settings.policy, hide_usage)
    }
}

/// Asks a provider of Chat streams for the usage that it would not report otherwise. Returns whether the chunk that
/// carries it has to be kept from the client.
fn ask_for_usage(request: &mut Request<AiBody>) -> bool {
    let body = request.body();
    if body.api() != Api::Chat || body.facts().include_usage != IncludeUsage::Unset {
        return false;
    }
    let Some(edited) = chat::ask_for_usage(body.document()) else { return false };
    AiBody::edit(request, edited);
    true
}

fn start(extensions: &Extensions, body: &AiBody) -> Result<Start, Refusal> {
    let actor = extensions.get::<Actor>().ok_or_else(|| refuse::missing::<Actor>("Record"))?;
    let route = extensions.get::<ProviderRoute>().ok_or_else(|| refuse::missing::<ProviderRoute>("Record"))?;
    let instance = &route.instance;
    let (credential_kind, credential_hint) = match extensions.get::<Byok>() {
        Some(byok) => ("byok", byok.hint.clone()),
        None => ("centralized", instance.keys.first().map(|key| key.hint()).unwrap_or_default()),
    };
    let facts = body.facts();
    let caller = body.caller().clone();
    let model = facts.model.clone().unwrap_or_default();
    Ok(Start {
        id: Uuid::now_v7(),
        initiator_id: actor.id,
        api_key_id: actor.api_key_id.as_deref().map(str::to_owned),
        provider: instance.kind.as_str().to_owned(),
        provider_name: instance.name.clone(),
        requested_model: model.clone(),
        model,
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
