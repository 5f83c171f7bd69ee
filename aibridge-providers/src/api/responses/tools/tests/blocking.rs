use serde_json::json;

use super::*;

fn request() -> Value {
    json!({"model": "m", "input": [{"role": "user", "content": "hi"}]})
}

#[test]
fn without_calls_and_without_our_tools_every_byte_is_the_same() {
    for body in [Reply::with_tools("resp_1", &["mine"]).says("msg_1", "hi").body(), "{\"x\": 1}".into(), "oh".into()] {
        let went = blocking(&request(), std::slice::from_ref(&body));
        assert_eq!((went.shown, went.calls, went.kept), (body, vec![vec![]], None));
    }
}

#[test]
fn our_tools_are_cut_out_of_the_bytes() {
    let body = Reply::with_tools("resp_1", &["mine", OURS[0], OURS[1]]).says("msg_1", "hi").body();
    let went = blocking(&request(), &[body]);
    assert_eq!(went.shown, Reply::with_tools("resp_1", &["mine"]).says("msg_1", "hi").body());
}

#[test]
fn rounds_are_one_response() {
    let one = Reply::with_tools("resp_1", &OURS).reasoning("rs_1").says("msg_1", "a").calls("1", OURS[0], "{}");
    let two = Reply::with_tools("resp_2", &OURS).calls("2", OURS[0], "{}");
    let three = Reply::with_tools("resp_3", &OURS).says("msg_2", "b");
    let with_text = |reply: &Reply, text: &str| {
        let mut body = value(reply.body().as_bytes());
        body["output_text"] = json!(text);
        body.to_string()
    };
    let bodies = [with_text(&one, "a"), with_text(&two, ""), with_text(&three, "b")];
    let went = blocking(&request(), &bodies);
    let reply = value(went.shown.as_bytes());
    assert_eq!(ids(&reply["output"]), ["rs_1", "msg_1", "msg_2"]);
    assert_eq!((reply["id"].as_str(), reply["output_text"].as_str()), (Some("resp_1"), Some("ab")));
    assert_eq!((&reply["tools"], &reply["usage"]["total_tokens"]), (&json!([]), &json!(36)));
    assert_eq!(went.calls.concat().len(), 2);
    assert_eq!(ids(&went.requests[1]["input"]), ["hi", "rs_1", "msg_1", "fc_1", "call_1", "fc_2", "call_2"]);
    assert_eq!(went.kept.unwrap().keys[0], "resp_1");
}

#[test]
fn a_turn_with_the_clients_own_calls_ends_as_the_clients() {
    let one = Reply::new("resp_1").calls("1", OURS[0], "{}").calls("2", "mine", "{}");
    let went = blocking(&request(), &[one.body()]);
    assert_eq!(went.shown, {
        let mut expected = one.clone();
        expected.output.remove(0);
        expected.body()
    });
    assert_eq!(went.kept.unwrap().keys, ["resp_1", "call_2", "fc_2"]);
}

#[test]
fn calls_of_a_reply_that_broke_off_are_not_run() {
    for status in ["incomplete", "failed", "cancelled"] {
        let mut one = Reply::new("resp_1").says("msg_1", "a").calls("1", OURS[0], "{\"q");
        one.output[1]["status"] = json!("incomplete");
        let went = blocking(&request(), &[one.response(status, Some(1)).to_string()]);
        assert_eq!(went.calls[0], [call("1", "resp_1", OURS[0], json!("{\"q"))]);
        assert_eq!((went.ended, ids(&value(went.shown.as_bytes())["output"])), (true, vec!["msg_1"]));
    }
}

#[test]
fn a_call_that_cannot_be_answered_is_not_run() {
    let mut one = Reply::new("resp_1").says("msg_1", "a").calls("1", OURS[0], "{}");
    one.output[1].as_object_mut().unwrap().shift_remove("call_id");
    let went = blocking(&request(), &[one.body()]);
    assert_eq!(
        (went.ended, went.calls[0].len(), ids(&value(went.shown.as_bytes())["output"])),
        (true, 1, vec!["msg_1"])
    );
}

#[test]
fn a_reply_that_wants_more_can_be_ended_here() {
    let one = Reply::new("resp_1").says("msg_1", "a").calls("1", OURS[0], "{}");
    let mut rounds = rounds();
    assert_eq!(rounds.cut_short(), "");
    assert_eq!(rounds.reply(one.body().into()).next, Next::Again);
    assert_eq!(ids(&value(&rounds.cut_short())["output"]), ["msg_1"]);
}
