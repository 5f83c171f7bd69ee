//! What kinds of events and items there are.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::{Calls, tools::has_escapes, wire::type_of};

/// How the `type` begins of a tool's definition, and of a call, if the tool is one that can be injected.
static FUNCTION: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"function"));

#[derive(Deserialize)]
struct AnyItem<'a> {
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
}

/// What an event of that kind says of tool calls.
pub(super) fn calls(kind: &str, data: &[u8]) -> Calls {
    match kind {
        // Most are.
        "response.output_text.delta" => Calls::OnlyText,
        "response.output_item.added" | "response.output_item.done" => {
            let item = serde_json::from_slice::<AnyItem<'_>>(data).ok().and_then(|any| any.item);
            let kind = item.and_then(|item| type_of(item.get().as_bytes()).ok().flatten());
            match kind {
                Some(kind) if is_text_item(&kind) => Calls::Absent,
                _ => Calls::Possible,
            }
        }
        _ if holds_response(kind) => {
            if names_functions(data) {
                Calls::Named
            } else {
                Calls::Absent
            }
        }
        _ if is_text(kind) => Calls::OnlyText,
        _ => Calls::Possible,
    }
}

/// Whether there may be a tool's definition, or a call, of the kind that can be injected.
pub(super) fn names_functions(json: &[u8]) -> bool {
    FUNCTION.find(json).is_some() || has_escapes(json)
}

/// Whether an output item of that type is text, and no call.
pub(super) fn is_text_item(kind: &str) -> bool {
    matches!(kind, "message" | "reasoning")
}

/// Whether the event holds the response.
fn holds_response(kind: &str) -> bool {
    matches!(kind, "response.created" | "response.queued" | "response.in_progress") || is_terminal(kind)
}

/// Whether the event holds the response as it has become.
pub(super) fn is_terminal(kind: &str) -> bool {
    matches!(kind, "response.completed" | "response.incomplete" | "response.failed")
}

/// Whether the event is about a text that its item holds again when it is done.
fn is_text(kind: &str) -> bool {
    let kind = kind.strip_prefix("response.").unwrap_or_default();
    ["output_text.", "reasoning", "content_part.", "refusal."].iter().any(|text| kind.starts_with(text))
}
