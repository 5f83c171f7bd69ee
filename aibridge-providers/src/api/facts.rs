use super::{Api, chat, messages, responses, turn::Turn};
use crate::json::{Document, Value};

/// What was understood of a request body. Whatever is missing or has an unknown shape is simply absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// `model`, when it is a string.
    pub model: Option<String>,
    /// `stream`, only when it is JSON `true`.
    pub streaming: bool,
    /// The prompt that a person wrote, if the request carries one.
    pub prompt: Option<String>,
    /// The id of the tool call whose result the request carries.
    pub answered_tool_call: Option<String>,
    /// Messages: `metadata.user_id`, from which Claude Code's session is read.
    pub user_id: Option<String>,
    /// Chat: what the request says about `stream_options.include_usage`.
    pub include_usage: IncludeUsage,
    /// Responses: `background: true`.
    pub background: bool,
    /// The agent asks for itself, beside the conversation: a title, a topic, a summary of the context. Such a request
    /// carries no person's prompt and is given no tools.
    pub side_request: bool,
}

/// What a Chat request says about `stream_options.include_usage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IncludeUsage {
    /// The member is absent: no usage chunk would arrive.
    #[default]
    Unset,
    /// The client set it, to whatever value; it is left alone.
    Set,
}

impl Facts {
    /// Reads `document`, a request body of `api`.
    pub fn read(api: Api, document: &Document) -> Facts {
        match api {
            Api::Messages => messages::read(document),
            Api::Chat => chat::read(document),
            Api::Responses => responses::read(document),
        }
    }

    /// What all APIs spell alike, and `turn`.
    pub(super) fn common(document: &Document, turn: Turn) -> Facts {
        Facts {
            model: document.get("model").and_then(Value::as_str).map(|model| model.into_owned()),
            streaming: document.get("stream").is_some_and(Value::is_true),
            prompt: turn.prompt,
            answered_tool_call: turn.answered,
            side_request: turn.side,
            ..Facts::default()
        }
    }
}
