//! Tools as they are written into requests.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use aibridge_mcp::{Listed, Toolbox};
use aibridge_providers::api::{
    Api,
    tools::{Definition, Refused, Toolset},
};
use foldhash::fast::RandomState;

/// How many are kept. When there are more, toolboxes have changed again and again, and most are history.
const MAX: usize = 1000;

/// What is written out for requests, by the toolbox's fingerprint: most actors have the same tools.
#[derive(Clone, Default)]
pub(super) struct Rendered(Arc<RwLock<HashMap<[u8; 32], Toolset, RandomState>>>);

impl Rendered {
    /// The tools of `toolbox`.
    pub(super) fn of(&self, toolbox: &Toolbox) -> Toolset {
        if toolbox.listed.is_empty() {
            return Toolset::default();
        }
        let rendered = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(toolset) = rendered.get(&toolbox.fingerprint) {
            return toolset.clone();
        }
        drop(rendered);
        let mut rendered = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if rendered.len() >= MAX {
            rendered.clear();
        }
        rendered.entry(toolbox.fingerprint).or_insert_with(|| render(toolbox)).clone()
    }
}

fn render(toolbox: &Toolbox) -> Toolset {
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
}

fn definition(listed: &Listed) -> Definition {
    let definition = Definition::new(&listed.name, listed.input_schema.to_string());
    match &listed.description {
        Some(text) => definition.description(text),
        None => definition,
    }
}
