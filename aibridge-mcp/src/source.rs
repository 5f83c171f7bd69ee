use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use serde_json::{Map, Value};
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
