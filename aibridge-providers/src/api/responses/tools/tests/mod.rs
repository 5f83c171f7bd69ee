//! Exchanges with a provider that these tests play, as the SDKs' accumulators see them.

mod any;
mod blocking;
mod request;
mod restore;
mod stream;

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use serde_json::{Value, json};

use super::Rounds;
use crate::{
    api::{
        Api, Observer,
        testing::read_along,
        tools::{Answer, Call, Dialect, Exchange, Finish, Kept, Next, Part, Step},
    },
    json::Document,
    sse::Decoder,
};

/// Tools of ours. The client's own have other names.
const OURS: [&str; 2] = ["bmcp_a_look", "bmcp_a_list"];

fn rounds() -> Rounds {
    Rounds::new(Arc::new(OURS.map(str::to_owned).into_iter().collect::<BTreeSet<_>>()))
}

fn document(value: &Value) -> Document {
    Document::parse(value.to_string().into()).unwrap()
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// A reply, written as OpenAI streams it.
#[derive(Clone, Default)]
struct Reply {
    id: String,
    events: Vec<Value>,
    output: Vec<Value>,
    /// Which the provider says the request had.
    tools: Vec<Value>,
}

impl Reply {
    fn new(id: &str) -> Reply {
        Reply { id: id.to_owned(), ..Reply::default() }.begin()
    }

    fn with_tools(id: &str, tools: &[&str]) -> Reply {
        let tools = tools.iter().map(|name| json!({"type": "function", "name": name, "parameters": {}}));
        Reply { id: id.to_owned(), tools: tools.collect(), ..Reply::default() }.begin()
    }

    fn begin(self) -> Reply {
        let response = self.response("in_progress", None);
        self.event("response.created", json!({"response": response}))
            .event("response.in_progress", json!({"response": response}))
    }

    fn response(&self, status: &str, tokens: Option<u64>) -> Value {
        let usage = tokens.map(|tokens| {
            json!({"input_tokens": tokens, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 2,
                "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": tokens + 2})
        });
        let output: &[Value] = if tokens.is_some() { &self.output } else { &[] };
        json!({"id": self.id, "created_at": self.id.len(), "status": status, "output": output, "tools": self.tools,
            "store": true, "usage": usage})
    }

    fn event(mut self, kind: &str, data: Value) -> Reply {
        let mut event = json!({"type": kind});
        for (key, value) in data.as_object().unwrap() {
            event[key] = value.clone();
        }
        event["sequence_number"] = self.events.len().into();
        self.events.push(event);
        self
    }

    /// An item, with what comes between its beginning and its end.
    fn item(self, begun: Value, between: &[(&str, Value)], done: Value) -> Reply {
        let index = self.output.len();
        let mut reply = self.event("response.output_item.added", json!({"item": begun, "output_index": index}));
        for (kind, data) in between {
            let mut data = data.clone();
            data["item_id"] = done["id"].clone();
            data["output_index"] = index.into();
            reply = reply.event(kind, data);
        }
        reply.output.push(done.clone());
        reply.event("response.output_item.done", json!({"item": done, "output_index": index}))
    }

    fn reasoning(self, id: &str) -> Reply {
        let item = |status: &str, encrypted: &str| json!({"id": id, "type": "reasoning", "status": status, "summary": [], "encrypted_content": encrypted});
        self.item(item("in_progress", ""), &[], item("completed", &format!("gAAA{id}")))
    }

    fn says(self, id: &str, text: &str) -> Reply {
        let part = |text: &str| json!({"type": "output_text", "text": text});
        let item = |status: &str, content: Value| json!({"id": id, "type": "message", "role": "assistant", "status": status, "content": content});
        let between = [
            ("response.content_part.added", json!({"content_index": 0, "part": part("")})),
            ("response.output_text.delta", json!({"content_index": 0, "delta": text})),
        ];
        self.item(item("in_progress", json!([])), &between, item("completed", json!([part(text)])))
    }

    fn calls(self, id: &str, name: &str, arguments: &str) -> Reply {
        let item = |status: &str, arguments: &str| {
            json!({"id": format!("fc_{id}"), "type": "function_call", "status": status, "arguments": arguments,
                "call_id": format!("call_{id}"), "name": name})
        };
        let half = arguments.len() / 2;
        let between = [
            ("response.function_call_arguments.delta", json!({"delta": arguments[..half]})),
            ("response.function_call_arguments.delta", json!({"delta": arguments[half..]})),
            ("response.function_call_arguments.done", json!({"arguments": arguments})),
        ];
        self.item(item("in_progress", ""), &between, item("completed", arguments))
    }

    fn text(&self) -> String {
        self.events
            .iter()
            .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()))
            .collect()
    }

    /// The whole stream, which used 10 tokens of input.
    fn stream(&self) -> String {
        self.ended("completed")
    }

    fn ended(&self, status: &str) -> String {
        let response = self.response(status, Some(10));
        self.clone().event(&format!("response.{status}"), json!({"response": response})).text()
    }

    /// The whole reply, not streamed.
    fn body(&self) -> String {
        serde_json::to_string_pretty(&self.response("completed", Some(10))).unwrap()
    }
}

/// How an exchange went.
#[derive(Clone, Debug, PartialEq)]
struct Went {
    /// What the client was sent.
    shown: String,
    calls: Vec<Vec<Call>>,
    /// The requests of all rounds but the first.
    requests: Vec<Value>,
    kept: Option<Kept>,
    ended: bool,
}

fn answers(calls: &[Call]) -> Vec<Answer> {
    let result = |call: &Call| Part::Text(format!("result of {}", call.id));
    calls.iter().map(|call| Answer { call_id: call.id.clone(), parts: vec![result(call)], is_error: false }).collect()
}

/// An exchange over these replies, each given in its pieces: the same whether all of it is read or as little as can be, and
/// whether somebody reads along.
#[track_caller]
fn exchange(request: &Value, replies: &[Vec<&[u8]>]) -> Went {
    let all_read = steps(rounds(), request, replies, |rounds, shown, pieces| {
        pieces.iter().for_each(|piece| shown.extend_from_slice(&rounds.feed(Bytes::copy_from_slice(piece))));
        rounds.end_stream()
    });
    let names = || OURS.map(str::to_owned).into_iter().collect();
    let little_read = steps(Exchange::new(Api::Responses, names()), request, replies, |exchange, shown, pieces| {
        pieces.iter().for_each(|piece| shown.extend_from_slice(&exchange.feed(Bytes::copy_from_slice(piece))));
        exchange.end_stream()
    });
    assert_eq!(little_read, all_read, "as little is read as can be");
    let with_another = steps(Exchange::new(Api::Responses, names()), request, replies, |exchange, shown, pieces| {
        let mut observer = Observer::streaming(Api::Responses);
        for piece in pieces {
            shown.extend_from_slice(&read_along(&mut observer, exchange, Bytes::copy_from_slice(piece)));
        }
        exchange.end_stream()
    });
    assert_eq!(with_another, all_read, "somebody reads along");
    all_read
}

/// What takes replies.
trait Taker {
    fn ask_again(&mut self, sent: &Document, answers: &[Answer]) -> Bytes;
    fn come_to_end(&mut self, sent: &Document, answers: &[Answer]) -> Finish;
}

impl Taker for Rounds {
    fn ask_again(&mut self, sent: &Document, answers: &[Answer]) -> Bytes {
        self.next_request(sent, answers)
    }

    fn come_to_end(&mut self, sent: &Document, answers: &[Answer]) -> Finish {
        self.finish(sent, answers)
    }
}

impl Taker for Exchange {
    fn ask_again(&mut self, sent: &Document, answers: &[Answer]) -> Bytes {
        self.next_request(sent, answers)
    }

    fn come_to_end(&mut self, sent: &Document, answers: &[Answer]) -> Finish {
        self.finish(sent, answers)
    }
}

fn steps<T: Taker, R>(
    mut rounds: T,
    request: &Value,
    replies: &[R],
    mut take: impl FnMut(&mut T, &mut Vec<u8>, &R) -> Step,
) -> Went {
    let mut sent = document(request);
    let mut shown = Vec::new();
    let (mut calls, mut requests, mut kept, mut ended) = (Vec::new(), Vec::new(), None, false);
    for reply in replies {
        let step = take(&mut rounds, &mut shown, reply);
        let results = answers(&step.calls);
        calls.push(step.calls);
        let Finish { bytes, kept: left } = match step.next {
            Next::End(finish) => finish,
            Next::Finish => rounds.come_to_end(&sent, &results),
            Next::Again => {
                let next = rounds.ask_again(&sent, &results);
                requests.push(value(&next));
                sent = Document::parse(next).unwrap();
                continue;
            }
        };
        shown.extend_from_slice(&bytes);
        (kept, ended) = (left, true);
        break;
    }
    Went { shown: String::from_utf8(shown).unwrap(), calls, requests, kept, ended }
}

/// An exchange over these streams, which goes the same however their bytes are split and their lines end.
#[track_caller]
fn streamed(request: &Value, replies: &[String]) -> Went {
    let went = split(request, replies);
    for end in ["\r\n", "\r"] {
        let replies: Vec<String> = replies.iter().map(|reply| reply.replace('\n', end)).collect();
        let other = exchange(request, &replies.iter().map(|reply| vec![reply.as_bytes()]).collect::<Vec<_>>());
        assert_eq!(other, Went { shown: went.shown.replace('\n', end), ..went.clone() });
    }
    went
}

/// An exchange over these streams, which goes the same however their bytes are split.
#[track_caller]
fn split<'a>(request: &Value, replies: &'a [String]) -> Went {
    let whole: Vec<Vec<&[u8]>> = replies.iter().map(|reply| vec![reply.as_bytes()]).collect();
    let went = exchange(request, &whole);
    // Each time at every 40th position, so that it is every one in the end.
    for at in 0..40 {
        let pieces = |reply: &'a String| {
            let (head, tail) = reply.as_bytes().split_at(at.min(reply.len()));
            [head].into_iter().chain(tail.chunks(40)).collect()
        };
        let split: Vec<Vec<&[u8]>> = replies.iter().map(pieces).collect();
        assert_eq!(exchange(request, &split), went, "split at {at}");
    }
    let bytes: Vec<Vec<&[u8]>> = replies.iter().map(|reply| reply.as_bytes().chunks(1).collect()).collect();
    assert_eq!(exchange(request, &bytes), went);
    let events: Vec<Vec<&[u8]>> =
        replies.iter().map(|reply| crate::sse::split_events(reply.as_bytes()).collect()).collect();
    assert_eq!(exchange(request, &events), went);
    went
}

/// An exchange over these whole replies.
fn blocking(request: &Value, replies: &[String]) -> Went {
    let take = |rounds: &mut Rounds, _: &mut Vec<u8>, reply: &String| rounds.reply(reply.clone().into());
    steps(rounds(), request, replies, take)
}

/// The data of a stream's events.
fn events(stream: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    let mut decoder = Decoder::new(1 << 20);
    decoder.feed(stream.as_bytes(), &mut |event| {
        let data = value(event.data);
        assert_eq!(data["type"].as_str().unwrap().as_bytes(), event.name);
        seen.push(data);
    });
    decoder.finish(&mut |_| panic!("an event is open"));
    seen
}

/// Reads a stream as strictly as OpenAI's accumulators, and gives the response that it ends in.
///
/// They begin with `response.created`, append an added item, whose index must be the number of items so far, and look
/// every other event's item up by its index.
#[track_caller]
fn accumulated(stream: &str) -> Value {
    assert!(!stream.contains("bmcp_"), "{stream}");
    let events = events(stream);
    assert_eq!(events[0]["type"], "response.created");
    let id = events[0]["response"]["id"].clone();
    let mut output: Vec<Value> = Vec::new();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
        let index = event["output_index"].as_u64().map(|index| usize::try_from(index).unwrap());
        match event["type"].as_str().unwrap() {
            "response.created" => assert_eq!(number, 0),
            "response.in_progress" => assert_eq!(number, 1),
            "response.output_item.added" => {
                assert_eq!(index, Some(output.len()), "{event}");
                output.push(event["item"].clone());
            }
            "response.output_item.done" => output[index.unwrap()] = event["item"].clone(),
            "response.completed" | "response.incomplete" | "response.failed" => {
                assert_eq!(number, events.len() - 1);
                assert_eq!(event["response"]["id"], id);
                return event["response"].clone();
            }
            _ => {
                if let Some(index) = index {
                    assert_eq!(output[index]["id"], event["item_id"], "{event}");
                }
            }
        }
    }
    json!({"output": output})
}

fn call(id: &str, reply: &str, name: &str, arguments: Value) -> Call {
    let arguments = match arguments {
        Value::Object(arguments) => Ok(arguments),
        text => Err(text.as_str().unwrap().to_owned()),
    };
    Call {
        id: format!("call_{id}"),
        item_id: Some(format!("fc_{id}")),
        reply_id: Some(reply.to_owned()),
        name: name.to_owned(),
        arguments,
    }
}

fn answer(id: &str) -> Value {
    json!({"type": "function_call_output", "call_id": format!("call_{id}"), "output": format!("result of call_{id}")})
}

/// An output item as the input that it becomes.
fn input(item: &Value) -> Value {
    let mut item = item.clone();
    if item["type"] == "reasoning" {
        item.as_object_mut().unwrap().shift_remove("status");
    }
    item
}

/// The ids of items, whatever they are called.
fn ids(items: &Value) -> Vec<&str> {
    items
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().or(item["call_id"].as_str()).or(item["content"].as_str()).unwrap_or("?"))
        .collect()
}
