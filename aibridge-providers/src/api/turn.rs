//! The end of a conversation: what a person asked last, and which tool call is being answered.

use std::borrow::Cow;

use super::{side, wrappers};
use crate::json::Value;

/// What the trailing run of messages that are not the model's says.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// What a person wrote.
    pub(super) prompt: Option<String>,
    /// The id of the last tool call that is answered.
    pub(super) answered: Option<String>,
    /// It is the agent that asks, for itself.
    pub(super) side: bool,
}

impl Turn {
    /// Takes `text` for the prompt, unless a later one has been found or an agent wrote it.
    pub(super) fn prompt(&mut self, text: Cow<'_, str>) {
        if self.prompt.is_none() && !wrappers::is_wrapper(&text) {
            self.prompt = Some(text.into_owned());
        }
    }

    /// Takes `id` for the answered call, unless a later one has been found.
    pub(super) fn answered(&mut self, id: Option<Value<'_>>) {
        if self.answered.is_none() {
            self.answered = id.and_then(Value::as_str).map(Cow::into_owned);
        }
    }

    /// Drops what only looks like a prompt: `system` or the prompt itself is that of a side request.
    pub(super) fn settle(mut self, system: Option<Value<'_>>) -> Turn {
        self.side |=
            self.prompt.as_deref().is_some_and(side::is_side_prompt) || system.is_some_and(side::is_side_system);
        if self.side {
            self.prompt = None;
        }
        self
    }
}

/// Whether `value` is an object whose member `key` is the string `expected`.
pub(super) fn has(value: Value<'_>, key: &str, expected: &str) -> bool {
    value.get(key).and_then(Value::as_str).is_some_and(|text| text == expected)
}
