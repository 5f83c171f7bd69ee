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
    /// A result.
    pub fn result(content: Vec<Content>) -> Outcome {
        Outcome { content, error: None, duration: Duration::ZERO }
    }

    /// A call that failed; the model is told the same.
    pub fn failed(why: impl Into<String>) -> Outcome {
        let why = why.into();
        Outcome { content: vec![Content::Text(why.clone())], error: Some(why), duration: Duration::ZERO }
    }

    /// Sets how long it took.
    #[must_use]
    pub fn took(mut self, duration: Duration) -> Outcome {
        self.duration = duration;
        self
    }

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
        /// The media type, e.g. `image/png`.
        media_type: String,
        /// The bytes, base64.
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
