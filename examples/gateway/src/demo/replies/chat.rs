use serde_json::{Value, json};

use super::{super::turn::Turn, Reply, model, tokens};

/// OpenAI's chat completions.
pub(in super::super) fn chat(request: &Value) -> Reply {
    let input = tokens(&request["messages"]);
    let (message, deltas, stop, output) = match Turn::of(request) {
        Turn::Text(words) => {
            let deltas = words.iter().map(|word| json!({"content": word})).collect::<Vec<_>>();
            (json!({"role": "assistant", "content": words.concat()}), deltas, "stop", words.len())
        }
        Turn::Call { name, arguments } => {
            let function = json!({"name": name, "arguments": arguments.to_string()});
            let call = json!({"id": "call_demo", "type": "function", "function": function});
            let mut delta = call.clone();
            delta["index"] = json!(0);
            let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
            (message, vec![json!({"tool_calls": [delta]})], "tool_calls", tokens(&arguments))
        }
    };
    let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": model(request), "choices": choices, "usage": usage});
        format!("data: {chunk}\n\n")
    };
    let choice = |delta: Value, finish: Value| {
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]), Value::Null)
    };
    let mut events = vec![choice(json!({"role": "assistant", "content": ""}), Value::Null)];
    events.extend(deltas.into_iter().map(|delta| choice(delta, Value::Null)));
    events.push(choice(json!({}), json!(stop)));
    if request["stream_options"]["include_usage"] == Value::Bool(true) {
        events.push(chunk(json!([]), usage.clone()));
    }
    events.push("data: [DONE]\n\n".to_owned());
    let whole = json!({"id": "chatcmpl-demo", "object": "chat.completion", "created": 1_700_000_000,
        "model": model(request), "usage": usage,
        "choices": [{"index": 0, "finish_reason": stop, "message": message}]});
    Reply { whole, events }
}
