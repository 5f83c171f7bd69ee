//! A client, a provider and a runner of tools, played through an exchange.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    api::{
        Api, Observer,
        testing::{events, read_along},
        tools::{Answer, Call, Exchange, Kept, Next, Part},
    },
    json::Document,
    sse::Decoder,
};

/// The injected tools.
pub(super) const OURS: [&str; 2] = ["bmcp_a_list", "bmcp_a_read"];

/// What the client asked.
pub(super) const ASKED: &str =
    r#"{"model": "m", "max_tokens":1.0e3,"tools":[],  "messages": [ {"role":"user","content":"hi"} ], "stream":true}"#;

#[derive(Debug, PartialEq)]
pub(super) struct Played {
    /// The bytes that the client got.
    pub(super) shown: Vec<u8>,
    /// The calls of each round.
    pub(super) calls: Vec<Vec<Call>>,
    /// The requests behind the first.
    pub(super) requests: Vec<Bytes>,
    pub(super) kept: Option<Kept>,
}

/// How a reply arrives.
#[derive(Clone, Copy)]
enum Arrives<'a> {
    InPieces(&'a dyn Fn(usize, &[u8]) -> Vec<usize>),
    /// The same while somebody reads along.
    ReadAlong(&'a dyn Fn(usize, &[u8]) -> Vec<usize>),
    Whole,
}

pub(super) fn exchange() -> Exchange {
    Exchange::new(Api::Messages, OURS.map(str::to_owned).into_iter().collect())
}

/// Plays streams, split at every byte, and in single bytes; the outcome is the same.
#[track_caller]
pub(super) fn play(rounds: &[&str]) -> Played {
    let whole = run(rounds, Arrives::InPieces(&|_, _| Vec::new()));
    for at in 1..rounds.iter().map(|stream| stream.len()).max().unwrap_or(0) {
        let pieces = |_, stream: &[u8]| if at < stream.len() { vec![at] } else { Vec::new() };
        assert_eq!(run(rounds, Arrives::InPieces(&pieces)), whole, "split at {at}");
        assert_eq!(run(rounds, Arrives::ReadAlong(&pieces)), whole, "split at {at} and read along");
    }
    let bytes = |_, stream: &[u8]| (1..stream.len()).collect();
    assert_eq!(run(rounds, Arrives::InPieces(&bytes)), whole, "byte by byte");
    assert_eq!(run(rounds, Arrives::ReadAlong(&bytes)), whole, "byte by byte and read along");
    for end in ["\r\n", "\r"] {
        let rounds: Vec<String> = rounds.iter().map(|stream| stream.replace('\n', end)).collect();
        let rounds: Vec<&str> = rounds.iter().map(String::as_str).collect();
        let other = run(&rounds, Arrives::InPieces(&bytes));
        assert_eq!(read(&other.shown), read(&whole.shown), "{end:?}");
        assert_eq!(
            (other.calls, other.requests, other.kept),
            (whole.calls.clone(), whole.requests.clone(), whole.kept.clone())
        );
    }
    whole
}

/// Plays streams that the client's reader would not take.
pub(super) fn play_rounds(rounds: &[&str]) -> Played {
    run(rounds, Arrives::InPieces(&|_, _| Vec::new()))
}

/// Plays blocking replies.
pub(super) fn play_blocking(rounds: &[&str]) -> Played {
    run(rounds, Arrives::Whole)
}

fn run(rounds: &[&str], arrives: Arrives<'_>) -> Played {
    let mut exchange = exchange();
    let mut played = Played { shown: Vec::new(), calls: Vec::new(), requests: Vec::new(), kept: None };
    let mut sent = Document::parse(ASKED.into()).unwrap();
    for (round, reply) in rounds.iter().enumerate() {
        let step = match arrives {
            Arrives::Whole => exchange.reply(Bytes::copy_from_slice(reply.as_bytes())),
            Arrives::InPieces(at) | Arrives::ReadAlong(at) => {
                let mut observer = matches!(arrives, Arrives::ReadAlong(_)).then(|| Observer::streaming(Api::Messages));
                let mut from = 0;
                for to in at(round, reply.as_bytes()).into_iter().chain([reply.len()]) {
                    let frame = Bytes::copy_from_slice(&reply.as_bytes()[from..to]);
                    played.shown.extend_from_slice(&match &mut observer {
                        Some(observer) => read_along(observer, &mut exchange, frame),
                        None => exchange.feed(frame),
                    });
                    from = to;
                }
                exchange.end_stream()
            }
        };
        let answers = step.calls.iter().map(|call| answer(&call.id)).collect::<Vec<_>>();
        played.calls.push(step.calls);
        let finish = match step.next {
            Next::Again => {
                played.requests.push(exchange.next_request(&sent, &answers));
                sent = Document::parse(played.requests[round].clone()).unwrap();
                continue;
            }
            Next::Finish => exchange.finish(&sent, &answers),
            Next::End(finish) => finish,
        };
        assert_eq!(round + 1, rounds.len(), "the exchange ended early");
        played.shown.extend_from_slice(&finish.bytes);
        played.kept = finish.kept;
    }
    played
}

pub(super) fn answer(id: &str) -> Answer {
    Answer { call_id: id.to_owned(), parts: vec![Part::Text(format!("result of {id}"))], is_error: false }
}

/// The result that [`answer`] becomes.
pub(super) fn result(id: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": format!("result of {id}")}]})
}

/// What a client makes of a stream.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) message: Value,
    pub(super) stopped: bool,
    pub(super) error: Option<Value>,
    pub(super) pings: usize,
}

/// Accumulates a stream as the official SDKs do, the strictest of which insists on indexes without gaps.
#[track_caller]
pub(super) fn read(stream: &[u8]) -> Seen {
    let mut seen = Seen::default();
    let mut inputs: Vec<String> = Vec::new();
    let mut take = |event: crate::sse::Event<'_>| {
        let data: Value = serde_json::from_slice(event.data).unwrap();
        assert_eq!(data["type"], String::from_utf8_lossy(event.name).as_ref());
        assert!(!seen.stopped, "nothing follows the message: {data}");
        match data["type"].as_str().unwrap() {
            "message_start" => {
                assert!(seen.message.is_null(), "one message");
                seen.message = data["message"].clone();
            }
            "content_block_start" => {
                let content = seen.message["content"].as_array_mut().unwrap();
                assert_eq!(data["index"], content.len(), "no gap");
                content.push(data["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => {
                let index = usize::try_from(data["index"].as_u64().unwrap()).unwrap();
                let (block, delta) = (&mut seen.message["content"][index], &data["delta"]);
                match delta["type"].as_str().unwrap() {
                    "input_json_delta" => inputs[index] += delta["partial_json"].as_str().unwrap(),
                    "citations_delta" => block["citations"].as_array_mut().unwrap().push(delta["citation"].clone()),
                    kind => {
                        let member = kind.strip_suffix("_delta").unwrap();
                        let text = [&block[member], &delta[member]].map(|text| text.as_str().unwrap_or_default());
                        block[member] = text.concat().into();
                    }
                }
            }
            "content_block_stop" => {
                let index = usize::try_from(data["index"].as_u64().unwrap()).unwrap();
                if !inputs[index].is_empty() {
                    seen.message["content"][index]["input"] = serde_json::from_str(&inputs[index]).unwrap();
                }
            }
            "message_delta" => {
                for member in ["stop_reason", "stop_sequence"] {
                    seen.message[member] = data["delta"][member].clone();
                }
                for (key, value) in data["usage"].as_object().unwrap() {
                    seen.message["usage"][key] = value.clone();
                }
            }
            "message_stop" => seen.stopped = true,
            "error" => seen.error = Some(data["error"].clone()),
            "ping" => seen.pings += 1,
            other => panic!("{other}"),
        }
    };
    let mut decoder = Decoder::new(1 << 20);
    decoder.feed(stream, &mut take);
    decoder.finish(&mut take);
    seen
}

/// A round's stream: the message, the blocks, and the end for `reason`.
pub(super) fn round(id: &str, blocks: &[String], reason: &str, [input, output]: [u64; 2]) -> String {
    let usage =
        json!({"input_tokens": input, "cache_read_input_tokens": 5, "output_tokens": 1, "service_tier": "standard"});
    let start = json!({"type": "message_start", "message": {"id": id, "type": "message", "role": "assistant", "model": "m",
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage}});
    let delta = json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
        "usage": {"output_tokens": output}});
    [events([start, json!({"type": "ping"})]), blocks.concat(), events([delta, json!({"type": "message_stop"})])]
        .concat()
}

/// A block of the stream: its start, its deltas, its stop.
pub(super) fn block(index: u64, start: Value, deltas: &[Value]) -> String {
    let start = events([json!({"type": "content_block_start", "index": index, "content_block": start})]);
    let deltas =
        deltas.iter().map(|delta| events([json!({"type": "content_block_delta", "index": index, "delta": delta})]));
    let deltas: String = deltas.collect();
    [start, deltas, events([json!({"type": "content_block_stop", "index": index})])].concat()
}

pub(super) fn text(index: u64, pieces: &[&str]) -> String {
    let deltas: Vec<Value> = pieces.iter().map(|text| json!({"type": "text_delta", "text": text})).collect();
    block(index, json!({"type": "text", "text": ""}), &deltas)
}

pub(super) fn thinking(index: u64, text: &str, signature: &str) -> String {
    let deltas = [
        json!({"type": "thinking_delta", "thinking": text}),
        json!({"type": "signature_delta", "signature": signature}),
    ];
    block(index, json!({"type": "thinking", "thinking": "", "signature": ""}), &deltas)
}

pub(super) fn tool(index: u64, id: &str, name: &str, pieces: &[&str]) -> String {
    let deltas: Vec<Value> =
        pieces.iter().map(|json| json!({"type": "input_json_delta", "partial_json": json})).collect();
    block(index, json!({"type": "tool_use", "id": id, "name": name, "input": {}}), &deltas)
}

/// The messages of a request behind the first one.
pub(super) fn added(request: &[u8]) -> Vec<Value> {
    let request: Value = serde_json::from_slice(request).unwrap();
    request["messages"].as_array().unwrap()[1..].to_vec()
}
