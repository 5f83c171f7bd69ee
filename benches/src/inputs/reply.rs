//! What a provider answers: one JSON document, or an event stream.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Format;

const TEXT: &str = "A brick can hold a door open, weigh down a stack of papers, or prop up a shelf while you paint.";

/// Pieces as a model sends them, a few words each.
const PIECES: &[&str] = &[
    "This",
    " is a famous question often used to illustrate",
    " debates that seem pointless or ov",
    "erly abstract. It is typically",
    " cited as an example of us",
    "eless speculation.\n\nHistorically,",
    " writers did discuss",
    " whether \"it\" was meant seriously, how",
    " much space was needed, and who could tell",
    "\n- The definition of",
    " the words\n- Whether",
];

/// A blocking reply with usage, about 500 bytes, twice that for Responses.
pub fn reply(format: Format) -> Bytes {
    let value = match format {
        Format::Messages => json!({
            "id": "msg_01Pvyf26bY17RcjmWfJsXGBn", "type": "message", "role": "assistant",
            "model": "claude-sonnet-4-5-20250929",
            "content": [{"type": "text", "text": TEXT}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {
                "input_tokens": 18, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 1024,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "output_tokens": 24, "service_tier": "standard",
            },
        }),
        Format::Chat => json!({
            "id": "chatcmpl-BwkyFElDIr1egmFyfQ9z4vPBto7m2", "object": "chat.completion", "created": 1_753_343_279,
            "model": "gpt-4.1-2025-04-14",
            "choices": [{
                "index": 0, "message": {"role": "assistant", "content": TEXT, "refusal": null, "annotations": []},
                "logprobs": null, "finish_reason": "stop",
            }],
            "usage": chat_usage(), "service_tier": "default", "system_fingerprint": "fp_b3f1157249",
        }),
        Format::Responses => response("completed", TEXT),
    };
    value.to_string().into()
}

/// An event stream of `total` events, each with the blank line that ends it; deltas fill what the events that open
/// and close the stream leave. Those are always there: a smaller `total` gives a stream without deltas.
pub fn events(format: Format, total: usize) -> Vec<Bytes> {
    let (mut events, closing) = match format {
        Format::Messages => messages_ends(),
        Format::Chat => chat_ends(),
        Format::Responses => responses_ends(total),
    };
    let deltas = total.saturating_sub(events.len() + closing.len());
    for (number, piece) in PIECES.iter().cycle().take(deltas).enumerate() {
        events.push(match format {
            Format::Messages => named(json!({
                "type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece},
            })),
            Format::Chat => chunk(json!([{"index": 0, "delta": {"content": piece}, "finish_reason": null}]), None),
            Format::Responses => named(json!({
                "type": "response.output_text.delta", "content_index": 0, "delta": piece, "item_id": "msg_0f9c4b2f",
                "logprobs": [], "output_index": 0, "sequence_number": number + 3,
            })),
        });
    }
    events.extend(closing);
    events
}

/// An event whose name is the `type` of its data.
fn named(data: Value) -> Bytes {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default()).into()
}

fn messages_ends() -> (Vec<Bytes>, Vec<Bytes>) {
    let opening = vec![
        named(json!({"type": "message_start", "message": {
            "id": "msg_01Pvyf26bY17RcjmWfJsXGBn", "type": "message", "role": "assistant",
            "model": "claude-sonnet-4-5-20250929", "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": {
                "input_tokens": 18, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 1024,
                "output_tokens": 1, "service_tier": "standard",
            },
        }})),
        named(json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
    ];
    let closing = vec![
        named(json!({"type": "content_block_stop", "index": 0})),
        named(json!({
            "type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": 240},
        })),
        named(json!({"type": "message_stop"})),
    ];
    (opening, closing)
}

fn chat_usage() -> Value {
    json!({
        "prompt_tokens": 60, "completion_tokens": 24, "total_tokens": 84,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "accepted_prediction_tokens": 0},
    })
}

fn chunk(choices: Value, usage: Option<Value>) -> Bytes {
    let data = json!({
        "id": "chatcmpl-BwkwXxA0yAyLKZelloERJWtxKor9z", "object": "chat.completion.chunk", "created": 1_753_343_173,
        "model": "gpt-4.1-2025-04-14", "service_tier": "default", "system_fingerprint": "fp_b3f1157249",
        "choices": choices, "usage": usage,
    });
    format!("data: {data}\n\n").into()
}

fn chat_ends() -> (Vec<Bytes>, Vec<Bytes>) {
    let opening = vec![chunk(
        json!([{"index": 0, "delta": {"role": "assistant", "content": "", "refusal": null}, "finish_reason": null}]),
        None,
    )];
    let closing = vec![
        chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), None),
        chunk(json!([]), Some(chat_usage())),
        Bytes::from_static(b"data: [DONE]\n\n"),
    ];
    (opening, closing)
}

fn response(status: &str, text: &str) -> Value {
    let completed = status == "completed";
    let output = if completed { json!([item(status, text)]) } else { json!([]) };
    let usage = completed.then(|| {
        json!({
            "input_tokens": 11, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 18, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 29,
        })
    });
    json!({
        "id": "resp_0f9c4b2f224d858000695fa062bf048197", "object": "response", "created_at": 1_767_874_658,
        "status": status, "background": false, "error": null, "incomplete_details": null, "instructions": null,
        "max_output_tokens": null, "model": "gpt-4o-mini-2024-07-18", "output": output,
        "parallel_tool_calls": true, "previous_response_id": null, "reasoning": {"effort": null, "summary": null},
        "service_tier": "default", "store": true, "temperature": 1.0, "text": {"format": {"type": "text"}},
        "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled", "usage": usage, "user": null,
        "metadata": {},
    })
}

fn item(status: &str, text: &str) -> Value {
    let content =
        if text.is_empty() { json!([]) } else { json!([{"type": "output_text", "annotations": [], "text": text}]) };
    json!({"id": "msg_0f9c4b2f", "type": "message", "status": status, "role": "assistant", "content": content})
}

fn responses_ends(total: usize) -> (Vec<Bytes>, Vec<Bytes>) {
    let opening = vec![
        named(json!({"type": "response.created", "response": response("in_progress", ""), "sequence_number": 0})),
        named(json!({"type": "response.in_progress", "response": response("in_progress", ""), "sequence_number": 1})),
        named(json!({
            "type": "response.output_item.added", "item": item("in_progress", ""), "output_index": 0,
            "sequence_number": 2,
        })),
    ];
    let next = total.max(6) - 3;
    let closing = vec![
        named(json!({
            "type": "response.output_text.done", "content_index": 0, "item_id": "msg_0f9c4b2f", "logprobs": [],
            "output_index": 0, "text": TEXT, "sequence_number": next,
        })),
        named(json!({
            "type": "response.output_item.done", "item": item("completed", TEXT), "output_index": 0,
            "sequence_number": next + 1,
        })),
        named(json!({
            "type": "response.completed", "response": response("completed", TEXT), "sequence_number": next + 2,
        })),
    ];
    (opening, closing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMATS: [Format; 3] = [Format::Messages, Format::Chat, Format::Responses];

    #[test]
    fn streams_have_the_number_of_events_asked_for() {
        for format in FORMATS {
            let events = events(format, 104);
            assert_eq!(events.len(), 104);
            assert!(events.iter().all(|event| event.ends_with(b"\n\n")));
        }
    }

    #[test]
    fn blocking_replies_report_usage() {
        for format in FORMATS {
            let value: Value = serde_json::from_slice(&reply(format)).expect("replies are JSON");
            assert!(value["usage"].is_object(), "{format:?}");
        }
    }
}
