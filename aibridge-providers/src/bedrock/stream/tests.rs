use proptest::prelude::*;

use super::*;
use crate::{
    bedrock::{
        MAX_FRAME,
        testing::{EVENTS, chunk, frame, frames},
    },
    sse::encode,
};

/// The events of the first `count` frames.
fn events(count: usize) -> Vec<u8> {
    EVENTS[..count].iter().flat_map(|(name, data)| encode(name, data.as_bytes())).collect()
}

/// What becomes of a stream that arrives in these pieces.
fn decoded<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, StreamDecoder) {
    let mut decoder = StreamDecoder::new();
    let mut sent = Vec::new();
    for piece in pieces {
        sent.extend_from_slice(&decoder.feed(piece));
    }
    sent.extend_from_slice(&decoder.finish());
    (sent, decoder)
}

/// The message of the one error event that `sent` is, of a stream that is damaged.
fn damage(sent: &[u8]) -> String {
    let text = std::str::from_utf8(sent).unwrap();
    let data = text.strip_prefix("event: error\ndata: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
    let event: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!((&event["type"], &event["error"]["type"]), (&"error".into(), &"api_error".into()));
    let message = event["error"]["message"].as_str().unwrap();
    message.strip_prefix("aibridge: the reply stream of amazon bedrock is damaged: ").unwrap().to_owned()
}

#[test]
fn a_stream_becomes_ordinary_events_however_it_is_split() {
    let stream = frames().concat();
    let whole = events(EVENTS.len());
    assert_eq!(decoded([&*stream]).0, whole);
    assert_eq!(decoded(stream.chunks(1)).0, whole);
    for at in 0..=stream.len() {
        let (first, second) = stream.split_at(at);
        let (sent, decoder) = decoded([first, second, b""]);
        assert_eq!(sent, whole, "split at {at}");
        assert_eq!(decoder.failure(), None);
    }
}

#[test]
fn an_event_is_passed_on_with_the_last_byte_of_its_frame() {
    let mut decoder = StreamDecoder::new();
    for ((name, data), frame) in EVENTS.iter().zip(frames()) {
        let (last, before) = frame.split_last().unwrap();
        assert!(decoder.feed(before).is_empty());
        assert_eq!(decoder.feed(&[*last]), encode(name, data.as_bytes()));
    }
}

#[test]
fn only_the_metrics_of_bedrock_are_removed_from_an_event() {
    let metrics = r#""amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"invocationLatency":9}"#;
    for (data, left) in [
        (format!(r#"{{ "type":"message_stop",{metrics}}}"#), r#"{ "type":"message_stop"}"#),
        (format!(r#"{{{metrics}, "type":"message_stop", "x" : 1.50}}"#), r#"{"type":"message_stop", "x" : 1.50}"#),
    ] {
        assert_eq!(decoded([&*chunk(&data)]).0, encode("message_stop", left.as_bytes()));
    }
    let spoken = r#"{"type":"x","text":"amazon-bedrock-invocationMetrics"}"#;
    assert_eq!(decoded([&*chunk(spoken)]).0, encode("x", spoken.as_bytes()));
}

#[test]
fn events_of_any_type_pass() {
    for (name, data) in [
        ("ping", r#"{"type": "ping"}"#),
        ("error", r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#),
        ("new_in_2030", r#"{"type":"new_in_2030"}"#),
        ("", r#"{"type":7}"#),
        ("", "{}"),
    ] {
        assert_eq!(decoded([&*chunk(data)]).0, encode(name, data.as_bytes()));
    }
    // Data of several lines are one event all the same.
    assert_eq!(
        decoded([&*chunk("{\"type\":\n\"ping\"}")]).0,
        "event: ping\ndata: {\"type\":\ndata: \"ping\"}\n\n".as_bytes()
    );
}

#[test]
fn frames_that_hold_no_event_are_passed_over() {
    let payload = r#"{"bytes":"e30=","p":""}"#;
    let stream = [
        frame(&[(":message-type", "event"), (":event-type", "initial-response")], payload),
        frame(&[(":message-type", "event")], payload),
        frame(&[(":message-type", "later")], payload),
        frame(&[], ""),
        chunk(EVENTS[0].1),
    ];
    assert_eq!(decoded([&*stream.concat()]).0, events(1));
}

#[test]
fn an_exception_becomes_the_error_of_its_type_and_ends_the_stream() {
    for (exception, status, kind) in [
        ("throttlingException", 429, "rate_limit_error"),
        ("validationException", 400, "invalid_request_error"),
        ("modelStreamErrorException", 424, "api_error"),
        ("internalServerException", 500, "api_error"),
        ("serviceUnavailableException", 503, "overloaded_error"),
        ("modelTimeoutException", 408, "timeout_error"),
        ("accessDeniedException", 403, "permission_error"),
        ("newInTwentyThirty", 500, "api_error"),
    ] {
        let payload = r#"{"message":"a \"quoted\"\nmessage","originalStatusCode":1}"#;
        let modeled = frame(&[(":message-type", "exception"), (":exception-type", exception)], payload);
        let message = ("a \"quoted\"\nmessage", [(":message-type", "error"), (":error-code", exception)]);
        let unmodeled = frame(&[message.1[0], message.1[1], (":error-message", message.0)], "");
        for ending in [modeled, unmodeled] {
            let stream = [frames()[0].clone(), ending, frames()[1].clone()].concat();
            for at in 0..=stream.len() {
                let (first, second) = stream.split_at(at);
                let (sent, decoder) = decoded([first, second]);
                let error = serde_json::json!({"type": "error", "error": {"type": kind, "message": message.0}});
                assert_eq!(sent, [&*events(1), &encode("error", error.to_string().as_bytes())].concat());
                let failure = decoder.failure().unwrap();
                assert_eq!((failure.status.as_u16(), failure.kind), (status, kind));
                assert_eq!((failure.exception.as_str(), failure.message.as_str()), (exception, message.0));
            }
        }
    }
    let mute = frame(&[(":message-type", "exception"), (":exception-type", "throttlingException")], "");
    let (_, decoder) = decoded([&*mute]);
    assert_eq!(decoder.failure().unwrap().message, "amazon bedrock: throttlingException");
}

#[test]
fn a_damaged_byte_ends_the_stream_with_one_error_and_nothing_of_its_frame() {
    let frames = frames();
    let stream = frames[..3].concat();
    let ends: Vec<usize> = (1..=3).map(|count| frames[..count].concat().len()).collect();
    for at in 0..stream.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = stream.clone();
            damaged[at] ^= flip;
            let intact = ends.iter().filter(|end| **end <= at).count();
            for pieces in [vec![&*damaged], damaged.chunks(1).collect()] {
                let (sent, decoder) = decoded(pieces);
                let tail = sent.strip_prefix(&*events(intact)).expect("the events before the damage");
                damage(tail);
                assert_eq!(decoder.failure().unwrap().status, 502);
            }
        }
    }
}

#[test]
fn a_stream_that_ends_within_a_frame_is_damaged_and_between_frames_is_not() {
    let stream = frames()[..2].concat();
    let first = frames()[0].len();
    for at in 0..=stream.len() {
        let (sent, _) = decoded([&stream[..at]]);
        let tail = sent.strip_prefix(&*events(usize::from(at >= first))).unwrap();
        match at {
            _ if at == 0 || at == first => assert!(tail.is_empty()),
            _ if at == stream.len() => assert_eq!(sent, events(2)),
            _ => assert_eq!(damage(tail), "the stream ended within a frame"),
        }
    }
}

#[test]
fn content_that_cannot_be_read_ends_the_stream() {
    let headers = [(":message-type", "event"), (":event-type", "chunk")];
    for payload in [
        r#"{"bytes":"e3","p":""}"#,
        r#"{"bytes":"e30=!"}"#,
        r#"{"bytes":"not base64"}"#,
        r#"{"bytes":"e30"}"#,
        r#"{"bytes":"W10="}"#,
        r#"{"bytes":"eyI="}"#,
        r#"{"bytes":"/w=="}"#,
        r#"{"bytes":""}"#,
        r#"{"bytes":7}"#,
        r#"{"p":""}"#,
        r#"["bytes"]"#,
        r#"{"bytes":"e30=""#,
        "",
    ] {
        let stream = [frames()[0].clone(), frame(&headers, payload), frames()[1].clone()].concat();
        let (sent, _) = decoded([&*stream]);
        let tail = sent.strip_prefix(&*events(1)).expect(payload);
        assert_eq!(damage(tail), "an event has no readable content", "{payload}");
    }
}

/// The first twelve bytes of a frame, with the right checksum.
fn prelude(total: u32, headers: u32) -> Vec<u8> {
    let lengths = [total.to_be_bytes(), headers.to_be_bytes()].concat();
    let mut checksum = flate2::Crc::new();
    checksum.update(&lengths);
    [lengths, checksum.sum().to_be_bytes().to_vec()].concat()
}

#[test]
fn a_frame_that_cannot_be_is_refused_with_its_lengths() {
    for (total, headers, why) in [
        (u32::MAX, 0, "a frame of 4294967295 bytes is larger than the limit"),
        ((16 << 20) + 1, 0, "a frame of 16777217 bytes is larger than the limit"),
        (15, 0, "a frame's lengths are wrong"),
        (0, 0, "a frame's lengths are wrong"),
        (100, 85, "a frame's lengths are wrong"),
        (100, u32::MAX, "a frame's lengths are wrong"),
    ] {
        let prelude = prelude(total, headers);
        assert_eq!(damage(&StreamDecoder::new().feed(&prelude)), why);
        let mut decoder = StreamDecoder::new();
        let sent: Vec<_> = prelude.iter().map(|byte| decoder.feed(&[*byte])).collect();
        assert_eq!(damage(&sent.concat()), why);
    }
}

#[test]
fn a_frame_costs_no_more_memory_than_has_arrived_of_it() {
    let mut decoder = StreamDecoder::new();
    assert!(decoder.feed(&prelude(u32::try_from(MAX_FRAME).unwrap(), 0)).is_empty());
    assert!(decoder.feed(&[0; 1000]).is_empty());
    assert!(decoder.frames.kept() < 4096);
}

#[test]
fn an_event_of_megabytes_passes_and_its_memory_is_given_back() {
    let data = format!(r#"{{"type":"x","text":"{}"}}"#, "a".repeat(3 << 20));
    let frame = chunk(&data);
    let mut decoder = StreamDecoder::new();
    let sent: Vec<_> = frame.chunks(100_000).map(|piece| decoder.feed(piece)).collect();
    assert!(sent.concat() == encode("x", data.as_bytes()), "another event than was sent");
    decoder.feed(&chunk("{}"));
    assert!(decoder.frames.kept() <= 64 << 10);
    assert!(decoder.data.capacity() <= 64 << 10);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8)) {
        let (sent, decoder) = decoded(pieces.iter().map(Vec::as_slice));
        prop_assert_eq!(sent.is_empty(), decoder.failure().is_none());
    }

    #[test]
    fn arbitrary_content_of_right_frames_never_panics(
        headers in proptest::collection::vec(
            (
                proptest::sample::select(vec![":message-type", ":event-type", ":exception-type", ":error-code", "x"]),
                proptest::sample::select(vec!["event", "chunk", "exception", "error", "throttlingException", ""]),
            ),
            0..4,
        ),
        payload in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let frame = frame(&headers, payload);
        prop_assert_eq!(decoded([&*frame]).0, decoded(frame.chunks(1)).0);
    }

    #[test]
    fn any_event_comes_out_as_it_was_put_in(
        values in proptest::collection::vec("\\PC{0,20}", 1..6), cuts in proptest::collection::vec(any::<usize>(), 0..9),
    ) {
        let data: Vec<_> =
            values.iter().map(|text| serde_json::json!({"type": "t", "text": text, "bytes": "e30="}).to_string()).collect();
        let stream: Vec<u8> = data.iter().flat_map(|data| chunk(data)).collect();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (stream.len() + 1)).chain([0, stream.len()]).collect();
        cuts.sort_unstable();
        let (sent, _) = decoded(cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]));
        let expected: Vec<u8> = data.iter().flat_map(|data| encode("t", data.as_bytes())).collect();
        prop_assert_eq!(sent, expected);
    }
}
