use std::{collections::BTreeMap, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{Tool, ToolNames};

/// Where the [`Tools`](https://docs.rs/aibridge-tower) layer has tools from, for each actor their own. [`Mcp`](crate::Mcp)
/// is the one for MCP servers.
pub trait ToolSource: Send + Sync + 'static {
    /// The actor's tools, if they are known right now.
    fn known(&self, actor: Uuid) -> Option<Arc<Toolbox>>;

    /// The actor's tools, as far as they can be found out in time.
    fn tools(&self, actor: Uuid) -> BoxFuture<Arc<Toolbox>>;

    /// Runs a tool for the actor. Dropping the future cancels the call.
    fn call(&self, actor: Uuid, tool: &Tool, arguments: Map<String, Value>) -> BoxFuture<Outcome>;
}

/// A future on the heap.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The tools of an actor: names, definitions, servers.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Toolbox {
    /// The names for the model, and the way back.
    pub names: ToolNames,
    /// What the servers say of them, in the order of the names.
    pub listed: Vec<Listed>,
    /// The same for all toolboxes with the same content, and different for others.
    pub fingerprint: [u8; 32],
}

impl Toolbox {
    /// Names `tools` and puts them in the order of their names. One that comes twice is one.
    ///
    /// ```
    /// use aibridge_mcp::{Listed, Tool, Toolbox};
    /// use serde_json::json;
    ///
    /// let log = Listed::new(Tool::new("git", "log"), "https://git.example.com/mcp", json!({"type": "object"}));
    /// let toolbox = Toolbox::new([log.description("Lists commits")]);
    /// assert_eq!(toolbox.listed[0].name, "bmcp_git_log");
    /// ```
    pub fn new(tools: impl IntoIterator<Item = Listed>) -> Toolbox {
        let mut tools: BTreeMap<Tool, Listed> = tools.into_iter().map(|listed| (listed.tool.clone(), listed)).collect();
        let names = ToolNames::new(tools.keys().cloned());
        let mut digest = Sha256::new();
        let named = names.iter().filter_map(|(name, tool)| {
            let mut listed = tools.remove(tool)?;
            name.clone_into(&mut listed.name);
            // As JSON, strings say where they end.
            let content = json!([name, tool.server, tool.name, listed.description, listed.input_schema]);
            digest.update(content.to_string());
            Some(listed)
        });
        let listed = named.collect();
        Toolbox { listed, fingerprint: digest.finalize().into(), names }
    }
}

/// What a server says of one of its tools.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Listed {
    /// The name for the model.
    pub name: String,
    /// Which tool it is.
    pub tool: Tool,
    /// The server's URL, for the records.
    pub server_url: String,
    /// What the tool does.
    pub description: Option<String>,
    /// The JSON Schema of its arguments.
    pub input_schema: Value,
}

impl Listed {
    /// The tool of the server at `server_url`, without description. [`Toolbox::new`] names it.
    pub fn new(tool: Tool, server_url: impl Into<String>, input_schema: Value) -> Listed {
        Listed { name: String::new(), tool, server_url: server_url.into(), description: None, input_schema }
    }

    /// With a description.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Listed {
        self.description = Some(description.into());
        self
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// The content for the model: the result, or what went wrong.
    pub content: Vec<Content>,
    /// Why the call failed: the text of a result with `isError`, or what kept the gateway from having one.
    pub error: Option<String>,
    /// How long it took.
    pub duration: Duration,
}

impl Outcome {
    /// The content for the model, why the call failed if it did, and how long it took.
    pub fn new(content: Vec<Content>, error: Option<String>, duration: Duration) -> Outcome {
        Outcome { content, error, duration }
    }
}

/// A piece of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Text; resources, links and structured content have become text.
    Text(String),
    /// An image.
    Image {
        /// The media type: `image/png`, `image/jpeg`, `image/gif` or `image/webp`. Providers refuse others.
        media_type: String,
        /// The bytes, base64 (RFC 4648, section 4) with padding.
        base64: String,
    },
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Text(text) => f.write_str(text),
            Content::Image { media_type, .. } => write!(f, "[{media_type}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(server: &str, tool: &str, description: &str) -> Listed {
        Listed::new(Tool::new(server, tool), "https://example.com", json!({})).description(description)
    }

    #[test]
    fn a_toolbox_is_in_the_order_of_the_names_and_the_same_in_any_other() {
        let tools = [listed("b", "x", "1"), listed("a.b", "y", "2"), listed("a", "z", "3")];
        let toolbox = Toolbox::new(tools.clone());
        let order: Vec<&str> = toolbox.listed.iter().map(|listed| &*listed.name).collect();
        assert_eq!(order, ["bmcp_a_b_y", "bmcp_a_z", "bmcp_b_x"]);
        for listed in &toolbox.listed {
            assert_eq!(toolbox.names.tool(&listed.name), Some(&listed.tool));
        }
        let mut again = tools.to_vec();
        again.reverse();
        again.push(tools[0].clone());
        let again = Toolbox::new(again);
        assert_eq!((again.fingerprint, again.listed), (toolbox.fingerprint, toolbox.listed));
    }

    #[test]
    fn whatever_the_model_is_told_is_in_the_fingerprint() {
        let with_schema = Listed::new(Tool::new("s", "t"), "https://example.com", json!({"type": "object"}));
        let toolboxes = [
            vec![],
            vec![listed("s", "t", "d")],
            vec![listed("s", "t", "e")],
            vec![listed("s", "td", "")],
            vec![listed("st", "t", "d")],
            vec![listed("s", "t", "d"), listed("s", "u", "d")],
            vec![with_schema.clone()],
            vec![with_schema.description("d")],
        ];
        let all: std::collections::HashSet<_> = toolboxes.map(|tools| Toolbox::new(tools).fingerprint).into();
        assert_eq!(all.len(), 8);
    }
}
