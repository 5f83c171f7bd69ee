//! OpenAI's Chat Completions API, and the many that are compatible with it.
//!
//! After the reference at <https://platform.openai.com/docs/api-reference/chat>.

mod reply;
mod request;
mod tools;
mod usage;

#[cfg(test)]
mod tests;

pub(super) use reply::Reader;
pub(super) use request::read;
pub(super) use tools::{Rounds, restore};
pub use usage::{ask_for_usage, is_usage_chunk};
