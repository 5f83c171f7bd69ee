use serde_json::{Map, Value};

/// Something a provider's reply contained, reported once it is complete.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Observed {
    /// The model called a tool.
    ToolCall(ToolCall),
    /// The model reasoned.
    Thought(Thought),
}

/// A tool call of the model.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ToolCall {
    /// The provider's id of the call (`toolu_...`, `call_...`).
    pub id: Option<String>,
    /// The id of the output item that holds the call (Responses).
    pub item_id: Option<String>,
    /// The tool's name as the model gave it, or the item type of a hosted tool without one.
    pub name: String,
    /// The arguments: their JSON, or a JSON string of the raw text when they are not JSON.
    pub input: Value,
    /// The stream ended inside the arguments; `input` holds the raw text.
    pub truncated: bool,
    /// The provider ran the tool itself (web search, code execution, ...).
    pub hosted: bool,
}

/// A piece of reasoning.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thought {
    /// The text; empty when the provider redacted it.
    pub content: String,
    /// `thinking`, `redacted_thinking`, `reasoning`, `reasoning_summary` or `commentary`.
    pub source: &'static str,
}

/// Tokens of one round trip. The four counts are disjoint.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// Input tokens that were neither read from nor written to a cache.
    pub input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Input tokens read from the provider's cache.
    pub cache_read: u64,
    /// Input tokens written to the provider's cache.
    pub cache_write: u64,
    /// Further figures, those that are not zero.
    pub extras: Map<String, Value>,
    /// How far the figures can be trusted.
    pub source: UsageSource,
}

impl Usage {
    /// Takes over a further figure: zero removes it, an absent one leaves what is known.
    pub(super) fn extra(&mut self, name: &str, figure: Option<u64>) {
        match figure {
            Some(0) => drop(self.extras.shift_remove(name)),
            Some(figure) => drop(self.extras.insert(name.to_owned(), figure.into())),
            None => {}
        }
    }
}

/// Where token figures come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsageSource {
    /// The provider's closing figures.
    Final,
    /// What the provider had reported when the reply ended early.
    Partial,
    /// The provider reported nothing.
    #[default]
    None,
}

impl UsageSource {
    /// The name used in records: `final`, `partial`, `none`.
    pub const fn as_str(self) -> &'static str {
        match self {
            UsageSource::Final => "final",
            UsageSource::Partial => "partial",
            UsageSource::None => "none",
        }
    }
}

/// An error that the provider reported inside a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderError {
    /// The provider's own type or code, e.g. `overloaded_error`; empty when it named none.
    pub kind: String,
    /// The provider's message.
    pub message: String,
}

/// What is known of a reply so far, beyond the reported [`Observed`] parts.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Reply {
    /// The provider's id of the reply (`msg_...`, `chatcmpl-...`, `resp_...`).
    pub id: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// Tokens; `source` is `Partial` until the closing figures have been seen.
    pub usage: Usage,
    /// The terminal event of the API has been seen (or the blocking reply was whole).
    pub terminal: bool,
    /// Any generated content (text, thought, tool input) has been seen.
    pub content: bool,
    /// An error reported by the provider within the reply.
    pub error: Option<ProviderError>,
    /// A Responses reply that was accepted for processing in the background.
    pub accepted: bool,
    /// A Responses reply that is, or was, produced in the background.
    pub background: bool,
    /// Events that passed unobserved because they exceeded the limit or could not be decoded.
    pub unobserved: u32,
}
