use serde_json::json;

use super::*;

fn request() -> Value {
    json!({"model": "m", "input": "hi", "stream": true})
}

fn first(status: &str) -> Reply {
    Reply::with_tools(status, &["mine", OURS[0], "other", OURS[1]])
}

#[test]
fn without_calls_and_without_our_tools_every_byte_and_buffer_is_the_same() {
    let reply = Reply::with_tools("resp_1", &["mine"])
        .reasoning("rs_1")
        .says("msg_1", "output_item and \"response\"")
        .calls("1", "mine", "{}");
    let stream = format!(": hello\n\n{}: bye\n\ndata: [DONE]\n\n", reply.stream());
    let went = streamed(&request(), std::slice::from_ref(&stream));
    assert_eq!((went.shown, went.calls, went.kept, went.ended), (stream.clone(), vec![vec![]], None, true));
    // Not a copy of them.
    let frame = Bytes::from(stream);
    let fed = rounds().feed(frame.clone());
    assert_eq!(fed.as_ptr(), frame.as_ptr());
}

#[test]
fn our_tools_are_not_in_the_tools_that_the_response_names() {
    let went = streamed(&request(), &[first("resp_1").says("msg_1", "hi").stream()]);
    let expected = Reply::with_tools("resp_1", &["mine", "other"]).says("msg_1", "hi").stream();
    assert_eq!((went.shown, went.kept), (expected, None));
}

#[test]
fn a_call_of_ours_and_the_seam_behind_it_are_not_seen() {
    let one = first("resp_1").reasoning("rs_1").says("msg_1", "Let me look.").calls("1", OURS[0], "{\"q\":\"x\"}");
    let two = first("resp_22").reasoning("rs_2").says("msg_2", "Found it.");
    let went = streamed(&request(), &[one.stream(), two.stream()]);
    assert_eq!(went.calls, [vec![call("1", "resp_1", OURS[0], json!({"q": "x"}))], vec![]]);
    let response = accumulated(&went.shown);
    let output = [&one.output[..2], &two.output].concat();
    assert_eq!(response["output"], json!(output));
    assert_eq!(response["created_at"], one.events[0]["response"]["created_at"]);
    assert_eq!(response["tools"], json!([one.tools[0], one.tools[2]]));
    assert_eq!(
        response["usage"],
        json!({"input_tokens": 20, "input_tokens_details": {"cached_tokens": 2}, "output_tokens": 4,
            "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 24})
    );
    let mut input = vec![json!({"role": "user", "content": "hi"})];
    input.extend(one.output.iter().map(super::input));
    input.push(answer("1"));
    assert_eq!(went.requests, [json!({"model": "m", "input": input, "stream": true})]);
}

#[test]
fn only_the_numbers_and_the_response_change() {
    let one = Reply::new("resp_1").calls("1", OURS[0], "{}");
    let odd = json!({"output_index": 0, "response_id": "resp_2", "item_id": "msg_2", "x": [1.50, "\u{e9}"]});
    let two = Reply::new("resp_2").says("msg_2", "a").event("response.never.seen", odd);
    let text = two.stream();
    // Their own spelling of JSON, and of events.
    let spelt = text.replace("\"output_index\":", "  \"output_index\" : ").replace("data: {", "id: 7\ndata:{");
    let went = streamed(&request(), &[one.stream(), format!(": ping\n\n{spelt}")]);
    let expected = spelt.split_once("event: response.output_item.added").unwrap().1;
    let expected = expected
        .split_once("event: response.completed")
        .unwrap()
        .0
        .replace("\"response_id\":\"resp_2\"", "\"response_id\":\"resp_1\"");
    let shown = went.shown.split_once(": ping\n\nevent: response.output_item.added").unwrap().1;
    // Two events of the second round are not shown, nor is anything of the first round's but two.
    assert_eq!(shown.split_once("event: response.completed").unwrap().0, expected);
    accumulated(&went.shown);
}

#[test]
fn data_of_several_lines_is_one_document() {
    let lines = |reply: &Reply| reply.stream().replace(",\"output_index\"", ",\ndata: \"output_index\"");
    let one = Reply::new("resp_1").says("msg_1", "a").calls("1", OURS[0], "{}");
    let two = Reply::new("resp_2").says("msg_2", "b");
    let went = split(&request(), &[lines(&one), lines(&two)]);
    assert_eq!(ids(&accumulated(&went.shown)["output"]), ["msg_1", "msg_2"]);
    assert!(went.shown.contains(",\ndata: \"output_index\":1"));
}

#[test]
fn a_provider_that_calls_a_response_by_several_names_is_left_alone() {
    let reply = Reply::new("resp_1").says("msg_1", "a");
    let stream = reply.stream().replacen("resp_1", "resp_0", 1);
    assert_eq!(streamed(&request(), std::slice::from_ref(&stream)).shown, stream);
}

#[test]
fn parallel_calls_of_one_tool_are_all_run() {
    let one = Reply::new("resp_1")
        .calls("1", OURS[0], "{\"n\":1}")
        .says("msg_1", "and")
        .calls("2", OURS[0], "")
        .calls("3", OURS[1], "[]");
    let two = Reply::new("resp_2").says("msg_2", "done");
    let went = streamed(&request(), &[one.stream(), two.stream()]);
    let calls = vec![
        call("1", "resp_1", OURS[0], json!({"n": 1})),
        call("2", "resp_1", OURS[0], json!({})),
        call("3", "resp_1", OURS[1], json!("[]")),
    ];
    assert_eq!(went.calls, [calls, vec![]]);
    assert_eq!(ids(&accumulated(&went.shown)["output"]), ["msg_1", "msg_2"]);
    assert_eq!(ids(&went.requests[0]["input"]), ["hi", "fc_1", "msg_1", "fc_2", "fc_3", "call_1", "call_2", "call_3"]);
}

#[test]
fn three_rounds_are_one_response() {
    let one = Reply::new("resp_1").reasoning("rs_1").calls("1", OURS[0], "{}");
    let two = Reply::new("resp_2").says("msg_1", "more").reasoning("rs_2").calls("2", OURS[1], "{}");
    let three = Reply::new("resp_3").reasoning("rs_3").says("msg_2", "done");
    let streams = [one.stream(), two.stream(), three.stream()];
    let went = streamed(&request(), &streams);
    for at in 0..streams.iter().map(String::len).max().unwrap() {
        let halves = streams.iter().map(|stream| stream.as_bytes().split_at(at.min(stream.len())));
        let split: Vec<_> = halves.map(|(head, tail)| vec![head, tail]).collect();
        assert_eq!(exchange(&request(), &split), went, "split at {at}");
    }
    let response = accumulated(&went.shown);
    assert_eq!(ids(&response["output"]), ["rs_1", "msg_1", "rs_2", "rs_3", "msg_2"]);
    assert_eq!(response["usage"]["total_tokens"], 36);
    assert_eq!(ids(&went.requests[1]["input"]), ["hi", "rs_1", "fc_1", "call_1", "msg_1", "rs_2", "fc_2", "call_2"]);
    assert_eq!(went.kept.unwrap().keys[..2], ["resp_1", "rs_1"]);
}

#[test]
fn a_turn_with_the_clients_own_calls_ends_as_the_clients() {
    let one = first("resp_1")
        .reasoning("rs_1")
        .calls("1", OURS[0], "{}")
        .calls("2", "mine", "{\"a\":1}")
        .calls("3", OURS[1], "{}");
    let went = streamed(&request(), &[one.stream()]);
    assert_eq!(went.calls[0].iter().map(|call| &*call.id).collect::<Vec<_>>(), ["call_1", "call_3"]);
    assert_eq!(ids(&accumulated(&went.shown)["output"]), ["rs_1", "fc_2"]);
    let keys = went.kept.unwrap().keys;
    assert!(["resp_1", "call_2", "fc_2", "rs_1"].iter().all(|key| keys.iter().any(|known| known == key)), "{keys:?}");
    assert!(!keys.iter().any(|key| key.ends_with("_1") && key.contains('c')), "{keys:?}");
}

#[test]
fn the_end_is_not_shown_before_the_results_are_kept() {
    let one = Reply::new("resp_1").calls("1", OURS[0], "{}").calls("2", "mine", "{}");
    let mut rounds = rounds();
    let shown = rounds.feed(one.stream().into());
    assert!(!shown.windows(18).any(|part| part == b"response.completed"));
    assert_eq!(rounds.end_stream().next, Next::Finish);
}

#[test]
fn whatever_the_client_has_to_answer_ends_the_turn() {
    for (item, next) in [
        (json!({"type": "custom_tool_call", "id": "x", "call_id": "c", "name": OURS[0], "input": ""}), Next::Finish),
        (
            json!({"type": "function_call", "id": "x", "call_id": "c", "name": OURS[0], "namespace": "theirs", "arguments": ""}),
            Next::Finish,
        ),
        (json!({"type": "local_shell_call", "id": "x", "call_id": "c", "action": {}}), Next::Finish),
        (json!({"type": "computer_call", "id": "x", "call_id": "c", "actions": []}), Next::Finish),
        (json!({"type": "mcp_approval_request", "id": "x", "name": "y"}), Next::Finish),
        (json!({"type": "never_seen_call", "id": "x", "call_id": "c"}), Next::Finish),
        (json!({"type": "web_search_call", "id": "x", "status": "completed"}), Next::Again),
        (json!({"type": "tool_search_call", "id": "x", "call_id": null, "execution": "server"}), Next::Again),
    ] {
        let one = Reply::new("resp_1").item(item.clone(), &[], item.clone()).calls("1", OURS[0], "{}");
        let mut rounds = rounds();
        rounds.feed(one.stream().into());
        assert_eq!(rounds.end_stream().next, next, "{item}");
    }
    // A shell of the provider's own comes with its output.
    let shell = json!({"type": "shell_call", "id": "x", "call_id": "c"});
    let output = json!({"type": "shell_call_output", "id": "y", "call_id": "c"});
    let one = Reply::new("resp_1")
        .item(shell.clone(), &[], shell)
        .item(output.clone(), &[], output)
        .calls("1", OURS[0], "{}");
    let mut rounds = rounds();
    rounds.feed(one.stream().into());
    assert_eq!(rounds.end_stream().next, Next::Again);
}

/// A reply whose second call breaks off.
fn broken() -> (Reply, Value) {
    let cut = json!({"id": "fc_2", "type": "function_call", "status": "incomplete", "arguments": "{\"q", "call_id": "call_2", "name": OURS[1]});
    let mut begun = cut.clone();
    begun["arguments"] = json!("");
    let reply = Reply::new("resp_1")
        .says("msg_1", "well")
        .calls("1", OURS[0], "{}")
        .event("response.output_item.added", json!({"item": begun, "output_index": 2}));
    let delta = json!({"item_id": "fc_2", "output_index": 2, "delta": "{\"q"});
    (reply.event("response.function_call_arguments.delta", delta), cut)
}

#[test]
fn calls_of_a_reply_that_broke_off_are_not_run() {
    let calls = vec![call("1", "resp_1", OURS[0], json!({})), call("2", "resp_1", OURS[1], json!("{\"q"))];
    let (reply, cut) = broken();

    let mut incomplete = reply.clone().event("response.output_item.done", json!({"item": cut, "output_index": 2}));
    incomplete.output.push(cut);
    let went = streamed(&request(), &[incomplete.ended("incomplete")]);
    assert_eq!((&went.calls[0], went.ended, &went.kept), (&calls, true, &None));
    let response = accumulated(&went.shown);
    assert_eq!((response["status"].as_str(), ids(&response["output"])), (Some("incomplete"), vec!["msg_1"]));

    let mut failed = reply.clone();
    failed.output.clear();
    let went = streamed(&request(), &[failed.ended("failed")]);
    assert_eq!((&went.calls[0], went.ended), (&calls, true));
    assert_eq!(accumulated(&went.shown)["status"], "failed");

    let error = json!({"code": "server_error", "message": "m", "param": null});
    for text in [reply.clone().event("error", error.clone()).text(), reply.event("error", error).stream()] {
        let went = streamed(&request(), &[text]);
        assert_eq!((went.calls[0].len(), went.ended), (2, true));
        let error = events(&went.shown).into_iter().find(|event| event["type"] == "error").unwrap();
        assert_eq!(error["code"], "server_error");
    }
}

#[test]
fn a_number_that_begins_again_goes_on_where_the_others_were() {
    let (reply, _) = broken();
    let error = json!({"type": "error", "code": "c", "message": "m", "param": null, "sequence_number": 0});
    // As the gateway ends a stream that broke off.
    let error = format!("event: error\ndata: {error}\n\n");
    for rounds in [vec![], vec![Reply::new("resp_0").calls("0", OURS[0], "{}").stream()]] {
        let replies = [&rounds[..], &[reply.text() + &error]].concat();
        let went = streamed(&request(), &replies);
        assert_eq!(ids(&accumulated(&went.shown)["output"]), ["msg_1"]);
        assert_eq!(events(&went.shown).pop().unwrap()["code"], "c");
    }
}

#[test]
fn a_cut_stream_stays_cut() {
    let one = Reply::new("resp_1").says("msg_1", "well").calls("1", OURS[0], "{}");
    let stream = one.stream();
    for at in 0..stream.len() {
        let went = exchange(&request(), &[vec![&stream.as_bytes()[..at]]]);
        // The last blank line may be missing.
        if went.calls[0].is_empty() || went.ended {
            assert!(!went.shown.contains("response.completed"), "{at}");
            // What is left of an event that broke off is no event.
            let whole = went.shown.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
            assert!(!whole.contains("bmcp_") && !whole.contains("fc_1"), "{at} {whole}");
        } else {
            assert!(at >= stream.len() - 2);
        }
    }
    let second = Reply::new("resp_2").says("msg_2", "and").text();
    let went = streamed(&request(), &[stream, second]);
    assert!(went.ended);
    assert_eq!(ids(&accumulated(&went.shown)["output"]), ["msg_1", "msg_2"]);
    // Who goes on from it gets the results of the round that was whole.
    assert!(went.kept.is_some());
}

#[test]
fn an_end_without_its_blank_line_counts() {
    let one = Reply::new("resp_1").calls("1", OURS[0], "{}").stream();
    let two = Reply::new("resp_2").says("msg_1", "hi").stream();
    let went = exchange(&request(), &[vec![one.trim_end().as_bytes()], vec![two.trim_end().as_bytes()]]);
    assert_eq!(ids(&accumulated(&went.shown)["output"]), ["msg_1"]);
}

#[test]
fn items_that_the_end_leaves_out_are_taken_from_the_stream() {
    let bare = |reply: &Reply| {
        let mut reply = reply.clone();
        reply.output.clear();
        reply.stream()
    };
    let one = Reply::new("resp_1").reasoning("rs_1").calls("1", OURS[0], "{\"q\":1}");
    let two = Reply::new("resp_2").says("msg_1", "hi");
    let went = streamed(&request(), &[bare(&one), bare(&two)]);
    assert_eq!(went.calls[0], [call("1", "resp_1", OURS[0], json!({"q": 1}))]);
    assert_eq!(ids(&went.requests[0]["input"]), ["hi", "rs_1", "fc_1", "call_1"]);
    // As the provider does it.
    assert_eq!(accumulated(&went.shown)["output"], json!([]));
}

#[test]
fn items_that_are_done_in_another_order_keep_theirs() {
    let mut one = Reply::new("resp_1").says("msg_1", "a").calls("1", OURS[0], "{}").calls("2", OURS[1], "{}");
    one.output.clear();
    let text = one.stream();
    let (first, second) = (one.events.len() - 6, one.events.len() - 1);
    let event =
        |at: usize| format!("event: {}\ndata: {}\n\n", one.events[at]["type"].as_str().unwrap(), one.events[at]);
    assert_eq!((&one.events[first]["item"]["id"], &one.events[second]["item"]["id"]), (&json!("fc_1"), &json!("fc_2")));
    let swapped = text.replace(&event(first), "@").replace(&event(second), &event(first)).replace('@', &event(second));
    let went = streamed(&request(), &[swapped, Reply::new("resp_2").says("msg_2", "b").stream()]);
    assert_eq!(ids(&went.requests[0]["input"]), ["hi", "msg_1", "fc_1", "fc_2", "call_1", "call_2"]);
}

#[test]
fn nothing_but_a_sign_of_the_end_follows_the_end() {
    let beat = "data: {\"type\":\"keepalive\",\"sequence_number\":99}\n\n";
    let one = Reply::new("resp_1").says("msg_1", "a").calls("1", OURS[0], "{}").stream() + beat;
    let two = Reply::new("resp_2").says("msg_2", "b").stream() + beat;
    let went = streamed(&request(), &[one, two]);
    assert_eq!(ids(&accumulated(&went.shown)["output"]), ["msg_1", "msg_2"]);
    assert!(!went.shown.contains("keepalive"));
}

#[test]
fn what_some_providers_end_with_comes_once() {
    let one = Reply::new("resp_1").calls("1", OURS[0], "{}").stream() + "data: [DONE]\n\n";
    let two = Reply::new("resp_2").says("msg_1", "hi").stream() + "data: [DONE]\n\n";
    let went = streamed(&request(), &[one, two]);
    let shown = went.shown.strip_suffix("data: [DONE]\n\n").unwrap();
    assert_eq!(ids(&accumulated(shown)["output"]), ["msg_1"]);
}

#[test]
fn events_without_names_and_numbers_are_read_too() {
    let plain = |reply: &Reply| {
        let mut reply = reply.clone();
        let response = reply.response("completed", Some(10));
        reply = reply.event("response.completed", json!({"response": response}));
        let data = reply.events.into_iter().map(|mut event| {
            event.as_object_mut().unwrap().shift_remove("sequence_number");
            format!("data: {event}\n\n")
        });
        data.collect::<String>()
    };
    let one = Reply::new("resp_1").says("msg_1", "a").calls("1", OURS[0], "{}");
    let two = Reply::new("resp_2").says("msg_2", "b");
    let went = streamed(&request(), &[plain(&one), plain(&two)]);
    assert_eq!(went.shown.matches("\"output_index\":1").count(), 4);
    assert!(!went.shown.contains("sequence_number") && !went.shown.contains("resp_2"));
}

#[test]
fn a_reply_that_wants_more_can_be_ended_here() {
    let one = first("resp_1").says("msg_1", "a").calls("1", OURS[0], "{}");
    let two = first("resp_2").reasoning("rs_2").calls("2", OURS[0], "{}");
    let mut rounds = rounds();
    let mut shown = Vec::new();
    shown.extend(rounds.feed(one.stream().into()));
    let step = rounds.end_stream();
    let next = rounds.next_request(&document(&request()), &answers(&step.calls));
    assert!(!next.is_empty());
    shown.extend(rounds.feed(two.stream().into()));
    assert_eq!(rounds.end_stream().next, Next::Again);
    shown.extend(rounds.cut_short());
    let response = accumulated(std::str::from_utf8(&shown).unwrap());
    assert_eq!((response["status"].as_str(), ids(&response["output"])), (Some("completed"), vec!["msg_1", "rs_2"]));
    assert_eq!(response["usage"]["total_tokens"], 24);
    // The client goes on from the last response whose calls were all answered.
    let kept = Arc::new(rounds.left_off().unwrap());
    let request = document(&json!({"previous_response_id": "resp_1", "input": [{"role": "user", "content": "more"}]}));
    let restored =
        super::super::restore(&request, &mut |key| kept.keys.iter().any(|it| it == key).then(|| kept.clone())).unwrap();
    assert_eq!(
        std::str::from_utf8(&restored).unwrap(),
        r#"{"previous_response_id":"resp_1","input":[{"type":"function_call_output","call_id":"call_1","output":"result of call_1"},{"role":"user","content":"more"}]}"#
    );
}

#[test]
fn a_later_rounds_refusal_is_an_error_event() {
    for (status, body, code, message) in [
        (
            400,
            r#"{"error":{"message":"m","type":"invalid_request_error","param":"input","code":"too_long"}}"#,
            "too_long",
            "m",
        ),
        (500, r#"{"error":{"message":"m","type":"server_error","param":null,"code":null}}"#, "server_error", "m"),
        (429, "", "rate_limit_exceeded", "the provider answered with status 429"),
        (502, "<html>", "server_error", "<html>"),
    ] {
        let one = Reply::new("resp_1").says("msg_1", "a").calls("1", OURS[0], "{}");
        let mut rounds = rounds();
        let mut shown = rounds.feed(one.stream().into()).to_vec();
        let step = rounds.end_stream();
        rounds.next_request(&document(&request()), &answers(&step.calls));
        shown.extend(rounds.provider_error(status, body.as_bytes()));
        let text = std::str::from_utf8(&shown).unwrap();
        accumulated(text);
        let last = events(text).pop().unwrap();
        assert_eq!(
            (last["type"].as_str(), last["code"].as_str(), last["message"].as_str()),
            (Some("error"), Some(code), Some(message))
        );
        assert_eq!(last["error"]["message"], message);
    }
}

#[test]
fn odd_streams_do_no_harm() {
    for text in [
        "event: response.completed\ndata: {}\n\n",
        "event: response.completed\ndata: {\"response\":7}\n\n",
        "data: {\"type\":\"response.output_item.added\",\"item\":7}\n\n",
        "data: {\"type\":\"response.output_item.added\",\"item\":{\"type\":\"function_call\",\"name\":7}}\n\n",
        "data: \"output_item\"\n\n",
        "data: {\"output_item\":\n\n",
    ] {
        assert_eq!(exchange(&request(), &[vec![text.as_bytes()]]).shown, text);
    }
    let ours = json!({"type": "response.output_item.done", "output_index": u64::MAX, "sequence_number": u64::MAX,
        "item": {"type": "function_call", "name": OURS[0], "call_id": "c", "arguments": {"a": 1}}});
    let text = json!({"type": "response.output_text.delta", "output_index": 0, "sequence_number": 0, "delta": "x"});
    let stream =
        format!("data: {ours}\n\ndata: {text}\n\ndata: {{\"type\":\"response.completed\",\"response\":7}}\n\n");
    let went = exchange(&request(), &[vec![stream.as_bytes()], vec![stream.as_bytes()]]);
    assert_eq!(went.calls[0][0].arguments.as_ref().unwrap()["a"], 1);
    assert!(!went.ended);
}
