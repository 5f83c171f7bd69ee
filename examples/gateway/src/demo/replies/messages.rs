use serde_json::{Value, json};

use super::{super::turn::Turn, Reply, event, model, named, tokens};

/// Anthropic's Messages.
pub(in super::super) fn messages(request: &Value) -> Reply {
    let turn = Turn::of(request);
    let output = match &turn {
        Turn::Text(words) => words.len(),
        Turn::Call { arguments, .. } => tokens(arguments),
    };
    let usage = json!({"input_tokens": tokens(&request["messages"]), "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0, "output_tokens": output, "service_tier": "standard"});
    let message = |content: Value, stop: Value, usage: Value| {
        json!({"id": "msg_demo", "type": "message", "role": "assistant", "model": model(request), "content": content,
            "stop_reason": stop, "stop_sequence": null, "usage": usage})
    };
    let (block, begun, deltas, stop) = match turn {
        Turn::Text(words) => {
            let deltas = words.iter().map(|word| json!({"type": "text_delta", "text": word})).collect::<Vec<_>>();
            (json!({"type": "text", "text": words.concat()}), json!({"type": "text", "text": ""}), deltas, "end_turn")
        }
        Turn::Call { name, arguments } => {
            let delta = json!({"type": "input_json_delta", "partial_json": arguments.to_string()});
            let call = |input| json!({"type": "tool_use", "id": "toolu_demo", "name": name, "input": input});
            (call(arguments), call(json!({})), vec![delta], "tool_use")
        }
    };
    let mut first = usage.clone();
    first["output_tokens"] = json!(1);
    let mut events = vec![
        event("message_start", json!({"message": message(json!([]), Value::Null, first)})),
        event("content_block_start", json!({"index": 0, "content_block": begun})),
    ];
    events.extend(deltas.into_iter().map(|delta| event("content_block_delta", json!({"index": 0, "delta": delta}))));
    let end = json!({"delta": {"stop_reason": stop, "stop_sequence": null}, "usage": {"output_tokens": output}});
    events.extend([
        event("content_block_stop", json!({"index": 0})),
        event("message_delta", end),
        event("message_stop", json!({})),
    ]);
    Reply { whole: message(json!([block]), json!(stop), usage), events: events.iter().map(named).collect() }
}
