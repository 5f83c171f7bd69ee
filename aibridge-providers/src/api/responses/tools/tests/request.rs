use serde_json::json;

use super::*;

/// The request that follows one that got this reply, from `answers` to its calls.
fn next(request: &Value, reply: &Reply, answers: &[Answer]) -> Value {
    let mut rounds = rounds();
    assert_eq!(rounds.reply(reply.body().into()).next, Next::Again);
    value(&rounds.next_request(&document(request), answers))
}

fn reply() -> Reply {
    Reply::new("resp_1").reasoning("rs_1").calls("1", OURS[0], "{}")
}

#[test]
fn everything_else_stays_as_it_was() {
    let sent = r#"{ "model": "m",  "input": [ {"role":"user","content":"\u0068i"} ], "n": 1.50, "tools":[] }"#;
    let mut rounds = rounds();
    rounds.reply(Reply::new("resp_1").calls("1", OURS[0], "{}").body().into());
    let next = rounds.next_request(&Document::parse(sent.into()).unwrap(), &[]);
    let (head, tail) = sent.split_once(" ], \"n\"").unwrap();
    let text = std::str::from_utf8(&next).unwrap();
    assert!(text.starts_with(head) && text.ends_with(&format!(" ], \"n\"{tail}")), "{text}");
    // Nobody answered.
    assert_eq!(value(&next)["input"][2]["output"], "Error: the tool gave no result");
}

#[test]
fn a_string_becomes_the_message_that_it_is() {
    let input = next(&json!({"input": "h\"i"}), &reply(), &[])["input"].clone();
    assert_eq!(input[0], json!({"role": "user", "content": "h\"i"}));
    assert_eq!(ids(&input), ["h\"i", "rs_1", "fc_1", "call_1"]);
    // A prompt that the provider holds needs none.
    for request in [json!({"prompt": {"id": "p"}}), json!({"prompt": {"id": "p"}, "input": null})] {
        assert_eq!(ids(&next(&request, &reply(), &[])["input"]), ["rs_1", "fc_1", "call_1"]);
    }
}

#[test]
fn what_the_provider_holds_is_not_sent_again() {
    let request = json!({"conversation": {"id": "conv_1"}, "input": "hi"});
    assert_eq!(ids(&next(&request, &reply(), &[])["input"]), ["call_1"]);
    let request = json!({"previous_response_id": "resp_0", "conversation": null, "input": []});
    let next = next(&request, &reply(), &[]);
    assert_eq!(
        (ids(&next["input"]), &next["previous_response_id"]),
        (vec!["rs_1", "fc_1", "call_1"], &json!("resp_0"))
    );
}

#[test]
fn reasoning_that_nobody_stored_is_sent_encrypted_or_not_at_all() {
    let request = json!({"input": [], "store": false});
    let mut encrypted = value(reply().body().as_bytes());
    encrypted.as_object_mut().unwrap().shift_remove("store");
    let mut bare = encrypted.clone();
    bare["output"][0]["encrypted_content"] = json!(null);
    for (body, expected) in [(encrypted, vec!["rs_1", "fc_1", "call_1"]), (bare, vec!["call_1", "call_1"])] {
        let mut rounds = rounds();
        rounds.reply(body.to_string().into());
        let next = value(&rounds.next_request(&document(&request), &[]));
        // Without its reasoning a call has no id.
        assert_eq!(ids(&next["input"]), expected);
    }
    // It is the provider that knows what it stores.
    let mut body = value(reply().body().as_bytes());
    body["output"][0]["encrypted_content"] = json!(null);
    for (store, expected) in [(true, vec!["rs_1", "fc_1", "call_1"]), (false, vec!["call_1", "call_1"])] {
        body["store"] = json!(store);
        let mut rounds = rounds();
        rounds.reply(body.to_string().into());
        let next = value(&rounds.next_request(&document(&json!({"input": []})), &[]));
        assert_eq!(ids(&next["input"]), expected);
    }
}

#[test]
fn fields_that_the_api_only_puts_out_are_not_sent_back() {
    let mut reply = reply();
    reply.output[1]["created_by"] = json!("x");
    let picture = json!({"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBO"});
    let mut made = picture.clone();
    for key in ["action", "background", "output_format", "quality", "revised_prompt", "size"] {
        made[key] = json!("x");
    }
    reply.output.push(made);
    let next = next(&json!({"input": []}), &reply, &[]);
    let mut expected = reply.output[..2].to_vec();
    expected[0].as_object_mut().unwrap().shift_remove("status");
    expected[1].as_object_mut().unwrap().shift_remove("created_by");
    expected.push(picture);
    assert_eq!(next["input"].as_array().unwrap()[..3], expected);
}

#[test]
fn arguments_that_a_provider_could_not_read_go_back_in_an_object() {
    for (arguments, sent) in [
        (json!("{\"a\": 1.0 }"), json!("{\"a\": 1.0 }")),
        (json!({"a": 1}), json!({"a": 1})),
        (json!("{\"a"), json!(json!({"INVALID_JSON": "{\"a"}).to_string())),
        (json!("[1]"), json!(json!({"INVALID_JSON": "[1]"}).to_string())),
        (json!(" "), json!("{}")),
        (json!(null), json!("{}")),
    ] {
        let mut body = value(reply().body().as_bytes());
        body["output"][1]["arguments"] = arguments;
        let mut rounds = rounds();
        rounds.reply(body.to_string().into());
        let next = value(&rounds.next_request(&document(&json!({"input": []})), &[]));
        assert_eq!(next["input"][1]["arguments"], sent);
    }
}

#[test]
fn results_are_text_unless_there_are_images() {
    let text = |text: &str| Part::Text(text.to_owned());
    let image = || Part::Image { media_type: "image/png".to_owned(), base64: "iVBO".to_owned() };
    let drawing = Part::Image { media_type: "image/svg+xml".to_owned(), base64: "PHN2".to_owned() };
    let said = |text: &str| json!({"type": "input_text", "text": text});
    let shown = json!({"type": "input_image", "image_url": "data:image/png;base64,iVBO"});
    for (parts, is_error, output) in [
        (vec![], false, json!("(no output)")),
        (vec![], true, json!("Error: the tool failed")),
        (vec![text("an error")], true, json!("an error")),
        (vec![text("a")], false, json!("a")),
        (vec![text("a"), text("b")], false, json!("a\nb")),
        (vec![text("a")], true, json!("Error: a")),
        (vec![text("a"), image()], false, json!([said("a"), shown])),
        (vec![image()], true, json!([said("Error:"), shown])),
        (vec![drawing], false, json!([said("[an image of type image/svg+xml, which cannot be shown here]")])),
    ] {
        let answer = Answer { call_id: "call_1".to_owned(), parts, is_error };
        assert_eq!(next(&json!({"input": []}), &reply(), &[answer])["input"][2]["output"], output);
    }
}
