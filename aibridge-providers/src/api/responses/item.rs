use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::kind::is_text_item;
use crate::api::{
    ToolCall,
    sink::Sink,
    wire::{Text, lenient, tool_input},
};

/// An item of a response's output. `result`, the picture that was generated, is left alone.
#[derive(Deserialize)]
pub(super) struct Item<'a> {
    #[serde(borrow, default, rename = "type", deserialize_with = "lenient")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(super) call_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    name: Option<Text<'a>>,
    /// `in_progress`, `completed`, `incomplete`.
    #[serde(borrow, default, deserialize_with = "lenient")]
    status: Option<Text<'a>>,
    /// Functions and MCP tools.
    #[serde(borrow, default, deserialize_with = "lenient")]
    arguments: Option<&'a RawValue>,
    /// Custom tools.
    #[serde(borrow, default, deserialize_with = "lenient")]
    input: Option<&'a RawValue>,
    /// Web search, computer, shell.
    #[serde(borrow, default, deserialize_with = "lenient")]
    action: Option<&'a RawValue>,
    /// Computer, of newer models.
    #[serde(borrow, default, deserialize_with = "lenient")]
    actions: Option<&'a RawValue>,
    /// `apply_patch`.
    #[serde(borrow, default, deserialize_with = "lenient")]
    operation: Option<&'a RawValue>,
    /// File search.
    #[serde(borrow, default, deserialize_with = "lenient")]
    queries: Option<&'a RawValue>,
    /// Code interpreter.
    #[serde(borrow, default, deserialize_with = "lenient")]
    code: Option<&'a RawValue>,
    /// Reasoning.
    #[serde(borrow, default, deserialize_with = "lenient")]
    summary: Option<Vec<&'a RawValue>>,
    /// Messages.
    #[serde(borrow, default, deserialize_with = "lenient")]
    content: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    phase: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    text: Option<Text<'a>>,
}

impl Item<'_> {
    /// Whether it is text, and no call.
    pub(super) fn is_text(&self) -> bool {
        self.kind.as_ref().is_some_and(|kind| is_text_item(&kind.0))
    }

    /// Reports what is recorded of the item.
    pub(super) fn report(self, sink: &mut Sink<'_>) {
        let kind = self.kind.as_ref().map(|kind| &*kind.0).unwrap_or_default();
        match kind {
            "reasoning" => {
                for part in texts(self.summary) {
                    sink.thought(part, "reasoning_summary");
                }
            }
            "message" if self.phase.as_ref().is_some_and(|phase| phase.0 == "commentary") => {
                sink.thought(texts(self.content).collect(), "commentary");
            }
            // All calls are named so: `function_call`, `web_search_call`, ...
            _ if kind.ends_with("_call") => {
                if let Some(call) = self.call() {
                    sink.tool(call);
                }
            }
            _ => {}
        }
    }

    fn call(self) -> Option<ToolCall> {
        let kind = self.kind?.into_string();
        let own = matches!(&*kind, "function_call" | "custom_tool_call");
        let cut = self.status.is_some_and(|status| status.0 == "incomplete");
        let (input, truncated) = match (self.arguments, self.input) {
            (Some(arguments), _) => match serde_json::from_str::<Text<'_>>(arguments.get()) {
                Ok(text) if text.0.is_empty() => (Value::String(String::new()), cut),
                Ok(text) => tool_input(text.into_string(), cut),
                Err(_) => (value(arguments), false),
            },
            (None, Some(input)) => (value(input), cut),
            (None, None) => {
                let of_hosted = [self.action, self.actions, self.operation, self.queries, self.code];
                (of_hosted.into_iter().flatten().next().map(value).unwrap_or_default(), false)
            }
        };
        Some(ToolCall {
            // What the client is to answer has a call id; what it has not, the provider ran itself.
            hosted: !own && self.call_id.is_none(),
            id: self.call_id.map(Text::into_string),
            item_id: self.id.map(Text::into_string),
            name: self.name.map(Text::into_string).filter(|name| !name.is_empty()).unwrap_or(kind),
            input,
            truncated,
        })
    }
}

/// The texts of an item's parts.
fn texts(parts: Option<Vec<&RawValue>>) -> impl Iterator<Item = String> {
    parts.into_iter().flatten().filter_map(|part| {
        let part: Part<'_> = serde_json::from_str(part.get()).ok()?;
        part.text.map(Text::into_string)
    })
}

/// A value as it is; as text, if it is nested too deeply to be kept otherwise.
fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::String(raw.get().to_owned()))
}
