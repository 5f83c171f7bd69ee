//! What the demo's provider says, in the formats of the three APIs.

mod chat;
mod messages;
mod responses;

use serde_json::{Value, json};

pub(super) use self::{chat::chat, messages::messages, responses::responses};

/// A reply, whole and as events.
pub(super) struct Reply {
    pub(super) whole: Value,
    pub(super) events: Vec<String>,
}

fn model(request: &Value) -> &str {
    request["model"].as_str().unwrap_or("demo")
}

/// About how many tokens a text is.
fn tokens(value: &Value) -> usize {
    value.to_string().len().div_ceil(4)
}

fn named(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
}

/// The members of both.
fn with(mut one: Value, other: Value) -> Value {
    if let (Some(one), Value::Object(other)) = (one.as_object_mut(), other) {
        one.extend(other);
    }
    one
}

/// An event of the Responses API, or of Messages.
fn event(kind: &str, members: Value) -> Value {
    with(json!({"type": kind}), members)
}
