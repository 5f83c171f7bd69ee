use std::io;

use aibridge_providers::api::{Api, Calls, Reason, Refusal};
use bytes::Bytes;
use http::{Response, response::Builder};
use http_body::Body;
use http_body_util::BodyExt;

use crate::{
    record::{
        Interception, RecordLayer,
        testing::{ASK, DELTA, DOCUMENT, OVERLOADED, START, STOP, answer, body, broken, data, document, steps, stream},
    },
    testing::{Script, Step, Told, bytes, parsed, poll, routed},
};

/// The calls of the recorder for [`ASK`], of which the last two are given.
fn told_of(tokens: &str, end: &str) -> Vec<String> {
    ["start messages claude", "prompt hi", tokens, end].map(str::to_owned).to_vec()
}

#[tokio::test]
async fn a_whole_stream_passes_untouched_and_is_complete() {
    let told = Told::default();
    let sent = bytes(body(&told, stream(), Script::new(steps(&[START, DELTA, STOP]))).await).await;
    assert_eq!(sent, [START, DELTA, STOP].concat());
    let end = format!("end completed 200 {}B -", sent.len());
    assert_eq!(told.calls(), told_of("tokens 3+9 cache 0/0 final msg_1", &end));
}

#[tokio::test]
async fn frames_of_whole_events_are_not_copied() {
    let (start, rest) = (Bytes::from(START.to_owned()), Bytes::from([DELTA, STOP].concat()));
    let script = Script::new([Step::Data(start.clone()), Step::Data(rest.clone())]);
    let mut body = body(&Told::default(), stream(), script).await;
    for frame in [start, rest] {
        assert_eq!(data(poll(&mut body)).unwrap().as_ptr(), frame.as_ptr());
    }
}

#[tokio::test]
async fn the_end_is_recorded_with_the_last_frame_of_a_body_that_knows_its_end() {
    let told = Told::default();
    let mut body = body(&told, stream(), Script::new(steps(&[START, STOP])).knows_its_end()).await;
    assert!(!body.is_end_stream());
    assert_eq!(data(poll(&mut body)).unwrap(), START);
    assert!(!body.is_end_stream());
    assert_eq!(told.calls().len(), 2);
    assert_eq!(data(poll(&mut body)).unwrap(), STOP);
    assert!(body.is_end_stream(), "whoever asks stops polling here");
    let end = format!("end completed 200 {}B -", START.len() + STOP.len());
    let expected = told_of("tokens 3+9 cache 0/0 final msg_1", &end);
    assert_eq!(told.calls(), expected);
    assert_eq!(data(poll(&mut body)), None);
    drop(body);
    assert_eq!(told.calls(), expected, "once");
}

#[tokio::test]
async fn an_error_event_of_the_providers_passes_and_is_its_error() {
    let told = Told::default();
    let sent = bytes(body(&told, stream(), Script::new(steps(&[START, OVERLOADED]))).await).await;
    assert_eq!(sent, [START, OVERLOADED].concat());
    let end = format!("end provider_error 200 {}B overloaded_error", sent.len());
    assert_eq!(told.calls(), told_of("tokens 3+1 cache 0/0 partial msg_1", &end));
}

#[tokio::test]
async fn a_stream_that_stops_early_ends_with_the_apis_error_event() {
    for last in [None, Some(broken())] {
        let told = Told::default();
        let script = steps(&[START, DELTA, "event: mess"]).into_iter().chain(last);
        let sent = bytes(body(&told, stream(), Script::new(script)).await).await;
        let text = std::str::from_utf8(&sent).unwrap();
        let event = text.strip_prefix(&*[START, DELTA].concat()).unwrap();
        assert!(event.starts_with("event: error\ndata: {\"type\":\"error\"") && event.ends_with("\n\n"), "{event}");
        let received = START.len() + DELTA.len() + "event: mess".len();
        let end = format!("end truncated 200 {received}B provider_truncated");
        assert_eq!(told.calls(), told_of("tokens 3+1 cache 0/0 partial msg_1", &end));
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_behind_its_last_event_is_complete() {
    let told = Told::default();
    let script = Script::new(steps(&[START, STOP]).into_iter().chain([broken()]));
    assert_eq!(bytes(body(&told, stream(), script).await).await, [START, STOP].concat());
    let end = format!("end completed 200 {}B -", START.len() + STOP.len());
    assert_eq!(told.calls(), told_of("tokens 3+9 cache 0/0 final msg_1", &end));
}

#[tokio::test]
async fn a_dropped_stream_is_recorded_once() {
    let told = Told::default();
    let mut body = body(&told, stream(), Script::new(steps(&[START, DELTA, STOP]))).await;
    assert_eq!(data(poll(&mut body)).unwrap(), START);
    assert_eq!(told.calls().len(), 2);
    drop(body);
    let end = format!("end client_gone 200 {}B -", START.len());
    assert_eq!(told.calls(), told_of("tokens 3+1 cache 0/0 partial msg_1", &end));
}

#[tokio::test]
async fn a_stream_dropped_before_its_first_byte_is_recorded_once() {
    let told = Told::default();
    drop(body(&told, stream(), Script::new(steps(&[START]))).await);
    assert_eq!(told.calls(), told_of("tokens 0+0 cache 0/0 none -", "end client_gone 200 0B -"));
}

#[tokio::test]
async fn a_client_that_leaves_after_the_last_event_has_got_everything() {
    let told = Told::default();
    let mut body = body(&told, stream(), Script::new(steps(&[START, STOP]))).await;
    assert!(data(poll(&mut body)).is_some());
    assert!(data(poll(&mut body)).is_some());
    drop(body);
    let end = format!("end completed 200 {}B -", START.len() + STOP.len());
    assert_eq!(told.calls(), told_of("tokens 3+9 cache 0/0 final msg_1", &end));
}

#[tokio::test]
async fn what_is_held_back_of_a_whole_stream_goes_before_the_trailers() {
    let told = Told::default();
    let (event, line_end) = STOP.split_at(STOP.len() - 1);
    assert_eq!(line_end, "\n");
    let script = Script::new([Step::data(START), Step::data(event), Step::Trailers]).knows_its_end();
    let mut body = body(&told, stream(), script).await;
    let mut sent = Vec::new();
    while !body.is_end_stream() {
        sent.push(body.frame().await.unwrap().unwrap());
    }
    assert!(sent.pop().unwrap().is_trailers());
    let sent: Vec<Bytes> = sent.into_iter().map(|frame| frame.into_data().unwrap()).collect();
    assert_eq!(sent.concat(), [START, event].concat().as_bytes());
    let end = format!("end completed 200 {}B -", START.len() + event.len());
    assert_eq!(told.calls(), told_of("tokens 3+9 cache 0/0 final msg_1", &end));
}

#[tokio::test]
async fn an_empty_document_is_over_at_once() {
    let told = Told::default();
    let body = body(&told, document(), Script::new([]).knows_its_end()).await;
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert_eq!(told.calls(), told_of("tokens 0+0 cache 0/0 none -", "end completed 200 0B -"));
}

#[tokio::test]
async fn an_empty_stream_is_an_error_event() {
    let told = Told::default();
    let body = body(&told, stream(), Script::new([]).knows_its_end()).await;
    assert!(!body.is_end_stream());
    let announced = body.size_hint().exact().unwrap();
    let sent = bytes(body).await;
    assert!(sent.starts_with(b"event: error\n"));
    assert_eq!(sent.len() as u64, announced);
    assert_eq!(told.calls(), told_of("tokens 0+0 cache 0/0 none -", "end truncated 200 0B provider_truncated"));
}

#[tokio::test]
async fn a_document_keeps_its_size_and_a_stream_announces_none() {
    let mut whole = body(&Told::default(), document(), Script::new(steps(&[DOCUMENT])).knows_its_end()).await;
    assert_eq!(whole.size_hint().exact(), Some(DOCUMENT.len() as u64));
    assert_eq!(data(poll(&mut whole)).unwrap(), DOCUMENT);
    assert_eq!(whole.size_hint().exact(), Some(0));

    let head = stream().header("content-length", START.len());
    let layer = RecordLayer::new(Told::default());
    let script = Script::new(steps(&[START])).knows_its_end();
    let reply = answer(layer, parsed(Api::Messages, ASK), head, script).await;
    assert!(!reply.headers().contains_key("content-length"), "an error event may follow");
    assert_eq!((reply.body().size_hint().lower(), reply.body().size_hint().upper()), (0, None));
}

#[tokio::test]
async fn a_document_in_pieces_is_read_when_it_is_whole() {
    let told = Told::default();
    let (one, two) = DOCUMENT.split_at(20);
    assert_eq!(bytes(body(&told, document(), Script::new(steps(&[one, two]))).await).await, DOCUMENT);
    let end = format!("end completed 200 {}B -", DOCUMENT.len());
    assert_eq!(told.calls(), told_of("tokens 3+9 cache 0/0 final msg_1", &end));
}

#[tokio::test]
async fn a_document_that_breaks_off_breaks_off_for_the_client() {
    let told = Told::default();
    let script = Script::new([Step::data(&DOCUMENT[..20]), broken()]);
    let mut body = body(&told, document(), script).await;
    assert_eq!(data(poll(&mut body)).unwrap(), DOCUMENT[..20]);
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(error.is::<io::Error>(), "the provider's own error");
    assert!(body.frame().await.is_none());
    assert_eq!(told.calls(), told_of("tokens 0+0 cache 0/0 none -", "end truncated 200 20B provider_truncated"));
}

#[tokio::test]
async fn a_compressed_stream_that_stops_early_is_reset() {
    let told = Told::default();
    let script = Script::new([Step::data("\x1f")]);
    let mut body = body(&told, stream().header("content-encoding", "gzip"), script).await;
    assert_eq!(data(poll(&mut body)).unwrap(), "\x1f");
    assert!(body.frame().await.unwrap().is_err(), "an error event cannot be added to it");
    assert!(body.frame().await.is_none());
    assert_eq!(told.calls(), told_of("tokens 0+0 cache 0/0 none -", "end truncated 200 1B provider_truncated"));
}

#[tokio::test]
async fn a_compressed_stream_is_read_and_passes_as_it_is() {
    use std::io::Write;

    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    coder.write_all([START, DELTA, STOP].concat().as_bytes()).unwrap();
    let coded = Bytes::from(coder.finish().unwrap());
    let told = Told::default();
    let script = Script::new([Step::Data(coded.slice(..30)), Step::Data(coded.slice(30..))]);
    assert_eq!(bytes(body(&told, stream().header("content-encoding", "gzip"), script).await).await, coded);
    let end = format!("end completed 200 {}B -", coded.len());
    assert_eq!(told.calls(), told_of("tokens 3+9 cache 0/0 final msg_1", &end));
}

#[tokio::test]
async fn a_reply_that_cannot_be_decoded_passes_unread() {
    for (coding, text) in [("gzip", "no gzip"), ("unknown", "bytes")] {
        let told = Told::default();
        let script = Script::new(steps(&[text]));
        assert_eq!(bytes(body(&told, stream().header("content-encoding", coding), script).await).await, text);
        let end = format!("end completed 200 {}B -", text.len());
        assert_eq!(told.calls(), told_of("tokens 0+0 cache 0/0 none -", &end), "{coding}");
    }
}

#[tokio::test]
async fn it_is_told_how_long_no_tool_has_been_called() {
    const CALL: &str = concat!(
        "event: content_block_start\n",
        r#"data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","name":"ls"}}"#,
        "\n\n",
    );
    let answered = async |head: Builder, texts: &[&'static str]| {
        let script = Script::new(steps(texts));
        let reply = answer(RecordLayer::new(Told::default()), parsed(Api::Messages, ASK), head, script).await;
        let (head, mut body) = reply.into_parts();
        let interception = head.extensions.get::<Interception>().expect("an interception");
        let mut told = vec![interception.calls()];
        while data(poll(&mut body)).is_some() {
            told.push(interception.calls());
        }
        told
    };
    let told = answered(stream(), &[DELTA, CALL, DELTA, STOP]).await;
    assert_eq!(told[1..], [Calls::Absent, Calls::Possible, Calls::Possible, Calls::Possible]);
    assert_eq!(answered(stream(), &[DELTA, STOP]).await[1..], [Calls::Absent, Calls::Absent]);
    for (head, text) in [
        (stream().header("content-encoding", "gzip"), "no gzip"),
        (stream().header("content-encoding", "unknown"), "bytes"),
        (document(), DOCUMENT),
        (document().status(529), DOCUMENT),
    ] {
        assert_eq!(answered(head, &[text]).await[1], Calls::Possible, "{text}");
    }
}

#[tokio::test]
async fn an_error_response_passes_and_its_type_is_recorded() {
    for (json, kind) in [
        (r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#, "overloaded_error"),
        ("<html>", "http_529"),
        ("", "http_529"),
    ] {
        let told = Told::default();
        assert_eq!(bytes(body(&told, document().status(529), Script::new(steps(&[json]))).await).await, json);
        let end = format!("end provider_error 529 {}B {kind}", json.len());
        assert_eq!(told.calls(), told_of("tokens 0+0 cache 0/0 none -", &end));
    }
}

#[tokio::test]
async fn a_refusal_of_a_layer_further_in_is_no_round_trip() {
    let told = Told::default();
    let head = Response::builder().status(403).extension(Refusal::new(Reason::ModelNotAllowed, "no"));
    let mut body = body(&told, head, Script::new(steps(&["no"])).knows_its_end()).await;
    assert_eq!(body.size_hint().exact(), Some(2));
    assert_eq!(data(poll(&mut body)).unwrap(), "no");
    assert!(body.is_end_stream());
    assert_eq!(data(poll(&mut body)), None);
    assert_eq!(told.calls(), ["start messages claude", "prompt hi", "end refused 403 0B model_not_allowed"]);
}

const CHUNK: &str = "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

#[tokio::test]
async fn usage_that_a_chat_client_did_not_ask_for_is_recorded_and_hidden() {
    for (options, sent) in [
        ("", [CHUNK, DONE].concat()),
        (r#","stream_options":{"include_usage":true}"#, [CHUNK, USAGE, DONE].concat()),
        (r#","stream_options":{"include_usage":false}"#, [CHUNK, USAGE, DONE].concat()),
    ] {
        let told = Told::default();
        let request = parsed(Api::Chat, &format!(r#"{{"model":"gpt","stream":true,"messages":[]{options}}}"#));
        let script = Script::new(steps(&[CHUNK, USAGE, DONE]));
        let reply = answer(RecordLayer::new(told.clone()), request, stream(), script).await;
        assert_eq!(bytes(reply.into_body()).await, sent, "{options}");
        let end = format!("end completed 200 {}B -", [CHUNK, USAGE, DONE].concat().len());
        assert_eq!(told.calls(), ["start chat_completions gpt", "tokens 7+2 cache 0/0 final c1", &end]);
    }
}

#[tokio::test]
async fn a_hidden_last_frame_ends_the_body_all_the_same() {
    let told = Told::default();
    let request = parsed(Api::Chat, r#"{"model":"gpt","stream":true,"messages":[]}"#);
    let script = Script::new(steps(&[CHUNK, USAGE])).knows_its_end();
    let mut body = answer(RecordLayer::new(told.clone()), request, stream(), script).await.into_body();
    assert_eq!(data(poll(&mut body)).unwrap(), CHUNK);
    assert!(data(poll(&mut body)).unwrap().starts_with(b"data: {\"error\""), "[DONE] is missing");
    assert!(body.is_end_stream());
    assert_eq!(
        told.calls().last().unwrap(),
        &format!("end truncated 200 {}B provider_truncated", CHUNK.len() + USAGE.len())
    );
}

#[tokio::test]
async fn a_request_without_an_actor_is_a_mistake_of_the_hosts() {
    let told = Told::default();
    let mut request = routed(Api::Messages, parsed(Api::Messages, ASK).into_body());
    request.extensions_mut().remove::<crate::auth::Actor>();
    let reply = answer(RecordLayer::new(told.clone()), request, stream(), Script::new([])).await;
    assert_eq!(reply.status(), 500);
    assert!(std::str::from_utf8(&bytes(reply.into_body()).await).unwrap().contains("Actor"));
    assert_eq!(told.calls(), [""; 0]);
}
