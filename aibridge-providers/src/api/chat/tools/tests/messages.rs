//! What goes back to the provider.

use super::*;

#[test]
fn the_next_request_keeps_the_bytes_of_the_one_before() {
    let mut exchange = super::exchange();
    exchange.feed(one_call("c1", "", "call_1").into());
    let step = exchange.end_stream();
    let request = exchange.next_request(&document(REQUEST.as_bytes()), &answers(&step.calls));
    let (head, tail) = REQUEST.split_once(" ],").unwrap();
    assert!(request.starts_with(head.as_bytes()) && request.ends_with(format!(" ],{tail}").as_bytes()), "{request:?}");
    assert!(!exchange.feed(answer("c2", "x").into()).is_empty());
}

#[test]
fn reasoning_and_signatures_go_back_to_the_provider() {
    let id = "c1";
    let signed = json!({"index": 0, "id": "call_1", "type": "function", "extra_content": {"google": {"thought_signature": "sig=="}},
        "function": {"name": "bmcp_a", "arguments": "{\"q\":\"\\ud83e", "x": 1}});
    let text = stream([
        chunk(
            id,
            json!({"role": "assistant", "content": null, "reasoning": "Let ", "reasoning_details": [
            {"type": "reasoning.text", "text": "Let ", "index": 0}]}),
        ),
        chunk(
            id,
            json!({"reasoning": "me", "reasoning_details": [{"type": "reasoning.text", "text": "me", "index": 0}]}),
        ),
        chunk(id, json!({"reasoning_details": [{"type": "reasoning.text", "signature": "s1", "index": 0}]})),
        chunk(id, json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "e1", "index": 1}]})),
        chunk(id, json!({"content": "<a> \\ \n\u{1}"})),
        chunk(id, calls(json!([signed]))),
        chunk(id, calls(json!([{"index": 0, "function": {"arguments": "\\udd80\"}"}}]))),
        closing(id, "tool_calls"),
    ]);
    let outcome = streamed(&[text, answer("c2", "x")]);
    assert_eq!(
        outcome.messages[1],
        json!({"role": "assistant", "content": "<a> \\ \n\u{1}", "reasoning": "Let me", "reasoning_details": [
                {"type": "reasoning.text", "text": "Let me", "index": 0, "signature": "s1"},
                {"type": "reasoning.encrypted", "data": "e1", "index": 1}],
            "tool_calls": [{"id": "call_1", "type": "function",
                "function": {"name": "bmcp_a", "arguments": "{\"q\":\"\\ud83e\\udd80\"}", "x": 1},
                "extra_content": {"google": {"thought_signature": "sig=="}}}]}),
    );
    assert_eq!(outcome.calls[0][0].arguments.as_ref().unwrap()["q"], "🦀");
}

#[test]
fn arguments_that_a_provider_could_not_read_go_back_in_an_object() {
    let invalid = |text: &str| json!({"INVALID_JSON": text}).to_string();
    for (arguments, sent) in [
        ("{\"x\": 1.0 }", "{\"x\": 1.0 }".to_owned()),
        ("{\"x\"", invalid("{\"x\"")),
        ("[\"\\u00e9\"]", invalid("[\"\\u00e9\"]")),
        (" ", "{}".to_owned()),
        ("null", "{}".to_owned()),
    ] {
        let streamed =
            super::calling("c1", "", [json!([begun(0, "call_1", "bmcp_a")]), json!([continued(0, arguments)])]);
        let message = json!({"role": "assistant", "tool_calls": [called("call_1", "bmcp_a", arguments)]});
        let whole = json!({"id": "c1", "choices": [{"message": message, "finish_reason": "tool_calls"}]}).to_string();
        for is_stream in [true, false] {
            let mut exchange = super::exchange();
            let step = if is_stream {
                exchange.feed(streamed.clone().into());
                exchange.end_stream()
            } else {
                exchange.reply(whole.clone().into())
            };
            assert_eq!((&step.next, step.calls[0].arguments.is_err()), (&Next::Again, sent.contains("INVALID")));
            let request = document(&exchange.next_request(&document(REQUEST.as_bytes()), &answers(&step.calls)));
            let messages = request.get("messages").unwrap().to_value();
            assert_eq!(messages[1]["tool_calls"], json!([called("call_1", "bmcp_a", &sent)]), "{is_stream}");
        }
    }
}

#[test]
fn content_in_parts_stays_in_parts() {
    let text = stream([
        chunk("c1", json!({"role": "assistant", "content": "a"})),
        chunk("c1", json!({"content": [{"type": "thinking", "thinking": []}]})),
        chunk("c1", json!({"content": "b"})),
        chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a")]))),
        chunk("c1", json!({"content": "c"})),
        closing("c1", "tool_calls"),
    ]);
    let mut exchange = super::exchange();
    exchange.feed(text.into());
    let step = exchange.end_stream();
    let request = document(&exchange.next_request(&document(REQUEST.as_bytes()), &answers(&step.calls)));
    assert_eq!(
        request.get("messages").unwrap().to_value()[1]["content"],
        json!([{"type": "text", "text": "a"}, {"type": "thinking", "thinking": []}, {"type": "text", "text": "bc"}]),
    );
}

#[test]
fn answers_are_written_as_text() {
    let part = |text: &str| Part::Text(text.to_owned());
    let image = Part::Image { media_type: "image/png".to_owned(), base64: "AAAA".to_owned() };
    for (parts, is_error, text) in [
        (
            vec![part("a"), image, part("b")],
            false,
            "a\n[an image (image/png), which cannot be shown in a tool result]\nb",
        ),
        (vec![], false, "(no output)"),
        (vec![], true, "Error: the tool failed"),
        (vec![part("not found")], true, "Error: not found"),
        (vec![part("MCP error -32602")], true, "MCP error -32602"),
    ] {
        let mut exchange = super::exchange();
        exchange.feed(one_call("c1", "", "call_1").into());
        exchange.end_stream();
        let answers = [Answer { call_id: "call_1".to_owned(), parts, is_error }];
        let request = document(&exchange.next_request(&document(REQUEST.as_bytes()), &answers));
        assert_eq!(request.get("messages").unwrap().to_value()[2], result("call_1", text));
    }
    let mut exchange = super::exchange();
    exchange.feed(one_call("c1", "", "call_1").into());
    exchange.end_stream();
    let request = document(&exchange.next_request(&document(REQUEST.as_bytes()), &[]));
    assert_eq!(request.get("messages").unwrap().to_value()[2], result("call_1", "Error: the tool gave no result"));
}
