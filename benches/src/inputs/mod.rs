//! Realistic requests and replies, the same in every bench and on every run.
//!
//! Everything is generated from fixed seeds, so two runs measure the same bytes and a reply can be checked by its
//! length alone.
//!
//! ```
//! use aibridge_benches::inputs::{self, Format};
//!
//! assert!((195_000..215_000).contains(&inputs::large_request(true).len()));
//! assert_eq!(inputs::events(Format::Messages, 104).len(), 104);
//! ```

mod reply;
mod request;
mod text;

pub use reply::{events, reply};
pub use request::{
    large_chat_request, large_chat_request_without_usage, large_request, large_responses_request, small_chat_request,
    small_request, small_responses_request,
};
pub(crate) use text::Text;

/// The API a reply is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Anthropic Messages, `/v1/messages`.
    Messages,
    /// OpenAI Chat Completions, `/v1/chat/completions`.
    Chat,
    /// OpenAI Responses, `/v1/responses`.
    Responses,
}

impl Format {
    /// The API that a request path ends in; a query is ignored.
    pub fn of_path(path: &str) -> Option<Self> {
        let path = path.split('?').next().unwrap_or_default();
        if path.ends_with("/messages") {
            Some(Self::Messages)
        } else if path.ends_with("/chat/completions") {
            Some(Self::Chat)
        } else if path.ends_with("/responses") {
            Some(Self::Responses)
        } else {
            None
        }
    }
}
