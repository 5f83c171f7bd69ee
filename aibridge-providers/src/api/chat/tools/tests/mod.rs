mod blocking;
mod ends;
mod messages;
mod odd;
mod property;
mod restoring;
mod streaming;

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    api::{
        Api, Observer,
        testing::read_along,
        tools::{Answer, Call, Exchange, Finish, Kept, Next, Part, Step},
    },
    json::Document,
};

/// The client's request, which the tools have been added to.
const REQUEST: &str = r#"{"model": "m", "messages": [ {"role":"user","content":"hi"} ],  "tools":[1]}"#;

fn exchange() -> Exchange {
    let names = ["bmcp_a", "bmcp_ab", "bmcp_b"].map(str::to_owned);
    Exchange::new(Api::Chat, names.into_iter().collect())
}

fn document(bytes: &[u8]) -> Document {
    Document::parse(Bytes::copy_from_slice(bytes)).expect("JSON")
}

/// What a tool answers: that it was called.
fn answers(calls: &[Call]) -> Vec<Answer> {
    let answer = |call: &Call| {
        let text = match &call.arguments {
            Ok(arguments) => format!("{} of {}", call.name, Value::from(arguments.clone())),
            Err(raw) => format!("error: {raw}"),
        };
        Answer { call_id: call.id.clone(), parts: vec![Part::Text(text)], is_error: false }
    };
    calls.iter().map(answer).collect()
}

/// What became of an exchange.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// What the client got.
    bytes: String,
    /// The calls of each round.
    calls: Vec<Vec<Call>>,
    /// What each round ended in: `again`, `finish` or `end`.
    next: Vec<&'static str>,
    /// The messages of the last request.
    messages: Value,
    kept: Option<Kept>,
}

/// Runs an exchange whose rounds bring what `round` feeds in.
fn run(rounds: usize, mut round: impl FnMut(&mut Exchange, usize, &mut Vec<u8>) -> Step) -> Outcome {
    let mut exchange = exchange();
    let mut request = document(REQUEST.as_bytes());
    let (mut bytes, mut calls, mut next) = (Vec::new(), Vec::new(), Vec::new());
    let mut kept = None;
    for at in 0..rounds {
        let step = round(&mut exchange, at, &mut bytes);
        let results = answers(&step.calls);
        calls.push(step.calls);
        let mut end = |finish: Finish| {
            assert_eq!(at + 1, rounds, "a round is left");
            bytes.extend_from_slice(&finish.bytes);
            kept = finish.kept;
        };
        match step.next {
            Next::Again => {
                next.push("again");
                request = document(&exchange.next_request(&request, &results));
            }
            Next::Finish => {
                next.push("finish");
                end(exchange.finish(&request, &results));
            }
            Next::End(finish) => {
                next.push("end");
                end(finish);
            }
        }
    }
    let messages = request.get("messages").expect("messages").to_value();
    Outcome { bytes: String::from_utf8(bytes).expect("UTF-8"), calls, next, messages, kept }
}

/// What comes of streams, which is the same however their bytes are split.
#[track_caller]
fn streamed(rounds: &[String]) -> Outcome {
    let split = |pieces: &dyn Fn(&str) -> Vec<Vec<u8>>| {
        let fed = run(rounds.len(), |exchange, at, out| {
            for piece in pieces(&rounds[at]) {
                out.extend_from_slice(&exchange.feed(piece.into()));
            }
            exchange.end_stream()
        });
        let read_along = run(rounds.len(), |exchange, at, out| {
            let mut observer = Observer::streaming(Api::Chat);
            for piece in pieces(&rounds[at]) {
                out.extend_from_slice(&read_along(&mut observer, exchange, piece.into()));
            }
            exchange.end_stream()
        });
        assert_eq!(read_along, fed, "when somebody reads along");
        fed
    };
    let whole = split(&|text| vec![text.as_bytes().to_vec()]);
    for size in [1, 2, 7, 64, 333] {
        assert_eq!(split(&|text| text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect()), whole, "size {size}");
    }
    for at in 0..rounds.iter().map(String::len).max().unwrap_or(0) {
        let halves = |text: &str| {
            let (head, tail) = text.as_bytes().split_at(at.min(text.len()));
            vec![head.to_vec(), tail.to_vec()]
        };
        assert_eq!(split(&halves), whole, "split at {at}");
    }
    whole
}

/// The message that OpenAI's Python SDK makes of a stream, with `finish_reason`, `usage`, and the `ids` of the chunks.
fn accumulated(stream: &str) -> Value {
    let mut message = json!({});
    let (mut finish, mut usage) = (Value::Null, Value::Null);
    let mut ids = BTreeSet::new();
    for line in stream.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|line| *line != "[DONE]") {
        let chunk: Value = serde_json::from_str(line).expect("JSON");
        ids.extend(chunk["id"].as_str().map(str::to_owned));
        if chunk["usage"].is_object() {
            usage = chunk["usage"].clone();
        }
        let Some(choice) = chunk["choices"].get(0) else { continue };
        accumulate(&mut message, &choice["delta"]);
        if !choice["finish_reason"].is_null() {
            assert!(finish.is_null(), "one end: {stream}");
            finish = choice["finish_reason"].clone();
        }
    }
    json!({"message": message, "finish_reason": finish, "usage": usage, "ids": ids})
}

/// `accumulate_delta` of the SDK: strings are joined, whichever they are.
fn accumulate(known: &mut Value, delta: &Value) {
    for (key, value) in delta.as_object().into_iter().flatten() {
        match (&mut known[key], value) {
            (known, value) if known.is_null() || key == "index" || key == "type" => *known = value.clone(),
            (_, Value::Null) => {}
            (Value::String(known), Value::String(more)) => known.push_str(more),
            (known @ Value::Object(_), value @ Value::Object(_)) => accumulate(known, value),
            (Value::Array(known), Value::Array(more)) => {
                for entry in more {
                    let index = usize::try_from(entry["index"].as_u64().expect("an index")).expect("small");
                    match known.get_mut(index) {
                        Some(known) => accumulate(known, entry),
                        None => {
                            assert_eq!(index, known.len(), "no gap: {entry}");
                            known.push(entry.clone());
                        }
                    }
                }
            }
            (known, value) => panic!("{known} and {value}"),
        }
    }
}

/// A chunk of choice 0.
fn chunk(id: &str, delta: Value) -> Value {
    json!({"id": id, "created": 17, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn closing(id: &str, reason: &str) -> Value {
    json!({"id": id, "created": 17, "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn figures(prompt: u64, completion: u64) -> Value {
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": completion}})
}

fn usage_chunk(id: &str, prompt: u64, completion: u64) -> Value {
    json!({"id": id, "created": 17, "model": "m", "choices": [], "usage": figures(prompt, completion)})
}

/// The first delta of a call.
fn begun(index: u64, id: &str, name: &str) -> Value {
    json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}})
}

fn continued(index: u64, arguments: &str) -> Value {
    json!({"index": index, "function": {"arguments": arguments}})
}

fn calls(deltas: Value) -> Value {
    json!({"tool_calls": deltas})
}

/// A call as a message has it.
fn called(id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

fn result(id: &str, text: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": text})
}

/// A stream of these chunks, and `[DONE]`.
fn stream(chunks: impl IntoIterator<Item = Value>) -> String {
    open(chunks) + "data: [DONE]\n\n"
}

/// A stream that breaks off behind these chunks.
fn open(chunks: impl IntoIterator<Item = Value>) -> String {
    chunks.into_iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

/// A round that says `text` and then calls tools of ours and the client's.
fn calling(id: &str, text: &str, deltas: impl IntoIterator<Item = Value>) -> String {
    let head = [chunk(id, json!({"role": "assistant", "content": "", "refusal": null}))];
    let text = [chunk(id, json!({"content": text}))].into_iter().filter(|_| !text.is_empty());
    let deltas = deltas.into_iter().map(|delta| chunk(id, calls(delta)));
    let end = [closing(id, "tool_calls"), usage_chunk(id, 10, 3)];
    stream(head.into_iter().chain(text).chain(deltas).chain(end))
}

fn one_call(id: &str, text: &str, call: &str) -> String {
    let deltas = [json!([begun(0, call, "bmcp_a")]), json!([continued(0, "{\"x\"")]), json!([continued(0, ":1}")])];
    calling(id, text, deltas)
}

fn answer(id: &str, text: &str) -> String {
    stream([
        chunk(id, json!({"role": "assistant", "content": ""})),
        chunk(id, json!({"content": text})),
        closing(id, "stop"),
        usage_chunk(id, 20, 5),
    ])
}
