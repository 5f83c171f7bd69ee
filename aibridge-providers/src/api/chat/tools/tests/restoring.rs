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

/// The message that a client, or the provider, has of calls of `read`.
fn message(ids: &[(&str, &str)]) -> String {
    let calls: Vec<_> = ids.iter().map(|(id, arguments)| called(id, "read", arguments)).collect();
    json!({"role": "assistant", "content": "a", "tool_calls": calls}).to_string()
}

#[test]
fn what_the_client_knows_of_a_turn_is_replaced_by_the_whole_of_it() {
    let first = message(&[("c1", "{\"a\":[1]}"), ("ours", "{}"), ("c2", "raw")]) + r#",{"h": 2}"#;
    let second = r#"{"h":3}, "#.to_owned() + &message(&[("ours", "1"), ("c3", "{}")]);
    let both = [kept(&["c1", "c2"], &first), kept(&["c3"], &second)];
    let request = r#"{"x": 1.50, "messages": [
  {"role":"user"},
  ONE,
  {"role":"tool","tool_call_id":"c1" },
  {"role":"tool","tool_call_id":"c2"},
  {"role":"assistant","tool_calls":[{"id":"other"}]}, TWO ,
  {"role":"tool","tool_call_id":"c3"}
] }"#;
    let filled = |one: &str, two: &str| request.replace("ONE", one).replace("TWO", two);
    let clients = filled(&message(&[("c2", "raw"), ("c1", "{ \"a\": [1] }")]), &message(&[("c3", "{}")]));
    assert_eq!(restored(&clients, &both).unwrap(), filled(&first, &second));
    // Only one of them is still known.
    assert_eq!(
        restored(&clients, &both[1..]).unwrap(),
        filled(&message(&[("c2", "raw"), ("c1", "{ \"a\": [1] }")]), &second),
    );
}

#[test]
fn a_turn_that_the_client_changed_is_left_as_it_is() {
    let calls = [("c1", "{}"), ("c2", "{}")];
    let both = [kept(&["c1", "c2"], &message(&calls))];
    let request = |message: &str| format!(r#"{{"messages":[{message}]}}"#);
    assert!(restored(&request(&message(&calls)), &both).is_some());
    for changed in [
        message(&calls[..1]),
        message(&[calls[0], calls[1], ("c3", "{}")]),
        message(&[calls[0], ("c2", r#"{"other":1}"#)]),
        message(&calls).replace("read", "write"),
        message(&[calls[0], calls[1], ("c3", "{}")]).replace(r#""id":"c3","#, ""),
        r#"{"tool_calls":[]},{"tool_calls":7},{"tool_calls":[{"id":"x"}]}"#.to_owned(),
        r#"{"role":"tool","tool_call_id":"c1"},"tool_calls""#.to_owned(),
    ] {
        assert_eq!(restored(&request(&changed), &both), None, "{changed}");
    }
    assert_eq!(restored(r#"{"messages":"c1","tool_calls":[{"id":"c1"},{"id":"c2"}]}"#, &both), None);
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

#[test]
fn a_call_without_arguments_is_the_same_however_that_is_said() {
    let text = stream([
        chunk("c1", json!({"role": "assistant", "content": "Both."})),
        chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a"), begun(1, "call_2", "read")]))),
        closing("c1", "tool_calls"),
    ]);
    let kept = [Arc::new(streamed(&[text]).kept.unwrap())];
    for arguments in [json!(""), json!("{}"), json!(null)] {
        let mut call = called("call_2", "read", "");
        call["function"]["arguments"] = arguments.clone();
        let own = json!({"role": "assistant", "content": "Both.", "tool_calls": [call]});
        let request = json!({"messages": [own, result("call_2", "file")]}).to_string();
        assert!(restored(&request, &kept).is_some(), "{arguments}");
    }
}
