use std::borrow::Cow;

use crate::{
    api::{
        Facts,
        turn::{Turn, has},
        wrappers,
    },
    json::{Document, Value},
};

/// Reads a Responses request.
pub(in crate::api) fn read(document: &Document) -> Facts {
    let input = document.get("input");
    let instructions = document.get("instructions").filter(|text| !text.is_null()).or_else(|| input.and_then(system));
    let turn = input.map(turn).unwrap_or_default().settle(instructions);
    Facts { background: document.get("background").is_some_and(Value::is_true), ..Facts::common(document, turn) }
}

/// The content of a system message that stands first.
fn system(input: Value<'_>) -> Option<Value<'_>> {
    input.elements().next().filter(|item| is_instruction(*item))?.get("content")
}

fn is_instruction(item: Value<'_>) -> bool {
    has(item, "role", "system") || has(item, "role", "developer")
}

/// The items of user and tools behind the model's last one.
fn turn(input: Value<'_>) -> Turn {
    let mut turn = Turn::default();
    if let Some(text) = input.as_str() {
        turn.prompt(text);
    }
    for item in input.elements().rev() {
        let kind = item.get("type").and_then(Value::as_str);
        match kind.as_deref() {
            // `additional_tools` carries the developer's role.
            _ if is_instruction(item) => {}
            // Codex: what went before is to be condensed.
            Some("compaction_trigger") => {
                turn.side = true;
                break;
            }
            // Answers to functions and custom tools, and to those that the client runs for the provider.
            Some(kind) if kind.ends_with("_call_output") => {
                turn.answered(item.get("call_id"));
                break;
            }
            None | Some("message") if has(item, "role", "user") => {
                if turn.prompt.is_none()
                    && let Some(text) = item.get("content").and_then(text)
                {
                    turn.prompt(text);
                }
            }
            _ => break,
        }
    }
    turn
}

/// The text of a user message: a string, or those of its text parts that an agent did not add.
fn text(content: Value<'_>) -> Option<Cow<'_, str>> {
    if let Some(text) = content.as_str() {
        return Some(text);
    }
    let parts: Vec<_> = content
        .elements()
        .filter(|part| has(*part, "type", "input_text") || has(*part, "type", "text"))
        .filter_map(|part| part.get("text").and_then(Value::as_str))
        .filter(|text| !wrappers::is_wrapper(text))
        .collect();
    (!parts.is_empty()).then(|| Cow::Owned(parts.join("\n")))
}
