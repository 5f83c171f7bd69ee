use super::*;

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
    let mut exchange = exchange();
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
fn the_next_request_keeps_the_bytes_of_the_one_before() {
    let mut exchange = exchange();
    exchange.feed(one_call("c1", "", "call_1").into());
    let step = exchange.end_stream();
    let request = exchange.next_request(&document(REQUEST.as_bytes()), &answers(&step.calls));
    let (head, tail) = REQUEST.split_once(" ],").unwrap();
    assert!(request.starts_with(head.as_bytes()) && request.ends_with(format!(" ],{tail}").as_bytes()), "{request:?}");
    assert!(!exchange.feed(answer("c2", "x").into()).is_empty());
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

#[test]
fn a_reply_cut_by_a_limit_ends_the_exchange_with_its_calls_listed() {
    for reason in ["length", "content_filter"] {
        let text = stream([
            chunk("c1", json!({"role": "assistant", "content": "So"})),
            chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a"), continued(0, "{\"x\"")]))),
            closing("c1", reason),
            usage_chunk("c1", 10, 3),
        ]);
        let outcome = streamed(&[text]);
        assert_eq!((outcome.next.as_slice(), outcome.kept), (&["end"][..], None));
        assert_eq!(outcome.calls[0][0].arguments, Err("{\"x\"".to_owned()));
        let expected = [
            chunk("c1", json!({"role": "assistant", "content": "So"})),
            closing("c1", reason),
            usage_chunk("c1", 10, 3),
        ];
        assert_eq!(outcome.bytes, stream(expected));
    }
}

#[test]
fn an_error_or_a_cut_ends_the_exchange_as_such() {
    let head = || chunk("c1", json!({"role": "assistant", "content": "So"}));
    let call = || chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a"), continued(0, "{}")])));
    let error = "data: {\"error\": {\"message\":\"overloaded\"} }\n\n";
    for (text, seen) in [
        (open([head(), call()]), open([head()])),
        (open([head(), call()]) + "data: {\"choices\":[{\"delta\":{\"tool_c", open([head()])),
        (open([head(), call()]) + error, open([head()]) + error),
        (open([head(), call(), closing("c1", "tool_calls")]) + error, open([head()]) + error),
        (open([head()]) + error + &open([call()]), open([head()]) + error),
    ] {
        let outcome = streamed(&[text]);
        assert_eq!((outcome.next.as_slice(), outcome.bytes, outcome.kept), (&["end"][..], seen, None));
        assert_eq!(outcome.calls[0].len(), 1);
        // The same in the second round.
    }
    let outcome = streamed(&[one_call("c0", "", "call_0"), open([head()]) + error]);
    assert_eq!(outcome.next, ["again", "end"]);
    assert!(outcome.bytes.ends_with(&(open([chunk("c0", json!({"content": "So"}))]) + error)), "{}", outcome.bytes);
}

#[test]
fn other_ways_to_end_with_a_call_are_understood() {
    let head = chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a")])));
    let rest = chunk("c1", calls(json!([continued(0, "{}")])));
    let half = chunk("c1", calls(json!([continued(0, "{\"a")])));
    let done = "data: [DONE]\n\n";
    for (text, next) in [
        (stream([head.clone(), rest.clone(), closing("c1", "stop")]), "again"),
        (stream([head.clone(), rest.clone()]), "again"),
        (open([head.clone(), rest.clone(), closing("c1", "tool_calls")]), "again"),
        (open([head.clone(), rest.clone(), closing("c1", "tool_calls")]) + done.trim_end(), "again"),
        (open([head.clone(), half.clone(), closing("c1", "tool_calls")]), "again"),
        (stream([head.clone(), half.clone(), closing("c1", "stop")]), "end"),
        (stream([head, half]), "end"),
    ] {
        let rounds = if next == "again" { vec![text, answer("c2", "x")] } else { vec![text] };
        let outcome = streamed(&rounds);
        assert_eq!(outcome.next[0], next, "{}", rounds[0]);
        assert_eq!(outcome.calls[0].len(), 1);
        assert!(!outcome.bytes.contains("bmcp"));
    }
}

/// Copilot's stream: no role, tokens with the end, a role in every later chunk.
#[test]
fn a_reply_may_begin_with_a_call_and_bring_its_tokens_with_its_end() {
    let bare = |id: &str, delta: Value| json!({"choices": [{"index": 0, "delta": delta}], "created": 1, "id": id});
    let end = |id: &str, reason: &str, figures: Value| json!({"choices": [{"finish_reason": reason, "index": 0, "delta": {"content": null}}], "id": id, "usage": figures});
    let first = stream([
        bare("m1", json!({"content": null, "tool_calls": [{"function": {"name": "bmcp_a"}, "id": "t1", "index": 0}]})),
        bare("m1", json!({"content": null, "tool_calls": [{"function": {"arguments": ""}, "index": 0}]})),
        bare(
            "m1",
            json!({"content": null, "tool_calls": [{"function": {"arguments": "{\"owner\": \"me\"}"}, "index": 0}]}),
        ),
        end("m1", "tool_calls", figures(100, 65)),
    ]);
    let second = |id: &str, figures: Value| {
        stream([
            bare(id, json!({"content": "You", "role": "assistant"})),
            bare(id, json!({"content": " have one", "role": "assistant"})),
            end(id, "stop", figures),
        ])
    };
    let outcome = streamed(&[first, second("m2", figures(200, 85))]);
    assert_eq!(outcome.next, ["again", "end"]);
    let sum = json!({"prompt_tokens": 300, "completion_tokens": 150, "total_tokens": 450,
        "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 150}});
    // The role was never told before, so that it is the provider's way to tell it.
    assert_eq!(outcome.bytes, second("m1", sum));
}

#[test]
fn running_totals_run_on() {
    let counted = |id: &str, delta: Value, prompt, completion| {
        let mut chunk = chunk(id, delta);
        chunk["usage"] = figures(prompt, completion);
        chunk
    };
    let first = stream([
        counted("c1", json!({"role": "assistant", "content": "a"}), 10, 1),
        counted("c1", calls(json!([begun(0, "call_1", "bmcp_a"), continued(0, "{}")])), 10, 2),
        json!({"id": "c1", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "tool_calls"}], "usage": figures(10, 3)}),
        json!({"id": "c1", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": null}], "usage": figures(10, 3)}),
    ]);
    let second = stream([
        counted("c2", json!({"role": "assistant", "content": "b"}), 20, 1),
        json!({"id": "c2", "choices": [{"index": 0, "delta": {"content": "c"}, "finish_reason": "stop"}], "usage": figures(20, 2)}),
    ]);
    let outcome = streamed(&[first, second]);
    let totals: Vec<_> = outcome
        .bytes
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .map(|chunk| (chunk["usage"]["prompt_tokens"].clone(), chunk["usage"]["completion_tokens"].clone()))
        .collect();
    let expected = [(10, 1), (10, 2), (30, 4), (30, 5)];
    assert_eq!(totals, expected.map(|(prompt, completion)| (json!(prompt), json!(completion))));
    assert_eq!(accumulated(&outcome.bytes)["message"], json!({"role": "assistant", "content": "abc"}));
}

#[test]
fn text_and_calls_of_one_chunk_are_parted() {
    let last = json!({"id": "c1", "choices": [{"index": 0, "finish_reason": "tool_calls", "delta": {"role": "assistant", "content": "Now. ",
        "reasoning_content": "Hm", "tool_calls": [begun(0, "call_1", "bmcp_a"), begun(1, "call_2", "bmcp_ab")]}}]});
    let outcome = streamed(&[stream([last]), answer("c2", "Done.")]);
    assert_eq!(outcome.next, ["again", "end"]);
    let seen = accumulated(&outcome.bytes);
    assert_eq!(seen["message"], json!({"role": "assistant", "content": "Now. Done.", "reasoning_content": "Hm"}),);
    assert_eq!(seen["finish_reason"], "stop");
    assert_eq!(outcome.calls[0].iter().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["bmcp_a", "bmcp_ab"]);
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
fn content_in_parts_stays_in_parts() {
    let text = stream([
        chunk("c1", json!({"role": "assistant", "content": "a"})),
        chunk("c1", json!({"content": [{"type": "thinking", "thinking": []}]})),
        chunk("c1", json!({"content": "b"})),
        chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a")]))),
        chunk("c1", json!({"content": "c"})),
        closing("c1", "tool_calls"),
    ]);
    let mut exchange = exchange();
    exchange.feed(text.into());
    let step = exchange.end_stream();
    let request = document(&exchange.next_request(&document(REQUEST.as_bytes()), &answers(&step.calls)));
    assert_eq!(
        request.get("messages").unwrap().to_value()[1]["content"],
        json!([{"type": "text", "text": "a"}, {"type": "thinking", "thinking": []}, {"type": "text", "text": "bc"}]),
    );
}

#[test]
fn a_name_in_pieces_is_held_back_until_it_is_known_whose_it_is() {
    let named =
        |index: u64, id: Option<&str>, name: &str| json!({"index": index, "id": id, "function": {"name": name}});
    let head = || chunk("c1", json!({"role": "assistant", "content": ""}));
    let ours = stream([
        head(),
        chunk("c1", calls(json!([named(0, Some("call_1"), "bmcp")]))),
        chunk("c1", json!({"content": "meanwhile"})),
        chunk("c1", calls(json!([named(0, None, "_b")]))),
        chunk("c1", calls(json!([continued(0, "{}")]))),
        closing("c1", "tool_calls"),
    ]);
    let outcome = streamed(&[ours, answer("c2", "x")]);
    assert_eq!(outcome.calls[0][0].name, "bmcp_b");
    assert_eq!(accumulated(&outcome.bytes)["message"], json!({"role": "assistant", "content": "meanwhilex"}));

    for end in [json!([continued(0, "{}")]), json!([])] {
        let clients = stream([
            head(),
            chunk("c1", calls(json!([{"index": 0, "id": "call_1", "function": {"name": ""}}]))),
            chunk("c1", calls(json!([named(0, None, "bm")]))),
            chunk("c1", calls(end)),
            closing("c1", "tool_calls"),
        ]);
        let outcome = streamed(&[clients]);
        assert_eq!((outcome.next.as_slice(), outcome.calls[0].len()), (&["end"][..], 0));
        let seen = &accumulated(&outcome.bytes)["message"]["tool_calls"][0];
        assert_eq!((&seen["id"], &seen["function"]["name"]), (&json!("call_1"), &json!("bm")));
    }
}

#[test]
fn calls_without_id_or_with_one_index_for_all_are_told_apart() {
    let text = stream([
        chunk("c1", calls(json!([{"index": 0, "id": "call_1", "function": {"name": "bmcp_a", "arguments": "{}"}}]))),
        chunk("c1", calls(json!([{"index": 0, "id": "call_2", "function": {"name": "read", "arguments": "{}"}}]))),
        closing("c1", "tool_calls"),
    ]);
    let outcome = streamed(&[text]);
    assert_eq!((outcome.next.as_slice(), outcome.calls[0].len()), (&["finish"][..], 1));
    assert_eq!(accumulated(&outcome.bytes)["message"]["tool_calls"][0]["id"], "call_2");

    let text = stream([
        chunk(
            "c1",
            calls(json!([{"function": {"name": "bmcp_a", "arguments": "{}"}}, {"function": {"name": "bmcp_b"}}])),
        ),
        closing("c1", "tool_calls"),
    ]);
    let outcome = streamed(&[text, answer("c2", "x")]);
    let ids: Vec<_> = outcome.calls[0].iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call_0_0", "call_0_1"]);
    assert_eq!(outcome.messages[3]["tool_call_id"], "call_0_1");
}

#[test]
fn other_line_ends_and_fields_stay_as_they_are() {
    for end in ["\n", "\r\n", "\r"] {
        let text = |id: &str, rest: &str| {
            format!(": note\n\nid: 7\nevent: chunk\ndata: {}\n\n{rest}", chunk(id, json!({"content": "x"})))
                .replace('\n', end)
        };
        let first = text("c1", &one_call("c1", "", "call_1"));
        let outcome = streamed(&[first, text("c2", &answer("c2", "y"))]);
        assert_eq!(outcome.next, ["again", "end"]);
        let twice = text("c1", "");
        assert!(outcome.bytes.starts_with(&twice));
        assert_eq!(outcome.bytes.matches(&twice).count(), 2, "{}", outcome.bytes);
    }
    // Data in several lines.
    let lines = stream([closing("c1", "stop")]).replace("\"choices\"", "\ndata: \"choices\"");
    let outcome = streamed(&[one_call("c0", "", "call_0"), lines]);
    assert_eq!(accumulated(&outcome.bytes.replace("\ndata: \"choices\"", "\"choices\""))["ids"], json!(["c0"]));
}

#[test]
fn an_exchange_can_be_cut_short_where_a_call_was_made() {
    let mut exchange = exchange();
    let mut seen = exchange.feed(one_call("c1", "Looking. ", "call_1").into()).to_vec();
    assert_eq!(exchange.end_stream().next, Next::Again);
    seen.extend_from_slice(&exchange.cut_short());
    let expected = [
        chunk("c1", json!({"role": "assistant", "content": "", "refusal": null})),
        chunk("c1", json!({"content": "Looking. "})),
        closing("c1", "stop"),
        usage_chunk("c1", 10, 3),
    ];
    assert_eq!(String::from_utf8(seen).unwrap(), stream(expected));

    let mut exchange = super::exchange();
    let mut seen = exchange.feed(open([chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a")])))]).into()).to_vec();
    seen.extend_from_slice(&exchange.feed("data: [DONE]".into()));
    assert_eq!(exchange.end_stream().next, Next::Again);
    seen.extend_from_slice(&exchange.cut_short());
    let seen = String::from_utf8(seen).unwrap();
    assert_eq!(accumulated(&seen)["finish_reason"], "stop");
    assert!(seen.contains(r#""id":"c1""#) && seen.contains(r#""created":17,"model":"m""#), "{seen}");
    assert!(seen.ends_with("data: [DONE]\n\n") || seen.ends_with("data: [DONE]"), "{seen}");
}

#[test]
fn a_providers_error_is_told_in_its_own_words() {
    for (status, body, event) in [
        (
            429,
            r#" {"error":{"message":"slow down","type":"rate_limit"},"x":1} "#,
            r#"{"error":{"message":"slow down","type":"rate_limit"},"x":1}"#,
        ),
        (
            500,
            "upstream connect error",
            r#"{"error":{"message":"upstream connect error","type":"server_error","param":null,"code":null}}"#,
        ),
        (
            400,
            r#"{"message":"no","type":"bad"}"#,
            r#"{"error":{"message":"no","type":"bad","param":null,"code":null}}"#,
        ),
        (
            404,
            "",
            r#"{"error":{"message":"the provider answered with status 404","type":"invalid_request_error","param":null,"code":null}}"#,
        ),
    ] {
        assert_eq!(exchange().provider_error(status, body.as_bytes()), format!("data: {event}\n\n"), "{body}");
    }
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
        let mut exchange = exchange();
        exchange.feed(one_call("c1", "", "call_1").into());
        exchange.end_stream();
        let answers = [Answer { call_id: "call_1".to_owned(), parts, is_error }];
        let request = document(&exchange.next_request(&document(REQUEST.as_bytes()), &answers));
        assert_eq!(request.get("messages").unwrap().to_value()[2], result("call_1", text));
    }
    let mut exchange = exchange();
    exchange.feed(one_call("c1", "", "call_1").into());
    exchange.end_stream();
    let request = document(&exchange.next_request(&document(REQUEST.as_bytes()), &[]));
    assert_eq!(request.get("messages").unwrap().to_value()[2], result("call_1", "Error: the tool gave no result"));
}

#[test]
fn an_event_without_end_passes_and_ends_the_exchange() {
    let mut exchange = exchange();
    let mut seen = 0;
    let mut sent = 0;
    for frame in [Bytes::from(one_call("c1", "", "call_1")), Bytes::from("data: ")] {
        exchange.feed(frame);
    }
    let piece = Bytes::from(vec![b'x'; 8 << 20]);
    for _ in 0..6 {
        sent += piece.len();
        seen += exchange.feed(piece.clone()).len();
    }
    assert_eq!(seen, sent + "data: ".len());
    assert!(matches!(exchange.end_stream().next, Next::End(_)));
}
