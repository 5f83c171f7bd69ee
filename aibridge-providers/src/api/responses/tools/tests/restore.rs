use serde_json::json;

use super::{super::restore, *};

/// The request with what was kept put back into it; `None` if nothing was.
fn restored(request: &Value, kept: &[&Kept]) -> Option<Value> {
    let kept: Vec<Arc<Kept>> = kept.iter().map(|kept| Arc::new((*kept).clone())).collect();
    let mut find = |id: &str| kept.iter().find(|kept| kept.keys.iter().any(|key| key == id)).cloned();
    restore(&document(request), &mut find).map(|bytes| value(&bytes))
}

fn user(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": text})
}

fn result(id: &str) -> Value {
    json!({"type": "function_call_output", "call_id": format!("call_{id}"), "output": "mine"})
}

/// A turn with a hidden round, then one with a hidden call between the client's.
fn mixed() -> (Vec<Value>, Kept) {
    let one = Reply::new("resp_1").reasoning("rs_1").says("msg_1", "first").calls("1", OURS[0], "{}");
    let two = Reply::new("resp_2")
        .says("msg_2", "then")
        .calls("2", "mine", "{}")
        .calls("3", OURS[1], "{}")
        .calls("4", "mine", "{}");
    let went = blocking(&json!({"input": "hi"}), &[one.body(), two.body()]);
    let shown = value(went.shown.as_bytes())["output"].as_array().unwrap().clone();
    assert_eq!(ids(&json!(shown)), ["rs_1", "msg_1", "msg_2", "fc_2", "fc_4"]);
    (shown, went.kept.unwrap())
}

/// A turn that ended after a hidden round.
fn ended() -> (Vec<Value>, Kept) {
    let one = Reply::new("resp_5").reasoning("rs_5").calls("5", OURS[0], "{}");
    let two = Reply::new("resp_6").says("msg_6", "done");
    let went = blocking(&json!({"input": "hi"}), &[one.body(), two.body()]);
    (value(went.shown.as_bytes())["output"].as_array().unwrap().clone(), went.kept.unwrap())
}

const WHOLE: [&str; 12] =
    ["hi", "rs_1", "msg_1", "fc_1", "call_1", "msg_2", "fc_2", "fc_3", "fc_4", "call_3", "call_2", "call_4"];

#[test]
fn hidden_items_come_back_between_those_that_the_client_sends() {
    let (shown, kept) = mixed();
    let input = [vec![user("hi")], shown, vec![result("2"), result("4")]].concat();
    let whole = restored(&json!({"model": "m", "input": input, "store": false}), &[&kept]).unwrap();
    assert_eq!(ids(&whole["input"]), WHOLE);
    assert_eq!(whole["input"][4], answer("1"));
    assert_eq!(whole["input"][9], answer("3"));
    // What the client sent is what it was.
    let clients = whole["input"].as_array().unwrap().iter().filter(|item| input.contains(item));
    assert_eq!(clients.cloned().collect::<Vec<_>>(), input);
    assert_eq!((&whole["model"], &whole["store"]), (&json!("m"), &json!(false)));
}

#[test]
fn the_clients_bytes_stay() {
    let (_, kept) = mixed();
    let sent = r#"{"input": [ {"type":"function_call", "call_id":"call_\u0032","n":1.0},  {"type":"function_call_output","call_id":"call_2"} ] }"#;
    let kept = Arc::new(kept);
    let mut find = |id: &str| kept.keys.iter().any(|key| key == id).then(|| Arc::clone(&kept));
    let whole = restore(&Document::parse(sent.into()).unwrap(), &mut find).unwrap();
    let text = std::str::from_utf8(&whole).unwrap();
    assert!(
        text.starts_with("{\"input\": [ {")
            && text.contains(r#",{"type":"function_call", "call_id":"call_\u0032","n":1.0},  {"#)
    );
    assert!(text.ends_with(r#"{"type":"function_call_output","call_id":"call_2"} ] }"#));
    assert_eq!(text.matches("\"call_1\"").count(), 2);
}

#[test]
fn items_without_ids_are_known_by_their_call_and_what_they_say() {
    let (mut shown, kept) = mixed();
    for item in &mut shown {
        item.as_object_mut().unwrap().shift_remove("id");
    }
    // Cline leaves reasoning out, and messages are no more than a text.
    shown.remove(0);
    shown[0] = json!({"role": "assistant", "content": "first"});
    let input = [vec![user("hi")], shown, vec![result("2"), result("4")]].concat();
    let whole = restored(&json!({"input": input}), &[&kept]).unwrap();
    // Nor have ours one then: the API would ask for the reasoning.
    let expected = ["hi", "first", "call_1", "call_1", "?", "call_2", "fc_3", "call_4", "call_3", "call_2", "call_4"];
    assert_eq!(ids(&whole["input"]), expected);
    assert_eq!(whole["input"][2]["type"], "function_call");
}

#[test]
fn results_that_follow_their_calls_at_once_do_not_disturb() {
    let (shown, kept) = mixed();
    let [head @ .., two, four] = &shown[..] else { panic!() };
    let input = [&[user("hi")], head, &[two.clone(), result("2"), four.clone(), result("4")]].concat();
    let whole = restored(&json!({"input": input}), &[&kept]).unwrap();
    let expected =
        ["hi", "rs_1", "msg_1", "fc_1", "call_1", "msg_2", "fc_2", "call_2", "fc_3", "fc_4", "call_3", "call_4"];
    assert_eq!(ids(&whole["input"]), expected);
}

#[test]
fn a_result_never_comes_before_its_call() {
    let one = Reply::new("resp_1").calls("1", OURS[0], "{}").says("msg_1", "a");
    let two = Reply::new("resp_2").says("msg_2", "b").calls("2", "mine", "{}");
    let kept = blocking(&json!({"input": "hi"}), &[one.body(), two.body()]).kept.unwrap();
    let items = ["msg_2", "msg_1", "fc_2"].map(|id| json!({"type": "item_reference", "id": id}));
    let whole = restored(&json!({"input": items}), &[&kept]).unwrap();
    assert_eq!(ids(&whole["input"]), ["msg_2", "fc_1", "msg_1", "call_1", "fc_2"]);
}

#[test]
fn references_are_items_too() {
    let (shown, kept) = mixed();
    let references = shown.iter().map(|item| json!({"type": "item_reference", "id": item["id"]}));
    let input: Vec<_> = [user("hi")].into_iter().chain(references).chain([result("2"), result("4")]).collect();
    assert_eq!(ids(&restored(&json!({"input": input}), &[&kept]).unwrap()["input"]), WHOLE);
}

#[test]
fn a_client_that_names_the_response_goes_on_from_the_last_round() {
    let (_, kept) = mixed();
    let request = json!({"previous_response_id": "resp_1", "input": [result("2"), result("4"), user("and")]});
    let whole = restored(&request, &[&kept]).unwrap();
    assert_eq!(whole["previous_response_id"], "resp_2");
    assert_eq!(whole["input"], json!([answer("3"), result("2"), result("4"), user("and")]));

    let (_, kept) = ended();
    let whole = restored(&json!({"previous_response_id": "resp_5", "input": "go on"}), &[&kept]).unwrap();
    assert_eq!(whole, json!({"previous_response_id": "resp_6", "input": "go on"}));
}

#[test]
fn a_conversation_that_the_provider_holds_gets_the_results_it_waits_for() {
    let (_, kept) = mixed();
    let whole = restored(&json!({"conversation": "conv_1", "input": [result("2"), result("4")]}), &[&kept]).unwrap();
    assert_eq!(whole["input"], json!([answer("3"), result("2"), result("4")]));
}

#[test]
fn several_turns_are_restored_together() {
    let ((first, one), (second, two)) = (mixed(), ended());
    let input = [vec![user("hi")], first, vec![result("2"), result("4")], second, vec![user("and now")]].concat();
    let whole = restored(&json!({"input": input}), &[&one, &two]).unwrap();
    let expected = [&WHOLE[..], &["rs_5", "fc_5", "call_5", "msg_6", "and now"]].concat();
    assert_eq!(ids(&whole["input"]), expected);
    // One is gone: the other is put back all the same.
    let whole = restored(&json!({"input": input}), &[&two]).unwrap();
    assert_eq!(whole["input"].as_array().unwrap().len(), input.len() + 2);
}

#[test]
fn a_client_without_ids_is_known_by_its_encrypted_reasoning() {
    let (mut shown, kept) = ended();
    for item in &mut shown {
        item.as_object_mut().unwrap().shift_remove("id");
    }
    let input = [vec![user("hi")], shown, vec![user("and now")]].concat();
    let whole = restored(&json!({"input": input}), &[&kept]).unwrap();
    assert_eq!(ids(&whole["input"])[2..4], ["call_5", "call_5"]);
}

#[test]
fn a_turn_that_is_not_there_is_not_restored() {
    let (_, kept) = mixed();
    for request in [
        json!({"input": [user("hi")]}),
        json!({"input": "hi"}),
        json!({"input": []}),
        json!({"previous_response_id": "resp_0", "input": "hi"}),
        json!({"previous_response_id": null}),
    ] {
        assert_eq!(restored(&request, &[&kept]), None, "{request}");
    }
}

#[test]
fn a_turn_that_broke_off_is_continued_from_its_last_whole_round() {
    let one = Reply::new("resp_1").calls("1", OURS[0], "{}");
    let two = Reply::new("resp_2").says("msg_2", "so").calls("2", OURS[0], "{}");
    let went =
        exchange(&json!({"input": "hi"}), &[vec![one.stream().as_bytes()], vec![two.ended("incomplete").as_bytes()]]);
    let kept = went.kept.unwrap();
    let whole = restored(&json!({"previous_response_id": "resp_1", "input": [user("go on")]}), &[&kept]).unwrap();
    assert_eq!(whole, json!({"previous_response_id": "resp_1", "input": [answer("1"), user("go on")]}));
    let input = json!([user("hi"), {"type": "item_reference", "id": "msg_2"}, user("go on")]);
    let whole = restored(&json!({"input": input}), &[&kept]).unwrap();
    assert_eq!(ids(&whole["input"]), ["hi", "fc_1", "call_1", "msg_2", "go on"]);
}
