use serde_json::{Value, json};

use super::{super::turn::Turn, Reply, event, model, named, tokens, with};

/// OpenAI's Responses.
pub(in super::super) fn responses(request: &Value) -> Reply {
    let input = tokens(&request["input"]);
    let turn = Turn::of(request);
    let output = match &turn {
        Turn::Text(words) => words.len(),
        Turn::Call { arguments, .. } => tokens(arguments),
    };
    // The item as it begins, what happens to it, and the item as it ends.
    let (begun, changes, done) = match turn {
        Turn::Text(words) => text(&words),
        Turn::Call { name, arguments } => call(&name, &arguments.to_string()),
    };
    let response = |status: &str, output_items: Value, usage: Value| {
        json!({"id": "resp_demo", "object": "response", "created_at": 1_700_000_000, "status": status,
            "model": model(request), "output": output_items, "parallel_tool_calls": true, "tool_choice": "auto",
            "tools": [], "usage": usage})
    };
    let usage = json!({"input_tokens": input, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": input + output});
    let whole = response("completed", json!([done]), usage);
    let started = response("in_progress", json!([]), Value::Null);
    let mut events = vec![
        event("response.created", json!({"response": started})),
        event("response.in_progress", json!({"response": started})),
        event("response.output_item.added", json!({"output_index": 0, "item": begun})),
    ];
    let place = json!({"item_id": done["id"], "output_index": 0});
    events.extend(changes.into_iter().map(|change| with(change, place.clone())));
    events.extend([
        event("response.output_item.done", json!({"output_index": 0, "item": done})),
        event("response.completed", json!({"response": whole})),
    ]);
    let number = |(number, event): (usize, Value)| named(&with(event, json!({"sequence_number": number})));
    Reply { whole, events: events.into_iter().enumerate().map(number).collect() }
}

fn text(words: &[String]) -> (Value, Vec<Value>, Value) {
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let item = |status: &str, content: Value| json!({"id": "msg_demo", "type": "message", "role": "assistant", "status": status, "content": content});
    let all = words.concat();
    let mut changes = vec![event("response.content_part.added", json!({"content_index": 0, "part": part("")}))];
    let deltas =
        words.iter().map(|word| event("response.output_text.delta", json!({"content_index": 0, "delta": word})));
    changes.extend(deltas);
    changes.extend([
        event("response.output_text.done", json!({"content_index": 0, "text": all})),
        event("response.content_part.done", json!({"content_index": 0, "part": part(&all)})),
    ]);
    (item("in_progress", json!([])), changes, item("completed", json!([part(&all)])))
}

fn call(name: &str, arguments: &str) -> (Value, Vec<Value>, Value) {
    let item = |status: &str, arguments: &str| {
        json!({"id": "fc_demo", "type": "function_call", "status": status, "call_id": "call_demo", "name": name,
            "arguments": arguments})
    };
    let changes = vec![
        event("response.function_call_arguments.delta", json!({"delta": arguments})),
        event("response.function_call_arguments.done", json!({"arguments": arguments})),
    ];
    (item("in_progress", ""), changes, item("completed", arguments))
}
