use crate::{
    api::{
        Facts, IncludeUsage,
        turn::{Turn, has},
    },
    json::{Document, Value},
};

/// Reads a Chat request.
pub(in crate::api) fn read(document: &Document) -> Facts {
    let messages = document.get("messages");
    let turn = messages.map(turn).unwrap_or_default().settle(messages.and_then(system));
    let include_usage = match document.get("stream_options").and_then(|options| options.get("include_usage")) {
        Some(_) => IncludeUsage::Set,
        None => IncludeUsage::Unset,
    };
    Facts { include_usage, ..Facts::common(document, turn) }
}

/// The content of the system message, which is the first.
fn system(messages: Value<'_>) -> Option<Value<'_>> {
    messages.elements().next().filter(|message| is_instruction(*message))?.get("content")
}

fn is_instruction(message: Value<'_>) -> bool {
    has(message, "role", "system") || has(message, "role", "developer")
}

/// The messages of user and tools behind the model's last one.
fn turn(messages: Value<'_>) -> Turn {
    let mut turn = Turn::default();
    for message in messages.elements().rev() {
        if is_instruction(message) {
            continue;
        }
        if has(message, "role", "tool") {
            turn.answered(message.get("tool_call_id"));
            break;
        }
        if !has(message, "role", "user") {
            break;
        }
        let Some(content) = message.get("content") else { continue };
        if let Some(text) = content.as_str() {
            turn.prompt(text);
        }
        for part in content.elements().rev() {
            if has(part, "type", "text")
                && let Some(text) = part.get("text").and_then(Value::as_str)
            {
                turn.prompt(text);
            }
        }
    }
    turn
}
