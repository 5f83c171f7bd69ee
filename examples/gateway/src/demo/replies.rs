//! What the demo's provider says, in the formats of the three APIs.

use serde_json::{Value, json};

/// A reply, whole and as events.
pub(super) struct Reply {
    pub(super) whole: Value,
    pub(super) events: Vec<String>,
}

const WORDS: [&str; 12] =
    ["Hello", " from", " the", " demo", " provider", ".", " The", " gateway", " recorded", " this", " exchange", "."];

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

pub(super) fn messages(request: &Value) -> Reply {
    let (input, output) = (tokens(&request["messages"]), WORDS.len());
    let usage = json!({"input_tokens": input, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        "output_tokens": output, "service_tier": "standard"});
    let message = |content: Value, stop: Value, usage: Value| {
        json!({"id": "msg_demo", "type": "message", "role": "assistant", "model": model(request), "content": content,
            "stop_reason": stop, "stop_sequence": null, "usage": usage})
    };
    let mut begun = usage.clone();
    begun["output_tokens"] = json!(1);
    let mut events = vec![
        named(&json!({"type": "message_start", "message": message(json!([]), Value::Null, begun)})),
        named(&json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
    ];
    events.extend(WORDS.map(|word| {
        named(&json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}))
    }));
    events.extend([
        named(&json!({"type": "content_block_stop", "index": 0})),
        named(&json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": output}})),
        named(&json!({"type": "message_stop"})),
    ]);
    let text = json!([{"type": "text", "text": WORDS.concat()}]);
    Reply { whole: message(text, json!("end_turn"), usage), events }
}

pub(super) fn chat(request: &Value) -> Reply {
    let (input, output) = (tokens(&request["messages"]), WORDS.len());
    let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": model(request), "choices": choices, "usage": usage});
        format!("data: {chunk}\n\n")
    };
    let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    let mut events = vec![chunk(choice(json!({"role": "assistant", "content": ""}), Value::Null), Value::Null)];
    events.extend(WORDS.map(|word| chunk(choice(json!({"content": word}), Value::Null), Value::Null)));
    events.push(chunk(choice(json!({}), json!("stop")), Value::Null));
    if request["stream_options"]["include_usage"] == Value::Bool(true) {
        events.push(chunk(json!([]), usage.clone()));
    }
    events.push("data: [DONE]\n\n".to_owned());
    let whole = json!({"id": "chatcmpl-demo", "object": "chat.completion", "created": 1_700_000_000,
        "model": model(request), "usage": usage, "choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": WORDS.concat()}}]});
    Reply { whole, events }
}

pub(super) fn responses(request: &Value) -> Reply {
    let (input, output) = (tokens(&request["input"]), WORDS.len());
    let text = WORDS.concat();
    let part = json!({"type": "output_text", "text": text, "annotations": []});
    let item = |status: &str, content: Value| json!({"id": "msg_demo", "type": "message", "role": "assistant", "status": status, "content": content});
    let response = |status: &str, output_items: Value, usage: Value| {
        json!({"id": "resp_demo", "object": "response", "created_at": 1_700_000_000, "status": status,
            "model": model(request), "output": output_items, "parallel_tool_calls": true, "tool_choice": "auto",
            "tools": [], "usage": usage})
    };
    let usage = json!({"input_tokens": input, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": input + output});
    let whole = response("completed", json!([item("completed", json!([part]))]), usage);
    let begun = response("in_progress", json!([]), Value::Null);
    let mut events = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item("in_progress", json!([]))}),
        json!({"type": "response.content_part.added", "item_id": "msg_demo", "output_index": 0, "content_index": 0,
            "part": {"type": "output_text", "text": "", "annotations": []}}),
    ];
    events.extend(WORDS.map(|word| {
        json!({"type": "response.output_text.delta", "item_id": "msg_demo", "output_index": 0, "content_index": 0,
            "delta": word})
    }));
    events.extend([
        json!({"type": "response.output_text.done", "item_id": "msg_demo", "output_index": 0, "content_index": 0,
            "text": text}),
        json!({"type": "response.content_part.done", "item_id": "msg_demo", "output_index": 0, "content_index": 0,
            "part": part}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item("completed", json!([part]))}),
        json!({"type": "response.completed", "response": whole}),
    ]);
    let number = |(number, mut event): (usize, Value)| {
        event["sequence_number"] = json!(number);
        named(&event)
    };
    let events = events.into_iter().enumerate().map(number).collect();
    Reply { whole, events }
}
