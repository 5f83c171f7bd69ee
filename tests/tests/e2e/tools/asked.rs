//! What the provider was asked.

use aibridge_tests::{Endpoint, ReceivedRequest};
use serde_json::Value;

use super::read::json_of;

/// A request, in no API's words.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    /// The names of the tools.
    pub(super) tools: Vec<String>,
    /// The conversation, a line each: `user: text`, `assistant: text`, `call id name arguments`, `result id text`, with a `!`
    /// where it is an error.
    pub(super) talk: Vec<String>,
}

pub(super) fn asked(endpoint: Endpoint, request: &ReceivedRequest) -> Asked {
    let body = json_of(&request.body);
    let tools = body["tools"].as_array().into_iter().flatten();
    let name = |tool: &Value| match endpoint {
        Endpoint::Chat => tool["function"]["name"].as_str().unwrap().to_owned(),
        _ => tool["name"].as_str().unwrap().to_owned(),
    };
    let tools = tools.map(name).collect();
    let mut talk = Vec::new();
    match endpoint {
        Endpoint::Messages => body["messages"].as_array().unwrap().iter().for_each(|it| message(it, &mut talk)),
        Endpoint::Chat => body["messages"].as_array().unwrap().iter().for_each(|it| chat(it, &mut talk)),
        Endpoint::Responses => match &body["input"] {
            Value::String(text) => talk.push(format!("user: {text}")),
            items => items.as_array().unwrap().iter().for_each(|it| item(it, &mut talk)),
        },
    }
    Asked { tools, talk }
}

/// The text of a string, or of the parts of an array; images as `[image]`.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .map(|part| match part["type"].as_str() {
                Some("image" | "input_image" | "image_url") => "[image]".to_owned(),
                _ => part["text"].as_str().unwrap_or_default().to_owned(),
            })
            .collect(),
        _ => String::new(),
    }
}

fn message(message: &Value, talk: &mut Vec<String>) {
    let role = message["role"].as_str().unwrap();
    let Value::Array(blocks) = &message["content"] else {
        talk.push(format!("{role}: {}", text(&message["content"])));
        return;
    };
    for block in blocks {
        talk.push(match block["type"].as_str().unwrap() {
            "tool_use" => {
                format!("call {} {} {}", block["id"].as_str().unwrap(), block["name"].as_str().unwrap(), block["input"])
            }
            "tool_result" => {
                let failed = if block["is_error"] == true { "!" } else { "" };
                format!("result{failed} {} {}", block["tool_use_id"].as_str().unwrap(), text(&block["content"]))
            }
            _ => format!("{role}: {}", block["text"].as_str().unwrap()),
        });
    }
}

fn chat(message: &Value, talk: &mut Vec<String>) {
    let role = message["role"].as_str().unwrap();
    if role == "tool" {
        let id = message["tool_call_id"].as_str().unwrap();
        talk.push(format!("result {id} {}", text(&message["content"])));
        return;
    }
    let said = text(&message["content"]);
    if !said.is_empty() {
        talk.push(format!("{role}: {said}"));
    }
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        talk.push(format!(
            "call {} {} {}",
            call["id"].as_str().unwrap(),
            function["name"].as_str().unwrap(),
            function["arguments"].as_str().unwrap()
        ));
    }
}

fn item(item: &Value, talk: &mut Vec<String>) {
    talk.push(match item["type"].as_str() {
        Some("function_call") => format!(
            "call {} {} {}",
            item["call_id"].as_str().unwrap(),
            item["name"].as_str().unwrap(),
            item["arguments"].as_str().unwrap()
        ),
        Some("function_call_output") => {
            format!("result {} {}", item["call_id"].as_str().unwrap(), text(&item["output"]))
        }
        _ => format!("{}: {}", item["role"].as_str().unwrap(), text(&item["content"])),
    });
}
