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

/// How many bytes of them are kept. When there are more, toolboxes have changed again and again, and most are history.
const MAX: usize = 128 << 20;

/// What is written out for requests, by the toolbox's fingerprint: most actors have the same tools.
#[derive(Clone, Default)]
pub(super) struct Rendered(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    toolsets: HashMap<[u8; 32], Toolset, RandomState>,
    /// How many bytes they take.
    size: usize,
}

impl Known {
    /// Adds a toolset, if need be in the place of all others.
    fn add(&mut self, fingerprint: [u8; 32], toolset: Toolset, max: usize) {
        let size = toolset.size();
        if self.size + size > max {
            *self = Known::default();
        }
        self.size += size;
        self.toolsets.insert(fingerprint, toolset);
    }
}

impl Rendered {
    /// The tools of `toolbox`.
    pub(super) fn of(&self, toolbox: &Toolbox) -> Toolset {
        if toolbox.listed.is_empty() {
            return Toolset::default();
        }
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(toolset) = known.toolsets.get(&toolbox.fingerprint) {
            return toolset.clone();
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Whoever was faster has written it out.
        if let Some(toolset) = known.toolsets.get(&toolbox.fingerprint) {
            return toolset.clone();
        }
        let toolset = render(toolbox);
        known.add(toolbox.fingerprint, toolset.clone(), MAX);
        toolset
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

#[cfg(test)]
mod tests {
    use aibridge_mcp::Tool;
    use serde_json::json;

    use super::*;

    fn toolbox(description: &str) -> Toolbox {
        let tool = Listed::new(Tool::new("wiki", "search"), "https://wiki.example/mcp", json!({"type": "object"}));
        Toolbox::new([tool.description(description)])
    }

    #[test]
    fn the_same_tools_are_written_out_once() {
        let rendered = Rendered::default();
        let size = rendered.of(&toolbox("a")).size();
        for description in ["a", "a", "b"] {
            assert_eq!(rendered.of(&toolbox(description)).size(), size);
        }
        let known = rendered.0.read().unwrap();
        assert_eq!((known.toolsets.len(), known.size), (2, 2 * size));
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let (mut known, text) = (Known::default(), "x".repeat(1000));
        let toolset = render(&toolbox(&text));
        let size = toolset.size();
        assert!((9 * text.len()..10 * text.len() + 2000).contains(&size), "three APIs, each three times: {size}");
        for number in 0..10 {
            known.add([number; 32], toolset.clone(), 3 * size);
            assert_eq!(known.toolsets.len(), usize::from(number) % 3 + 1);
            assert!(known.toolsets.contains_key(&[number; 32]) && known.size == known.toolsets.len() * size);
        }
        known.add([10; 32], toolset, 1);
        assert_eq!(known.toolsets.len(), 1, "one that is too large is there by itself");
    }
}
