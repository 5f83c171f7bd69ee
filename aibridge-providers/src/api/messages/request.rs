use crate::{
    api::{
        Facts,
        turn::{Turn, has},
    },
    json::{Document, Value},
};

/// Reads a Messages request.
pub(in crate::api) fn read(document: &Document) -> Facts {
    let turn = document.get("messages").map(turn).unwrap_or_default().settle(document.get("system"));
    let user_id = document.get("metadata").and_then(|metadata| metadata.get("user_id")).and_then(Value::as_str);
    Facts { user_id: user_id.map(|id| id.into_owned()), ..Facts::common(document, turn) }
}

/// The user messages behind the model's last one. Claude Code puts messages of `role: system` among them.
fn turn(messages: Value<'_>) -> Turn {
    let mut turn = Turn::default();
    for message in messages.elements().rev() {
        if has(message, "role", "system") {
            continue;
        }
        if !has(message, "role", "user") {
            break;
        }
        let Some(content) = message.get("content") else { continue };
        if let Some(text) = content.as_str() {
            turn.prompt(text);
        }
        for block in content.elements().rev() {
            if has(block, "type", "tool_result") {
                turn.answered(block.get("tool_use_id"));
            } else if has(block, "type", "text")
                && let Some(text) = block.get("text").and_then(Value::as_str)
            {
                turn.prompt(text);
            }
        }
        // What precedes an answer belongs to the call.
        if turn.answered.is_some() {
            break;
        }
    }
    turn
}
