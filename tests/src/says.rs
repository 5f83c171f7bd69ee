//! Replies that call tools, in the words of each API.

use serde_json::{Value, json};

use crate::{Endpoint, Script, events};

/// One reply of a provider, in no API's words.
///
/// ```
/// use aibridge_tests::{Endpoint, Says};
///
/// let says = Says::calls("r1", &[("call_1", "look", r#"{"q":"a"}"#)]);
/// assert!(says.whole(Endpoint::Messages).contains("tool_use"));
/// assert!(says.stream(Endpoint::Chat).ends_with("data: [DONE]\n\n"));
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "tests build them")]
pub struct Says {
    /// The reply's id.
    pub id: &'static str,
    /// What it consists of.
    pub parts: Vec<Part>,
    /// Why it ends.
    pub stop: Stop,
    /// Input and output tokens.
    pub tokens: (u64, u64),
}

/// A part of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "tests build them")]
pub enum Part {
    /// Text.
    Text(&'static str),
    /// The id of the call, the tool's name, the arguments.
    Call(&'static str, &'static str, &'static str),
}

/// Why a reply ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "tests build them")]
pub enum Stop {
    /// There is no more to say.
    End,
    /// Tools have to be run.
    Tools,
    /// The limit of tokens: the last part is not whole.
    Length,
}

impl Says {
    /// Text, and the end.
    pub fn text(id: &'static str, text: &'static str) -> Says {
        Says { id, parts: vec![Part::Text(text)], stop: Stop::End, tokens: (11, 5) }
    }

    /// Calls of tools, behind some text.
    pub fn calls(id: &'static str, calls: &[(&'static str, &'static str, &'static str)]) -> Says {
        let calls = calls.iter().map(|(id, name, arguments)| Part::Call(id, name, arguments));
        Says {
            id,
            parts: [Part::Text("Let me see. ")].into_iter().chain(calls).collect(),
            stop: Stop::Tools,
            tokens: (7, 3),
        }
    }

    /// What a provider answers: a stream an event a write, or the whole reply.
    pub fn script(&self, endpoint: Endpoint, streamed: bool) -> Script {
        match streamed {
            true => Script::sse().writes(events(&self.stream(endpoint).into())),
            false => Script::json(200, self.whole(endpoint)),
        }
    }

    /// As a stream.
    pub fn stream(&self, endpoint: Endpoint) -> String {
        match endpoint {
            Endpoint::Messages => messages(self),
            Endpoint::Chat => chat(self),
            Endpoint::Responses => responses(self),
        }
    }

    /// As a blocking reply.
    pub fn whole(&self, endpoint: Endpoint) -> String {
        let (input, output) = self.tokens;
        let whole = match endpoint {
            Endpoint::Messages => json!({
                "id": self.id, "type": "message", "role": "assistant", "model": "m",
                "content": self.parts.iter().map(block).collect::<Vec<_>>(),
                "stop_reason": self.messages_stop(), "stop_sequence": null,
                "usage": {"input_tokens": input, "output_tokens": output},
            }),
            Endpoint::Chat => {
                let text: String = self.texts().concat();
                let calls: Vec<Value> = self
                    .called()
                    .map(|(id, name, arguments)| {
                        json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
                    })
                    .collect();
                let mut message = json!({"role": "assistant", "content": text});
                if !calls.is_empty() {
                    message["tool_calls"] = calls.into();
                }
                json!({
                    "id": self.id, "object": "chat.completion", "created": 1, "model": "m",
                    "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": self.chat_stop()}],
                    "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output},
                })
            }
            Endpoint::Responses => self.response("completed"),
        };
        whole.to_string()
    }

    fn texts(&self) -> Vec<&'static str> {
        self.parts.iter().filter_map(|part| if let Part::Text(text) = part { Some(*text) } else { None }).collect()
    }

    fn called(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Call(id, name, arguments) => Some((*id, *name, *arguments)),
            Part::Text(_) => None,
        })
    }

    fn messages_stop(&self) -> &'static str {
        match self.stop {
            Stop::End => "end_turn",
            Stop::Tools => "tool_use",
            Stop::Length => "max_tokens",
        }
    }

    fn chat_stop(&self) -> &'static str {
        match self.stop {
            Stop::End => "stop",
            Stop::Tools => "tool_calls",
            Stop::Length => "length",
        }
    }

    fn response(&self, status: &str) -> Value {
        let (input, output) = self.tokens;
        let status = if self.stop == Stop::Length { "incomplete" } else { status };
        let items: Vec<Value> = self.parts.iter().map(|part| item(self.id, part, self.stop)).collect();
        json!({
            "id": self.id, "object": "response", "created_at": 1, "status": status, "error": null,
            "incomplete_details": if self.stop == Stop::Length { json!({"reason": "max_output_tokens"}) } else { Value::Null },
            "model": "m", "output": items,
            "usage": {
                "input_tokens": input, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": output,
                "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": input + output,
            },
        })
    }
}

fn block(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Call(id, name, arguments) => {
            let input: Value = serde_json::from_str(arguments).unwrap_or(json!({}));
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
    }
}

fn item(reply: &str, part: &Part, stop: Stop) -> Value {
    let status = if stop == Stop::Length { "incomplete" } else { "completed" };
    match part {
        Part::Text(text) => json!({
            "id": format!("msg_{reply}"), "type": "message", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }),
        Part::Call(id, name, arguments) => json!({
            "id": format!("fc_{id}"), "type": "function_call", "status": status, "call_id": id, "name": name,
            "arguments": arguments,
        }),
    }
}

/// Two pieces, so that a part is more than one event.
fn halves(text: &str) -> [&str; 2] {
    let (first, second) = text.split_at(text.floor_char_boundary(text.len() / 2));
    [first, second]
}

fn named(out: &mut String, data: &Value) {
    *out += &format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
}

fn messages(says: &Says) -> String {
    let (input, output) = says.tokens;
    let mut out = String::new();
    named(
        &mut out,
        &json!({"type": "message_start", "message": {
            "id": says.id, "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null,
            "stop_sequence": null, "usage": {"input_tokens": input, "output_tokens": 1},
        }}),
    );
    for (index, part) in says.parts.iter().enumerate() {
        let cut = says.stop == Stop::Length && index + 1 == says.parts.len();
        let start = match part {
            Part::Text(_) => json!({"type": "text", "text": ""}),
            Part::Call(id, name, _) => json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
        };
        named(&mut out, &json!({"type": "content_block_start", "index": index, "content_block": start}));
        if index == 0 {
            out += "event: ping\ndata: {\"type\": \"ping\"}\n\n";
        }
        let delta = |piece: &str| match part {
            Part::Text(_) => json!({"type": "text_delta", "text": piece}),
            Part::Call(..) => json!({"type": "input_json_delta", "partial_json": piece}),
        };
        let (Part::Text(text) | Part::Call(_, _, text)) = part;
        for piece in halves(text) {
            named(&mut out, &json!({"type": "content_block_delta", "index": index, "delta": delta(piece)}));
        }
        if !cut {
            named(&mut out, &json!({"type": "content_block_stop", "index": index}));
        }
    }
    named(
        &mut out,
        &json!({"type": "message_delta", "delta": {"stop_reason": says.messages_stop(), "stop_sequence": null},
                "usage": {"output_tokens": output}}),
    );
    named(&mut out, &json!({"type": "message_stop"}));
    out
}

fn chat(says: &Says) -> String {
    let mut out = String::new();
    let mut chunk = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        let chunk = json!({"id": says.id, "object": "chat.completion.chunk", "created": 1, "model": "m",
                           "choices": [choice], "usage": null});
        out += &format!("data: {chunk}\n\n");
    };
    chunk(json!({"role": "assistant", "content": ""}), Value::Null);
    for text in says.texts() {
        for piece in halves(text) {
            chunk(json!({"content": piece}), Value::Null);
        }
    }
    for (index, (id, name, arguments)) in says.called().enumerate() {
        let function = json!({"name": name, "arguments": ""});
        chunk(
            json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}),
            Value::Null,
        );
        for piece in halves(arguments) {
            chunk(json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}), Value::Null);
        }
    }
    chunk(json!({}), says.chat_stop().into());
    let (input, output) = says.tokens;
    let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    let last = json!({"id": says.id, "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
                      "usage": usage});
    out + &format!("data: {last}\n\ndata: [DONE]\n\n")
}

fn responses(says: &Says) -> String {
    let mut out = String::new();
    let mut number = 0;
    let mut event = |mut data: Value| {
        data["sequence_number"] = number.into();
        number += 1;
        named(&mut out, &data);
    };
    let mut begun = says.response("in_progress");
    begun["status"] = "in_progress".into();
    begun["output"] = json!([]);
    begun["usage"] = Value::Null;
    event(json!({"type": "response.created", "response": begun}));
    event(json!({"type": "response.in_progress", "response": begun}));
    for (index, part) in says.parts.iter().enumerate() {
        let cut = says.stop == Stop::Length && index + 1 == says.parts.len();
        let done = item(says.id, part, if cut { Stop::Length } else { Stop::End });
        let item_id = done["id"].clone();
        let mut added = done.clone();
        added["status"] = "in_progress".into();
        match part {
            Part::Text(_) => added["content"] = json!([]),
            Part::Call(..) => added["arguments"] = "".into(),
        }
        event(json!({"type": "response.output_item.added", "output_index": index, "item": added}));
        let place = json!({"item_id": item_id, "output_index": index});
        let with = |kind: &str, more: Value| {
            let mut data = json!({"type": kind});
            for (key, value) in place.as_object().unwrap().iter().chain(more.as_object().unwrap()) {
                data[key] = value.clone();
            }
            data
        };
        match part {
            Part::Text(text) => {
                let empty = json!({"type": "output_text", "text": "", "annotations": []});
                event(with("response.content_part.added", json!({"content_index": 0, "part": empty})));
                for piece in halves(text) {
                    event(with(
                        "response.output_text.delta",
                        json!({"content_index": 0, "delta": piece, "logprobs": []}),
                    ));
                }
                event(with("response.output_text.done", json!({"content_index": 0, "text": text, "logprobs": []})));
                event(with("response.content_part.done", json!({"content_index": 0, "part": done["content"][0]})));
            }
            Part::Call(_, _, arguments) => {
                for piece in halves(arguments) {
                    event(with("response.function_call_arguments.delta", json!({"delta": piece})));
                }
                if !cut {
                    event(with("response.function_call_arguments.done", json!({"arguments": arguments})));
                }
            }
        }
        event(json!({"type": "response.output_item.done", "output_index": index, "item": done}));
    }
    let end = if says.stop == Stop::Length { "response.incomplete" } else { "response.completed" };
    event(json!({"type": end, "response": says.response("completed")}));
    out
}
