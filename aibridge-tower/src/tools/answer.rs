//! One call of an injected tool.

use std::time::Duration;

use aibridge_mcp::{Content, Listed, Outcome, Toolbox};
use aibridge_providers::api::tools::{Answer, Call, Part};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::{head::Head, layer::Settings};
use crate::{
    ProviderRoute,
    parse::AiBody,
    record::{InjectedCall, Interception},
};

/// Runs calls for one request.
pub(super) struct Runner<'t> {
    pub(super) settings: &'t Settings,
    pub(super) actor: Uuid,
    pub(super) toolbox: &'t Toolbox,
    pub(super) interception: Option<&'t Interception>,
}

/// Whose model calls.
pub(super) struct Model<'r> {
    pub(super) provider: &'r str,
    pub(super) name: &'r str,
}

impl<'r> Model<'r> {
    pub(super) fn of(head: &'r Head, body: &'r AiBody) -> Model<'r> {
        let provider = head.extensions.get::<ProviderRoute>().map(|route| &*route.instance.name);
        Model { provider: provider.unwrap_or_default(), name: body.facts().model.as_deref().unwrap_or_default() }
    }
}

impl Runner<'_> {
    /// Runs a call, and records it.
    pub(super) async fn answer(&self, call: Call, model: &Model<'_>) -> Answer {
        let Some(listed) = self.listed(&call.name) else { return self.refuse(&call, "there is no such tool") };
        let Ok(arguments) = &call.arguments else {
            return self.refuse(&call, "the arguments are not a JSON object; correct them and call again");
        };
        let Model { provider, name } = model;
        self.settings.metrics.invoked(provider, name, &listed.tool.server, &listed.tool.name);
        let mut running = Running { call: &call, listed, on: self.interception, begun: Instant::now() };
        let outcome = self.settings.source.call(self.actor, &listed.tool, arguments.clone()).await;
        running.done(&outcome);
        Answer {
            call_id: call.id.clone(),
            is_error: outcome.error.is_some(),
            parts: outcome.content.into_iter().filter_map(part).collect(),
        }
    }

    /// Answers a call without running it.
    pub(super) fn refuse(&self, call: &Call, why: &str) -> Answer {
        self.not_run(call, why);
        Answer { call_id: call.id.clone(), parts: vec![Part::Text(why.to_owned())], is_error: true }
    }

    /// Records a call that was not run.
    pub(super) fn not_run(&self, call: &Call, why: &str) {
        if let Some(interception) = self.interception {
            interception.injected(record(call, self.listed(&call.name), Some(why), Duration::ZERO));
        }
    }

    fn listed(&self, name: &str) -> Option<&Listed> {
        let listed = &self.toolbox.listed;
        listed.binary_search_by(|listed| listed.name.as_str().cmp(name)).ok().map(|at| &listed[at])
    }
}

/// A call that is being run, recorded once: when it has come to something, or when nobody waits for it any longer.
struct Running<'a> {
    call: &'a Call,
    listed: &'a Listed,
    on: Option<&'a Interception>,
    begun: Instant,
}

impl Running<'_> {
    fn done(&mut self, outcome: &Outcome) {
        if let Some(interception) = self.on.take() {
            interception.injected(record(self.call, Some(self.listed), outcome.error.as_deref(), outcome.duration));
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(interception) = self.on.take() {
            let why = Some("cancelled: the client went away");
            interception.injected(record(self.call, Some(self.listed), why, self.begun.elapsed()));
        }
    }
}

fn record<'a>(
    call: &'a Call,
    listed: Option<&'a Listed>,
    error: Option<&'a str>,
    duration: Duration,
) -> InjectedCall<'a> {
    InjectedCall {
        reply_id: call.reply_id.as_deref(),
        call_id: &call.id,
        item_id: call.item_id.as_deref(),
        server_url: listed.map(|listed| listed.server_url.as_str()),
        tool: listed.map_or(&call.name, |listed| &listed.tool.name),
        input: match &call.arguments {
            Ok(arguments) => Value::Object(arguments.clone()),
            Err(raw) => Value::String(raw.clone()),
        },
        truncated: call.arguments.is_err(),
        error,
        duration,
    }
}

fn part(content: Content) -> Option<Part> {
    match content {
        Content::Text(text) => Some(Part::Text(text)),
        Content::Image { media_type, base64 } => Some(Part::Image { media_type, base64 }),
        _ => None,
    }
}
