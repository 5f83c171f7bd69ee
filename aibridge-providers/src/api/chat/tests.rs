use serde_json::{Value, json};

use crate::api::{
    Api, IncludeUsage, Observed, ProviderError, Reply, ToolCall, UsageSource,
    testing::{call, chunks, document, events, facts, stream, thought, tool, usage},
};

const API: Api = Api::Chat;

/// A chunk of choice 0.
fn chunk(delta: Value) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test-1",
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}], "usage": null})
}

fn calls(calls: Value) -> Value {
    chunk(json!({"tool_calls": calls}))
}

fn closing(reason: &str) -> Value {
    json!({"id": "chatcmpl-1", "model": "gpt-test-1", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn figures() -> Value {
    json!({"prompt_tokens": 100, "completion_tokens": 15, "total_tokens": 115,
        "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 9, "audio_tokens": 1, "accepted_prediction_tokens": 7, "rejected_prediction_tokens": 0}})
}

fn usage_chunk() -> Value {
    json!({"id": "chatcmpl-1", "model": "gpt-test-1", "choices": [], "usage": figures()})
}

fn reply(terminal: bool) -> Reply {
    Reply {
        id: Some("chatcmpl-1".to_owned()),
        model: Some("gpt-test-1".to_owned()),
        terminal,
        content: true,
        ..Reply::default()
    }
}

fn everything() -> (Vec<Observed>, Reply) {
    let observed = vec![
        thought("reasoning", "Let me \"see\". 🦀"),
        tool("call_a", "read", json!({"path": "é"})),
        tool("call_b", "shout", "not json"),
        tool("call_c", "patch", "*** Begin Patch\n"),
    ];
    let extras = json!({"prompt_audio": 3, "completion_audio": 1, "completion_reasoning": 9, "completion_accepted_prediction": 7});
    (observed, Reply { usage: usage(UsageSource::Final, [60, 15, 40, 0], extras), ..reply(true) })
}

#[test]
fn a_stream_gives_thought_interleaved_tools_and_usage() {
    let text = chunks([
        chunk(json!({"role": "assistant", "content": ""})),
        chunk(json!({"reasoning_content": "Let me \"see\"."})),
        chunk(json!({"reasoning_content": " 🦀", "reasoning": " 🦀"})),
        chunk(json!({"content": "Reading \"tool_call\" now"})),
        calls(json!([{"index": 1, "id": "call_a", "type": "function", "function": {"name": "read", "arguments": ""}}])),
        calls(
            json!([{"index": 2, "id": "call_b", "type": "function", "function": {"name": "shout", "arguments": "not "}}]),
        ),
        calls(
            json!([{"index": 1, "function": {"arguments": "{\"path\""}}, {"index": 2, "function": {"arguments": "json"}}]),
        ),
        calls(
            json!([{"index": 3, "id": "call_c", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}]),
        ),
        calls(json!([{"index": 1, "id": "", "function": {"name": null, "arguments": ":\"é\"}"}}])),
        calls(json!([{"index": 3, "custom": {"input": " Patch\n"}}])),
        json!({"id": "chatcmpl-1", "choices": [{"index": 1, "delta": {"tool_calls": [{"index": 0, "id": "other", "function": {"name": "no"}}]}}]}),
        closing("tool_calls"),
        usage_chunk(),
    ]);
    assert_eq!(stream(API, &text), everything());
}

#[test]
fn a_blocking_reply_gives_the_same() {
    let completion = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-test-1",
        "choices": [
            {"index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": null, "refusal": null, "reasoning_content": "Let me \"see\". 🦀",
                "tool_calls": [
                    {"id": "call_a", "type": "function", "function": {"name": "read", "arguments": "{\"path\":\"é\"}"}},
                    {"id": "call_b", "type": "function", "function": {"name": "shout", "arguments": "not json"}},
                    {"id": "call_c", "type": "custom", "custom": {"name": "patch", "input": "*** Begin Patch\n"}},
                ]}},
            {"index": 1, "message": {"content": "x", "tool_calls": [{"id": "other", "function": {"name": "no"}}]}},
        ],
        "usage": figures(),
    });
    assert_eq!(document(API, &completion.to_string()), everything());
}

#[test]
fn a_call_in_the_first_chunk_is_seen() {
    let text = chunks([
        json!({"choices": [{"index": 0, "delta": {"content": null, "tool_calls": [{"function": {"name": "list"}, "id": "toolu_1", "index": 0, "type": "function"}]}}], "id": "msg_1", "model": "claude"}),
        json!({"choices": [{"index": 0, "delta": {"content": null, "tool_calls": [{"function": {"arguments": "{}"}, "index": 0}]}}], "id": "msg_1"}),
        json!({"choices": [{"finish_reason": "tool_calls", "index": 0, "delta": {"content": null}}], "id": "msg_1",
            "usage": {"completion_tokens": 65, "prompt_tokens": 25716, "prompt_tokens_details": {"cached_tokens": 20470}}}),
    ]);
    let (observed, reply) = stream(API, &text);
    assert_eq!(observed, [tool("toolu_1", "list", json!({}))]);
    assert_eq!(reply.usage, usage(UsageSource::Final, [5246, 65, 20470, 0], json!({})));
}

#[test]
fn complete_calls_that_share_an_index_are_told_apart_by_id() {
    let whole = |id: &str| calls(json!([{"index": 0, "id": id, "function": {"name": "n", "arguments": "{}"}}]));
    let (observed, _) = stream(API, &chunks([whole("a"), whole("b")]));
    assert_eq!(observed, [tool("a", "n", json!({})), tool("b", "n", json!({}))]);
}

#[test]
fn calls_without_an_index_are_told_apart_by_id() {
    let (observed, _) = stream(
        API,
        &chunks([
            calls(json!([{"id": "a", "function": {"name": "n", "arguments": "{"}}])),
            calls(json!([{"function": {"arguments": "}"}}])),
            calls(json!([{"id": "b", "function": {"name": "m", "arguments": {"x": 1}}}])),
            calls(json!([{"id": "a", "function": {"arguments": " "}}])),
        ]),
    );
    assert_eq!(observed, [tool("a", "n", json!({})), tool("b", "m", json!({"x": 1}))]);
}

#[test]
fn an_id_repeated_on_every_chunk_is_one_call() {
    let part =
        |arguments: &str| calls(json!([{"index": 0, "id": "a", "function": {"name": "n", "arguments": arguments}}]));
    let (observed, _) = stream(API, &chunks([part("{\"x\""), part(":1}")]));
    assert_eq!(observed, [tool("a", "n", json!({"x": 1}))]);
}

#[test]
fn a_stream_cut_inside_the_arguments_keeps_the_raw_text() {
    let text = events([
        calls(json!([{"index": 0, "id": "a", "function": {"name": "n", "arguments": "{\"x\": [1,"}}])),
        calls(json!([{"index": 1, "id": "b", "function": {"name": "m", "arguments": "{}"}}])),
        calls(json!([{"index": 2, "id": "c", "function": {"name": "o"}}])),
    ])
    .replace("event: \n", "");
    let (observed, seen) = stream(API, &text);
    assert_eq!(
        observed,
        [
            Observed::ToolCall(ToolCall { truncated: true, ..call("a", "n", "{\"x\": [1,") }),
            tool("b", "m", json!({})),
            Observed::ToolCall(ToolCall { truncated: true, ..call("c", "o", "") }),
        ],
    );
    assert_eq!(seen, reply(false));
}

#[test]
fn the_last_of_a_running_total_counts() {
    let running = |tokens: u64| {
        json!({"id": "chatcmpl-1", "model": "gpt-test-1", "choices": [{"index": 0, "delta": {"content": "a"}}],
            "usage": {"prompt_tokens": 7, "completion_tokens": tokens}})
    };
    let whole = chunks([running(1), running(2), running(3)]);
    let (_, reply) = stream(API, &whole);
    assert_eq!(reply.usage, usage(UsageSource::Final, [7, 3, 0, 0], json!({})));
    let (_, reply) = stream(API, whole.strip_suffix("data: [DONE]\n\n").unwrap());
    assert_eq!(reply.usage, usage(UsageSource::Partial, [7, 3, 0, 0], json!({})));
}

#[test]
fn input_excludes_cached_tokens_and_is_never_negative() {
    for (figures, tokens) in [
        (
            json!({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}}),
            [0, 1, 9, 0],
        ),
        (json!({"prompt_tokens": 50, "completion_tokens": 1, "prompt_cache_hit_tokens": 9}), [41, 1, 9, 0]),
        (
            json!({"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 25}}),
            [35, 1, 40, 25],
        ),
        (json!({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": null}), [5, 1, 0, 0]),
    ] {
        let text = chunks([json!({"id": "c", "choices": [], "usage": figures})]);
        assert_eq!(stream(API, &text).1.usage, usage(UsageSource::Final, tokens, json!({})), "{figures}");
    }
}

#[test]
fn a_cut_stream_without_usage_has_none() {
    let text = events([chunk(json!({"role": "assistant", "content": "Hel"}))]).replace("event: \n", "");
    assert_eq!(stream(API, &text), (vec![], reply(false)));
}

#[test]
fn an_opening_chunk_is_no_content() {
    let opening = events([chunk(json!({"role": "assistant", "content": ""}))]).replace("event: \n", "");
    assert!(!stream(API, &opening).1.content);
    let refusal = events([chunk(json!({"refusal": "No"}))]).replace("event: \n", "");
    assert!(stream(API, &refusal).1.content);
}

#[test]
fn an_error_chunk_ends_the_stream() {
    let opening = format!("data: {}\n\n", chunk(json!({"content": "Hel"})));
    for error in [
        "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n",
        "event: error\ndata: {\"message\":\"m\",\"type\":\"server_error\"}\n\n",
        "data: {\"id\":\"chatcmpl-1\",\"choices\":[],\"error\":{\"message\":\"m\",\"code\":\"server_error\"}}\n\n",
    ] {
        let (observed, seen) = stream(API, &format!("{opening}{error}"));
        assert_eq!(observed, []);
        let error = ProviderError { kind: "server_error".to_owned(), message: "m".to_owned() };
        assert_eq!(seen, Reply { error: Some(error), ..reply(true) });
    }
}

#[test]
fn a_blocking_error_is_the_replys() {
    let (_, reply) = document(API, r#"{"error":{"message":"m","type":"server_error"}}"#);
    assert_eq!(reply.error, Some(ProviderError { kind: "server_error".to_owned(), message: "m".to_owned() }));
}

#[test]
fn fields_of_unknown_shape_are_passed_over() {
    let text = chunks([
        json!({"id": 1, "choices": "none", "usage": 7}),
        json!({"choices": [7, {"delta": []}, {"delta": {"content": [], "tool_calls": [7, {"index": "x", "function": []}]}}]}),
        json!({"choices": [{"delta": {"tool_calls": {"index": 0}, "reasoning": {"text": "x"}}}], "usage": {"prompt_tokens": "7"}}),
    ]);
    let (observed, reply) = stream(API, &text);
    assert_eq!(observed, [Observed::ToolCall(ToolCall { input: "".into(), ..ToolCall::default() })]);
    assert_eq!((reply.id, reply.unobserved, reply.usage.source), (None, 0, UsageSource::None));
}

#[test]
fn chunks_that_are_no_json_are_counted() {
    let (observed, reply) = stream(API, "data: {\"id\":\n\ndata: ?\n\n: comment\n\ndata: [DONE]\n\n");
    assert_eq!((observed, reply.unobserved, reply.terminal), (vec![], 2, true));
}

#[test]
fn the_prompt_is_the_users_last_text() {
    for (messages, prompt) in [
        (json!([{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]), Some("hi")),
        (
            json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "image_url"}]}]),
            Some("b"),
        ),
        (json!([{"role": "user", "content": "hi"}, {"role": "developer", "content": "d"}]), Some("hi")),
        (json!([{"role": "user", "content": "hi"}, {"role": "tool", "tool_call_id": "t", "content": "x"}]), None),
        (json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x"}]), None),
        (json!([{"role": "user", "content": "<environment_details>x</environment_details>"}]), None),
        (json!({"role": "user"}), None),
    ] {
        assert_eq!(facts(API, json!({"messages": messages})).prompt.as_deref(), prompt, "{messages}");
    }
}

#[test]
fn the_answered_call_is_the_last_trailing_tool_message() {
    let tool = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "x"});
    let read = |messages: Value| facts(API, json!({"messages": messages})).answered_tool_call;
    assert_eq!(read(json!([tool("a"), tool("b")])).as_deref(), Some("b"));
    assert_eq!(read(json!([tool("a"), {"role": "assistant"}, {"role": "user", "content": "next"}])), None);
    assert_eq!(read(json!([{"role": "tool", "tool_call_id": 7}])), None);
}

#[test]
fn a_title_request_has_no_prompt() {
    let title = json!({"messages": [
        {"role": "system", "content": "You are a title generator. You output ONLY a thread title. Nothing else."},
        {"role": "user", "content": "Generate a title for this conversation:\n"},
        {"role": "user", "content": "fix the bug"},
    ]});
    let read = facts(API, title);
    assert_eq!((read.side_request, read.prompt), (true, None));
}

#[test]
fn what_the_client_says_about_usage_is_read() {
    for (options, expected) in [
        (json!({"include_usage": true}), IncludeUsage::Set),
        (json!({"include_usage": false}), IncludeUsage::Set),
        (json!({"other": 1}), IncludeUsage::Unset),
        (json!(null), IncludeUsage::Unset),
    ] {
        assert_eq!(facts(API, json!({"stream_options": options})).include_usage, expected, "{options}");
    }
}
