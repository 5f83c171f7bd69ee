use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use serde_json::{Value, json};

use super::play::*;
use crate::{
    api::{
        Api,
        tools::{Kept, Next, restore},
    },
    json::Document,
};

/// A turn of two rounds, the last of them with calls of both kinds, and what the client has of it.
fn mixed() -> (Kept, Value) {
    // Played once: it takes a while.
    static MIXED: LazyLock<(Kept, Value)> = LazyLock::new(play_mixed);
    MIXED.clone()
}

fn play_mixed() -> (Kept, Value) {
    let first = round(
        "msg_1",
        &[thinking(0, "t1", "s1"), text(1, &["a"]), tool(2, "toolu_1", OURS[0], &["{\"n\": 1}"])],
        "tool_use",
        [10, 1],
    );
    let second = round(
        "msg_2",
        &[
            thinking(0, "t2", "s2"),
            tool(1, "toolu_2", OURS[0], &["{}"]),
            tool(2, "toolu_3", "Bash", &["{\"c\": \"ls\"}"]),
            tool(3, "toolu_4", OURS[1], &["{}"]),
            tool(4, "toolu_5", "Read", &["{}"]),
        ],
        "tool_use",
        [20, 2],
    );
    let played = play(&[&first, &second]);
    let seen = read(&played.shown);
    assert!(seen.stopped);
    assert_eq!(seen.message["stop_reason"], "tool_use");
    assert_eq!(seen.message["usage"]["input_tokens"], 30);
    let kept = played.kept.unwrap();
    assert_eq!(kept.keys, ["toolu_3", "toolu_5"]);
    (kept, seen.message["content"].clone())
}

/// The client's results, with a text behind them.
fn returned() -> Value {
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "x"});
    json!([result("toolu_3"), result("toolu_5"), {"type": "text", "text": "and?"}])
}

fn restored(messages: Value, kept: &[Kept]) -> Option<Vec<Value>> {
    let document = Document::parse(json!({"model": "m", "messages": messages}).to_string().into()).unwrap();
    restored_in(&document, kept).map(|bytes| {
        let request: Value = serde_json::from_slice(&bytes).unwrap();
        request["messages"].as_array().unwrap().clone()
    })
}

fn restored_in(document: &Document, kept: &[Kept]) -> Option<Bytes> {
    let kept: Vec<Arc<Kept>> = kept.iter().cloned().map(Arc::new).collect();
    restore(Api::Messages, document, &mut |id| kept.iter().find(|kept| kept.keys.iter().any(|key| key == id)).cloned())
}

/// What the model itself would remember of the turn.
fn whole_turn() -> Vec<Value> {
    let think = |n: u8| json!({"type": "thinking", "thinking": format!("t{n}"), "signature": format!("s{n}")});
    let call = |id: &str, name: &str, input: Value| json!({"type": "tool_use", "id": id, "name": name, "input": input});
    let theirs = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "x"});
    vec![
        json!({"role": "assistant", "content": [think(1), {"type": "text", "text": "a"}, call("toolu_1", OURS[0], json!({"n": 1}))]}),
        json!({"role": "user", "content": [result("toolu_1")]}),
        json!({"role": "assistant", "content": [
            think(2),
            call("toolu_2", OURS[0], json!({})),
            call("toolu_3", "Bash", json!({"c": "ls"})),
            call("toolu_4", OURS[1], json!({})),
            call("toolu_5", "Read", json!({})),
        ]}),
        json!({"role": "user", "content": [
            result("toolu_2"), theirs("toolu_3"), result("toolu_4"), theirs("toolu_5"), {"type": "text", "text": "and?"},
        ]}),
    ]
}

#[test]
fn the_turn_is_put_back_when_the_client_returns() {
    let (kept, content) = mixed();
    let asked = json!({"role": "user", "content": "hi"});
    let messages = json!([asked, {"role": "assistant", "content": content}, {"role": "user", "content": returned()}]);
    let restored = restored(messages, &[kept]).unwrap();
    assert_eq!(restored[0], asked);
    assert_eq!(restored[1..], whole_turn());
}

#[test]
fn the_model_sees_the_request_of_the_inner_rounds_go_on() {
    let stream =
        round("msg_1", &[text(0, &["a \u{e9}"]), tool(1, "toolu_1", OURS[0], &["{\"n\": 1.0}"])], "tool_use", [1, 1]);
    let second = round(
        "msg_2",
        &[tool(0, "toolu_2", OURS[0], &["{}"]), tool(1, "toolu_3", "Bash", &["{}"])],
        "tool_use",
        [1, 1],
    );
    let played = play(&[&stream, &second]);
    let content = &read(&played.shown).message["content"];
    let client = ASKED.replace(
        "} ]",
        &format!(
            "}},{} ]",
            [
                json!({"role": "assistant", "content": content}).to_string(),
                json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_3"}]}).to_string(),
            ]
            .join(",")
        ),
    );
    let restored = restored_in(&Document::parse(client.into()).unwrap(), &[played.kept.unwrap()]).unwrap();
    let inner = played.requests[0].strip_suffix(b" ], \"stream\":true}").unwrap();
    assert!(restored.starts_with(inner), "{}\n{}", String::from_utf8_lossy(&restored), String::from_utf8_lossy(inner));
}

#[test]
fn it_is_put_back_for_the_rest_of_the_conversation() {
    let (kept, content) = mixed();
    let later = round(
        "msg_9",
        &[tool(0, "toolu_8", OURS[0], &["{}"]), tool(1, "toolu_9", "Bash", &["{}"])],
        "tool_use",
        [1, 1],
    );
    let played = play(&[&later]);
    let messages = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": content},
        {"role": "system", "content": "a reminder"},
        {"role": "user", "content": returned()},
        {"role": "assistant", "content": read(&played.shown).message["content"]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_9"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "done"}]},
        {"role": "user", "content": "thanks"},
    ]);
    let restored = restored(messages.clone(), &[kept, played.kept.unwrap()]).unwrap();
    let turn = whole_turn();
    assert_eq!(restored[1..4], turn[..3]);
    assert_eq!(restored[4], messages[2]);
    assert_eq!(restored[5], turn[3]);
    assert_eq!(restored[6]["content"][0]["id"], "toolu_8");
    assert_eq!(restored[7]["content"], json!([result("toolu_8"), {"type": "tool_result", "tool_use_id": "toolu_9"}]));
    assert_eq!(restored[8..], messages.as_array().unwrap()[6..]);
}

#[test]
fn rounds_before_a_reply_with_calls_of_the_client_alone_are_put_back() {
    let first = round("msg_1", &[thinking(0, "t1", "s1"), tool(1, "toolu_1", OURS[0], &["{}"])], "tool_use", [1, 1]);
    for (reason, broken) in [("tool_use", ""), ("max_tokens", &*tool(2, "toolu_3", OURS[0], &["{\"a"]))] {
        let blocks = [thinking(0, "t2", "s2"), tool(1, "toolu_2", "Bash", &["{}"]), broken.to_owned()];
        let played = play(&[&first, &round("msg_2", &blocks, reason, [1, 1])]);
        let content = &read(&played.shown).message["content"];
        let answer = json!({"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "tool_result", "tool_use_id": "toolu_2"}]});
        let messages = json!([{"role": "assistant", "content": content}, answer]);
        let restored = restored(messages, &[played.kept.unwrap()]).unwrap();
        assert_eq!(restored[1], json!({"role": "user", "content": [result("toolu_1")]}));
        let call = json!({"type": "tool_use", "id": "toolu_2", "name": "Bash", "input": {}});
        assert_eq!(restored[2]["content"], json!([{"type": "thinking", "thinking": "t2", "signature": "s2"}, call]));
        assert_eq!(restored[3], answer);
    }
}

#[test]
fn rounds_before_a_reply_that_is_paused_are_put_back() {
    let search =
        || block(1, json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}), &[]);
    let first = round("msg_1", &[thinking(0, "t1", "s1"), tool(1, "toolu_1", OURS[0], &["{}"])], "tool_use", [1, 1]);
    let second = |reason| round("msg_2", &[thinking(0, "t2", "s2"), search()], reason, [1, 1]);
    assert_eq!(play(&[&first, &second("end_turn")]).kept, None, "nobody comes back to it");
    let played = play(&[&first, &second("pause_turn")]);
    let seen = read(&played.shown);
    assert!(seen.stopped && seen.message["stop_reason"] == "pause_turn");
    let kept = [played.kept.unwrap()];
    let [asked, paused] =
        [json!({"role": "user", "content": "hi"}), json!({"role": "assistant", "content": seen.message["content"]})];
    let gone_on = json!({"role": "assistant", "content": [{"type": "text", "text": "found"}]});
    for behind in [vec![], vec![gone_on, json!({"role": "user", "content": "and?"})]] {
        let messages = [vec![asked.clone(), paused.clone()], behind.clone()].concat();
        let restored = restored(messages.into(), &kept).unwrap();
        assert_eq!(restored[1]["content"][1]["id"], "toolu_1");
        assert_eq!(restored[2], json!({"role": "user", "content": [result("toolu_1")]}));
        assert_eq!(restored[3]["content"][1]["id"], "srvtoolu_1");
        assert_eq!(restored[4..], behind);
    }
}

#[test]
fn the_end_is_not_shown_before_the_rounds_are_kept() {
    let first = round("msg_1", &[tool(0, "toolu_1", OURS[0], &["{}"])], "tool_use", [1, 1]);
    let second = round("msg_2", &[text(0, &["a"]), tool(1, "toolu_2", "Bash", &["{}"])], "tool_use", [1, 1]);
    let mut exchange = exchange();
    exchange.feed(first.into());
    let calls = exchange.end_stream().calls;
    exchange.next_request(&Document::parse(ASKED.into()).unwrap(), &[answer(&calls[0].id)]);
    let shown = exchange.feed(second.into());
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("toolu_2") && !shown.contains("message_delta"), "{shown}");
    let Next::End(finish) = exchange.end_stream().next else { panic!("no call of ours") };
    assert!(finish.kept.is_some() && finish.bytes.starts_with(b"event: message_delta"));
}

#[test]
fn what_the_client_added_stays() {
    let (kept, mut content) = mixed();
    let mark = json!({"type": "ephemeral"});
    content[1]["cache_control"] = mark.clone();
    content[3]["cache_control"] = mark.clone();
    content[3]["input"] = json!({"c": "ls", "by": "the client"});
    let mut results = returned();
    results[1]["cache_control"] = mark.clone();
    let messages =
        json!([{"role": "assistant", "content": content, "x": 1}, {"role": "user", "y": 2, "content": results}]);
    let text = messages.to_string();
    let document = Document::parse(format!(" {{\"messages\":{text}, \"n\":1.50}}").into()).unwrap();
    let restored = restored_in(&document, &[kept]).unwrap();
    // Byte for byte.
    for theirs in content.as_array().unwrap().iter().chain(results.as_array().unwrap()) {
        assert!(String::from_utf8_lossy(&restored).contains(&theirs.to_string()), "{theirs}");
    }
    assert!(restored.starts_with(b" {\"messages\":[") && restored.ends_with(b"], \"n\":1.50}"));
    let restored: Value = serde_json::from_slice(&restored).unwrap();
    let mut expected = whole_turn();
    expected[0]["content"][1]["cache_control"] = mark.clone();
    expected[2]["content"][2] = content[3].clone();
    expected[2]["x"] = 1.into();
    expected[3]["content"][3]["cache_control"] = mark;
    expected[3]["y"] = 2.into();
    assert_eq!(restored["messages"], Value::from(expected));
}

#[test]
fn thinking_that_the_client_left_out_stays_out() {
    let (kept, content) = mixed();
    let without: Vec<Value> =
        content.as_array().unwrap().iter().filter(|block| block["type"] != "thinking").cloned().collect();
    let messages = json!([{"role": "assistant", "content": without}, {"role": "user", "content": returned()}]);
    let mut expected = whole_turn();
    for round in [0, 2] {
        expected[round]["content"].as_array_mut().unwrap().remove(0);
    }
    assert_eq!(restored(messages, &[kept]).unwrap(), expected);
}

#[test]
fn a_changed_conversation_stays_as_it_is() {
    let (kept, content) = mixed();
    let with = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut messages =
            vec![json!({"role": "assistant", "content": content}), json!({"role": "user", "content": returned()})];
        change(&mut messages);
        restored(messages.into(), std::slice::from_ref(&kept))
    };
    assert!(with(&|_| {}).is_some());
    let blocks = |messages: &mut Vec<Value>| messages[0]["content"].as_array_mut().unwrap().clone();
    type Change<'a> = &'a dyn Fn(&mut Vec<Value>);
    let changes: [Change<'_>; 9] = [
        &|messages| messages[0]["content"][1]["text"] = "b".into(),
        &|messages| messages[0]["content"][0]["signature"] = "other".into(),
        &|messages| messages[0]["content"] = blocks(messages)[..4].into(),
        &|messages| messages[0]["content"].as_array_mut().unwrap().push(json!({"type": "text", "text": "more"})),
        &|messages| messages[0]["content"].as_array_mut().unwrap().swap(3, 4),
        &|messages| messages[0]["content"][3]["id"] = "toolu_0".into(),
        &|messages| messages[0]["role"] = "user".into(),
        &|messages| messages.truncate(1),
        &|messages| messages[1]["role"] = "assistant".into(),
    ];
    for (at, change) in changes.iter().enumerate() {
        assert_eq!(with(change), None, "change {at}");
    }
    assert_eq!(restored(json!([{"role": "assistant", "content": content}]), &[]), None);
}

#[test]
fn a_text_in_the_place_of_results_follows_ours() {
    let (kept, content) = mixed();
    let messages = json!([{"role": "assistant", "content": content}, {"role": "user", "content": "stop \"that\""}]);
    let restored = restored(messages, &[kept]).unwrap();
    assert_eq!(
        restored[3]["content"],
        json!([result("toolu_2"), result("toolu_4"), {"type": "text", "text": "stop \"that\""}])
    );
}

#[test]
fn a_call_of_ours_between_and_behind_the_clients_leaves_no_gap() {
    for order in [["Bash", OURS[0], "Read"], [OURS[0], "Bash", OURS[1]], ["Bash", "Read", OURS[0]]] {
        let blocks: Vec<String> =
            order.iter().zip(0..).map(|(name, at)| tool(at, &format!("toolu_{at}"), name, &["{}"])).collect();
        let played = play(&[&round("msg_1", &blocks, "tool_use", [1, 2])]);
        let seen = read(&played.shown);
        let names: Vec<_> =
            seen.message["content"].as_array().unwrap().iter().map(|block| block["name"].as_str().unwrap()).collect();
        let expected: Vec<_> = order.into_iter().filter(|name| !OURS.contains(name)).collect();
        assert_eq!(names, expected);
        assert!(seen.stopped && played.kept.is_some());
    }
}
