//! Tools into the request.

use aibridge_mcp::Toolbox;
use aibridge_providers::api::tools::{self, Names};
use http::Request;
use uuid::Uuid;

use super::layer::Settings;
use crate::{ProviderRoute, parse::AiBody};

impl Settings {
    /// Puts back what the client has not seen of its conversation, then adds tools. Returns the names of those added and the
    /// body as it was, or `None` if the request gets none.
    pub(super) fn prepare(
        &self,
        actor: Uuid,
        request: &mut Request<AiBody>,
        toolbox: &Toolbox,
    ) -> Option<(Names, AiBody)> {
        let (api, plain) = (request.body().api(), request.body().clone());
        if self.history.has(actor) {
            let restored = request
                .body()
                .outgoing()
                .and_then(|document| tools::restore(api, &document, &mut |key| self.history.find(actor, key)));
            if let Some(restored) = restored {
                AiBody::edit(request, restored);
            }
        }
        let toolset = self.rendered.of(toolbox);
        if toolset.is_empty() {
            return None;
        }
        let facts = request.body().facts();
        let Some(injected) = tools::inject(api, &*request.body().outgoing()?, facts, &toolset) else {
            tracing::debug!(model = facts.model, "a request is of a kind, or for a model, that gets no tools");
            return None;
        };
        if injected.left_out > 0 {
            let provider = request.extensions().get::<ProviderRoute>().map_or("", |route| &route.instance.name);
            tracing::warn!(provider, left_out = injected.left_out, "the provider does not take that many tools");
            self.metrics.left_out(provider, injected.left_out);
        }
        if injected.names.is_empty() {
            return None;
        }
        AiBody::inject(request, injected.body, injected.names.clone());
        Some((injected.names, plain))
    }
}
