use proptest::prelude::*;

use super::*;

const APIS: [Api; 3] = [Api::Messages, Api::Chat, Api::Responses];

fn unreported(_: Observed) {}

#[test]
fn thousands_of_open_streams_take_little_memory() {
    assert!(size_of::<Observer>() <= 640, "{}", size_of::<Observer>());
}

#[test]
fn an_oversize_event_passes_unobserved_and_the_rest_is_read() {
    for (api, end) in [
        (Api::Messages, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
        (Api::Chat, "data: [DONE]\n\n"),
        (Api::Responses, "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{}}\n\n"),
    ] {
        let mut observer = Observer::streaming(api);
        observer.feed(&Bytes::from_static(b"event: response.output_item.done\ndata: {\"a\":\""), &mut unreported);
        let megabyte = Bytes::from(vec![b'a'; 1 << 20]);
        for _ in 0..5 {
            observer.feed(&megabyte, &mut unreported);
        }
        observer.feed(&Bytes::from_static(b"\"}\n\n"), &mut unreported);
        observer.feed(&Bytes::from(end), &mut unreported);
        observer.finish(&mut unreported);
        assert_eq!((observer.reply().unobserved, observer.reply().terminal), (1, true), "{api:?}");
    }
}

#[test]
fn a_blocking_reply_beyond_the_limit_is_not_kept() {
    for (end, terminal) in [("\"}\n", true), ("a", false)] {
        let mut observer = Observer::blocking(Api::Chat);
        observer.feed(&Bytes::from_static(b"{\"id\":\""), &mut unreported);
        let megabyte = Bytes::from(vec![b'a'; 1 << 20]);
        for _ in 0..17 {
            observer.feed(&megabyte, &mut unreported);
        }
        observer.feed(&Bytes::from_static(end.as_bytes()), &mut unreported);
        observer.finish(&mut unreported);
        assert_eq!((observer.reply().unobserved, observer.reply().terminal), (1, terminal));
    }
}

/// Whether a call may be among the first events, after each.
#[track_caller]
fn assert_may_call(api: Api, events: &[(&str, bool)]) {
    let stream: String = events.iter().map(|(data, _)| format!("data: {data}\n\n")).collect();
    let ends = events.iter().scan(0, |end, (data, expected)| {
        *end += data.len() + "data: \n\n".len();
        Some((*end, *expected))
    });
    let ends: Vec<_> = ends.collect();
    for size in [1, 2, 7, stream.len()] {
        let mut observer = Observer::streaming(api);
        let mut fed = 0;
        for piece in stream.as_bytes().chunks(size) {
            observer.feed(&Bytes::copy_from_slice(piece), &mut unreported);
            fed += piece.len();
            let expected = ends.iter().rfind(|(end, _)| *end <= fed).is_some_and(|(_, expected)| *expected);
            assert_eq!(observer.calls() == Calls::Possible, expected, "{api:?}: {}", &stream[..fed]);
        }
    }
}

#[test]
fn calls_are_ruled_out_as_long_as_all_that_came_is_known_to_be_something_else() {
    let text = [
        (r#"{"type":"message_start","message":{"id":"m","content":[]}}"#, false),
        (r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#, false),
        (r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"x"}}"#, false),
        (r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}"#, false),
        (r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"tool_use"}}"#, false),
        (r#"{"type":"ping"}"#, false),
    ];
    assert_may_call(Api::Messages, &text);
    for call in [
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"t","name":"n"}}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool\u005fuse"}}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"something_new"}}"#,
        r#"{"type":"content_block_start","index":3}"#,
        r#"{"type":"content_block_start","content_block":{"type":"text"},"content_block":{"type":"tool_use"}}"#,
        r#"{"type":"message_start","message":{"content":[{"type":"tool_use"}]}}"#,
        r#"{"type":"something_new"}"#,
        r#"{"type":"content_block_start""#,
    ] {
        let mut events = text.to_vec();
        events.extend([(call, true), (r#"{"type":"message_stop"}"#, true)]);
        assert_may_call(Api::Messages, &events);
    }
    let text = [
        (r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[]}}]}"#, false),
        (r#"{"id":"c","choices":[{"index":0,"delta":{"content":"\"tool_calls\""}}]}"#, false),
        (r#"{"id":"c","choices":[{"index":0,"delta":{"reasoning":"x","tool_calls":null}}]}"#, false),
        (r#"{"id":"c","choices":[],"usage":{"prompt_tokens":1}}"#, false),
        ("[DONE]", false),
    ];
    assert_may_call(Api::Chat, &text);
    for call in [
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[7]}}]}"#,
        r#"{"choices":[{"index":1,"delta":{"tool_calls":[{"index":0}]}}]}"#,
        r#"{"choices":[{"tool_calls":[{}]}]}"#,
        r#"{"choices":["tool_calls"],"tool_calls":1}"#,
        r#"{"tool_calls":"#,
    ] {
        let mut events = text[..3].to_vec();
        let call = call.replace("{\"choices", "{ \"tool_calls\":0,\"choices");
        events.extend([(&*call, true), ("[DONE]", true)]);
        assert_may_call(Api::Chat, &events);
    }
}

#[test]
fn a_blocking_reply_calls_nothing_if_all_of_it_is_known_to_be_something_else() {
    let messages = |content: &str| format!(r#"{{"id":"m","type":"message","content":{content}}}"#);
    let chat = |message: &str| format!(r#"{{"id":"c","choices":[{{"index":0,"message":{message}}}]}}"#);
    let response = |tools: &str, output: &str| format!(r#"{{"id":"r","tools":{tools},"output":{output}}}"#);
    let text = r#"[{"type":"reasoning","summary":[]},{"type":"message","content":[{"text":"a function_call"}]}]"#;
    for (api, reply, expected) in [
        (Api::Messages, messages("[]"), Calls::Absent),
        (
            Api::Messages,
            messages(r#"[{"type":"thinking","thinking":"x"},{"type":"text","text":"tool_use"}]"#),
            Calls::Absent,
        ),
        (Api::Messages, messages(r#"[{"type":"text","text":"x"},{"type":"tool_use","name":"n"}]"#), Calls::Possible),
        (Api::Messages, messages(r#"[{"type":"something_new"}]"#), Calls::Possible),
        (Api::Messages, messages("[7]"), Calls::Possible),
        (Api::Messages, messages(r#"{"type":"tool_use"}"#), Calls::Possible),
        (Api::Messages, r#"{"content":[],"content":[{"type":"tool_use"}]}"#.to_owned(), Calls::Possible),
        (Api::Messages, "{}".to_owned(), Calls::Possible),
        (Api::Chat, chat(r#"{"content":"\"tool_calls\"","tool_calls":[]}"#), Calls::Absent),
        (Api::Chat, chat(r#"{"content":"x","tool_calls":null}"#), Calls::Absent),
        (Api::Chat, chat(r#"{"tool_calls":[{"id":"t"}]}"#), Calls::Possible),
        (Api::Chat, chat("7"), Calls::Possible),
        (Api::Chat, r#"{"choices":{"message":{"tool_calls":[{}]}}}"#.to_owned(), Calls::Possible),
        (Api::Chat, r#"{"choices":[{"index":1,"message":{}}]}"#.to_owned(), Calls::Possible),
        (Api::Chat, "{}".to_owned(), Calls::Possible),
        (Api::Responses, response("[]", text), Calls::Absent),
        (Api::Responses, response("null", "[]"), Calls::Absent),
        (Api::Responses, response(r#"[{"type":"web_search"}]"#, text), Calls::Absent),
        (Api::Responses, response(r#"[{"type":"function","name":"n"}]"#, text), Calls::Named),
        (Api::Responses, response(r#"[{"type":"\u0066unction","name":"n"}]"#, text), Calls::Named),
        (Api::Responses, response("[]", &text.replace("function", "\\\"function")), Calls::Named),
        (Api::Responses, response("[]", r#"[{"type":"function_call"}]"#), Calls::Possible),
        (Api::Responses, response("[]", r#"[{"type":"message"},7]"#), Calls::Possible),
        (Api::Responses, response("[]", "7"), Calls::Possible),
        (Api::Responses, r#"{"tools":[],"tools":[{"type":"function"}],"output":[]}"#.to_owned(), Calls::Named),
        (Api::Responses, r#"{"output":[],"output":[]}"#.to_owned(), Calls::Possible),
        (Api::Responses, r#"{"tools":[]}"#.to_owned(), Calls::Possible),
        (Api::Responses, "{".to_owned(), Calls::Possible),
    ] {
        for size in [1, 7, reply.len()] {
            let mut observer = Observer::blocking(api);
            for piece in reply.as_bytes().chunks(size) {
                observer.feed(&Bytes::copy_from_slice(piece), &mut unreported);
                assert_eq!(observer.calls(), Calls::Possible, "not over: {reply}");
            }
            observer.finish(&mut unreported);
            assert_eq!(observer.calls(), expected, "{reply}");
        }
    }
    for (api, size) in [(Api::Chat, 0), (Api::Messages, MAX_DOCUMENT + 1)] {
        let mut observer = Observer::blocking(api);
        observer.feed(&vec![b' '; size].into(), &mut unreported);
        observer.finish(&mut unreported);
        assert_eq!(observer.calls(), Calls::Possible, "{size}");
    }
}

#[test]
fn in_responses_the_last_events_tell_whether_they_are_needed_and_name_tools() {
    const TEXT: &str = r#"{"type":"response.output_text.delta","delta":"function_call"}"#;
    let events = [
        (TEXT, Calls::OnlyText),
        (r#"{"type":"response.created"}"#, Calls::Absent),
        (r#"{"type":"response.in_progress","response":{"tools":[{"type":"function"}]}}"#, Calls::Named),
        (r#"{"type":"response.in_progress","response":{"tools":[{"type":"\u0066unction"}]}}"#, Calls::Named),
        (r#"{"type":"response.queued","response":{"tools":[{"type":"web_search"}],"user":"\n"}}"#, Calls::Absent),
        (r#"{"type":"response.output_item.added","item":{"type":"message"}}"#, Calls::Absent),
        (r#"{"type":"response.content_part.done"}"#, Calls::OnlyText),
        (r#"{"type":"response.output_item.done","item":{"type":"reasoning"}}"#, Calls::Absent),
        (r#"{"type":"response.completed","response":{"output":[{"type":"function_call"}]}}"#, Calls::Named),
        (TEXT, Calls::OnlyText),
    ];
    for call in [
        r#"{"type":"response.output_item.added","item":{"type":"function_call"}}"#,
        r#"{"type":"response.output_item.done","item":{}}"#,
        r#"{"type":"response.function_call_arguments.delta"}"#,
        "{}",
        "{",
    ] {
        let mut observer = Observer::streaming(Api::Responses);
        // From the call on text may be held back together with it.
        for (event, expected) in events.into_iter().chain([(call, Calls::Possible), (TEXT, Calls::Possible)]) {
            let before = observer.may_call;
            observer.feed(&format!("data: {event}").into(), &mut unreported);
            let open = if before { Calls::Possible } else { Calls::OnlyText };
            assert_eq!(observer.calls(), open, "no event has ended: {event}");
            observer.feed(&Bytes::from_static(b"\n\n"), &mut unreported);
            assert_eq!(observer.calls(), expected, "{event} of {call}");
        }
        let together = events.map(|(event, _)| format!("data: {event}\n\n")).concat();
        let mut observer = Observer::streaming(Api::Responses);
        observer.feed(&together.into(), &mut unreported);
        assert_eq!(observer.calls(), Calls::Named);
    }
}

#[test]
fn an_event_that_is_too_large_may_be_a_call() {
    for api in [Api::Messages, Api::Chat] {
        let mut observer = Observer::streaming(api);
        observer.feed(&vec![b'a'; MAX_EVENT + 1].into(), &mut unreported);
        observer.feed(&Bytes::from_static(b"\n\nevent: ping\ndata: {"), &mut unreported);
        assert_eq!(observer.calls(), Calls::Absent, "no data: {api:?}");
        observer.feed(&vec![b'a'; MAX_EVENT + 1].into(), &mut unreported);
        observer.feed(&Bytes::from_static(b"\n\n"), &mut unreported);
        assert_eq!(observer.calls(), Calls::Possible, "{api:?}");
    }
}

#[test]
fn a_part_that_never_ends_does_not_fill_the_memory() {
    let mut observer = Observer::streaming(Api::Messages);
    let mut thoughts = Vec::new();
    let mut report = |observed| match observed {
        Observed::Thought(thought) => thoughts.push(thought.content.len()),
        observed => panic!("{observed:?}"),
    };
    let start = r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#;
    observer.feed(&format!("data: {start}\n\n").into(), &mut report);
    let delta = r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"#;
    let event = Bytes::from(format!("data: {delta}\"{}\"}}}}\n\n", "a".repeat(3 << 20)));
    for _ in 0..7 {
        observer.feed(&event, &mut report);
    }
    observer.finish(&mut report);
    assert_eq!(observer.reply().unobserved, 2);
    assert_eq!(thoughts, [5 * (3 << 20)]);
}

#[test]
fn a_blocking_reply_that_is_cut_is_not_terminal() {
    for api in APIS {
        let mut observer = Observer::blocking(api);
        observer.feed(&Bytes::from_static(b"{\"id\":\"x\","), &mut unreported);
        observer.finish(&mut unreported);
        assert_eq!((observer.reply().unobserved, observer.reply().terminal), (1, false), "{api:?}");
    }
}

#[test]
fn half_a_terminal_event_ends_nothing() {
    for (api, event) in [
        (Api::Messages, "event: message_stop\ndata: {\"type\":\"message_stop\"}"),
        (Api::Messages, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}"),
        (Api::Chat, "data: [DONE]"),
        (Api::Responses, "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{}}"),
        (Api::Responses, "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{}}"),
    ] {
        for at in 0..=event.len() {
            let mut observer = Observer::streaming(api);
            observer.feed(&Bytes::copy_from_slice(&event.as_bytes()[..at]), &mut unreported);
            observer.finish(&mut unreported);
            let reply = observer.reply();
            let whole = at == event.len();
            assert_eq!((reply.terminal, reply.unobserved), (whole, 0), "{}", &event[..at]);
        }
    }
}

#[test]
fn an_empty_reply_is_nothing() {
    for api in APIS {
        for mut observer in [Observer::streaming(api), Observer::blocking(api)] {
            observer.feed(&Bytes::new(), &mut unreported);
            observer.finish(&mut unreported);
            observer.finish(&mut unreported);
            assert_eq!(observer.reply(), &Reply::default());
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_an_observer_panic(frames: Vec<Vec<u8>>) {
        for api in APIS {
            for mut observer in [Observer::streaming(api), Observer::blocking(api)] {
                for frame in &frames {
                    observer.feed(&Bytes::copy_from_slice(frame), &mut unreported);
                }
                observer.finish(&mut unreported);
            }
        }
    }

    #[test]
    fn no_json_makes_an_observer_panic(
        name in "(response\\.|content_block_|message_)?(start|delta|stop|created|completed|output_item\\.done|error)",
        key in "(type|index|delta|choices|usage|response|item|content_block|message|error|output)",
        value in "(null|7|-1|1e9|\"x\"|\\[\\]|\\[null,\\{\\}\\]|\\{\\}|\\{\"index\":0,\"tool_calls\":\\[7\\],\"output\":\\[1\\]\\})",
    ) {
        let event = Bytes::from(format!("event: {name}\ndata: {{\"{key}\":{value}}}\n\n"));
        let document = Bytes::from(format!("{{\"{key}\":{value}}}"));
        for api in APIS {
            for (mut observer, bytes) in [(Observer::streaming(api), &event), (Observer::blocking(api), &document)] {
                observer.feed(bytes, &mut unreported);
                observer.finish(&mut unreported);
                prop_assert_eq!(observer.reply().unobserved, 0);
            }
        }
    }
}
