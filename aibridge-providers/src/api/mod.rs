//! The three APIs: [`Api::Messages`], [`Api::Chat`] and [`Api::Responses`].

mod calls;
mod error;
mod facts;
mod format;
mod observed;
mod observer;
mod refusal;
mod side;
mod sink;
mod turn;
mod wire;
mod wrappers;

#[cfg(test)]
mod testing;

pub mod chat;
pub mod conversation;
pub mod messages;
pub mod responses;
pub mod tools;

pub use calls::Calls;
pub use facts::{Facts, IncludeUsage};
pub use format::Format;
pub use observed::{Observed, ProviderError, Reply, Thought, ToolCall, Usage, UsageSource};
pub use observer::Observer;
pub use refusal::{Reason, Refusal};

/// One of the APIs whose requests are intercepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Api {
    /// Anthropic's `POST /v1/messages`.
    Messages,
    /// OpenAI's `POST /v1/chat/completions`.
    Chat,
    /// OpenAI's `POST /v1/responses` and `/v1/responses/compact`.
    Responses,
}

impl Api {
    /// The name used in records: `messages`, `chat_completions`, `responses`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Api::Messages => "messages",
            Api::Chat => "chat_completions",
            Api::Responses => "responses",
        }
    }

    /// The format in which this API reports errors.
    pub const fn format(self) -> Format {
        match self {
            Api::Messages => Format::Anthropic,
            Api::Chat | Api::Responses => Format::OpenAi,
        }
    }
}
