//! Anthropic's Messages API.
//!
//! After the reference at <https://docs.claude.com/en/api/messages> and
//! <https://docs.claude.com/en/docs/build-with-claude/streaming>.

mod reply;
mod request;
mod tools;
mod usage;

#[cfg(test)]
mod tests;

pub(super) use reply::Reader;
pub(super) use request::read;
pub(super) use tools::{Rounds, restore};
