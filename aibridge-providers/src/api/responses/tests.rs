use serde_json::{Value, json};

use crate::api::{
    Api, Observed, ProviderError, Reply, ToolCall, UsageSource,
    testing::{call, document, events, facts, nameless, stream, thought, tool, usage},
};

const API: Api = Api::Responses;

fn output() -> [Value; 11] {
    [
        json!({"id": "rs_1", "type": "reasoning", "encrypted_content": "gAAA", "summary": [
            {"type": "summary_text", "text": "**Looking**\n\n🦀"}, {"type": "summary_text", "text": ""}, {"type": "summary_text", "text": "Then."}]}),
        json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "phase": "commentary", "content": [
            {"type": "output_text", "text": "I will ", "annotations": []}, {"type": "output_text", "text": "search."}]}),
        json!({"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "rust"}}),
        json!({"id": "ci_1", "type": "code_interpreter_call", "status": "completed", "code": "print(1)", "container_id": "c", "outputs": null}),
        json!({"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "iVBORw0KGgo="}),
        json!({"id": "mcp_1", "type": "mcp_call", "name": "roll", "server_label": "dice", "arguments": "{\"n\":2}", "output": "7"}),
        json!({"id": "sh_1", "type": "shell_call", "call_id": "call_s", "status": "completed", "action": {"commands": ["ls"]}}),
        json!({"id": "fc_1", "type": "function_call", "call_id": "call_f", "name": "add", "namespace": "math", "status": "completed", "arguments": "{\"a\":3,\"b\":5}"}),
        json!({"id": "fc_2", "type": "function_call", "call_id": "call_g", "name": "odd", "status": "completed", "arguments": "not json"}),
        json!({"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_c", "name": "apply_patch", "status": "completed", "input": "*** Begin Patch"}),
        json!({"id": "msg_2", "type": "message", "role": "assistant", "status": "completed", "phase": "final_answer", "content": [
            {"type": "output_text", "text": "Done."}]}),
    ]
}

fn response(status: &str, output: &[Value], usage: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "status": status, "background": false, "error": null,
        "model": "gpt-test-1", "output": output, "usage": usage, "metadata": {}})
}

fn figures() -> Value {
    json!({"input_tokens": 58, "input_tokens_details": {"cached_tokens": 50}, "output_tokens": 18,
        "output_tokens_details": {"reasoning_tokens": 11}, "total_tokens": 76})
}

fn created() -> Value {
    json!({"type": "response.created", "response": response("in_progress", &[], Value::Null), "sequence_number": 0})
}

fn done(index: u64, item: &Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item, "sequence_number": 9})
}

fn end(kind: &str, output: &[Value], usage: Value) -> Value {
    let status = kind.trim_start_matches("response.");
    json!({"type": kind, "response": response(status, output, usage), "sequence_number": 10})
}

fn reply(terminal: bool) -> Reply {
    Reply {
        id: Some("resp_1".to_owned()),
        model: Some("gpt-test-1".to_owned()),
        terminal,
        content: true,
        ..Reply::default()
    }
}

fn item(id: &str, call: ToolCall) -> Observed {
    Observed::ToolCall(ToolCall { item_id: Some(id.to_owned()), ..call })
}

fn hosted(id: &str, name: &str, input: Value) -> Observed {
    item(id, ToolCall { id: None, hosted: true, ..call("", name, input) })
}

fn observed() -> Vec<Observed> {
    vec![
        thought("reasoning_summary", "**Looking**\n\n🦀"),
        thought("reasoning_summary", "Then."),
        thought("commentary", "I will search."),
        hosted("ws_1", "web_search_call", json!({"type": "search", "query": "rust"})),
        hosted("ci_1", "code_interpreter_call", json!("print(1)")),
        hosted("ig_1", "image_generation_call", Value::Null),
        hosted("mcp_1", "roll", json!({"n": 2})),
        item("sh_1", call("call_s", "shell_call", json!({"commands": ["ls"]}))),
        item("fc_1", call("call_f", "add", json!({"a": 3, "b": 5}))),
        item("fc_2", call("call_g", "odd", "not json")),
        item("ctc_1", call("call_c", "apply_patch", "*** Begin Patch")),
    ]
}

fn everything() -> (Vec<Observed>, Reply) {
    let usage = usage(UsageSource::Final, [8, 18, 50, 0], json!({"output_reasoning": 11, "total_tokens": 76}));
    (observed(), Reply { usage, ..reply(true) })
}

/// The stream as it is sent: every item is added, comes in deltas and is done, and comes again at the end.
fn whole_stream() -> String {
    let output = output();
    let delta =
        json!({"type": "response.output_text.delta", "delta": "response.output_item.done", "sequence_number": 3});
    let added = json!({"type": "response.output_item.added", "output_index": 0, "item": {"id": "x", "type": "function_call", "call_id": "x", "arguments": ""}});
    let mut text = events([created(), added, delta]);
    for (index, item) in (0..).zip(&output) {
        text += &events([done(index, item)]);
    }
    text + &events([end("response.completed", &output, figures())])
}

#[test]
fn a_stream_gives_thoughts_tools_and_usage_once() {
    assert_eq!(stream(API, &whole_stream()), everything());
}

#[test]
fn a_stream_without_event_names_gives_the_same() {
    assert_eq!(stream(API, &(nameless(&whole_stream()) + "data: [DONE]\n\n")), everything());
}

#[test]
fn the_final_output_alone_gives_the_same() {
    let text = events([created(), end("response.completed", &output(), figures())]);
    assert_eq!(stream(API, &text), everything());
}

#[test]
fn the_items_alone_give_the_same() {
    let text: String = (0..).zip(&output()).map(|(index, item)| events([done(index, item)])).collect();
    let text = text + &events([end("response.completed", &[], figures())]);
    assert_eq!(stream(API, &text), everything());
}

#[test]
fn a_blocking_reply_gives_the_same() {
    assert_eq!(document(API, &response("completed", &output(), figures()).to_string()), everything());
}

#[test]
fn items_whose_ids_change_are_reported_once() {
    let item = |id: &str| json!({"id": id, "type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]});
    let text = events([done(0, &item("rs_1")), end("response.completed", &[item("rs_2")], figures())]);
    assert_eq!(stream(API, &text).0, [thought("reasoning_summary", "a")]);
}

#[test]
fn items_that_move_are_reported_once() {
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "n", "arguments": "{}"});
    let text = events([done(3, &call), end("response.completed", std::slice::from_ref(&call), figures())]);
    assert_eq!(stream(API, &text).0.len(), 1);
}

#[test]
fn a_stream_cut_before_its_end_keeps_the_items_that_were_done() {
    let [.., function, _, _, _] = &output();
    let text = events([created(), done(7, function)]);
    assert_eq!(stream(API, &text), (observed()[8..9].to_vec(), reply(false)));
}

#[test]
fn an_incomplete_response_has_final_usage_and_truncated_arguments() {
    let cut = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "n", "arguments": "{\"a\":", "status": "incomplete"});
    let (observed, reply) = stream(API, &events([created(), end("response.incomplete", &[cut], figures())]));
    assert_eq!(observed, [item("fc_1", ToolCall { truncated: true, ..call("call_1", "n", "{\"a\":") })]);
    assert_eq!((reply.terminal, reply.usage.source, reply.error), (true, UsageSource::Final, None));
}

#[test]
fn a_failed_response_has_the_providers_error() {
    let failed = json!({"type": "response.failed", "response": {"id": "resp_1", "model": "gpt-test-1", "status": "failed",
        "error": {"code": "server_error", "message": "m"}, "output": [], "usage": figures()}});
    let delta = json!({"type": "response.output_text.delta", "delta": "Hello"});
    let (observed, seen) = stream(API, &events([created(), delta, failed.clone()]));
    assert_eq!(observed, []);
    let error = ProviderError { kind: "server_error".to_owned(), message: "m".to_owned() };
    assert_eq!(seen, Reply { error: Some(error.clone()), ..everything().1 });
    let (_, seen) = document(API, &failed["response"].to_string());
    assert_eq!(seen, Reply { error: Some(error), content: false, ..everything().1 });
}

#[test]
fn a_failure_without_an_error_is_an_error() {
    let failed = json!({"type": "response.failed", "response": {"status": "failed", "error": null}});
    assert_eq!(stream(API, &events([failed])).1.error.unwrap().kind, "failed");
    assert_eq!(document(API, r#"{"status":"failed"}"#).1.error.unwrap().kind, "failed");
}

#[test]
fn an_error_event_ends_the_stream_in_either_shape() {
    let expected = Some(ProviderError { kind: "rate_limit_exceeded".to_owned(), message: "m".to_owned() });
    let flat =
        json!({"type": "error", "code": "rate_limit_exceeded", "message": "m", "param": null, "sequence_number": 1});
    let nested = json!({"type": "error", "error": {"type": null, "code": "rate_limit_exceeded", "message": "m"}, "sequence_number": 1});
    let bare = json!({"error": {"code": "rate_limit_exceeded", "message": "m"}});
    for text in [events([flat.clone()]), events([nested]), nameless(&events([flat])), nameless(&events([bare]))] {
        let (_, reply) = stream(API, &text);
        assert_eq!((reply.terminal, &reply.error), (true, &expected), "{text}");
    }
}

#[test]
fn a_background_reply_is_accepted() {
    for status in ["queued", "in_progress"] {
        let (observed, reply) = document(
            API,
            &json!({"id": "resp_1", "status": status, "background": true, "output": [], "usage": null}).to_string(),
        );
        assert_eq!((observed, reply.accepted, reply.usage.source), (vec![], true, UsageSource::None));
    }
    let finished = response("completed", &[], figures());
    assert!(!document(API, &finished.to_string()).1.accepted);
}

#[test]
fn a_background_stream_that_ends_early_goes_on_without_us() {
    let created =
        json!({"type": "response.created", "response": {"id": "resp_1", "status": "queued", "background": true}});
    assert!(stream(API, &events([created.clone()])).1.accepted);
    assert!(!stream(API, &events([created, end("response.completed", &[], figures())])).1.accepted);
    assert!(!stream(API, &events([self::created()])).1.accepted);
}

#[test]
fn a_compaction_is_read_like_a_response() {
    let compaction = json!({"id": "resp_1", "object": "response.compaction", "output": [{"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}], "usage": figures()});
    let (observed, reply) = document(API, &compaction.to_string());
    assert_eq!((observed, reply.terminal, reply.accepted), (vec![], true, false));
    assert_eq!(reply.usage, everything().1.usage);
}

#[test]
fn fields_of_unknown_shape_are_passed_over() {
    let text = events([
        json!({"type": "response.created", "response": 7}),
        json!({"type": "response.output_item.done", "item": "x"}),
        json!({"type": "response.output_item.done", "output_index": "0", "item": {"type": "function_call", "arguments": {"a": 1}, "summary": 7}}),
        json!({"type": "response.output_item.done", "item": {"type": "reasoning", "summary": [7, {"text": 7}]}}),
        json!({"type": "response.new_thing", "x": 1}),
        json!({"type": "response.completed", "response": {"id": [], "output": [7, {"type": 7}], "usage": {"input_tokens": "x"}}}),
    ]);
    let (observed, reply) = stream(API, &text);
    let call = ToolCall { name: "function_call".to_owned(), input: json!({"a": 1}), ..ToolCall::default() };
    assert_eq!(observed, [Observed::ToolCall(call)]);
    assert_eq!((reply.terminal, reply.unobserved, reply.usage.source), (true, 0, UsageSource::None));
}

#[test]
fn events_that_are_no_json_are_counted() {
    let text = "event: response.created\ndata: {\n\ndata: ?\n\nevent: response.completed\ndata: {\n\n";
    let (_, reply) = stream(API, text);
    assert_eq!((reply.unobserved, reply.terminal), (3, true));
}

#[test]
fn the_prompt_is_the_last_user_message() {
    let user = |parts: Value| json!({"type": "message", "role": "user", "content": parts});
    let environment =
        json!({"type": "input_text", "text": "<environment_context>\n<cwd>/src</cwd>\n</environment_context>"});
    let agents = json!({"type": "input_text", "text": "# AGENTS.md instructions for /src\n\n<INSTRUCTIONS>\nx\n</INSTRUCTIONS>"});
    let text = |text: &str| json!({"type": "input_text", "text": text});
    for (input, prompt) in [
        (json!("hi"), Some("hi")),
        (json!([{"role": "user", "content": "hi"}]), Some("hi")),
        (json!([user(json!([text("a"), {"type": "input_image"}, text("b")]))]), Some("a\nb")),
        (json!([user(json!([agents, environment])), user(json!([text("hi")]))]), Some("hi")),
        (json!([user(json!([text("hi")])), user(json!([environment]))]), Some("hi")),
        (
            json!([user(json!([text("hi")])), {"type": "additional_tools", "role": "developer", "tools": []}]),
            Some("hi"),
        ),
        (json!([user(json!([agents, environment]))]), None),
        (json!([user(json!("hi")), {"type": "message", "role": "assistant", "content": []}]), None),
        (json!([user(json!("hi")), {"type": "function_call_output", "call_id": "c", "output": "x"}]), None),
        (json!([user(json!("hi")), {"type": "never_seen_before"}]), None),
        (json!([]), None),
        (json!(7), None),
    ] {
        assert_eq!(facts(API, json!({"input": input})).prompt.as_deref(), prompt, "{input}");
    }
}

#[test]
fn the_answered_call_is_the_last_trailing_output() {
    let answered = |input: Value| facts(API, json!({"input": input})).answered_tool_call;
    let output = |kind: &str, id: &str| json!({"type": kind, "call_id": id, "output": "x"});
    assert_eq!(
        answered(json!([output("function_call_output", "a"), output("custom_tool_call_output", "b")])).as_deref(),
        Some("b")
    );
    assert_eq!(
        answered(json!([output("function_call_output", "a"), {"type": "message", "role": "developer", "content": []}]))
            .as_deref(),
        Some("a")
    );
    assert_eq!(
        answered(
            json!([output("function_call_output", "a"), {"type": "reasoning"}, {"role": "user", "content": "next"}])
        ),
        None
    );
}

#[test]
fn a_side_request_has_no_prompt() {
    let user =
        |text: &str| json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]});
    for request in [
        json!({"instructions": "You are Codex", "input": [user("fix the bug"), {"type": "compaction_trigger"}]}),
        json!({"instructions": "You are Codex", "input": [user("You are performing a CONTEXT CHECKPOINT COMPACTION. Create")]}),
        json!({"instructions": "You are a title generator. You", "input": [user("fix the bug")]}),
        json!({"input": [{"role": "developer", "content": "You are a title generator. You"}, user("fix the bug")]}),
    ] {
        let read = facts(API, request.clone());
        assert_eq!((read.side_request, read.prompt), (true, None), "{request}");
    }
    let read = facts(API, json!({"instructions": null, "background": true, "input": [user("fix the bug")]}));
    assert_eq!((read.side_request, read.prompt.as_deref(), read.background), (false, Some("fix the bug"), true));
}

#[test]
fn a_function_without_arguments_has_none() {
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "n", "arguments": ""});
    let (observed, _) = stream(API, &events([done(0, &call)]));
    assert_eq!(observed, [item("fc_1", self::call("call_1", "n", ""))]);
    assert_ne!(observed, [tool("call_1", "n", "")]);
}
