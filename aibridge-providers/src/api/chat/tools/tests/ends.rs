//! How a round ends.

use super::*;

#[test]
fn a_reply_cut_by_a_limit_ends_the_exchange_with_its_calls_listed() {
    for reason in ["length", "content_filter"] {
        let text = stream([
            chunk("c1", json!({"role": "assistant", "content": "So"})),
            chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a"), continued(0, "{\"x\"")]))),
            closing("c1", reason),
            usage_chunk("c1", 10, 3),
        ]);
        let outcome = streamed(&[text]);
        assert_eq!((outcome.next.as_slice(), outcome.kept), (&["end"][..], None));
        assert_eq!(outcome.calls[0][0].arguments, Err("{\"x\"".to_owned()));
        let expected = [
            chunk("c1", json!({"role": "assistant", "content": "So"})),
            closing("c1", reason),
            usage_chunk("c1", 10, 3),
        ];
        assert_eq!(outcome.bytes, stream(expected));
    }
}

#[test]
fn an_error_or_a_cut_ends_the_exchange_as_such() {
    let head = || chunk("c1", json!({"role": "assistant", "content": "So"}));
    let call = || chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a"), continued(0, "{}")])));
    let error = "data: {\"error\": {\"message\":\"overloaded\"} }\n\n";
    for (text, seen) in [
        (open([head(), call()]), open([head()])),
        (open([head(), call()]) + "data: {\"choices\":[{\"delta\":{\"tool_c", open([head()])),
        (open([head(), call()]) + error, open([head()]) + error),
        (open([head(), call(), closing("c1", "tool_calls")]) + error, open([head()]) + error),
        (open([head()]) + error + &open([call()]), open([head()]) + error),
    ] {
        let outcome = streamed(&[text]);
        assert_eq!((outcome.next.as_slice(), outcome.bytes, outcome.kept), (&["end"][..], seen, None));
        assert_eq!(outcome.calls[0].len(), 1);
        // The same in the second round.
    }
    let outcome = streamed(&[one_call("c0", "", "call_0"), open([head()]) + error]);
    assert_eq!(outcome.next, ["again", "end"]);
    assert!(outcome.bytes.ends_with(&(open([chunk("c0", json!({"content": "So"}))]) + error)), "{}", outcome.bytes);
}

#[test]
fn other_ways_to_end_with_a_call_are_understood() {
    let head = chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a")])));
    let rest = chunk("c1", calls(json!([continued(0, "{}")])));
    let half = chunk("c1", calls(json!([continued(0, "{\"a")])));
    let done = "data: [DONE]\n\n";
    for (text, next) in [
        (stream([head.clone(), rest.clone(), closing("c1", "stop")]), "again"),
        (stream([head.clone(), rest.clone()]), "again"),
        (open([head.clone(), rest.clone(), closing("c1", "tool_calls")]), "again"),
        (open([head.clone(), rest.clone(), closing("c1", "tool_calls")]) + done.trim_end(), "again"),
        (open([head.clone(), half.clone(), closing("c1", "tool_calls")]), "again"),
        (open([head.clone(), rest.clone(), closing("c1", "tool_calls")]).trim_end().to_owned(), "again"),
        (stream([head.clone(), half.clone(), closing("c1", "stop")]), "end"),
        (stream([head, half]), "end"),
    ] {
        let rounds = if next == "again" { vec![text, answer("c2", "x")] } else { vec![text] };
        let outcome = streamed(&rounds);
        assert_eq!(outcome.next[0], next, "{}", rounds[0]);
        assert_eq!(outcome.calls[0].len(), 1);
        assert!(!outcome.bytes.contains("bmcp"));
    }
}

#[test]
fn an_exchange_can_be_cut_short_where_a_call_was_made() {
    let mut exchange = super::exchange();
    let mut seen = exchange.feed(one_call("c1", "Looking. ", "call_1").into()).to_vec();
    assert_eq!(exchange.end_stream().next, Next::Again);
    seen.extend_from_slice(&exchange.cut_short().bytes);
    let expected = [
        chunk("c1", json!({"role": "assistant", "content": "", "refusal": null})),
        chunk("c1", json!({"content": "Looking. "})),
        closing("c1", "stop"),
        usage_chunk("c1", 10, 3),
    ];
    assert_eq!(String::from_utf8(seen).unwrap(), stream(expected));

    let mut exchange = super::exchange();
    let mut seen = exchange.feed(open([chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a")])))]).into()).to_vec();
    seen.extend_from_slice(&exchange.feed("data: [DONE]".into()));
    assert_eq!(exchange.end_stream().next, Next::Again);
    seen.extend_from_slice(&exchange.cut_short().bytes);
    let seen = String::from_utf8(seen).unwrap();
    assert_eq!(accumulated(&seen)["finish_reason"], "stop");
    assert!(seen.contains(r#""id":"c1""#) && seen.contains(r#""created":17,"model":"m""#), "{seen}");
    assert!(seen.ends_with("}\n\ndata: [DONE]\n\n"), "{seen}");

    let mut exchange = super::exchange();
    let text = open([chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a")]))), closing("c1", "tool_calls")]);
    exchange.feed(text.trim_end().to_owned().into());
    assert_eq!(exchange.end_stream().next, Next::Again);
    let end = stream([closing("c1", "stop")]);
    assert_eq!(exchange.cut_short().bytes, end);
}

#[test]
fn an_empty_reason_to_finish_is_none() {
    let mut head = chunk("c1", calls(json!([begun(0, "call_1", "bmcp_a")])));
    head["choices"][0]["finish_reason"] = "".into();
    let mut text = chunk("c1", json!({"content": "x"}));
    text["choices"][0]["finish_reason"] = "".into();
    let outcome = streamed(&[stream([head, text.clone(), closing("c1", "tool_calls")]), answer("c2", "y")]);
    assert_eq!(outcome.next, ["again", "end"]);
    assert!(outcome.bytes.starts_with(&open([text])), "{}", outcome.bytes);
}

#[test]
fn a_providers_error_is_told_in_its_own_words() {
    for (status, body, event) in [
        (
            429,
            r#" {"error":{"message":"slow down","type":"rate_limit"},"x":1} "#,
            r#"{"error":{"message":"slow down","type":"rate_limit"},"x":1}"#,
        ),
        (
            500,
            "upstream connect error",
            r#"{"error":{"message":"upstream connect error","type":"server_error","param":null,"code":null}}"#,
        ),
        (
            400,
            r#"{"message":"no","type":"bad"}"#,
            r#"{"error":{"message":"no","type":"bad","param":null,"code":null}}"#,
        ),
        (
            404,
            "",
            r#"{"error":{"message":"the provider answered with status 404","type":"invalid_request_error","param":null,"code":null}}"#,
        ),
    ] {
        assert_eq!(exchange().provider_error(status, body.as_bytes()), format!("data: {event}\n\n"), "{body}");
    }
}

#[test]
fn an_event_without_end_passes_and_ends_the_exchange() {
    let mut exchange = super::exchange();
    let mut seen = 0;
    let mut sent = 0;
    for frame in [Bytes::from(one_call("c1", "", "call_1")), Bytes::from("data: ")] {
        exchange.feed(frame);
    }
    let piece = Bytes::from(vec![b'x'; 8 << 20]);
    for _ in 0..6 {
        sent += piece.len();
        seen += exchange.feed(piece.clone()).len();
    }
    assert_eq!(seen, sent + "data: ".len());
    assert!(matches!(exchange.end_stream().next, Next::End(_)));
}
