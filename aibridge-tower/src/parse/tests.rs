use std::{convert::Infallible, io, io::Write};

use aibridge_providers::{
    api::{
        Api, Refusal, chat,
        tools::{Definition, Names, Toolset, inject},
    },
    provider::Endpoint,
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use super::{AiBody, ParseLayer};
use crate::{
    ProviderRoute,
    testing::{Script, Step, bytes, json, parsed, poll, routed},
};

const JSON: &str = r#"{ "model": "gpt-5", "stream": true,  "unknown": [1.0] }"#;

/// What reaches the inner service, or the refusal.
async fn ask<B>(layer: ParseLayer, request: Request<B>) -> Result<Request<AiBody>, (u16, Refusal)>
where
    B: Body<Data = Bytes, Error: Into<crate::BoxError>>,
{
    let inner = service_fn(|request: Request<AiBody>| async move {
        let mut response = Response::new(Full::<Bytes>::default());
        response.extensions_mut().insert(request.into_parts());
        Ok::<_, Infallible>(response)
    });
    let (mut head, _) = layer.layer(inner).oneshot(request).await.unwrap().into_parts();
    match head.extensions.remove::<(http::request::Parts, AiBody)>() {
        Some((head, body)) => Ok(Request::from_parts(head, body)),
        None => Err((head.status.as_u16(), head.extensions.remove::<Refusal>().unwrap())),
    }
}

fn full(text: &'static str) -> Request<Full<Bytes>> {
    routed(Api::Chat, Full::from(text))
}

fn coded(coding: &str, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = routed(Api::Chat, Full::from(body));
    request.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap());
    request
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut coder = GzEncoder::new(Vec::new(), Compression::default());
    coder.write_all(bytes).unwrap();
    coder.finish().unwrap().into()
}

async fn status(layer: ParseLayer, request: Request<Full<Bytes>>) -> (u16, &'static str) {
    let (status, refusal) = ask(layer, request).await.unwrap_err();
    (status, refusal.reason.as_str())
}

#[tokio::test]
async fn a_body_is_understood_and_its_bytes_stay() {
    let request = ask(ParseLayer::new(), full(JSON)).await.unwrap();
    let body = request.body();
    assert_eq!((body.facts().model.as_deref(), body.facts().streaming), (Some("gpt-5"), true));
    assert_eq!((body.api(), body.received(), body.bytes()), (Api::Chat, JSON.len() as u64, &Bytes::from(JSON)));
    assert_eq!(body.caller().client, "Unknown");
    assert_eq!(bytes(request.into_body()).await, JSON);
}

#[tokio::test]
async fn a_body_of_one_frame_is_not_copied() {
    let frame = Bytes::from(JSON.to_owned());
    let script = Script::<Infallible>::new([Step::Data(frame.clone()), Step::Trailers]);
    let request = ask(ParseLayer::new(), routed(Api::Chat, script)).await.unwrap();
    assert_eq!(request.body().bytes().as_ptr(), frame.as_ptr());
}

#[tokio::test]
async fn a_body_of_several_frames_is_put_together() {
    for knows_its_end in [true, false] {
        let frames = JSON.as_bytes().chunks(7).map(|chunk| Step::Data(Bytes::copy_from_slice(chunk)));
        let script = Script::<Infallible>::new(frames);
        let script = if knows_its_end { script.knows_its_end() } else { script };
        let request = ask(ParseLayer::new(), routed(Api::Chat, script)).await.unwrap();
        assert_eq!(request.body().bytes(), JSON);
    }
}

#[tokio::test]
async fn a_body_as_large_as_the_limit_is_taken_and_a_larger_one_is_not() {
    let layer = |limit| ParseLayer::new().max_bytes(limit);
    assert!(ask(layer(JSON.len()), full(JSON)).await.is_ok());
    assert_eq!(status(layer(JSON.len() - 1), full(JSON)).await, (413, "request_too_large"));
    let frames = JSON.as_bytes().chunks(7).map(|chunk| Step::Data(Bytes::copy_from_slice(chunk)));
    let (status, _) =
        ask(layer(JSON.len() - 1), routed(Api::Chat, Script::<Infallible>::new(frames))).await.unwrap_err();
    assert_eq!(status, 413);
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_unread() {
    let unread = Script::new([Step::data(JSON), Step::Fail(io::Error::other("read"))]).knows_its_end();
    let (status, _) = ask(ParseLayer::new().max_bytes(8), routed(Api::Chat, unread)).await.unwrap_err();
    assert_eq!(status, 413);
}

#[tokio::test]
async fn what_is_beyond_the_limit_is_not_waited_for() {
    let script = Script::<Infallible>::new([Step::data(JSON), Step::Hang]);
    let (status, _) = ask(ParseLayer::new().max_bytes(8), routed(Api::Chat, script)).await.unwrap_err();
    assert_eq!(status, 413);
}

#[tokio::test]
async fn a_compressed_body_is_read_and_goes_on_as_it_came() {
    let sent = gzip(JSON.as_bytes());
    let request = ask(ParseLayer::new(), coded("gzip", sent.clone())).await.unwrap();
    assert_eq!(request.body().facts().model.as_deref(), Some("gpt-5"));
    assert_eq!((request.body().bytes(), request.body().received()), (&sent, sent.len() as u64));
    assert_eq!(request.headers()["content-encoding"], "gzip");

    let twice = gzip(&sent);
    let mut request = coded("gzip", twice);
    request.headers_mut().append(header::CONTENT_ENCODING, HeaderValue::from_static("GZIP"));
    assert!(ask(ParseLayer::new(), request).await.is_ok(), "two lines are one list");
}

#[tokio::test]
async fn codings_that_are_not_understood_are_refused() {
    let body = || gzip(JSON.as_bytes());
    assert_eq!(status(ParseLayer::new(), coded("compress", body())).await, (415, "unsupported_encoding"));
    assert_eq!(status(ParseLayer::new(), coded("gzip, gzip, gzip", body())).await, (415, "unsupported_encoding"));
    assert_eq!(status(ParseLayer::new(), coded("gzip", Bytes::from("no"))).await, (400, "invalid_request"));
    let mut request = coded("gzip", body());
    request.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(status(ParseLayer::new(), request).await, (415, "unsupported_encoding"));
}

#[tokio::test]
async fn the_limit_is_that_of_the_decoded_body_too() {
    let long = format!(r#"{{"a":"{}"}}"#, "a".repeat(10_000));
    let sent = gzip(long.as_bytes());
    let limit = sent.len() + 100;
    assert_eq!(status(ParseLayer::new().max_bytes(limit), coded("gzip", sent)).await, (413, "request_too_large"));
}

#[tokio::test]
async fn what_is_not_an_object_is_refused() {
    for text in ["", "[]", "7", "{", r#"{"a":}"#, r#"{"a":1} x"#] {
        assert_eq!(status(ParseLayer::new(), full(text)).await, (400, "invalid_request"), "{text}");
    }
    assert!(ask(ParseLayer::new(), full(" {} \n")).await.is_ok());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_clients_fault() {
    let script = Script::new([Step::data("{"), Step::Fail(io::Error::other("10.0.0.1 went away"))]);
    let (status, refusal) = ask(ParseLayer::new(), routed(Api::Chat, script)).await.unwrap_err();
    assert_eq!((status, refusal.message.contains("10.0.0.1")), (400, false));
}

#[tokio::test]
async fn routes_that_are_not_intercepted_are_a_mistake_of_the_hosts() {
    let mut request = full(JSON);
    request.extensions_mut().get_mut::<ProviderRoute>().unwrap().endpoint = Endpoint::Passthrough;
    assert_eq!(status(ParseLayer::new(), request).await, (500, "internal"));
    let (status, refusal) = ask(ParseLayer::new(), Request::new(Full::<Bytes>::from(JSON))).await.unwrap_err();
    assert!(status == 500 && refusal.message.contains("ProviderRoute"), "{}", refusal.message);
}

#[tokio::test]
async fn a_refusal_has_the_format_of_the_api() {
    let never = service_fn(|_: Request<AiBody>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    let request = routed(Api::Messages, Full::<Bytes>::from("[]"));
    let response = ParseLayer::new().layer(never).oneshot(request).await.unwrap();
    assert_eq!(json(response.into_body()).await["type"], "error");
}

#[tokio::test]
async fn an_edit_replaces_the_bytes_and_their_coding_and_nothing_else() {
    let mut request = coded("gzip", gzip(JSON.as_bytes()));
    for (name, value) in [("x-a", "1"), ("x-b", "2"), ("x-a", "3"), ("x-c", "4")] {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    let mut request = ask(ParseLayer::new(), request).await.unwrap();
    let received = request.body().received();
    assert_eq!(request.body().outgoing().unwrap().bytes(), JSON);
    AiBody::edit(&mut request, Bytes::from("{}"));
    assert_eq!(request.body().outgoing().unwrap().bytes(), "{}");
    assert_eq!(request.body().document().bytes(), JSON);
    let order: Vec<(&str, &str)> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(order, [("x-a", "1"), ("x-a", "3"), ("x-b", "2"), ("x-c", "4")]);
    assert_eq!(request.body().facts().model.as_deref(), Some("gpt-5"), "what the client asked for");
    assert_eq!(request.body().received(), received);
    assert_eq!(request.body().size_hint().exact(), Some(2));
    assert_eq!(bytes(request.into_body()).await, "{}");
}

#[tokio::test]
async fn a_parsed_body_is_one_frame_and_a_clone_is_whole() {
    let body = parsed(Api::Chat, JSON).into_body();
    let mut sent = body.clone();
    assert!(!sent.is_end_stream());
    let Some(frame) = sent.frame().await else { panic!("a frame") };
    assert_eq!(frame.unwrap().into_data().unwrap(), JSON);
    assert!(sent.is_end_stream());
    assert!(matches!(poll(&mut sent), std::task::Poll::Ready(None)));
    assert_eq!(bytes(body).await, JSON);
}

#[tokio::test]
async fn an_edit_is_sent_as_a_whole_whatever_was_read_before() {
    let mut request = parsed(Api::Chat, JSON);
    while request.body_mut().frame().await.is_some() {}
    for edit in ["{}", r#"{"model":"a model whose name is longer than all that was read","messages":[]}"#] {
        AiBody::edit(&mut request, Bytes::from(edit));
        assert_eq!(request.body().size_hint().exact(), Some(edit.len() as u64));
        assert_eq!(request.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), edit);
    }
}

#[tokio::test]
async fn changes_are_sent_beside_the_clients_bytes_and_add_up() {
    const STREAM: &str = r#"{"model":"m","stream":true,"messages":[]}"#;
    let mut request = parsed(Api::Chat, STREAM);
    let client = request.body().bytes().clone();
    let tools = Toolset::new([Definition::new("bmcp_a", r#"{"type":"object"}"#)]);
    let body = request.body();
    let injected = inject(Api::Chat, body.document(), body.facts(), &tools).expect("a request that gets tools");
    AiBody::inject(&mut request, injected.body, injected.names);
    let asked = chat::ask_for_usage(request.body().spliced().unwrap()).expect("a stream that brings no usage");
    AiBody::splice(&mut request, asked);
    let kept = request.body().clone();
    let mut body = request.into_body();
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        frames.push(frame.unwrap().into_data().unwrap());
    }
    assert_eq!(frames[0].as_ptr(), client.as_ptr(), "not copied");
    let all = frames.concat();
    let expected = r#","stream_options":{"include_usage":true}}"#;
    assert!(all.starts_with(&client[..client.len() - 1]) && all.ends_with(expected.as_bytes()), "{frames:?}");
    assert_eq!(kept.outgoing().unwrap().bytes(), &all);
    assert_eq!(kept.injected().map(Names::len), Some(1));
}
