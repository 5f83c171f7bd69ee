//! What it costs to understand a request body and to change one field of it.
//!
//! The input is a coding agent's request of about 200 KB: a long system prompt, tool definitions, and a conversation of
//! many small messages and tool results full of escaped line ends.

use std::hint::black_box;

use aibridge_providers::json::{Document, Edits, Value};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{json, value::RawValue};

/// A request of the Messages API, a little larger than `size` bytes.
fn agent_request(size: usize) -> Bytes {
    let rule = "- When \"editing\" a file, keep the style around it; never run `rm -rf` unless asked to.\n";
    let tools: Vec<_> = (0..18)
        .map(|n| {
            json!({
                "name": format!("Tool{n}"),
                "description": format!("Does one thing well.\n\nUsage:\n{}", rule.repeat(10)),
                "input_schema": {
                    "type": "object",
                    "properties": {
                        "file_path": { "type": "string", "description": "The absolute path of the file to modify" },
                        "limit": { "type": "number", "description": "How many lines to read, at most 2000" },
                        "mode": { "type": "string", "enum": ["content", "files_with_matches", "count"] },
                        "edits": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": { "old": { "type": "string" }, "new": { "type": "string" } },
                                "required": ["old", "new"],
                                "additionalProperties": false,
                            },
                            "minItems": 1,
                        },
                    },
                    "required": ["file_path", "edits"],
                    "additionalProperties": false,
                    "$schema": "http://json-schema.org/draft-07/schema#",
                },
            })
        })
        .collect();
    let mut messages = vec![json!({
        "role": "user",
        "content": [
            { "type": "text", "text": format!("<system-reminder>\n{}</system-reminder>", rule.repeat(40)) },
            { "type": "text", "text": "Please fix the flaky test in src/net/pool.rs." },
        ],
    })];
    let code = "    12\tlet value = self.map.get(\"key\").ok_or(Error::Missing)?;\n    13\t    // naïve, but fast\n";
    let mut written = 0;
    for n in 0.. {
        let id = format!("toolu_01{n:022}");
        let result = code.repeat(n % 40 + 1);
        written += result.len() + 600;
        messages.push(json!({
            "role": "assistant",
            "content": [
                { "type": "text", "text": "I'll look at the file first." },
                { "type": "tool_use", "id": id, "name": "Tool3", "input": { "file_path": "/src/net/pool.rs", "limit": n } },
            ],
        }));
        messages.push(json!({
            "role": "user",
            "content": [{ "type": "tool_result", "tool_use_id": id, "content": result, "is_error": false }],
        }));
        if written > size.saturating_sub(60_000) {
            break;
        }
    }
    let request = json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 32000,
        "system": [
            { "type": "text", "text": "You are a coding agent.", "cache_control": { "type": "ephemeral" } },
            { "type": "text", "text": rule.repeat(160), "cache_control": { "type": "ephemeral" } },
        ],
        "tools": tools,
        "messages": messages,
        "metadata": { "user_id": "user_0123456789abcdef_account__session_01234567-89ab-cdef-0123-456789abcdef" },
        "thinking": { "type": "enabled", "budget_tokens": 31999 },
        "stream": true,
    });
    request.to_string().into()
}

fn last_tool_result(document: &Document) -> Option<Value<'_>> {
    let last = document.get("messages")?.elements().next_back()?;
    last.get("content")?.elements().rev().find_map(|block| block.get("tool_use_id"))
}

fn request(c: &mut Criterion) {
    let body = agent_request(200_000);
    let document = Document::parse(body.clone()).expect("valid");
    assert!(last_tool_result(&document).is_some());
    let mut group = c.benchmark_group("json/request");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("parse", |b| b.iter(|| Document::parse(black_box(body.clone())).expect("valid")));
    group.bench_function("parse_by_raw_value", |b| {
        b.iter(|| serde_json::from_slice::<&RawValue>(black_box(&body)).expect("valid"));
    });
    group.bench_function("read_the_tail", |b| b.iter(|| last_tool_result(black_box(&document)).map(Value::text)));
    group.bench_function("walk_all_messages", |b| {
        let messages = document.get("messages").expect("messages");
        b.iter(|| black_box(messages).elements().filter(|message| message.get("role").is_some()).count());
    });
    group.bench_function("copy", |b| b.iter(|| Bytes::copy_from_slice(black_box(&body))));
    group.bench_function("set_model", |b| {
        b.iter(|| {
            let mut edits = Edits::new(black_box(&document));
            edits.set(document.root(), "model", r#""claude-opus-4-5""#);
            edits.apply()
        });
    });
    group.bench_function("add_tools", |b| {
        let tool = document.get("tools").and_then(|tools| tools.elements().next()).expect("a tool").text();
        b.iter(|| {
            let mut edits = Edits::new(black_box(&document));
            let tools = document.get("tools").expect("tools");
            for _ in 0..4 {
                edits.append(tools, tool);
            }
            edits.apply()
        });
    });
    group.finish();
}

fn event(c: &mut Criterion) {
    let data =
        br#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":" of the pool, which"}}"#;
    let mut group = c.benchmark_group("json/event");
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("read_a_delta", |b| {
        b.iter(|| {
            let event = Value::of(black_box(data)).expect("valid");
            assert!(event.get("type").is_some_and(|kind| kind.as_str().as_deref() == Some("content_block_delta")));
            event.get("delta").and_then(|delta| delta.get("text")).map(Value::text)
        });
    });
    group.bench_function("read_a_delta_by_tree", |b| {
        b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(data)).expect("valid"));
    });
    group.finish();
}

criterion_group!(benches, request, event);
criterion_main!(benches);
