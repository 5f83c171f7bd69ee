//! What was recorded, read back: the types of queries and their results.
//!
//! Results serialize under the names of the records, as the REST API and `--json` show them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Which interceptions. Everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "built field by field by whoever asks")]
pub struct Filter {
    /// Whose.
    pub initiator: Option<Uuid>,
    /// The provider's type.
    pub provider: Option<String>,
    /// The instance's name.
    pub provider_name: Option<String>,
    /// The model as sent upstream.
    pub model: Option<String>,
    /// The coding agent.
    pub client: Option<String>,
    /// The session.
    pub session_id: Option<String>,
    /// Began then or later.
    pub started_after: Option<DateTime<Utc>>,
    /// Began then or earlier.
    pub started_before: Option<DateTime<Utc>>,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "built field by field by whoever asks")]
pub struct Page {
    /// At most so many.
    pub limit: u32,
    /// Where it begins.
    pub from: From,
}

impl Default for Page {
    /// The newest 100.
    fn default() -> Page {
        Page { limit: 100, from: From::Offset(0) }
    }
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum From {
    /// After that interception.
    After(Uuid),
    /// After so many.
    Offset(u64),
}

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// [`From::After`] names no interception.
    #[error("there is no interception {0} to continue after")]
    UnknownCursor(Uuid),
    /// More than one id begins so.
    #[error("several interceptions begin with {0}")]
    Ambiguous(String),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(String),
}

/// A page of interceptions.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Interceptions {
    /// How many the filter finds in all.
    pub count: u64,
    /// The page, newest first.
    pub results: Vec<Interception>,
}

/// An interception and what belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Interception {
    /// Its id.
    pub id: Uuid,
    /// The gateway key used, if it was one.
    pub api_key_id: Option<String>,
    /// Who asked.
    pub initiator: Initiator,
    /// The provider's type.
    pub provider: String,
    /// The instance's name.
    pub provider_name: String,
    /// The model as sent upstream.
    pub model: String,
    /// The model the client asked for.
    pub requested_model: String,
    /// `messages`, `chat_completions`, `responses`.
    pub api: String,
    /// Whether a stream was asked for.
    pub streaming: bool,
    /// The coding agent.
    pub client: String,
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// The session.
    pub session_id: String,
    /// The agent within the session.
    pub agent_id: Option<String>,
    /// The agent that started this one.
    pub parent_agent_id: Option<String>,
    /// The interception whose tool call this one answers.
    pub thread_parent_id: Option<Uuid>,
    /// The first of the thread.
    pub thread_root_id: Option<Uuid>,
    /// `centralized` or `byok`.
    pub credential_kind: String,
    /// First and last characters of the credential.
    pub credential_hint: String,
    /// Further facts.
    pub metadata: Map<String, Value>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; `None` while it runs.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<String>,
    /// The status the client was sent.
    pub http_status: Option<u16>,
    /// The provider's or the gateway's own name for the error.
    pub error_type: Option<String>,
    /// The error's message.
    pub error_message: Option<String>,
    /// From the start to the first byte of the reply's body, in milliseconds.
    pub ttfb_ms: Option<u64>,
    /// From the start to the end, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Size of the request's body.
    pub request_bytes: u64,
    /// Size of the reply's body.
    pub response_bytes: Option<u64>,
    /// The tokens of each round trip.
    pub token_usages: Vec<TokenUsage>,
    /// The person's prompts.
    pub user_prompts: Vec<UserPrompt>,
    /// The model's tool calls.
    pub tool_usages: Vec<ToolUsage>,
    /// The model's thoughts. Not part of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_thoughts: Option<Vec<ModelThought>>,
}

/// Who asked. Only the id is certain: a user of another source of identity may be unknown here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Initiator {
    /// The user's id.
    pub id: Uuid,
    /// Empty when unknown.
    pub username: String,
    /// Display name; may be empty.
    pub name: String,
    /// May be empty.
    pub avatar_url: String,
}

/// The tokens of one round trip. The four counts are disjoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TokenUsage {
    /// Its id.
    pub id: Uuid,
    /// The interception it belongs to.
    pub interception_id: Uuid,
    /// The provider's id of the reply.
    pub provider_response_id: Option<String>,
    /// Input tokens outside any cache.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Input tokens read from a cache.
    pub cache_read_input_tokens: u64,
    /// Input tokens written to a cache.
    pub cache_write_input_tokens: u64,
    /// Further figures.
    pub metadata: Map<String, Value>,
    /// `final`, `partial` or `none`.
    pub usage_source: String,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

/// The prompt that a person wrote.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UserPrompt {
    /// Its id.
    pub id: Uuid,
    /// The interception it belongs to.
    pub interception_id: Uuid,
    /// The provider's id of the reply.
    pub provider_response_id: Option<String>,
    /// The text.
    pub prompt: String,
    /// Further facts.
    pub metadata: Map<String, Value>,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

/// A tool call of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ToolUsage {
    /// Its id.
    pub id: Uuid,
    /// The interception it belongs to.
    pub interception_id: Uuid,
    /// The provider's id of the reply.
    pub provider_response_id: Option<String>,
    /// The provider's id of the call.
    pub provider_tool_call_id: Option<String>,
    /// The provider's id of the output item.
    pub provider_item_id: Option<String>,
    /// The MCP server, for an injected tool.
    pub server_url: Option<String>,
    /// The tool's name.
    pub tool: String,
    /// The arguments: JSON text, or what the model wrote when that was not JSON; empty when not recorded.
    pub input: String,
    /// Whether the gateway injected the tool.
    pub injected: bool,
    /// Why an injected call failed.
    pub invocation_error: Option<String>,
    /// Further facts.
    pub metadata: Map<String, Value>,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

/// Reasoning of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelThought {
    /// Its id.
    pub id: Uuid,
    /// The interception it belongs to.
    pub interception_id: Uuid,
    /// The text; empty when redacted.
    pub content: String,
    /// Holds `source`.
    pub metadata: Map<String, Value>,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}
