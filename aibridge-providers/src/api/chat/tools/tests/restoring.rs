use super::*;
use crate::api::tools::restore;

fn kept(keys: &[&str], hidden: &str) -> Arc<Kept> {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    Arc::new(Kept { keys, hidden: Bytes::copy_from_slice(hidden.as_bytes()) })
}

fn restored(request: &str, kept: &[Arc<Kept>]) -> Option<String> {
    let mut find = |id: &str| kept.iter().find(|kept| kept.keys.iter().any(|key| key == id)).cloned();
    let restored = restore(Api::Chat, &document(request.as_bytes()), &mut find)?;
    Some(String::from_utf8(restored.to_vec()).unwrap())
}

#[test]
fn what_the_client_knows_of_a_turn_is_replaced_by_the_whole_of_it() {
    let both = [kept(&["c1", "c2"], r#"{"h":1},{"h":2}"#), kept(&["c3"], r#"{"h":3}"#)];
    let request = r#"{"x": 1.50, "messages": [
  {"role":"user"},
  {"role":"assistant","content":"a","tool_calls":[{"id":"c2"},{"id":"c1"}]},
  {"role":"tool","tool_call_id":"c1" },
  {"role":"tool","tool_call_id":"c2"},
  {"role":"assistant","tool_calls":[{"id":"other"}]}, {"role":"assistant","tool_calls":[{"id":"c3"}]},
  {"role":"tool","tool_call_id":"c3"}
] }"#;
    let expected = request
        .replace(r#"{"role":"assistant","content":"a","tool_calls":[{"id":"c2"},{"id":"c1"}]}"#, r#"{"h":1},{"h":2}"#)
        .replace(r#"{"role":"assistant","tool_calls":[{"id":"c3"}]}"#, r#"{"h":3}"#);
    assert_eq!(restored(request, &both).unwrap(), expected);
}

#[test]
fn a_turn_that_the_client_changed_is_left_as_it_is() {
    let both = [kept(&["c1", "c2"], "{}")];
    for request in [
        r#"{"messages":[{"tool_calls":[{"id":"c1"}]}]}"#,
        r#"{"messages":[{"tool_calls":[{"id":"c1"},{"id":"c2"},{"id":"c3"}]}]}"#,
        r#"{"messages":[{"tool_calls":[{"id":"c1"},{"id":"c2"},{}]}]}"#,
        r#"{"messages":[{"tool_calls":[]},{"tool_calls":7},{"tool_calls":[{"id":"x"}]}]}"#,
        r#"{"messages":"c1","tool_calls":[{"id":"c1"},{"id":"c2"}]}"#,
        r#"{"messages":[{"role":"tool","tool_call_id":"c1"}]}"#,
    ] {
        assert_eq!(restored(request, &both), None, "{request}");
    }
}

#[test]
fn a_mixed_turn_comes_back_whole() {
    let text = stream([
        chunk("c1", json!({"role": "assistant", "content": "Both."})),
        chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a"), begun(1, "call_2", "read")]))),
        chunk("c1", calls(json!([continued(1, "{}")]))),
        closing("c1", "tool_calls"),
    ]);
    let outcome = streamed(&[text]);
    let own = &accumulated(&outcome.bytes)["message"];
    let request = json!({"messages": [{"role": "user"}, own, result("call_2", "file")]}).to_string();
    let restored: Value = restored(&request, &[Arc::new(outcome.kept.unwrap())]).unwrap().parse().unwrap();
    assert_eq!(
        restored["messages"],
        json!([
            {"role": "user"},
            {"role": "assistant", "content": "Both.", "tool_calls": [called("call_1", "bmcp_a", "{}"), called("call_2", "read", "{}")]},
            result("call_1", "bmcp_a of {}"),
            result("call_2", "file"),
        ]),
    );
}
