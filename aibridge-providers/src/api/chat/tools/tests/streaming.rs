//! Rounds of streams.

use super::*;

#[test]
fn a_reply_without_calls_of_ours_keeps_its_bytes() {
    for text in [
        answer("c1", "Hello \"tool_calls\""),
        calling(
            "c1",
            "I'll look.",
            [
                json!([begun(1, "call_1", "read")]),
                json!([continued(1, "{}")]),
                json!([begun(5, "call_2", "bmcp_"), begun(6, "call_3", "zzz")]),
                json!([continued(5, "{}")]),
            ],
        )
        .replace("bmcp_", "bxxx_"),
        answer("c1", "é🦀").replace('\n', "\r\n"),
        answer("c1", "x").replace('\n', "\r"),
        ": OPENROUTER PROCESSING\n\n".to_owned() + &answer("c1", "x") + ": bye",
        open([chunk("c1", json!({"content": "cut"}))]) + "data: {\"choices\":[{\"del",
        "data: {\"error\":{\"message\":\"overloaded\"}}\n\n".to_owned(),
        "event: odd\ndata: \"tool_calls\"\ndata: 2\n\n\n\n\n".to_owned(),
        String::new(),
    ] {
        let outcome = streamed(std::slice::from_ref(&text));
        assert_eq!(outcome.bytes, text);
        assert_eq!((outcome.next, outcome.calls, outcome.kept), (vec!["end"], vec![vec![]], None));
    }
}

#[test]
fn frames_without_calls_are_not_copied() {
    let mut exchange = super::exchange();
    for text in [answer("c1", "x"), open([chunk("c1", calls(json!([begun(0, "call_1", "read")])))])] {
        let frame = Bytes::from(text);
        assert_eq!(exchange.feed(frame.clone()).as_ptr(), frame.as_ptr());
    }
}

#[test]
fn one_call_is_hidden_and_the_next_round_continues_the_reply() {
    let outcome = streamed(&[one_call("c1", "Looking. ", "call_1"), answer("c2", "Found.")]);
    assert_eq!(outcome.next, ["again", "end"]);
    let call = &outcome.calls[0][0];
    assert_eq!(outcome.calls[0].len(), 1);
    assert_eq!((call.id.as_str(), call.name.as_str(), call.reply_id.as_deref()), ("call_1", "bmcp_a", Some("c1")));
    assert_eq!(call.arguments, Ok(json!({"x": 1}).as_object().unwrap().clone()));
    assert_eq!(
        outcome.messages,
        json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "Looking. ", "tool_calls": [called("call_1", "bmcp_a", r#"{"x":1}"#)]},
            result("call_1", r#"bmcp_a of {"x":1}"#),
        ]),
    );
    let head = chunk("c1", json!({"role": "assistant", "content": "", "refusal": null}));
    let expected = stream([
        head,
        chunk("c1", json!({"content": "Looking. "})),
        chunk("c1", json!({"content": "Found."})),
        closing("c1", "stop"),
        json!({"id": "c1", "created": 17, "model": "m", "choices": [], "usage":
            {"prompt_tokens": 30, "completion_tokens": 8, "total_tokens": 38, "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 8}}}),
    ]);
    assert_eq!(outcome.bytes, expected);
}

#[test]
fn interleaved_calls_are_told_apart() {
    let deltas = [
        json!([begun(1, "call_1", "bmcp_a")]),
        json!([begun(2, "call_2", "bmcp_a"), begun(3, "call_3", "bmcp_b")]),
        json!([continued(2, "{\"n\":"), continued(1, "{\"n\":")]),
        json!([continued(1, "1"), continued(3, ""), continued(2, "2}"), continued(1, "}")]),
    ];
    let outcome = streamed(&[calling("c1", "", deltas), answer("c2", "x")]);
    let seen: Vec<_> =
        outcome.calls[0].iter().map(|call| (call.id.as_str(), call.arguments.clone().unwrap())).collect();
    let n = |n: Value| json!({"n": n}).as_object().unwrap().clone();
    assert_eq!(seen, [("call_1", n(1.into())), ("call_2", n(2.into())), ("call_3", serde_json::Map::new())]);
    let results: Vec<_> =
        outcome.messages.as_array().unwrap()[2..].iter().map(|it| it["tool_call_id"].clone()).collect();
    assert_eq!(results, ["call_1", "call_2", "call_3"]);
    assert_eq!(outcome.messages[1]["content"], Value::Null);
    assert_eq!(outcome.messages[1]["tool_calls"][2]["function"]["arguments"], "{}");
    assert_eq!(accumulated(&outcome.bytes)["message"], json!({"role": "assistant", "content": "x", "refusal": null}));
}

#[test]
fn three_rounds_are_one_reply() {
    let outcome =
        streamed(&[one_call("c1", "One. ", "call_1"), one_call("c2", "Two. ", "call_2"), answer("c3", "Three.")]);
    assert_eq!(outcome.next, ["again", "again", "end"]);
    let seen = accumulated(&outcome.bytes);
    assert_eq!(seen["message"], json!({"role": "assistant", "content": "One. Two. Three.", "refusal": null}));
    assert_eq!((&seen["finish_reason"], &seen["ids"]), (&json!("stop"), &json!(["c1"])));
    assert_eq!(seen["usage"]["prompt_tokens"], 40);
    assert_eq!(seen["usage"]["completion_tokens_details"]["reasoning_tokens"], 11);
    assert_eq!(outcome.bytes.matches("\"usage\":{").count(), 1, "only the last");
    assert!(outcome.bytes.ends_with("data: [DONE]\n\n") && outcome.bytes.matches("[DONE]").count() == 1);
    let roles: Vec<_> = outcome.messages.as_array().unwrap().iter().map(|it| it["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "assistant", "tool"]);
    assert_eq!(outcome.calls[1][0].reply_id.as_deref(), Some("c2"));
}

/// A round with calls of the client's around one of ours.
fn mixed() -> String {
    let deltas = [
        json!([begun(0, "call_1", "read")]),
        json!([continued(0, "{\"p\":1}")]),
        json!([begun(1, "call_2", "bmcp_b")]),
        json!([continued(1, "{}"), begun(2, "call_3", "write")]),
        json!([continued(2, "{\"p\""), continued(1, " ")]),
        json!([continued(2, ":2}")]),
    ];
    calling("c1", "Both.", deltas)
}

#[test]
fn of_a_mixed_turn_the_client_gets_its_own_calls_without_a_gap() {
    let outcome = streamed(&[mixed()]);
    assert_eq!((outcome.next.as_slice(), outcome.calls[0].len()), (&["finish"][..], 1));
    let seen = accumulated(&outcome.bytes);
    assert_eq!(
        seen["message"]["tool_calls"],
        json!([
            {"index": 0, "id": "call_1", "type": "function", "function": {"name": "read", "arguments": "{\"p\":1}"}},
            {"index": 1, "id": "call_3", "type": "function", "function": {"name": "write", "arguments": "{\"p\":2}"}},
        ]),
    );
    assert_eq!((&seen["finish_reason"], &seen["usage"]), (&json!("tool_calls"), &figures(10, 3)));
    assert!(outcome.bytes.ends_with("data: [DONE]\n\n"));
    assert!(!outcome.bytes.contains("bmcp") && !outcome.bytes.contains("call_2"));
    let kept = outcome.kept.unwrap();
    assert_eq!(kept.keys, ["call_1", "call_3"]);
    let hidden: Value = serde_json::from_slice(&[b"[", &kept.hidden[..], b"]"].concat()).unwrap();
    let all = [
        called("call_1", "read", r#"{"p":1}"#),
        called("call_2", "bmcp_b", "{} "),
        called("call_3", "write", r#"{"p":2}"#),
    ];
    assert_eq!(
        hidden,
        json!([{"role": "assistant", "content": "Both.", "tool_calls": all}, result("call_2", "bmcp_b of {}")]),
    );
}

#[test]
fn the_end_is_not_shown_before_the_rounds_are_kept() {
    let mut exchange = exchange();
    exchange.feed(one_call("c1", "", "call_1").into());
    let calls = exchange.end_stream().calls;
    exchange.next_request(&document(REQUEST.as_bytes()), &answers(&calls));
    let own = calling("c2", "Mine.", [json!([begun(0, "call_2", "read")]), json!([continued(0, "{}")])]);
    let shown = exchange.feed(own.into());
    let seen = accumulated(std::str::from_utf8(&shown).unwrap());
    assert_eq!((&seen["message"]["content"], &seen["finish_reason"]), (&json!("Mine."), &Value::Null));
    assert!(!shown.ends_with(b"[DONE]\n\n"));
    let Next::End(finish) = exchange.end_stream().next else { panic!("no call of ours") };
    assert!(finish.kept.is_some() && finish.bytes.ends_with(b"[DONE]\n\n"));
}

#[test]
fn hidden_rounds_before_the_clients_own_call_are_kept() {
    let own = calling("c2", "Mine.", [json!([begun(0, "call_2", "read")]), json!([continued(0, "{}")])]);
    let outcome = streamed(&[one_call("c1", "Ours. ", "call_1"), own]);
    assert_eq!(outcome.next, ["again", "end"]);
    let kept = outcome.kept.unwrap();
    assert_eq!(kept.keys, ["call_2"]);
    let hidden: Value = serde_json::from_slice(&[b"[", &kept.hidden[..], b"]"].concat()).unwrap();
    assert_eq!(
        hidden,
        json!([
            {"role": "assistant", "content": "Ours. ", "tool_calls": [called("call_1", "bmcp_a", r#"{"x":1}"#)]},
            result("call_1", r#"bmcp_a of {"x":1}"#),
            {"role": "assistant", "content": "Mine.", "tool_calls": [called("call_2", "read", "{}")]},
        ]),
    );
    let seen = accumulated(&outcome.bytes);
    assert_eq!(seen["message"]["content"], "Ours. Mine.");
    assert_eq!(
        (&seen["message"]["tool_calls"][0]["id"], &seen["finish_reason"]),
        (&json!("call_2"), &json!("tool_calls"))
    );
}
