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
