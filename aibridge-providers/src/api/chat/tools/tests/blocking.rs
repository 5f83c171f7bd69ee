use super::*;

fn replied(rounds: &[&str]) -> Outcome {
    run(rounds.len(), |exchange, at, _| exchange.reply(Bytes::copy_from_slice(rounds[at].as_bytes())))
}

fn completion(id: &str, message: &Value, reason: &str, figures: &Value) -> String {
    json!({"id": id, "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": figures, "service_tier": "default"})
    .to_string()
}

fn calling(id: &str, content: Value, calls: Value) -> String {
    let message =
        json!({"role": "assistant", "content": content, "tool_calls": calls, "refusal": null, "annotations": []});
    completion(id, &message, "tool_calls", &figures(10, 3))
}

fn answer(id: &str, text: &str) -> String {
    completion(id, &json!({"role": "assistant", "content": text}), "stop", &figures(20, 5))
}

#[test]
fn a_reply_without_calls_of_ours_keeps_its_bytes() {
    for text in [
        answer("c1", "hi").as_str(),
        &format!(
            "{:#}\n",
            calling("c1", Value::Null, json!([called("call_1", "read", "{}")])).parse::<Value>().unwrap()
        ),
        r#"{"error":{"message":"no"}}"#,
        r#"{"choices":[]}"#,
        "not json",
        "",
    ] {
        let outcome = replied(&[text]);
        assert_eq!((outcome.bytes.as_str(), outcome.next.as_slice(), outcome.kept), (text, &["end"][..], None));
    }
}

#[test]
fn rounds_are_merged_into_the_last_reply() {
    let [calls, sent] =
        ["", "{}"].map(|none| json!([called("call_1", "bmcp_a", r#"{"x": 1}"#), called("call_2", "bmcp_a", none)]));
    let rounds = [
        calling("c1", Value::Null, calls),
        calling("c2", json!("Two. \u{e9}"), json!([called("call_3", "bmcp_b", "{}")])),
        answer("c3", "Three."),
    ];
    let outcome = replied(&rounds.each_ref().map(String::as_str));
    assert_eq!(outcome.next, ["again", "again", "end"]);
    let sum = json!({"prompt_tokens": 40, "completion_tokens": 11, "total_tokens": 51, "prompt_tokens_details": {"cached_tokens": 6},
        "completion_tokens_details": {"reasoning_tokens": 11}});
    let message = json!({"role": "assistant", "content": "Two. \u{e9}Three."});
    assert_eq!(outcome.bytes, completion("c1", &message, "stop", &sum));
    assert_eq!(
        outcome.messages,
        json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": null, "tool_calls": sent, "annotations": []},
            result("call_1", r#"bmcp_a of {"x":1}"#),
            result("call_2", "bmcp_a of {}"),
            {"role": "assistant", "content": "Two. \u{e9}", "tool_calls": [called("call_3", "bmcp_b", "{}")], "annotations": []},
            result("call_3", "bmcp_b of {}"),
        ]),
    );
    assert_eq!(outcome.calls[1][0].reply_id.as_deref(), Some("c2"));
}

#[test]
fn calls_without_ids_get_those_that_the_results_name() {
    let nameless =
        |key: &str| json!({"type": "function", key: "", "function": {"name": "bmcp_a", "arguments": "{}"}, "x": 1});
    let outcome =
        replied(&[&calling("c1", Value::Null, json!([nameless("id"), nameless("other")])), &answer("c2", "a")]);
    let sent = &outcome.messages[1]["tool_calls"];
    let ids = [&sent[0]["id"], &sent[1]["id"]];
    assert_eq!(ids, [&outcome.messages[2]["tool_call_id"], &outcome.messages[3]["tool_call_id"]]);
    assert!(ids[0] != ids[1] && ids[0].is_string() && sent[1]["x"] == 1);
}

#[test]
fn calls_of_one_id_are_told_apart() {
    let both =
        json!([called("call_1", "bmcp_a", "{}"), called("call_1", "bmcp_b", "{}"), called("call_1", "read", "{}")]);
    let outcome = replied(&[&calling("c1", Value::Null, both)]);
    let ids: BTreeSet<_> = outcome.calls[0].iter().map(|call| call.id.clone()).collect();
    assert!(ids.len() == 2 && !ids.contains("call_1"), "that is the client's: {ids:?}");
    let kept = outcome.kept.unwrap();
    let hidden: Value = serde_json::from_slice(&[b"[", &kept.hidden[..], b"]"].concat()).unwrap();
    for at in [0, 1] {
        assert_eq!(hidden[0]["tool_calls"][at]["id"], hidden[at + 1]["tool_call_id"]);
    }
    assert_eq!((&hidden[2]["content"], &hidden[0]["tool_calls"][2]["id"]), (&json!("bmcp_b of {}"), &json!("call_1")));
    let both = [begun(0, "call_1", "bmcp_a"), begun(1, "call_1", "bmcp_b")];
    let mut exchange = exchange();
    exchange.feed(super::calling("c1", "", [json!(both)]).into());
    let calls = exchange.end_stream().calls;
    assert!(calls.len() == 2 && calls[0].id == "call_1" && calls[1].id != "call_1");
}

#[test]
fn text_before_an_empty_last_reply_is_not_lost() {
    let first = calling("c1", json!("Said."), json!([called("call_1", "bmcp_a", "{}")]));
    let last = completion("c2", &json!({"role": "assistant", "content": null, "reasoning": "r"}), "stop", &Value::Null);
    let outcome = replied(&[&first, &last]);
    let message = json!({"role": "assistant", "content": "Said.", "reasoning": "r"});
    assert_eq!(outcome.bytes, completion("c1", &message, "stop", &Value::Null));
}

#[test]
fn of_a_mixed_turn_the_client_gets_its_own_calls() {
    let own = called("call_1", "read", "{}");
    let all = json!([called("call_0", "bmcp_b", "{}"), own, called("call_2", "bmcp_a", "{}")]);
    let first = calling("c0", json!("One."), json!([called("call_9", "bmcp_a", "{}")]));
    let outcome = replied(&[&first, &calling("c1", json!("Both."), all.clone())]);
    assert_eq!(outcome.next, ["again", "finish"]);
    let reply: Value = outcome.bytes.parse().unwrap();
    let message = &reply["choices"][0]["message"];
    assert_eq!((&message["tool_calls"], &message["content"]), (&json!([own]), &json!("One.Both.")));
    assert_eq!((&reply["choices"][0]["finish_reason"], &reply["id"]), (&json!("tool_calls"), &json!("c0")));
    let kept = outcome.kept.unwrap();
    assert_eq!(kept.keys, ["call_1"]);
    let hidden: Value = serde_json::from_slice(&[b"[", &kept.hidden[..], b"]"].concat()).unwrap();
    let roles: Vec<_> = hidden.as_array().unwrap().iter().map(|it| it["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["assistant", "tool", "assistant", "tool", "tool"]);
    assert_eq!((&hidden[2]["tool_calls"], &hidden[2]["content"]), (&all, &json!("Both.")));
}

#[test]
fn a_reply_cut_by_a_limit_ends_the_exchange() {
    let message = json!({"role": "assistant", "content": "So", "tool_calls": [called("call_1", "bmcp_a", "{\"x")]});
    let outcome = replied(&[&completion("c1", &message, "length", &figures(1, 1))]);
    assert_eq!((outcome.next.as_slice(), outcome.calls[0].len()), (&["end"][..], 1));
    assert_eq!(
        outcome.bytes,
        completion("c1", &json!({"role": "assistant", "content": "So"}), "length", &figures(1, 1))
    );
}

#[test]
fn a_later_reply_that_is_none_passes() {
    let first = calling("c1", Value::Null, json!([called("call_1", "bmcp_a", "{}")]));
    assert_eq!(replied(&[&first, r#"{"error":{}}"#]).bytes, r#"{"error":{}}"#);
}

#[test]
fn an_exchange_can_be_cut_short_where_a_call_was_made() {
    let mut exchange = exchange();
    let body = calling("c1", json!("Looking."), json!([called("call_1", "bmcp_a", "{}")]));
    assert_eq!(exchange.reply(body.into()).next, Next::Again);
    let message = json!({"role": "assistant", "content": "Looking.", "refusal": null, "annotations": []});
    assert_eq!(exchange.cut_short().bytes, completion("c1", &message, "stop", &figures(10, 3)));
}
