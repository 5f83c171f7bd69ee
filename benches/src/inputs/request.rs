//! Requests in the Messages format, and the same in OpenAI's two.
//!
//! The shape and the order of the fields are those of coding agents: `messages` before `system` and `tools`, and
//! `stream` last, which is the worst place for whoever looks for it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::text::Text;

const MODEL: &str = "claude-sonnet-4-5-20250929";
const OPENAI_MODEL: &str = "gpt-4.1-2025-04-14";
const USER: &str =
    "user_5f0c7c1d3a9e4b62_account_1b7e9f04-77aa-4c2e-9b43-1f6f0c3d2a10_session_8d3c6b1e-2f55-4f0a-a1c9-6f2b9a7e4d31";
const TURNS: usize = 20;
const TOOLS: usize = 30;

/// A question without history or tools, about 300 bytes.
pub fn small_request(stream: bool) -> Bytes {
    finish(json!({
        "model": MODEL,
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Name three uses of a brick."}]}],
        "metadata": {"user_id": USER},
        "stream": stream,
    }))
}

/// The middle of a coding session, about 200 KB: a system prompt, 41 messages with tool calls and their results,
/// and 30 tools with schemas.
pub fn large_request(stream: bool) -> Bytes {
    let mut text = Text::new(1);
    let system = json!([
        {"type": "text", "text": "You are a coding agent.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": text.prose(12_000), "cache_control": {"type": "ephemeral"}},
    ]);
    let mut messages = vec![json!({"role": "user", "content": [{"type": "text", "text": text.prose(1_500)}]})];
    for turn in 0..TURNS {
        messages.extend(tool_round(&mut text, turn + 1 == TURNS));
    }
    let tools: Vec<Value> = (0..TOOLS).map(|number| tool(&mut text, number)).collect();
    finish(json!({
        "model": MODEL,
        "messages": messages,
        "system": system,
        "tools": tools,
        "metadata": {"user_id": USER},
        "max_tokens": 32_000,
        "thinking": {"type": "enabled", "budget_tokens": 16_000},
        "stream": stream,
    }))
}

/// What [`small_request`] asks, of chat completions.
pub fn small_chat_request(stream: bool) -> Bytes {
    chat(
        json!({
            "model": OPENAI_MODEL,
            "max_completion_tokens": 1024,
            "messages": [{"role": "user", "content": "Name three uses of a brick."}],
            "user": USER,
        }),
        stream,
    )
}

/// What [`large_request`] asks, of chat completions.
pub fn large_chat_request(stream: bool) -> Bytes {
    chat(large_chat(), stream)
}

/// The same, of a stream whose usage is not asked for.
pub fn large_chat_request_without_usage() -> Bytes {
    let mut request = large_chat();
    request["stream"] = true.into();
    finish(request)
}

fn large_chat() -> Value {
    let mut text = Text::new(1);
    let mut messages = vec![
        json!({"role": "system", "content": text.prose(12_000)}),
        json!({"role": "user", "content": text.prose(1_500)}),
    ];
    for _ in 0..TURNS {
        let id = format!("call_{}", text.hex(24));
        let arguments = json!({"path": format!("/workspace/src/{}.rs", text.hex(8)), "new_text": text.code(900)});
        messages.push(json!({"role": "assistant", "content": text.prose(950), "tool_calls": [
            {"id": id, "type": "function", "function": {"name": "tool_7", "arguments": arguments.to_string()}},
        ]}));
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": text.code(4_200)}));
    }
    let tools: Vec<Value> =
        (0..TOOLS).map(|number| json!({"type": "function", "function": function(&mut text, number)})).collect();
    json!({"model": OPENAI_MODEL, "messages": messages, "tools": tools})
}

/// What [`small_request`] asks, of Responses.
pub fn small_responses_request(stream: bool) -> Bytes {
    finish(json!({
        "model": OPENAI_MODEL,
        "max_output_tokens": 1024,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Name three uses of a brick."}]}],
        "user": USER,
        "stream": stream,
    }))
}

/// What [`large_request`] asks, of Responses.
pub fn large_responses_request(stream: bool) -> Bytes {
    let mut text = Text::new(1);
    let instructions = text.prose(12_000);
    let question = text.prose(1_500);
    let mut input = vec![json!({"role": "user", "content": [{"type": "input_text", "text": question}]})];
    for _ in 0..TURNS {
        let id = format!("call_{}", text.hex(24));
        let arguments = json!({"path": format!("/workspace/src/{}.rs", text.hex(8)), "new_text": text.code(900)});
        input.push(json!({"type": "reasoning", "summary": [], "encrypted_content": text.hex(1_000)}));
        input.push(json!({
            "type": "function_call", "call_id": id, "name": "tool_7", "arguments": arguments.to_string(),
        }));
        input.push(json!({"type": "function_call_output", "call_id": id, "output": text.code(4_200)}));
    }
    let tools = (0..TOOLS).map(|number| {
        let mut tool = function(&mut text, number);
        tool["type"] = "function".into();
        tool["strict"] = false.into();
        tool
    });
    finish(json!({
        "model": OPENAI_MODEL, "instructions": instructions, "input": input, "tools": tools.collect::<Vec<_>>(),
        "store": false, "stream": stream,
    }))
}

/// A chat completion; of a stream, the usage is asked for.
fn chat(mut request: Value, stream: bool) -> Bytes {
    if stream {
        request["stream_options"] = json!({"include_usage": true});
    }
    request["stream"] = stream.into();
    finish(request)
}

/// A tool as OpenAI's APIs describe it.
fn function(text: &mut Text, number: usize) -> Value {
    let mut function = tool(text, number);
    function["parameters"] = function["input_schema"].take();
    function.as_object_mut().expect("a tool is an object").remove("input_schema");
    function
}

/// The model thinks, says something and calls a tool; the client answers with what the tool printed.
fn tool_round(text: &mut Text, last: bool) -> [Value; 2] {
    let id = format!("toolu_01{}", text.hex(22));
    let assistant = json!({"role": "assistant", "content": [
        {"type": "thinking", "thinking": text.prose(300), "signature": text.hex(400)},
        {"type": "text", "text": text.prose(250)},
        {"type": "tool_use", "id": id, "name": "tool_7", "input": {
            "path": format!("/workspace/src/{}.rs", text.hex(8)),
            "new_text": text.code(900),
            "expected_replacements": 1,
        }},
    ]});
    let mut result = json!({"tool_use_id": id, "type": "tool_result", "content": [
        {"type": "text", "text": text.code(4_200)},
    ]});
    if last {
        result["cache_control"] = json!({"type": "ephemeral"});
    }
    [assistant, json!({"role": "user", "content": [result]})]
}

fn tool(text: &mut Text, number: usize) -> Value {
    let mut properties = serde_json::Map::new();
    for name in ["path", "pattern", "new_text", "expected_replacements", "timeout_ms"] {
        let kind = if name.contains('_') && name != "new_text" { "number" } else { "string" };
        properties.insert(name.into(), json!({"type": kind, "description": text.prose(90)}));
    }
    json!({
        "name": format!("tool_{number}"),
        "description": text.prose(600),
        "input_schema": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": properties,
            "required": ["path"],
            "additionalProperties": false,
        },
    })
}

fn finish(request: Value) -> Bytes {
    request.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_request_is_about_200_kb_and_the_same_every_time() {
        let request = large_request(true);
        assert!((195_000..215_000).contains(&request.len()), "{} bytes", request.len());
        assert_eq!(request, large_request(true));
        for request in [large_chat_request(true), large_responses_request(true)] {
            assert!((195_000..215_000).contains(&request.len()), "{} bytes", request.len());
        }
    }

    #[test]
    fn requests_say_whether_they_stream() {
        for request in [small_request(true), large_request(true)] {
            let value: Value = serde_json::from_slice(&request).expect("requests are JSON");
            assert_eq!(value["stream"], true);
        }
        let value: Value = serde_json::from_slice(&small_request(false)).expect("requests are JSON");
        assert_eq!(value["stream"], false);
    }
}
