use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::play::*;
use crate::{
    api::{
        Api,
        tools::{Answer, Call, Next, Part, restore},
    },
    json::Document,
};

fn ids(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.id.as_str()).collect()
}

fn arguments(call: &Call) -> Result<Value, &str> {
    call.arguments.as_ref().map(|arguments| arguments.clone().into()).map_err(String::as_str)
}

#[test]
fn without_a_call_of_ours_the_bytes_are_the_providers() {
    let text_only = round("msg_1", &[text(0, &["a tool_use", " b"])], "end_turn", [10, 20]);
    let theirs = round("msg_1", &[text(0, &["a"]), tool(1, "toolu_1", "Bash", &["{\"a\"", ":1}"])], "tool_use", [1, 2]);
    for stream in [
        &*text_only,
        &*theirs,
        // Padding, comments, other fields, unknown events.
        &text_only.replace("}\n\n", "}       \n: note\nid: 7\n\n").replace("ping", "pong"),
        // Cut anywhere.
        &theirs[..theirs.len() - 40],
        &theirs[..300],
        "event: error\ndata: {\"type\": \"error\"}\n\n",
        "\n\ndata: [DONE]\n\nnot an event stream",
        "",
    ] {
        for end in ["\n", "\r\n", "\r"] {
            let stream = stream.replace('\n', end);
            for size in [1, 2, 7, 100, 1 << 20] {
                let mut exchange = exchange();
                let mut shown = Vec::new();
                for piece in stream.as_bytes().chunks(size) {
                    shown.extend_from_slice(&exchange.feed(Bytes::copy_from_slice(piece)));
                }
                let step = exchange.end_stream();
                let Next::End(finish) = step.next else { panic!("{:?}", step.next) };
                assert_eq!((step.calls, finish.kept), (vec![], None));
                shown.extend_from_slice(&finish.bytes);
                assert_eq!(String::from_utf8_lossy(&shown), stream, "in pieces of {size}");
            }
        }
    }
}

#[test]
fn whole_events_pass_uncopied() {
    let stream = round("msg_1", &[text(0, &["a"]), tool(1, "toolu_1", "Bash", &["{}"])], "tool_use", [1, 2]);
    let mut exchange = exchange();
    for event in stream.split_inclusive("\n\n") {
        let frame = Bytes::copy_from_slice(event.as_bytes());
        let shown = exchange.feed(frame.clone());
        assert_eq!((shown.as_ptr(), shown.len()), (frame.as_ptr(), frame.len()), "{event}");
    }
}

#[test]
fn a_call_is_taken_out_and_the_rounds_are_one_message() {
    let first = round(
        "msg_1",
        &[text(0, &["I'll ", "look."]), tool(1, "toolu_1", OURS[0], &["", "{\"owner\"", ": \"me\"}"])],
        "tool_use",
        [100, 20],
    );
    let last = round("msg_2", &[text(0, &["Here: ", "\u{1f600}"])], "end_turn", [130, 40]);
    let played = play(&[&first, &last]);
    let seen = read(&played.shown);
    assert_eq!(
        seen.message,
        json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": "I'll look."}, {"type": "text", "text": "Here: \u{1f600}"}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 230, "cache_read_input_tokens": 10, "output_tokens": 60, "service_tier": "standard"},
        })
    );
    assert!(seen.stopped);
    assert_eq!(seen.pings, 2);
    assert_eq!(played.calls.len(), 2);
    let call = &played.calls[0][0];
    assert_eq!((call.id.as_str(), call.name.as_str(), call.reply_id.as_deref()), ("toolu_1", OURS[0], Some("msg_1")));
    assert_eq!(arguments(call), Ok(json!({"owner": "me"})));
    assert_eq!(played.kept, None);
}

#[test]
fn what_need_not_change_keeps_its_bytes() {
    let odd = [text(0, &["a"]), tool(1, "toolu_1", OURS[0], &["{}"])].concat().replace("}\n\n", "}     \n\n");
    let first = round("msg_1", &[odd], "tool_use", [1, 2]);
    let second = round(
        "msg_2",
        &[
            ": note\n\n".to_owned(),
            "event: new\ndata: { \"type\" : \"new\", \"index\" : 0 }\n\n".to_owned(),
            "event: content_block_start\ndata: {\"content_block\":{\"text\":\"\",\"type\":\"text\"},\"index\": 0 ,\"type\":\"content_block_start\",\"x\":1.50}  \n\n".to_owned(),
            "event: new\ndata: { \"type\" : \"new\", \"index\" : 0 }\n\n".to_owned(),
            "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n".to_owned(),
        ],
        "end_turn",
        [3, 4],
    );
    let (mut exchange, mut shown) = (exchange(), Vec::new());
    shown.extend_from_slice(&exchange.feed(first.clone().into()));
    assert_eq!(exchange.end_stream().next, Next::Again);
    let before = shown.len();
    assert_eq!(shown, first.as_bytes()[..before]);
    assert!(
        first[before..].starts_with("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,")
    );
    shown.extend_from_slice(&exchange.feed(second.into()));
    let shown = String::from_utf8(shown).unwrap();
    assert_eq!(
        &shown[before..],
        concat!(
            "event: ping\ndata: {\"type\":\"ping\"}\n\n",
            ": note\n\n",
            "event: new\ndata: { \"type\" : \"new\", \"index\" : 0 }\n\n",
            "event: content_block_start\ndata: {\"content_block\":{\"text\":\"\",\"type\":\"text\"},\"index\": 1 ,\"type\":\"content_block_start\",\"x\":1.50}  \n\n",
            "event: new\ndata: { \"type\" : \"new\", \"index\" : 1 }\n\n",
            "data: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},",
            "\"usage\":{\"output_tokens\":6,\"input_tokens\":4,\"cache_read_input_tokens\":10}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        )
    );
}

#[test]
fn the_next_request_is_the_last_with_the_reply_and_the_results() {
    let first = round(
        "msg_1",
        &[
            thinking(0, "hm \"\n", "c2ln+/="),
            block(1, json!({"type": "redacted_thinking", "data": "b3BhcXVl"}), &[]),
            text(2, &["one ", "\u{e9}"]),
            text(3, &[]),
            tool(4, "toolu_1", OURS[0], &["{\"n\": 1.50", ", \"t\":\"a\\nb\"}"]),
            tool(5, "toolu_2", OURS[0], &[]),
        ],
        "tool_use",
        [1, 2],
    );
    let last = round("msg_2", &[text(0, &["done"])], "end_turn", [1, 2]);
    let played = play(&[&first, &last]);
    assert_eq!(ids(&played.calls[0]), ["toolu_1", "toolu_2"]);
    assert_eq!(arguments(&played.calls[0][1]), Ok(json!({})));
    let request = String::from_utf8(played.requests[0].to_vec()).unwrap();
    assert_eq!(
        request,
        ASKED.replace(
            r#""hi"} ]"#,
            concat!(
                r#""hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm \"\n","signature":"c2ln+/="},"#,
                r#"{"type":"redacted_thinking","data":"b3BhcXVl"},{"type":"text","text":"one é"},"#,
                r#"{"type":"tool_use","id":"toolu_1","name":"bmcp_a_list","input":{"n": 1.50, "t":"a\nb"}},"#,
                r#"{"type":"tool_use","id":"toolu_2","name":"bmcp_a_list","input":{}}]},"#,
                r#"{"role":"user","content":["#,
                r#"{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"result of toolu_1"}]},"#,
                r#"{"type":"tool_result","tool_use_id":"toolu_2","content":[{"type":"text","text":"result of toolu_2"}]}]} ]"#,
            )
        )
    );
}

#[test]
fn every_kind_of_block_goes_back_as_it_came() {
    let raw = |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"index\":0,{rest}}}\n\n");
    let start = |block: &str| raw("content_block_start", &format!("\"content_block\":{block}"));
    let delta = |delta: &str| raw("content_block_delta", &format!("\"delta\":{delta}"));
    for (blocks, expected) in [
        // Escapes stay, and halves of a character that was split come together.
        (
            start(r#"{"type":"text","text":"\u00e9"}"#)
                + &delta(r#"{"type":"text_delta","text":"\/\ud83d"}"#)
                + &delta(r#"{"text":"\ude00"}"#),
            r#"{"type":"text","text":"\u00e9\/\ud83d\ude00"}"#,
        ),
        (
            start(r#"{"type":"text","text":"","citations":null}"#)
                + &delta(r#"{"type":"text_delta","text":"a"}"#)
                + &delta(r#"{"type":"citations_delta","citation":{"type":"char_location","n":1.0}}"#)
                + &delta(r#"{"type":"citations_delta","citation":{"n":2}}"#),
            r#"{"type":"text","text":"a","citations":[{"type":"char_location","n":1.0},{"n":2}]}"#,
        ),
        (
            start(r#"{"type":"thinking","thinking":""}"#)
                + &delta(r#"{"type":"signature_delta","signature":"Eq\/8="}"#),
            r#"{"type":"thinking","thinking":"","signature":"Eq\/8="}"#,
        ),
        (
            start(r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"bmcp_a_list","input":{}}"#)
                + &delta(r#"{"type":"input_json_delta","partial_json":"{\"q\": 1e2}"}"#),
            r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"bmcp_a_list","input":{"q": 1e2}}"#,
        ),
        (
            start(
                r#"{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"encrypted_content":"x"}]}"#,
            ),
            r#"{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"encrypted_content":"x"}]}"#,
        ),
        (
            start(r#"{"type":"compaction","content":null}"#)
                + &delta(r#"{"type":"compaction_delta","content":"sum","encrypted_content":"e"}"#),
            r#"{"type":"compaction","content":"sum","encrypted_content":"e"}"#,
        ),
        // Of a delta that is not known, what can be told.
        (
            start(r#"{"type":"new","new":"a","n":1}"#) + &delta(r#"{"type":"new_delta","new":"b","n":2}"#),
            r#"{"type":"new","new":"ab","n":1}"#,
        ),
        // What a model writes wrongly goes back as the provider asks for it.
        (
            start(r#"{"type":"tool_use","id":"toolu_0","name":"bmcp_a_read","input":{}}"#)
                + &delta(r#"{"type":"input_json_delta","partial_json":"{\"a\": \"b"}"#),
            r#"{"type":"tool_use","id":"toolu_0","name":"bmcp_a_read","input":{"INVALID_JSON":"{\"a\": \"b"}}"#,
        ),
        (
            start(r#"{"type":"tool_use","id":"toolu_0","name":"bmcp_a_read","input":{"a":1}}"#),
            r#"{"type":"tool_use","id":"toolu_0","name":"bmcp_a_read","input":{"a":1}}"#,
        ),
    ] {
        let call = tool(1, "toolu_1", OURS[0], &["{}"]);
        let stream = round("msg_1", &[blocks, raw("content_block_stop", "\"x\":0"), call], "tool_use", [1, 2]);
        let mut exchange = exchange();
        exchange.feed(stream.into());
        assert_eq!(exchange.end_stream().next, Next::Again);
        let request = exchange.next_request(&Document::parse(ASKED.into()).unwrap(), &[]);
        let request = String::from_utf8(request.to_vec()).unwrap();
        assert!(request.contains(&format!("\"content\":[{expected},{{\"type\":\"tool_use\"")), "{expected}\n{request}");
    }
}

#[test]
fn three_rounds_have_indexes_without_gap_and_one_sum() {
    let first = round("msg_1", &[tool(0, "toolu_1", OURS[0], &["{}"])], "tool_use", [10, 1]);
    let second = round(
        "msg_2",
        &[
            thinking(0, "t", "s"),
            tool(1, "toolu_2", OURS[1], &["{}"]),
            text(2, &["between"]),
            tool(3, "toolu_3", OURS[1], &["{}"]),
        ],
        "tool_use",
        [20, 2],
    );
    let third = round("msg_3", &[text(0, &["a"]), tool(1, "toolu_4", "Bash", &["{\"c\":1}"])], "tool_use", [30, 3]);
    let played = play(&[&first, &second, &third]);
    let seen = read(&played.shown);
    assert_eq!(
        seen.message["content"],
        json!([
            {"type": "thinking", "thinking": "t", "signature": "s"},
            {"type": "text", "text": "between"},
            {"type": "text", "text": "a"},
            {"type": "tool_use", "id": "toolu_4", "name": "Bash", "input": {"c": 1}},
        ])
    );
    assert_eq!(seen.message["stop_reason"], "tool_use");
    assert_eq!(
        seen.message["usage"],
        json!({"input_tokens": 60, "cache_read_input_tokens": 15, "output_tokens": 6, "service_tier": "standard"})
    );
    assert!(seen.stopped);
    assert_eq!(
        played.calls.iter().map(|calls| ids(calls)).collect::<Vec<_>>(),
        [vec!["toolu_1"], vec!["toolu_2", "toolu_3"], vec![]]
    );
    assert_eq!(played.calls[1][0].reply_id.as_deref(), Some("msg_2"));
    let added = added(&played.requests[1]);
    let roles: Vec<_> = added.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["assistant", "user", "assistant", "user"]);
    assert_eq!(added[3]["content"], json!([result("toolu_2"), result("toolu_3")]));
    assert_eq!(played.kept.unwrap().keys, ["toolu_4"]);
}

#[test]
fn blocks_that_interleave_keep_to_their_own() {
    let mut parts = Vec::new();
    for (index, name) in [(0, "Bash"), (1, OURS[0]), (2, "Read")] {
        let block = tool(index, &format!("toolu_{index}"), name, &["{\"i\":", &format!("{index}}}")]);
        parts.push(block.split_inclusive("\n\n").map(str::to_owned).collect::<Vec<_>>());
    }
    let mixed: Vec<String> = (0..4).flat_map(|at| parts.iter().map(move |part| part[at].clone())).collect();
    let played = play(&[&round("msg_1", &mixed, "tool_use", [1, 2])]);
    let seen = read(&played.shown);
    assert_eq!(
        seen.message["content"],
        json!([
            {"type": "tool_use", "id": "toolu_0", "name": "Bash", "input": {"i": 0}},
            {"type": "tool_use", "id": "toolu_2", "name": "Read", "input": {"i": 2}},
        ])
    );
    assert_eq!(ids(&played.calls[0]), ["toolu_1"]);
    assert_eq!(arguments(&played.calls[0][0]), Ok(json!({"i": 1})));
}

#[test]
fn a_reply_cut_by_a_limit_shows_so_and_runs_nothing() {
    for reason in ["max_tokens", "model_context_window_exceeded", "refusal"] {
        let whole = tool(1, "toolu_1", OURS[0], &["{\"a\":", "1}"]);
        let broken = tool(2, "toolu_2", OURS[0], &["{\"a\": \"b"]);
        let empty = tool(3, "toolu_3", OURS[0], &[]);
        let empty = empty.split_inclusive("\n\n").next().unwrap().to_owned();
        let stream = round("msg_1", &[text(0, &["a"]), whole, broken, empty], reason, [10, 20]);
        let played = play(&[&stream]);
        let seen = read(&played.shown);
        assert!(seen.stopped);
        assert_eq!(seen.message["stop_reason"], reason);
        assert_eq!(seen.message["content"], json!([{"type": "text", "text": "a"}]));
        assert_eq!(seen.message["usage"]["output_tokens"], 20);
        assert_eq!(ids(&played.calls[0]), ["toolu_1", "toolu_2", "toolu_3"]);
        assert_eq!(arguments(&played.calls[0][0]), Ok(json!({"a": 1})));
        assert_eq!(arguments(&played.calls[0][1]), Err("{\"a\": \"b"));
        assert_eq!(arguments(&played.calls[0][2]), Err(""));
    }
}

#[test]
fn a_later_round_cut_by_a_limit_has_the_sums() {
    let first = round("msg_1", &[tool(0, "toolu_1", OURS[0], &["{}"])], "tool_use", [10, 1]);
    let second = round("msg_2", &[tool(0, "toolu_2", OURS[0], &["{\"a"])], "max_tokens", [20, 2]);
    let seen = read(&play(&[&first, &second]).shown);
    assert_eq!(
        (&seen.message["stop_reason"], &seen.message["usage"]["input_tokens"]),
        (&json!("max_tokens"), &json!(30))
    );
    assert!(seen.stopped);
}

#[test]
fn a_stream_that_breaks_off_has_no_end_and_runs_nothing() {
    let call = tool(1, "toolu_1", OURS[0], &["{\"a\":", "1}"]);
    let stream = round("msg_1", &[text(0, &["a"]), call], "tool_use", [10, 20]);
    let begins = stream.find("\"partial_json\"").unwrap();
    for cut in (begins..stream.find("event: message_stop").unwrap()).step_by(7) {
        let played = play_at_once(&stream[..cut]);
        let seen = read(&played.shown);
        assert!(!seen.stopped);
        assert_eq!(seen.message["content"], json!([{"type": "text", "text": "a"}]), "{}", &stream[..cut]);
        assert_eq!(seen.message["stop_reason"], Value::Null);
        assert_eq!(ids(&played.calls[0]), ["toolu_1"]);
        assert!(!String::from_utf8_lossy(&played.shown).contains("toolu_1"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_that_is_received_breaks_it(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), ".{0,3}"), 0..6),
        size in 1..400usize,
    ) {
        let first = [thinking(0, "t", "s"), tool(1, "toolu_1", OURS[0], &["{\"a\":", "1}"]), tool(2, "toolu_2", "Bash", &[])];
        let mut first = round("msg_1", &first, "tool_use", [1, 2]).into_bytes();
        for (from, to, new) in changes {
            let (from, to) = (from.index(first.len() + 1), to.index(first.len() + 1));
            first.splice(from.min(to)..from.max(to).min(from.min(to) + 60), new.into_bytes());
        }
        let mut exchange = exchange();
        for stream in [&*first, round("msg_2", &[text(0, &["a"])], "end_turn", [1, 2]).as_bytes()] {
            for piece in stream.chunks(size) {
                exchange.feed(Bytes::copy_from_slice(piece));
            }
            let step = exchange.end_stream();
            let sent = Document::parse(ASKED.into()).unwrap();
            match step.next {
                Next::Again => prop_assert!(Document::parse(exchange.next_request(&sent, &[])).is_ok()),
                Next::Finish => {
                    let kept = exchange.finish(&sent, &[]).kept.unwrap();
                    let content = serde_json::json!([{"type": "tool_use", "id": "toolu_2"}]);
                    let back = json!({"messages": [{"role": "assistant", "content": content}, {"role": "user", "content": []}]});
                    let back = Document::parse(back.to_string().into()).unwrap();
                    restore(Api::Messages, &back, &mut |_| Some(Arc::new(kept.clone())));
                    break;
                }
                Next::End(_) => break,
            }
        }
        let body = Bytes::from(first);
        super::play::exchange().reply(body);
    }
}

/// Plays a stream in one frame.
fn play_at_once(stream: &str) -> Played {
    let mut exchange = exchange();
    let mut shown = exchange.feed(Bytes::copy_from_slice(stream.as_bytes())).to_vec();
    let step = exchange.end_stream();
    let Next::End(finish) = step.next else { panic!("{:?}", step.next) };
    shown.extend_from_slice(&finish.bytes);
    Played { shown, calls: vec![step.calls], requests: Vec::new(), kept: finish.kept }
}

#[test]
fn an_error_event_reaches_the_client_and_ends_the_exchange() {
    let error = "event: error\ndata: {\"type\": \"error\", \"error\": {\"type\": \"overloaded_error\"}}\n\n";
    let stream = round("msg_1", &[text(0, &["a"]), tool(1, "toolu_1", OURS[0], &["{\"a\""])], "tool_use", [10, 20]);
    let cut = stream.find("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1").unwrap();
    let played = play(&[&[&stream[..cut], error].concat()]);
    let seen = read(&played.shown);
    assert_eq!(seen.error, Some(json!({"type": "overloaded_error"})));
    assert!(played.shown.ends_with(error.as_bytes()));
    assert_eq!(arguments(&played.calls[0][0]), Err("{\"a\""));
    // Also behind the end of the message.
    let played = play_at_once(&[&stream[..], error].concat());
    assert!(!read(&played.shown).stopped);
    // And in a later round.
    let played = play(&[&stream.replace("{\\\"a\\\"", "{}"), error]);
    assert_eq!(read(&played.shown).error, Some(json!({"type": "overloaded_error"})));
}

#[test]
fn the_last_event_may_lack_its_blank_line() {
    let first = round("msg_1", &[tool(0, "toolu_1", OURS[0], &["{}"])], "tool_use", [10, 1]);
    let last = round("msg_2", &[text(0, &["a"])], "end_turn", [20, 2]);
    let played = play(&[first.trim_end(), last.trim_end()]);
    assert!(read(&played.shown).stopped);
}

#[test]
fn what_follows_the_end_of_an_inner_round_is_not_shown() {
    let done = "data: [DONE]\n\n";
    let first = round("msg_1", &[tool(0, "toolu_1", OURS[0], &["{}"])], "tool_use", [10, 1]) + ": note\n\n" + done;
    let last = round("msg_2", &[text(0, &["a"])], "end_turn", [20, 2]) + done;
    let shown = String::from_utf8(play_rounds(&[&first, &last]).shown).unwrap();
    assert_eq!(shown.matches(done).count(), 1);
    assert!(shown.ends_with(done));
}

#[test]
fn a_reply_nested_too_deeply_to_be_sent_ends_the_exchange() {
    for depth in [500, 509, 510, 511, 512, 600] {
        let deep = ["{\"a\":".repeat(depth), "1".to_owned(), "}".repeat(depth)].concat();
        let mut exchange = exchange();
        let stream = round("msg_1", &[tool(0, "toolu_1", OURS[0], &[&deep])], "tool_use", [10, 1]);
        let mut shown = exchange.feed(stream.into()).to_vec();
        match exchange.end_stream().next {
            Next::Again => {
                let request = exchange.next_request(&Document::parse(ASKED.into()).unwrap(), &[]);
                assert!(Document::parse(request).is_ok());
            }
            Next::End(finish) => {
                assert!((507..=512).contains(&depth), "{depth}");
                shown.extend_from_slice(&finish.bytes);
                assert_eq!(read(&shown).message["stop_reason"], "end_turn");
            }
            Next::Finish => panic!("no call of the client's"),
        }
    }
}

#[test]
fn an_exchange_cut_short_ends_as_the_model_would() {
    let stream = round("msg_1", &[text(0, &["a"]), tool(1, "toolu_1", OURS[0], &["{}"])], "tool_use", [10, 20]);
    let stream = stream
        .replace("\"stop_sequence\":null},\"usage\":{\"output", "\"stop_sequence\":null, \"x\":1},\"usage\":{\"output");
    for rounds in [1, 2] {
        let (mut exchange, mut shown) = (exchange(), Vec::new());
        for _ in 0..rounds {
            shown.extend_from_slice(&exchange.feed(stream.clone().into()));
            assert_eq!(exchange.end_stream().next, Next::Again);
        }
        let end = exchange.cut_short().bytes;
        assert!(
            String::from_utf8_lossy(&end).contains("\"stop_reason\":\"end_turn\",\"stop_sequence\":null, \"x\":1}")
        );
        shown.extend_from_slice(&end);
        let seen = read(&shown);
        assert!(seen.stopped);
        assert_eq!(seen.message["stop_reason"], "end_turn");
        assert_eq!(seen.message["content"].as_array().unwrap().len(), rounds);
        assert_eq!(seen.message["usage"]["output_tokens"], 20 * rounds);
    }
    // With nothing of the last round to go by.
    let (mut exchange, mut shown) = (exchange(), Vec::new());
    shown.extend_from_slice(&exchange.feed(stream.into()));
    exchange.end_stream();
    exchange.end_stream();
    shown.extend_from_slice(&exchange.cut_short().bytes);
    let seen = read(&shown);
    assert!(seen.stopped);
    assert_eq!(
        (&seen.message["stop_reason"], &seen.message["usage"]["input_tokens"]),
        (&json!("end_turn"), &json!(10))
    );
}

#[test]
fn results_are_told_in_the_order_of_the_calls() {
    let calls = ["toolu_1", "toolu_2", "toolu_3", "toolu_4", "toolu_5"];
    let blocks: Vec<String> = calls.iter().zip(0..).map(|(id, index)| tool(index, id, OURS[1], &["{}"])).collect();
    let mut exchange = exchange();
    exchange.feed(round("msg_1", &blocks, "tool_use", [1, 2]).into());
    exchange.end_stream();
    let image = |media_type: &str| Part::Image { media_type: media_type.to_owned(), base64: "AAAA".to_owned() };
    let answer = |id: &str, parts, is_error| Answer { call_id: id.to_owned(), parts, is_error };
    let answers = [
        answer("toolu_3", vec![], true),
        answer("toolu_2", vec![Part::Text("no \"such\" thing".to_owned()), image("image/png")], true),
        answer("toolu_5", vec![Part::Text(" ".to_owned())], false),
        answer("toolu_1", vec![image("image/png"), Part::Text("a".to_owned()), image("image/tiff")], false),
    ];
    let request = exchange.next_request(&Document::parse(ASKED.into()).unwrap(), &answers);
    assert_eq!(
        added(&request)[1],
        json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "text", "text": "a"},
                {"type": "text", "text": "[an image of type image/tiff, which cannot be shown here]"},
            ]},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": [
                {"type": "text", "text": "no \"such\" thing"},
                {"type": "text", "text": "[an image of type image/png, which cannot be shown here]"},
            ], "is_error": true},
            {"type": "tool_result", "tool_use_id": "toolu_3", "content": [{"type": "text", "text": "The tool gave no result."}], "is_error": true},
            {"type": "tool_result", "tool_use_id": "toolu_4", "content": [{"type": "text", "text": "The tool gave no result."}], "is_error": true},
            {"type": "tool_result", "tool_use_id": "toolu_5"},
        ]})
    );
}

#[test]
fn a_later_error_response_becomes_the_apis_event() {
    let own = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#;
    for (status, body, expected) in [
        (529, own, own),
        (
            429,
            r#"{"error":{"message":"slow"}}"#,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#,
        ),
        (502, "", r#"{"type":"error","error":{"type":"api_error","message":"the provider answered with status 502"}}"#),
    ] {
        let event = exchange().provider_error(status, body.as_bytes());
        assert_eq!(event, format!("event: error\ndata: {expected}\n\n"));
    }
}

#[test]
fn a_round_too_long_to_be_kept_ends_without_running_its_calls() {
    let long = |index| text(index, &["x".repeat(1 << 20).as_str(); 34]);
    for client in [false, true] {
        let blocks = match client {
            false => vec![tool(0, "toolu_1", OURS[0], &["{}"]), long(1)],
            true => vec![long(0), tool(1, "toolu_1", OURS[0], &["{}"]), tool(2, "toolu_2", "Bash", &["{}"])],
        };
        let (mut exchange, mut shown) = (exchange(), Vec::new());
        for event in round("msg_1", &blocks, "tool_use", [1, 2]).split_inclusive("\n\n") {
            shown.extend_from_slice(&exchange.feed(Bytes::copy_from_slice(event.as_bytes())));
        }
        let step = exchange.end_stream();
        let Next::End(finish) = step.next else { panic!("{:?}", step.next) };
        shown.extend_from_slice(&finish.bytes);
        let tail = String::from_utf8_lossy(&shown[34 << 20..]);
        assert!(tail.contains(if client { "\"tool_use\"" } else { "\"end_turn\"" }), "{}", tail.len());
        assert!(shown.ends_with(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
        assert!(!tail.contains("toolu_1"));
    }
}

#[test]
fn an_event_without_end_fills_no_memory() {
    let open = Bytes::from("data: ".to_owned() + &"x".repeat(1 << 20));
    let mut quiet = exchange();
    let mut shown = 0;
    for _ in 0..40 {
        shown += quiet.feed(open.clone()).len();
    }
    let Next::End(finish) = quiet.end_stream().next else { panic!() };
    assert_eq!(shown + finish.bytes.len(), 40 * open.len());
    assert!(shown >= 40 * open.len() - (1 << 20));

    let mut busy = exchange();
    let stream = round("msg_1", &[tool(0, "toolu_1", OURS[0], &["{}"])], "tool_use", [1, 2]);
    busy.feed(stream.clone().into());
    for _ in 0..40 {
        assert!(busy.feed(open.clone()).is_empty());
    }
    let step = busy.end_stream();
    assert!(matches!(step.next, Next::End(_)), "{:?}", step.next);
}
