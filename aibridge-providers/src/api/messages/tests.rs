use serde_json::json;

use crate::api::{
    Api, Observed, ProviderError, Reply, Thought, ToolCall, UsageSource,
    testing::{call, document, events, facts, nameless, stream, thought, tool, usage},
};

const API: Api = Api::Messages;

fn redacted() -> Observed {
    Observed::Thought(Thought { content: String::new(), source: "redacted_thinking" })
}

fn reply(terminal: bool) -> Reply {
    Reply {
        id: Some("msg_1".to_owned()),
        model: Some("claude-test-1".to_owned()),
        terminal,
        content: true,
        ..Reply::default()
    }
}

/// A stream with everything, as it is sent: white space behind data, pings and comments in between.
const EVERYTHING: &str = r#": connected

event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-test-1","content":[],"stop_reason":null,"usage":{"input_tokens":20,"cache_creation_input_tokens":300,"cache_read_input_tokens":4000,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"output_tokens":1,"service_tier":"standard"}}    }

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me \"look\".\n"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Größe? 🦀"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCg=="}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"EmwKAhg="}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"thinking_delta partial_json tool_use"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"query\":"}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":" \"rust\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: content_block_start
data: {"type":"content_block_start","index":4,"content_block":{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://example.org","title":"t","encrypted_content":"x"}]}}

event: content_block_stop
data: {"type":"content_block_stop","index":4}

event: content_block_start
data: {"type":"content_block_start","index":5,"content_block":{"type":"tool_use","id":"toolu_1","name":"read","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":5,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":5,"delta":{"type":"input_json_delta","partial_json":"{\"path\":\"a\\u00e9"}}

event: content_block_delta
data: {"type":"content_block_delta","index":5,"delta":{"type":"input_json_delta","partial_json":"\",\"n\":1.50}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":5}

event: content_block_start
data: {"type":"content_block_start","index":6,"content_block":{"type":"tool_use","id":"toolu_2","name":"now","input":{}}}

event: content_block_stop
data: {"type":"content_block_stop","index":6}

event: never_seen_before
data: {"type":"never_seen_before","index":6}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":40}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":21,"output_tokens":61,"server_tool_use":{"web_search_requests":2}}}

event: message_stop
data: {"type":"message_stop"   }

"#;

fn everything() -> (Vec<Observed>, Reply) {
    let observed = vec![
        thought("thinking", "Let me \"look\".\nGröße? 🦀"),
        redacted(),
        Observed::ToolCall(ToolCall { hosted: true, ..call("srvtoolu_1", "web_search", json!({"query": "rust"})) }),
        tool("toolu_1", "read", json!({"path": "aé", "n": 1.5})),
        tool("toolu_2", "now", json!({})),
    ];
    let extras = json!({
        "cache_ephemeral_5m_input": 100,
        "cache_ephemeral_1h_input": 200,
        "web_search_requests": 2,
        "service_tier": "standard",
    });
    (observed, Reply { usage: usage(UsageSource::Final, [21, 61, 4000, 300], extras), ..reply(true) })
}

#[test]
fn a_stream_gives_thoughts_tools_and_cumulative_usage() {
    assert_eq!(stream(API, EVERYTHING), everything());
}

#[test]
fn a_stream_without_event_names_gives_the_same() {
    assert_eq!(stream(API, &nameless(EVERYTHING)), everything());
}

#[test]
fn a_blocking_reply_gives_the_same() {
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test-1",
        "content": [
            {"type": "thinking", "thinking": "Let me \"look\".\nGröße? 🦀", "signature": "EqQBCg=="},
            {"type": "redacted_thinking", "data": "EmwKAhg="},
            {"type": "text", "text": "thinking_delta partial_json tool_use"},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rust"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "aé", "n": 1.5}},
            {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
        ],
        "stop_reason": "tool_use",
        "usage": {
            "input_tokens": 21, "output_tokens": 61, "cache_read_input_tokens": 4000, "cache_creation_input_tokens": 300,
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            "server_tool_use": {"web_search_requests": 2}, "service_tier": "standard",
        },
    });
    assert_eq!(document(API, &message.to_string()), everything());
}

#[test]
fn a_stream_cut_inside_a_tools_input_keeps_the_raw_text() {
    let cut = EVERYTHING.find(
        r#"data: {"type":"content_block_delta","index":5,"delta":{"type":"input_json_delta","partial_json":"\","#,
    );
    let (observed, reply) = stream(API, &EVERYTHING[..cut.unwrap()]);
    let raw = ToolCall { truncated: true, ..call("toolu_1", "read", r#"{"path":"a\u00e9"#) };
    assert_eq!(observed[3..], [Observed::ToolCall(raw)]);
    let extras = json!({"cache_ephemeral_5m_input": 100, "cache_ephemeral_1h_input": 200, "service_tier": "standard"});
    assert_eq!(reply.usage, usage(UsageSource::Partial, [20, 1, 4000, 300], extras));
    assert!(!reply.terminal);
}

#[test]
fn a_stream_cut_inside_a_thought_keeps_what_there_is() {
    let start =
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "a"}});
    let delta =
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "b"}});
    let text = events([start, delta]);
    assert_eq!(stream(API, &text), (vec![thought("thinking", "ab")], Reply { content: true, ..Reply::default() }));
}

#[test]
fn an_input_cut_by_the_token_limit_is_truncated_too() {
    let text = events([
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "n", "input": {}}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\"a\": \"b"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ]);
    let (observed, reply) = stream(API, &text);
    assert_eq!(observed, [Observed::ToolCall(ToolCall { truncated: true, ..call("t", "n", "{\"a\": \"b") })]);
    assert_eq!((reply.usage.output, reply.usage.source), (9, UsageSource::Final));
}

#[test]
fn blocks_may_interleave() {
    let start = |index, id| json!({"type": "content_block_start", "index": index, "content_block": {"type": "tool_use", "id": id, "name": "n", "input": {}}});
    let delta = |index, json| json!({"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": json}});
    let stop = |index| json!({"type": "content_block_stop", "index": index});
    let text =
        events([start(1, "a"), start(2, "b"), delta(2, "{\"x\""), delta(1, "[1]"), delta(2, ":2}"), stop(2), stop(1)]);
    let (observed, _) = stream(API, &text);
    assert_eq!(observed, [tool("b", "n", json!({"x": 2})), tool("a", "n", json!([1]))]);
}

#[test]
fn an_error_event_ends_the_stream() {
    let start = json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude-test-1", "usage": {"input_tokens": 18, "output_tokens": 1}}});
    let text = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}});
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let (observed, seen) = stream(API, &events([start, text, error]));
    assert_eq!(observed, []);
    let error = ProviderError { kind: "overloaded_error".to_owned(), message: "Overloaded".to_owned() };
    let usage = usage(UsageSource::Partial, [18, 1, 0, 0], json!({}));
    assert_eq!(seen, Reply { usage, error: Some(error), ..reply(true) });
}

#[test]
fn a_blocking_error_is_the_replys() {
    let (observed, reply) = document(API, r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#);
    assert_eq!(observed, []);
    assert_eq!(reply.error, Some(ProviderError { kind: "api_error".to_owned(), message: "m".to_owned() }));
    assert!(reply.terminal && !reply.content);
}

#[test]
fn usage_is_final_only_once_the_provider_closed_it() {
    let start = json!({"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}});
    let delta = json!({"type": "message_delta", "usage": {"output_tokens": 5}});
    let bare = json!({"type": "message_delta", "usage": null});
    let stop = json!({"type": "message_stop"});
    for (text, source) in [
        (events([start.clone()]), UsageSource::Partial),
        (events([start.clone(), bare.clone()]), UsageSource::Partial),
        (events([start.clone(), delta]), UsageSource::Final),
        (events([start, stop.clone()]), UsageSource::Final),
        (events([bare, stop]), UsageSource::None),
    ] {
        assert_eq!(stream(API, &text).1.usage.source, source, "{text}");
    }
}

#[test]
fn fields_of_unknown_shape_are_passed_over() {
    let text = events([
        json!({"type": "message_start", "message": {"id": 7, "model": null, "usage": {"input_tokens": "3", "output_tokens": 1, "cache_creation": []}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": {}, "name": 3, "input": {"a": 1}}}),
        json!({"type": "content_block_delta", "index": 0, "delta": "?"}),
        json!({"type": "content_block_delta", "index": 9, "delta": {"partial_json": "lost"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": [1]}),
        json!({"type": "message_stop"}),
    ]);
    let (observed, reply) = stream(API, &text);
    assert_eq!(observed, [Observed::ToolCall(ToolCall { input: json!({"a": 1}), ..ToolCall::default() })]);
    assert_eq!((reply.id, reply.unobserved, reply.terminal), (None, 0, true));
    assert_eq!(reply.usage, usage(UsageSource::Final, [0, 1, 0, 0], json!({})));
}

#[test]
fn events_that_are_no_json_are_counted_and_the_rest_is_read() {
    let text = "event: message_start\ndata: {\"message\":\n\nevent: content_block_start\ndata: [\n\ndata: ?\n\ndata: [DONE]\n\n\
                event: message_stop\ndata: {}\n\n";
    let (observed, reply) = stream(API, text);
    assert_eq!((observed, reply.unobserved, reply.terminal), (vec![], 3, true));
}

#[test]
fn the_prompt_is_the_last_text_that_a_person_wrote() {
    let reminder = json!({"type": "text", "text": "<system-reminder>\nbe brief\n</system-reminder>"});
    for (messages, prompt) in [
        (json!([{"role": "user", "content": "hi\n"}]), Some("hi\n")),
        (json!([{"role": "user", "content": [reminder, {"type": "text", "text": "hi"}, reminder]}]), Some("hi")),
        (
            json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}]),
            Some("b"),
        ),
        (
            json!([{"role": "user", "content": "hi"}, {"role": "system", "content": "be brief", "output_config": {}}]),
            Some("hi"),
        ),
        (json!([{"role": "user", "content": "hi"}, {"role": "user", "content": [reminder]}]), Some("hi")),
        (json!([{"role": "user", "content": [reminder]}]), None),
        (json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]), None),
        (json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}]), None),
        (json!([{"role": "martian", "content": "hi"}]), None),
        (json!([]), None),
        (json!("hi"), None),
        (json!([7, {"role": "user", "content": 7}]), None),
    ] {
        assert_eq!(facts(API, json!({"messages": messages})).prompt.as_deref(), prompt, "{messages}");
    }
}

#[test]
fn the_answered_call_is_the_last_of_the_trailing_results() {
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": "no prompt"}]});
    let read = facts(
        API,
        json!({"messages": [
            {"role": "user", "content": "earlier"},
            {"role": "assistant", "content": []},
            {"role": "user", "content": [result("a"), result("b"), {"type": "text", "text": "stop that"}]},
            {"role": "system", "content": "x"},
        ]}),
    );
    assert_eq!((read.answered_tool_call.as_deref(), read.prompt.as_deref()), (Some("b"), Some("stop that")));
    let later = json!({"messages": [{"role": "user", "content": [result("a")]}, {"role": "assistant", "content": "x"}, {"role": "user", "content": "next"}]});
    let read = facts(API, later);
    assert_eq!((read.answered_tool_call, read.prompt.as_deref()), (None, Some("next")));
}

#[test]
fn a_side_request_has_no_prompt() {
    let billing = json!({"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1;"});
    let agent = json!({"type": "text", "text": "You are Claude Code, Anthropic's official CLI for Claude."});
    let title =
        json!({"type": "text", "text": "\n Generate a concise, sentence-case title (3-7 words)", "cache_control": {}});
    for (system, prompt, side) in [
        (json!([billing, agent, title]), "fix the bug", true),
        (json!("You are a helpful AI assistant tasked with summarizing conversations."), "fix the bug", true),
        (json!([billing, agent]), "Your task is to create a detailed summary of the conversation so far, ...", true),
        (json!([billing, agent]), "[SUGGESTION MODE: ...]", true),
        (json!([billing, agent]), "Warmup", true),
        (json!([billing, agent]), "Warmup exercises, please", false),
        (json!([billing, agent]), "fix the bug", false),
        (json!(7), "fix the bug", false),
    ] {
        let read = facts(API, json!({"system": system, "messages": [{"role": "user", "content": prompt}]}));
        assert_eq!((read.side_request, read.prompt.is_none()), (side, side), "{system} {prompt}");
    }
}

#[test]
fn model_stream_and_user_are_read_only_in_their_types() {
    let read = facts(API, json!({"model": "m", "stream": true, "metadata": {"user_id": "u"}}));
    assert_eq!((read.model.as_deref(), read.streaming, read.user_id.as_deref()), (Some("m"), true, Some("u")));
    let read = facts(API, json!({"model": 7, "stream": "true", "metadata": "u"}));
    assert_eq!((read.model, read.streaming, read.user_id), (None, false, None));
}
