//! Tools into the request.

use std::{collections::BTreeSet, sync::Arc};

use aibridge_mcp::{Listed, Toolbox};
use aibridge_providers::api::{
    Api,
    tools::{self, Definition, Refused, Toolset},
};
use http::Request;
use uuid::Uuid;

use super::layer::Settings;
use crate::{ProviderRoute, context::Injected, parse::AiBody};

impl Settings {
    /// Puts back what the client has not seen of its conversation, then adds tools. Returns the names of those added, or
    /// `None` if the request gets none.
    pub(super) fn prepare(
        &self,
        actor: Uuid,
        request: &mut Request<AiBody>,
        toolbox: &Toolbox,
    ) -> Option<Arc<BTreeSet<String>>> {
        let api = request.body().api();
        if self.history.has(actor) {
            let restored = request
                .body()
                .outgoing()
                .and_then(|document| tools::restore(api, &document, &mut |key| self.history.find(actor, key)));
            if let Some(restored) = restored {
                AiBody::edit(request, restored);
            }
        }
        let toolset = self.toolset(toolbox);
        if toolset.is_empty() {
            return None;
        }
        let document = request.body().outgoing()?;
        let injected = tools::inject(api, &document, request.body().facts(), &toolset)?;
        if injected.left_out > 0 {
            let provider = request.extensions().get::<ProviderRoute>().map_or("", |route| &route.instance.name);
            tracing::warn!(provider, left_out = injected.left_out, "the provider does not take that many tools");
            self.metrics.left_out(provider, injected.left_out);
        }
        if injected.names.is_empty() {
            return None;
        }
        AiBody::splice(request, injected.body);
        request.extensions_mut().insert(Injected(injected.names.clone()));
        Some(injected.names)
    }

    fn toolset(&self, toolbox: &Toolbox) -> Toolset {
        if toolbox.listed.is_empty() {
            return Toolset::default();
        }
        self.rendered.get_with(toolbox.fingerprint, || {
            let toolset = Toolset::new(toolbox.listed.iter().map(definition));
            for api in [Api::Messages, Api::Chat, Api::Responses] {
                for Refused { name, reason, .. } in toolset.refused(api) {
                    tracing::warn!(
                        tool = name,
                        api = api.as_str(),
                        %reason,
                        "a tool is not given to models, because the provider would refuse it"
                    );
                }
            }
            toolset
        })
    }
}

fn definition(listed: &Listed) -> Definition {
    let definition = Definition::new(&listed.name, listed.input_schema.to_string());
    match &listed.description {
        Some(text) => definition.description(text),
        None => definition,
    }
}
