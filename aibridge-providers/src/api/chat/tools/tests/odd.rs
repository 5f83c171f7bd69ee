//! What providers do in ways of their own.

use super::*;

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

/// Azure's stream begins with the results of its filters.
#[test]
fn an_empty_id_is_not_the_replys() {
    let filters = |at: u64| json!({"choices": [], "created": 0, "id": "", "model": "", "prompt_filter_results": [at]});
    let round = |at: u64, text: String| format!("data: {}\n\n{text}", filters(at));
    let outcome = streamed(&[round(1, one_call("c1", "", "call_1")), round(2, answer("c2", "x"))]);
    assert_eq!(outcome.calls[0][0].reply_id.as_deref(), Some("c1"));
    assert_eq!(accumulated(&outcome.bytes)["ids"], json!(["", "c1"]));
    assert_eq!(outcome.bytes.matches(r#""id":"""#).count(), 2);
}
