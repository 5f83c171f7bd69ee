//! What the demo's provider has to say to a request.

use serde_json::{Map, Value, json};

/// What it says.
pub(super) enum Turn {
    /// These words.
    Text(Vec<String>),
    /// It wants this tool run.
    Call { name: String, arguments: Value },
}

impl Turn {
    /// Calls the gateway's tool that it is asked for by name, says what a tool has answered, and hello otherwise.
    pub(super) fn of(request: &Value) -> Turn {
        let said = [&request["messages"], &request["input"]].into_iter().find(|said| !said.is_null());
        let last = match said {
            Some(Value::Array(items)) => items.last().unwrap_or(&Value::Null),
            Some(text) => text,
            None => &Value::Null,
        };
        if let Some(answer) = answer(last) {
            return Turn::Text(words(&format!("The tool answered: {answer}")));
        }
        let asked = text(if last["content"].is_null() { last } else { &last["content"] });
        let tools = request["tools"].as_array().into_iter().flatten();
        // Chat has them one level deeper.
        let mut tools = tools.map(|tool| if tool["function"].is_null() { tool } else { &tool["function"] });
        // A client's tools it leaves alone: agents have some whose names are everyday words.
        let is_wanted = |name: &str| name.starts_with("bmcp_") && asked.contains(name);
        match tools.find(|tool| tool["name"].as_str().is_some_and(is_wanted)) {
            Some(tool) => Turn::Call {
                name: tool["name"].as_str().unwrap_or_default().to_owned(),
                arguments: arguments(if tool["parameters"].is_null() {
                    &tool["input_schema"]
                } else {
                    &tool["parameters"]
                }),
            },
            None if asked.contains("bmcp_") => Turn::Text(words("I have no such tool . Does its server run ?")),
            None => Turn::Text(words("Hello from the demo provider . The gateway recorded this exchange .")),
        }
    }
}

/// Something for everything that the schema requires.
fn arguments(schema: &Value) -> Value {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let filled = required.map(|name| {
        let value = match schema["properties"][name]["type"].as_str() {
            Some("number" | "integer") => json!(1),
            Some("boolean") => json!(true),
            Some("array") => json!([]),
            Some("object") => json!({}),
            _ => json!("hello"),
        };
        (name.to_owned(), value)
    });
    Value::Object(filled.collect::<Map<_, _>>())
}

/// What a tool has answered, if this is that, in any of the three formats.
fn answer(last: &Value) -> Option<String> {
    if last["role"] == "tool" {
        return Some(text(&last["content"]));
    }
    if last["type"] == "function_call_output" {
        return Some(text(&last["output"]));
    }
    let result = last["content"].as_array()?.iter().find(|block| block["type"] == "tool_result")?;
    Some(text(&result["content"]))
}

/// The text of a string, or of the parts of an array.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

/// The words of a stream; marks at the end of a sentence are, too.
fn words(text: &str) -> Vec<String> {
    let begins = |(at, word): (usize, &str)| {
        if at == 0 || matches!(word, "." | "?") { word.to_owned() } else { format!(" {word}") }
    };
    text.split(' ').enumerate().map(begins).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_called_when_it_is_asked_for_by_name() {
        let schema = json!({"type": "object", "properties": {"message": {"type": "string"}, "n": {"type": "number"}, "x": {}},
            "required": ["message", "n"]});
        for (request, called) in [
            (
                json!({"messages": [{"role": "user", "content": "use bmcp_a_echo"}], "tools": [
                {"type": "function", "function": {"name": "bmcp_a_echo", "parameters": schema}}]}),
                true,
            ),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "use bmcp_a_echo"}]}],
                "tools": [{"name": "bmcp_a_echo", "input_schema": schema}]}),
                true,
            ),
            (
                json!({"input": "use bmcp_a_echo", "tools": [
                {"type": "web_search"}, {"type": "function", "name": "bmcp_a_echo", "parameters": schema}]}),
                true,
            ),
            (json!({"input": "use bmcp_a_other", "tools": [{"name": "bmcp_a_echo"}]}), false),
            (json!({"input": "use something", "tools": [{"name": "bmcp_a_echo"}]}), false),
            (json!({"input": "Read it", "tools": [{"name": "Read"}]}), false),
            (json!({}), false),
        ] {
            match Turn::of(&request) {
                Turn::Call { name, arguments } => {
                    assert!(called && name == "bmcp_a_echo", "{request}");
                    assert_eq!(arguments, json!({"message": "hello", "n": 1}));
                }
                Turn::Text(words) => {
                    let hello =
                        if request.to_string().contains("use bmcp_") { "I have no such tool." } else { "Hello from" };
                    assert!(!called && words.concat().starts_with(hello), "{request}: {words:?}");
                }
            }
        }
    }

    #[test]
    fn what_a_tool_has_answered_is_said() {
        let parts = json!([{"type": "text", "text": "Echo: a"}, {"type": "text", "text": "b"}]);
        for last in [
            json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": parts}]}),
            json!({"role": "tool", "tool_call_id": "t", "content": "Echo: a\nb"}),
            json!({"type": "function_call_output", "call_id": "t", "output": parts}),
        ] {
            let Turn::Text(words) = Turn::of(&json!({"messages": [last]})) else { panic!("{last}") };
            assert_eq!(words.concat(), "The tool answered: Echo: a\nb");
        }
    }
}
