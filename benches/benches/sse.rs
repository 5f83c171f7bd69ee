//! What it costs to split an event stream: replies of 104 events in the style of each API, in one chunk, in a chunk per
//! event, as providers send them, and byte by byte.

use std::hint::black_box;

use aibridge_providers::sse::{Decoder, encode};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};

const EVENTS: u64 = 104;

const LIMIT: usize = 4 << 20;

/// The events of a reply: 100 deltas between a beginning and an end.
fn reply(
    first: [(&str, Value); 2],
    delta: impl Fn(u64) -> (&'static str, Value),
    last: [(&str, Value); 2],
) -> Vec<Vec<u8>> {
    let [one, two] = first;
    let [three, four] = last;
    let written = |(name, data): (&str, Value)| encode(name, data.to_string().as_bytes()).to_vec();
    let mut events = vec![written(one), written(two)];
    events.extend((0..EVENTS - 4).map(|n| written(delta(n))));
    events.extend([written(three), written(four)]);
    events
}

fn messages() -> Vec<Vec<u8>> {
    reply(
        [
            (
                "message_start",
                json!({ "type": "message_start", "message": {
                "id": "msg_01XFDUDYJgAACzvnptvVoYEL", "type": "message", "role": "assistant", "content": [],
                "model": "claude-sonnet-4-5", "stop_reason": null,
                "usage": { "input_tokens": 25, "cache_read_input_tokens": 18000, "output_tokens": 1 },
            } }),
            ),
            (
                "content_block_start",
                json!({
                    "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" },
                }),
            ),
        ],
        |n| {
            let delta = json!({ "type": "text_delta", "text": format!(" word {n}") });
            ("content_block_delta", json!({ "type": "content_block_delta", "index": 0, "delta": delta }))
        },
        [
            (
                "message_delta",
                json!({
                    "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 115 },
                }),
            ),
            ("message_stop", json!({ "type": "message_stop" })),
        ],
    )
}

fn chat() -> Vec<Vec<u8>> {
    let chunk = |choices: Value| {
        (
            "",
            json!({
                "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "object": "chat.completion.chunk", "created": 1741570283,
                "model": "gpt-4o-2024-08-06", "service_tier": "default", "system_fingerprint": "fp_fc9f1d7035",
                "choices": choices, "usage": null, "obfuscation": "cWmRyIpG5g3",
            }),
        )
    };
    let text = |text: String| chunk(json!([{ "index": 0, "delta": { "content": text }, "finish_reason": null }]));
    reply(
        [text(String::new()), text(String::new())],
        |n| text(format!(" word {n}")),
        [chunk(json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }])), ("", json!("[DONE]"))],
    )
}

fn responses() -> Vec<Vec<u8>> {
    let item = "msg_67ccd3acc8d48190a77525dc6de64b4104becb25c45c1d41";
    let response = |kind: &'static str| {
        (
            kind,
            json!({ "type": kind, "response": {
            "id": "resp_67ccd3a9da748190baa7f1570fe91ac604becb25c45c1d41", "model": "gpt-4o-2024-08-06",
            "instructions": "You are a coding agent. ".repeat(40), "tools": [], "output": [], "status": "completed",
            "usage": { "input_tokens": 37, "output_tokens": 11, "total_tokens": 48 },
        } }),
        )
    };
    reply(
        [response("response.created"), response("response.in_progress")],
        |n| {
            (
                "response.output_text.delta",
                json!({
                    "type": "response.output_text.delta", "sequence_number": n, "item_id": item, "output_index": 0,
                    "content_index": 0, "delta": format!(" word {n}"), "logprobs": [], "obfuscation": "cWmRyIpG5g3",
                }),
            )
        },
        [
            ("response.output_text.done", json!({ "type": "response.output_text.done", "item_id": item })),
            response("response.completed"),
        ],
    )
}

/// Decodes `chunks` and returns how many events and bytes of data they hold.
fn decode<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (u64, usize) {
    let mut seen = (0, 0);
    let mut decoder = Decoder::new(LIMIT);
    for chunk in chunks {
        decoder.feed(chunk, &mut |event| seen = (seen.0 + 1, seen.1 + event.data.len()));
    }
    seen
}

fn streams(c: &mut Criterion) {
    for (api, events) in [("messages", messages()), ("chat", chat()), ("responses", responses())] {
        let stream = events.concat();
        let expected = decode([&stream[..]].into_iter());
        assert_eq!(expected.0, EVENTS);
        assert_eq!(decode(stream.chunks(1)), expected);
        let mut group = c.benchmark_group(format!("sse/{api}"));
        group.throughput(Throughput::ElementsAndBytes { elements: EVENTS, bytes: stream.len() as u64 });
        group.bench_function("whole", |b| b.iter(|| decode([black_box(&stream[..])].into_iter())));
        group.bench_function("per_event", |b| b.iter(|| decode(black_box(&events).iter().map(Vec::as_slice))));
        for size in [1, 100, 1400] {
            group.bench_with_input(BenchmarkId::new("chunks", size), &size, |b, &size| {
                b.iter(|| decode(black_box(&stream).chunks(size)));
            });
        }
        group.finish();
    }
}

fn large_line(c: &mut Criterion) {
    let mut stream = b"data: ".to_vec();
    stream.resize(16 << 20, b'x');
    stream.extend_from_slice(b"\n\n");
    let mut group = c.benchmark_group("sse/line_of_16_mib");
    group.sample_size(10).throughput(Throughput::Bytes(stream.len() as u64));
    for size in [16 << 10, 16 << 20] {
        group.bench_with_input(BenchmarkId::new("chunks", size), &size, |b, &size| {
            b.iter(|| decode(black_box(&stream).chunks(size)));
        });
    }
    group.finish();
}

criterion_group!(benches, streams, large_line);
criterion_main!(benches);
