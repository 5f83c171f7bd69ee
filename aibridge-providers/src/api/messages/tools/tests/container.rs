//! Code that the provider runs while tools are called.

use serde_json::{Value, json};

use super::play::*;
use crate::{api::tools::Next, json::Document};

/// A stream whose end names `container`.
fn ended_in(container: &Value, stream: &str) -> String {
    stream.replace(r#""delta":{"stop"#, &format!(r#""delta":{{"container":{container},"stop"#))
}

fn search(index: u64) -> String {
    block(index, json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}), &[])
}

#[test]
fn the_next_request_names_the_container_that_code_runs_in() {
    let container = json!({"id": "container_1", "expires_at": "2026-11-21T21:00:00Z"});
    let called = round("msg_1", &[search(0), tool(1, "toolu_1", OURS[0], &["{}"])], "tool_use", [1, 2]);
    let again = round("msg_2", &[tool(0, "toolu_2", OURS[0], &["{}"])], "tool_use", [1, 2]);
    let done = round("msg_3", &[text(0, &["a"])], "end_turn", [1, 2]);
    let first = ended_in(&container, &called);
    assert_ne!(first, called);
    let in_start = called.replacen(r#""content":[]"#, &format!(r#""container":{container},"content":[]"#), 1);
    for first in [first, in_start] {
        let played = play(&[&first, &ended_in(&Value::Null, &again), &ended_in(&Value::Null, &done)]);
        for request in &played.requests {
            let request: Value = serde_json::from_slice(request).unwrap();
            assert_eq!(request["container"], "container_1");
        }
        let shown = String::from_utf8(played.shown).unwrap();
        let end = shown.split("\n\n").find(|event| event.contains("message_delta")).unwrap();
        assert!(end.contains(&container.to_string()), "the client has one message, in which code ran: {end}");
    }
}

#[test]
fn a_container_with_skills_keeps_them() {
    let message = |container: Value, content: Value, reason: &str| {
        let usage = json!({"input_tokens": 1, "output_tokens": 2});
        json!({"id": "msg", "type": "message", "content": content, "stop_reason": reason, "container": container, "usage": usage})
    };
    let call = json!([{"type": "tool_use", "id": "toolu_1", "name": OURS[0], "input": {}}]);
    let skills = json!([{"type": "anthropic", "skill_id": "xlsx", "version": "latest"}]);
    for (asked, expected) in [
        (json!({"skills": skills}), json!({"skills": skills, "id": "container_1"})),
        (json!({"id": "container_0", "skills": skills}), json!({"id": "container_1", "skills": skills})),
        (json!("container_0"), json!("container_1")),
        (Value::Null, json!("container_1")),
    ] {
        let mut exchange = exchange();
        let step = exchange.reply(message(json!({"id": "container_1"}), call.clone(), "tool_use").to_string().into());
        let sent = json!({"messages": [], "container": asked}).to_string();
        let next = exchange.next_request(&Document::parse(sent.into()).unwrap(), &[answer(&step.calls[0].id)]);
        let next: Value = serde_json::from_slice(&next).unwrap();
        assert_eq!(next["container"], expected);
        let step = exchange.reply(message(Value::Null, json!([]), "end_turn").to_string().into());
        let Next::End(finish) = step.next else { panic!("{:?}", step.next) };
        let shown: Value = serde_json::from_slice(&finish.bytes).unwrap();
        assert_eq!(shown["container"], json!({"id": "container_1"}));
    }
}
