//! The records: an interception's [`Start`], what it reports while it runs, and its [`End`].

use std::{borrow::Cow, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

/// The beginning of an interception: one request, as it is about to be sent to the provider.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "built field by field by whoever records")]
pub struct Start {
    /// UUIDv7.
    pub id: Uuid,
    /// The authenticated user.
    pub initiator_id: Uuid,
    /// The gateway key used, if it was one.
    pub api_key_id: Option<String>,
    /// The provider's type, e.g. `anthropic`.
    pub provider: String,
    /// The instance's name.
    pub provider_name: String,
    /// The model as sent upstream.
    pub model: String,
    /// The model the client asked for.
    pub requested_model: String,
    /// `messages`, `chat_completions`, `responses`.
    pub api: &'static str,
    /// Whether a stream was asked for.
    pub streaming: bool,
    /// The coding agent, e.g. `Claude Code`.
    pub client: &'static str,
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// Its session.
    pub client_session_id: Option<String>,
    /// The agent within the session.
    pub agent_id: Option<String>,
    /// The agent that started this one.
    pub parent_agent_id: Option<String>,
    /// The tool call this request answers; links it to the interception that asked for the tool.
    pub correlating_tool_call_id: Option<String>,
    /// `centralized` or `byok`.
    pub credential_kind: &'static str,
    /// First and last characters of the credential.
    pub credential_hint: String,
    /// Further facts.
    pub metadata: Map<String, Value>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Size of the request's body as received.
    pub request_bytes: u64,
}

/// Something an interception reports after its start.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// The person's prompt.
    UserPrompt(UserPrompt),
    /// The tokens of one round trip.
    TokenUsage(TokenUsage),
    /// A tool call of the model.
    ToolUsage(ToolUsage),
    /// A thought of the model.
    ModelThought(ModelThought),
    /// The end. Nothing of the interception follows it but what [`Settled`] tells.
    End(End),
    /// A response that was accepted for processing in the background has finished. Belongs to no interception that runs.
    Settled(Settled),
}

impl Record {
    /// The interception it belongs to; `None` for [`Settled`], whose interception only the store can find.
    pub fn interception_id(&self) -> Option<Uuid> {
        match self {
            Record::UserPrompt(record) => Some(record.interception_id),
            Record::TokenUsage(record) => Some(record.interception_id),
            Record::ToolUsage(record) => Some(record.interception_id),
            Record::ModelThought(record) => Some(record.interception_id),
            Record::End(record) => Some(record.id),
            Record::Settled(_) => None,
        }
    }
}

/// The prompt that a person wrote.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "built field by field by whoever records")]
pub struct UserPrompt {
    /// UUIDv7.
    pub id: Uuid,
    /// The interception it belongs to.
    pub interception_id: Uuid,
    /// The provider's id of the reply, when known.
    pub provider_response_id: Option<String>,
    /// The text.
    pub prompt: String,
    /// Further facts.
    pub metadata: Map<String, Value>,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

/// The tokens of one round trip with the provider. The four counts are disjoint.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "built field by field by whoever records")]
pub struct TokenUsage {
    /// UUIDv7.
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
    /// Further figures that are not zero.
    pub metadata: Map<String, Value>,
    /// `final`, `partial` or `none`.
    pub usage_source: &'static str,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

/// A tool call of the model.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "built field by field by whoever records")]
pub struct ToolUsage {
    /// UUIDv7.
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
    /// The arguments; `null` when content is not recorded.
    pub input: Value,
    /// Whether the gateway injected the tool.
    pub injected: bool,
    /// Why an injected call failed.
    pub invocation_error: Option<String>,
    /// Further facts.
    pub metadata: Map<String, Value>,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

impl ToolUsage {
    /// The input as text: JSON, or what the model wrote when that was not JSON; empty when it is not recorded.
    pub fn input_text(&self) -> Cow<'_, str> {
        match &self.input {
            Value::Null => Cow::Borrowed(""),
            Value::String(raw) => Cow::Borrowed(raw),
            json => Cow::Owned(json.to_string()),
        }
    }
}

/// Reasoning of the model.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "built field by field by whoever records")]
pub struct ModelThought {
    /// UUIDv7.
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

/// How an interception ended.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "built field by field by whoever records")]
pub struct End {
    /// The interception.
    pub id: Uuid,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How.
    pub outcome: Outcome,
    /// The status the client was sent, if any.
    pub http_status: Option<u16>,
    /// The provider's or the gateway's own name for the error.
    pub error_type: Option<String>,
    /// The error's message, at most [`MAX_ERROR_MESSAGE`] bytes.
    pub error_message: Option<String>,
    /// From the start to the first byte of the reply's body.
    pub ttfb: Option<Duration>,
    /// From the start to the end.
    pub duration: Duration,
    /// Bytes of the reply's body as received from the provider.
    pub response_bytes: u64,
    /// The credential that answered, when it is not the one named at the start.
    pub credential_hint: Option<String>,
    /// Facts that are merged into the interception's metadata.
    pub metadata: Map<String, Value>,
}

/// What a response that was accepted for processing in the background came to, seen when the client asked for it later.
///
/// It belongs to the interception of the same initiator and instance that ended as [`Outcome::Accepted`] with the
/// response's id and without final figures; if there is none, or no longer, to nothing. It may be told any number of
/// times. Which interception that is only the store knows: the `interception_id`s in here are nil.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "built field by field by whoever records")]
pub struct Settled {
    /// The user who asked for it.
    pub initiator_id: Uuid,
    /// The instance that was asked.
    pub provider_name: String,
    /// The provider's id of the response.
    pub provider_response_id: String,
    /// Its tokens, in place of those that were known when the interception ended.
    pub usage: TokenUsage,
    /// All tool calls of its output.
    pub tools: Vec<ToolUsage>,
    /// All thoughts of its output.
    pub thoughts: Vec<ModelThought>,
}

/// The longest error message kept, in bytes.
pub const MAX_ERROR_MESSAGE: usize = 1024;

/// How a round trip ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The reply was whole.
    Completed,
    /// The provider answered with an error.
    ProviderError,
    /// The provider stopped without its terminal event.
    Truncated,
    /// The client went away.
    ClientGone,
    /// The gateway refused the request.
    Refused,
    /// The gateway failed.
    GatewayError,
    /// The provider accepted the request for processing in the background.
    Accepted,
}

impl Outcome {
    /// The name used in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::ProviderError => "provider_error",
            Outcome::Truncated => "truncated",
            Outcome::ClientGone => "client_gone",
            Outcome::Refused => "refused",
            Outcome::GatewayError => "gateway_error",
            Outcome::Accepted => "accepted",
        }
    }
}
