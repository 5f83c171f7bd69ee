use std::{future::ready, sync::Arc};

use aibridge_mcp::{BoxFuture, Listed, Outcome, Tool, ToolSource, Toolbox};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::inputs::Text;

/// Twenty tools of an MCP server, about 12 KB, which everybody has and nobody calls.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tools(Arc<Toolbox>);

impl Tools {
    /// The tools.
    pub fn new() -> Tools {
        let mut text = Text::new(2);
        let listed = (0..20).map(|number| {
            let tool = Tool::new("tracker", format!("tool_{number}"));
            let mut parameter = || json!({"type": "string", "description": text.prose(60)});
            let properties = json!({"repository": parameter(), "query": parameter(), "state": parameter()});
            let schema = json!({"type": "object", "properties": properties, "required": ["repository"]});
            Listed::new(tool, "https://mcp.example/mcp", schema).description(text.prose(200))
        });
        Tools(Arc::new(Toolbox::new(listed.collect::<Vec<_>>())))
    }
}

impl Default for Tools {
    fn default() -> Tools {
        Tools::new()
    }
}

impl ToolSource for Tools {
    fn known(&self, _: Uuid) -> Option<Arc<Toolbox>> {
        Some(self.0.clone())
    }

    fn tools(&self, _: Uuid) -> BoxFuture<Arc<Toolbox>> {
        Box::pin(ready(self.0.clone()))
    }

    fn call(&self, _: Uuid, _: &Tool, _: Map<String, Value>) -> BoxFuture<Outcome> {
        unreachable!("no reply calls a tool")
    }
}
