use bytes::Bytes;
use serde_json::{Value, json};

use super::play::*;
use crate::{api::tools::Next, json::Document};

fn message(id: &str, content: Value, reason: &str, usage: Value) -> String {
    let message = json!({"id": id, "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": reason, "stop_sequence": null, "usage": usage});
    // As it is not written by serde.
    message.to_string().replacen("{\"id\":", "{ \"new\" : 1.50, \"id\": ", 1)
}

fn call(id: &str, name: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": {"a": id}})
}

#[test]
fn without_a_call_of_ours_the_bytes_are_the_providers() {
    let usage = json!({"input_tokens": 1, "output_tokens": 2});
    for body in [
        &*message("msg_1", json!([{"type": "text", "text": "a"}]), "end_turn", usage.clone()),
        &*message("msg_1", json!([call("toolu_1", "Bash")]), "tool_use", usage),
        r#"{"type":"error","error":{}}"#,
        "not JSON",
        "",
    ] {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let step = exchange().reply(body.clone());
        assert_eq!(step.calls, []);
        let Next::End(finish) = step.next else { panic!("{:?}", step.next) };
        assert_eq!((finish.bytes.as_ptr(), finish.bytes.len()), (body.as_ptr(), body.len()));
    }
}

#[test]
fn replies_become_one_message() {
    let usage = json!({"input_tokens": 10, "output_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 3}});
    let text = |text: &str| json!({"type": "text", "text": text});
    let first = message("msg_1", json!([text("a"), call("toolu_1", OURS[0])]), "tool_use", usage.clone());
    let second =
        message("msg_2", json!([call("toolu_2", OURS[0]), call("toolu_3", OURS[1])]), "tool_use", usage.clone());
    let last = message("msg_3", json!([text("b")]), "end_turn", usage);
    let played = play_blocking(&[&first, &second, &last]);
    assert_eq!(
        String::from_utf8(played.shown).unwrap(),
        concat!(
            r#"{ "new" : 1.50, "id": "msg_1","type":"message","role":"assistant","model":"m","#,
            r#""content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"stop_reason":"end_turn","#,
            r#""stop_sequence":null,"usage":{"input_tokens":30,"output_tokens":3,"#,
            r#""cache_creation":{"ephemeral_5m_input_tokens":9}}}"#,
        )
    );
    assert_eq!(played.calls[1][1].arguments, Ok(json!({"a": "toolu_3"}).as_object().unwrap().clone()));
    assert_eq!(played.calls[1][1].reply_id.as_deref(), Some("msg_2"));
    assert_eq!(
        added(&played.requests[1]),
        [
            json!({"role": "assistant", "content": [text("a"), call("toolu_1", OURS[0])]}),
            json!({"role": "user", "content": [result("toolu_1")]}),
            json!({"role": "assistant", "content": [call("toolu_2", OURS[0]), call("toolu_3", OURS[1])]}),
            json!({"role": "user", "content": [result("toolu_2"), result("toolu_3")]}),
        ]
    );
}

#[test]
fn a_mixed_reply_shows_the_clients_calls_and_keeps_the_others() {
    let content = json!([call("toolu_1", "Bash"), call("toolu_2", OURS[0])]);
    let body = message("msg_1", content, "tool_use", json!({"input_tokens": 1}));
    let played = play_blocking(&[&body]);
    let shown: Value = serde_json::from_slice(&played.shown).unwrap();
    assert_eq!(shown["content"], json!([call("toolu_1", "Bash")]));
    assert_eq!((&shown["stop_reason"], &shown["usage"]), (&json!("tool_use"), &json!({"input_tokens": 1})));
    assert_eq!(played.kept.unwrap().keys, ["toolu_1"]);
}

#[test]
fn calls_of_one_id_are_told_apart() {
    let content = json!([call("toolu_1", OURS[0]), call("toolu_1", OURS[1]), call("toolu_2", OURS[1])]);
    let mut exchange = exchange();
    let calls = exchange.reply(message("msg_1", content, "tool_use", json!({})).into()).calls;
    assert!(calls[0].id == "toolu_1" && calls[1].id != "toolu_1" && calls[2].id == "toolu_2", "{calls:?}");
    let answers: Vec<_> = calls.iter().map(|call| answer(&call.id)).collect();
    let request = exchange.next_request(&Document::parse(ASKED.into()).unwrap(), &answers);
    let added = added(&request);
    for (at, call) in calls.iter().enumerate() {
        assert_eq!((&added[0]["content"][at]["id"], &added[1]["content"][at]), (&json!(call.id), &result(&call.id)));
    }
}

#[test]
fn a_reply_cut_by_a_limit_runs_nothing() {
    let content = json!([{"type": "text", "text": "a"}, call("toolu_1", OURS[0])]);
    let played = play_blocking(&[&message("msg_1", content, "max_tokens", json!({}))]);
    let shown: Value = serde_json::from_slice(&played.shown).unwrap();
    assert_eq!(shown["content"], json!([{"type": "text", "text": "a"}]));
    assert_eq!(shown["stop_reason"], "max_tokens");
    assert_eq!(played.calls[0][0].id, "toolu_1");
}

#[test]
fn a_reply_nested_too_deeply_to_be_sent_ends_the_exchange() {
    let deep = ["[".repeat(507), "]".repeat(507)].concat();
    let body = message("msg_1", json!([call("toolu_1", OURS[0])]), "tool_use", json!({}));
    let step = exchange().reply(body.replace(r#"{"a":"toolu_1"}"#, &format!("{{\"a\":{deep}}}")).into());
    let Next::End(finish) = step.next else { panic!("{:?}", step.next) };
    let shown: Value = serde_json::from_slice(&finish.bytes).unwrap();
    assert_eq!((&shown["stop_reason"], &shown["content"]), (&json!("end_turn"), &json!([])));
    assert_eq!(step.calls.len(), 1);
}

#[test]
fn an_exchange_cut_short_ends_as_the_model_would() {
    let content = json!([{"type": "text", "text": "a"}, call("toolu_1", OURS[0])]);
    let body = message("msg_1", content, "tool_use", json!({"output_tokens": 2}));
    let mut exchange = exchange();
    for _ in 0..2 {
        assert_eq!(exchange.reply(body.clone().into()).next, Next::Again);
    }
    let shown: Value = serde_json::from_slice(&exchange.cut_short().bytes).unwrap();
    assert_eq!(shown["stop_reason"], "end_turn");
    assert_eq!(shown["content"], json!([{"type": "text", "text": "a"}, {"type": "text", "text": "a"}]));
    assert_eq!(shown["usage"], json!({"output_tokens": 4}));
}
