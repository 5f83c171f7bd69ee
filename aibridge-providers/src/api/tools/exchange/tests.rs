use proptest::prelude::*;

use super::*;
use crate::api::{Observer, testing::read_along};

#[test]
fn in_responses_the_tools_that_a_response_was_given_are_taken_out_of_it_and_reading_goes_on_from_the_original() {
    let mut exchange = Exchange::new(Api::Responses, Names::from_iter(["bmcp_a".to_owned()]));
    let response = |tools: &str, more: &str| format!(r#"{{"id":"r","tools":[{tools}],"output":[{more}]}}"#);
    let event = |kind: &str, member: &str| format!("data: {{\"type\":\"response.{kind}\",{member}}}\n\n");
    let (ours, mine) = (r#"{"type":"function","name":"bmcp_a"}"#, r#"{"type":"function","name":"mine"}"#);
    let both = format!("{mine},{ours}");
    for (sent, shown) in [
        (response(&both, ""), response(mine, "")),
        (response(mine, r#"{"type":"message","content":"bmcp_a"}"#), String::new()),
        (response(ours, ""), response("", "")),
    ] {
        let shown = if shown.is_empty() { &sent } else { &shown };
        let event = |response: &str| event("in_progress", &format!("\"response\":{response}"));
        assert_eq!(exchange.feed(event(&sent).into()), event(shown));
    }
    let call = r#""output_index":0,"item":{"type":"function_call","call_id":"c","name":"bmcp_a","arguments":"{}"}"#;
    assert_eq!(exchange.feed(event("output_item.done", call).into()), "");
    let completed = event("completed", &format!("\"response\":{}", response(ours, "")));
    assert_eq!(exchange.feed(completed.into()), "");
    let step = exchange.end_stream();
    assert_eq!((step.next, step.calls[0].reply_id.as_deref()), (Next::Again, Some("r")));
}

#[test]
fn what_is_known_to_call_none_passes_uncopied_until_something_calls_one() {
    for (api, call) in [
        (
            Api::Messages,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":"bmcp_a","input":{}}}"#,
        ),
        (
            Api::Chat,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"bmcp_a","arguments":"{}"}}]}}]}"#,
        ),
        (
            Api::Responses,
            r#"{"type":"response.output_item.added","item":{"type":"function_call","call_id":"c","name":"bmcp_a"}}"#,
        ),
    ] {
        let mut exchange = Exchange::new(api, Names::from_iter(["bmcp_a".to_owned()]));
        for _ in 0..3 {
            let event = Bytes::from("data: {\"text\":\"bmcp_a\"}\n\n");
            assert_eq!(exchange.pass(event.clone(), Calls::Absent).as_ptr(), event.as_ptr(), "{api:?}");
        }
        assert_eq!(exchange.feed(format!("data: {call}\n\n").into()), "", "{api:?}");
        assert_eq!(exchange.end_stream().calls.len(), 1, "{api:?}");
    }
}

#[test]
fn texts_of_responses_pass_without_being_kept() {
    let mut exchange = Exchange::new(Api::Responses, Names::from_iter(["bmcp_a".to_owned()]));
    let text = "x".repeat(1 << 20);
    let event = Bytes::from(format!("data: {{\"type\":\"response.output_text.delta\",\"delta\":\"{text}\"}}\n\n"));
    for _ in 0..3 {
        assert_eq!(exchange.pass(event.clone(), Calls::OnlyText).as_ptr(), event.as_ptr());
    }
    assert!(exchange.rounds.is_none(), "too much was kept");
}

#[test]
fn tools_are_taken_out_of_responses_wherever_a_stream_is_split_and_however_its_lines_end() {
    let tools = r#"[{"type":"function","name":"bmcp_a"}]"#;
    let response = format!(r#"{{"type":"response.created","response":{{"id":"r","tools":{tools},"output":[]}}}}"#);
    let text = r#"{"type":"response.output_text.delta","delta":"x"}"#;
    for end in ["\n", "\r\n", "\r"] {
        let stream = format!("data: {response}\n\ndata: {text}\n\ndata: {text}\n\n").replace('\n', end);
        for (at, next) in (0..stream.len()).flat_map(|at| [(at, at + 1), (at, stream.len())]) {
            let mut observer = Observer::streaming(Api::Responses);
            let mut exchange = Exchange::new(Api::Responses, Names::from_iter(["bmcp_a".to_owned()]));
            let mut shown = Vec::new();
            for piece in [&stream[..at], &stream[at..next], &stream[next..]] {
                let piece = Bytes::copy_from_slice(piece.as_bytes());
                shown.extend_from_slice(&read_along(&mut observer, &mut exchange, piece));
            }
            let Next::End(finish) = exchange.end_stream().next else { panic!("no call") };
            shown.extend_from_slice(&finish.bytes);
            assert_eq!(
                String::from_utf8_lossy(&shown),
                stream.replace(tools, "[]"),
                "{end:?} split at {at} and {next}"
            );
        }
    }
}

/// What may stand in the place of a block, a choice or an item, and what may stand around them (in the place of `#`).
const PARTS: [(Api, &[&str], &[&str]); 3] = [
    (
        Api::Messages,
        &[
            r#"{"type":"text","text":"bmcp_a"}"#,
            r#"{"type":"thinking","thinking":"\"bmcp_a\""}"#,
            r#"{"type":"redacted_thinking","data":"bmcp_a"}"#,
            r#"{"type":"tool_use","id":"t","name":"bmcp_a","input":{}}"#,
            r#"{"type":"tool_use","id":"t","name":"mine","input":{"a":"bmcp_a"}}"#,
            r#"{"type":"tool\u005fuse","id":"t","name":"\u0062mcp_a","input":{}}"#,
            r#"{"type":"text","type":"tool_use","id":"t","name":"bmcp_a","input":{}}"#,
            r#"{"ty\u0070e":"tool_use","type":"text","id":"t","name":"bmcp_a","input":{}}"#,
            r#"{"id":"t","name":"bmcp_a","input":{}}"#,
            "[]",
            "7",
        ],
        &[
            r#"{"id":"m","content":[#],"stop_reason":"tool_use","usage":{"input_tokens":1}}"#,
            r#"{"content":[],"content":[#]}"#,
            r#"{"content":null,"cont\u0065nt":[#]}"#,
            r#"{"content":{"content":[#]}}"#,
            r#" { "x":[#] , "content" : [ # ] } "#,
        ],
    ),
    (
        Api::Chat,
        &[
            r#"{"index":0,"message":{"role":"assistant","content":"bmcp_a","tool_calls":[]},"finish_reason":"stop"}"#,
            r#"{"index":0,"message":{"content":null,"tool_calls":null},"finish_reason":"stop"}"#,
            r#"{"message":{"tool_calls":[{"id":"t","type":"function","function":{"name":"bmcp_a","arguments":"{}"}}]}}"#,
            r#"{"message":{"tool\u005fcalls":[{"id":"t","function":{"name":"bmcp_a","arguments":"{}"}}]}}"#,
            r#"{"message":{"tool_calls":[],"tool_calls":[{"id":"t","function":{"name":"bmcp_a","arguments":"{}"}}]}}"#,
            r#"{"message":{},"message":{"tool_calls":[{"id":"t","function":{"name":"bmcp_a","arguments":"{}"}}]}}"#,
            r#"{"delta":{},"message":{"tool_calls":[{"id":"t","function":{"name":"bmcp_a","arguments":"{}"}}]}}"#,
            r#"{"message":{"tool_calls":{"id":"t","function":{"name":"bmcp_a","arguments":"{}"}}}}"#,
            r#"{"message":{"tool_calls":[7]}}"#,
            r#"{"index":1,"message":{"tool_calls":[{"id":"t","function":{"name":"bmcp_a","arguments":"{}"}}]}}"#,
            r#"{"index":"0","message":{"tool_calls":[{"id":"t","function":{"name":"bmcp_a","arguments":"{}"}}]}}"#,
            r#"{"message":"bmcp_a"}"#,
            "7",
        ],
        &[
            r#"{"id":"c","choices":[#],"usage":{"prompt_tokens":1}}"#,
            r#"{"choices":[],"choices":[#]}"#,
            r#"{"choices":[],"choic\u0065s":[#]}"#,
            r#"{"choices":{"0":#}}"#,
            r#"{"error":{"message":"bmcp_a"},"choices":[#]}"#,
        ],
    ),
    (
        Api::Responses,
        &[
            r#"{"type":"message","content":[{"type":"output_text","text":"bmcp_a"}]}"#,
            r#"{"type":"reasoning","summary":[{"text":"bmcp_a"}]}"#,
            r#"{"type":"function_call","call_id":"c","name":"bmcp_a","arguments":"{}"}"#,
            r#"{"type":"function_call","call_id":"c","name":"mine","arguments":"bmcp_a"}"#,
            r#"{"type":"function\u005fcall","call_id":"c","name":"bmcp_a","arguments":"{}"}"#,
            r#"{"type":"message","type":"function_call","call_id":"c","name":"bmcp_a","arguments":"{}"}"#,
            r#"{"type":"function","name":"bmcp_a"}"#,
            r#"{"type":"f\u0075nction","name":"bmcp_a"}"#,
            r#"{"type":"custom","name":"bmcp_a"}"#,
            "7",
        ],
        &[
            r#"{"id":"r","status":"completed","output":[#],"tools":[]}"#,
            r#"{"id":"r","output":[#],"tools":[{"type":"function","name":"bmcp_a","parameters":{}}]}"#,
            r#"{"id":"r","output":[],"tools":[#]}"#,
            r#"{"id":"r","output":[],"t\u006fols":[#]}"#,
            r#"{"output":[],"output":[#],"tools":null}"#,
            r#"{"output":[],"outpu\u0074":[#]}"#,
            r#"{"output":{"output":[#]},"tools":{}}"#,
            r#"{"status":"incomplete","output":[#],"tool_choice":{"type":"function","name":"bmcp_a"}}"#,
        ],
    ),
];

proptest! {
    #[test]
    fn a_reply_that_passes_is_the_one_that_reading_it_gives(
        (api, around, parts) in prop::sample::select(PARTS.as_slice()).prop_flat_map(|(api, parts, around)| {
            (Just(api), prop::sample::select(around), prop::collection::vec(prop::sample::select(parts), 0..4))
        }),
    ) {
        let reply = Bytes::from(around.replace('#', &parts.join(",")));
        let mut observer = Observer::blocking(api);
        observer.feed(&reply, &mut |_| ());
        observer.finish(&mut |_| ());
        let mut exchange = Exchange::new(api, Names::from_iter(["bmcp_a".to_owned()]));
        let passes = exchange.passes_whole(observer.calls());
        let read = exchange.reply(reply.clone());
        let same = Step { calls: Vec::new(), next: Next::End(Finish { bytes: reply.clone(), kept: None }) };
        prop_assert!(!passes || read == same, "{:?}: {:?}", reply, read);
    }
}
