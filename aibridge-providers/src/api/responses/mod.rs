//! OpenAI's Responses API.
//!
//! After the reference at <https://platform.openai.com/docs/api-reference/responses> and
//! <https://platform.openai.com/docs/api-reference/responses-streaming>.

mod item;
mod kind;
mod reply;
mod request;
mod tools;
mod usage;

#[cfg(test)]
mod tests;

pub(super) use reply::Reader;
pub(super) use request::read;
pub(super) use tools::{Rounds, forget_given, restore};
