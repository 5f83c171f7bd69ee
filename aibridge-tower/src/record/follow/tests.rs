use std::{io, io::Write, sync::Arc};

use aibridge_providers::provider::{Endpoint, Kind, Registry};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{Method, Request, Response, StatusCode, response::Builder};
use http_body::Body;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_layer::Layer;

use super::FollowLayer;
use crate::{
    ProviderRoute,
    auth::Actor,
    route::RouteLayer,
    testing::{Script, Step, Told, actor, bytes, instance, once, poll},
};

const PATH: &str = "/v1/responses/resp_1";

/// What the client asks, as it leaves Route.
fn ask(method: Method, path: &str) -> Request<()> {
    let route = ProviderRoute::new(Arc::new(instance(Kind::OpenAi)), Endpoint::Passthrough, "/v1/responses/*");
    let uri = format!("https://provider.example{path}");
    Request::builder().method(method).uri(uri).extension(actor()).extension(route).body(()).unwrap()
}

fn response(status: &str) -> Value {
    let finished = status != "queued" && status != "in_progress";
    let usage = json!({"input_tokens": 58, "input_tokens_details": {"cached_tokens": 50}, "output_tokens": 18});
    json!({"id": "resp_1", "object": "response", "background": true, "status": status, "model": "gpt", "error": null,
        "usage": if finished { usage } else { Value::Null }, "output": if finished { json!([
            {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
            {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "add", "arguments": "{\"a\":3}"},
        ]) } else { json!([]) }})
}

fn events(of: &[(&str, Value)]) -> String {
    of.iter().map(|(kind, data)| format!("event: {kind}\ndata: {data}\n\n")).collect()
}

const SETTLED: &str = r#"settled resp_1 of openai by 7: 8+18 cache 50 tools ["add {\"a\":3}"] thoughts ["Hm."]"#;

/// What the recorder is told when the provider answers `request` so. The client gets the same bytes.
async fn told(request: Request<()>, head: Builder, frames: &[&[u8]]) -> Vec<String> {
    let told = Told::default();
    let steps: Vec<Step<io::Error>> = frames.iter().map(|frame| Step::Data(Bytes::copy_from_slice(frame))).collect();
    let inner = once(Ok::<_, io::Error>(head.body(Script::new(steps)).unwrap()));
    let reply = FollowLayer::new(told.clone()).layer(inner).oneshot(request).await.unwrap();
    assert_eq!(bytes(reply.into_body()).await, frames.concat());
    told.calls()
}

async fn told_of(document: &Value) -> Vec<String> {
    told(ask(Method::GET, PATH), Response::builder(), &[document.to_string().as_bytes()]).await
}

#[tokio::test]
async fn a_response_that_has_finished_is_told() {
    for status in ["completed", "incomplete", "failed", "cancelled"] {
        assert_eq!(told_of(&response(status)).await, [SETTLED], "{status}");
    }
}

#[tokio::test]
async fn a_response_that_has_not_finished_or_has_no_figures_is_not() {
    for status in ["queued", "in_progress"] {
        assert!(told_of(&response(status)).await.is_empty(), "{status}");
    }
    let mut bare = response("cancelled");
    bare["usage"] = Value::Null;
    assert!(told_of(&bare).await.is_empty());
}

#[tokio::test]
async fn a_response_that_was_recorded_when_it_came_is_not_told_again() {
    let mut foreground = response("completed");
    foreground["background"] = json!(false);
    assert!(told_of(&foreground).await.is_empty());
}

#[tokio::test]
async fn a_document_in_pieces_and_compressed_is_read() {
    let document = response("completed").to_string();
    let (first, second) = document.as_bytes().split_at(document.len() / 2);
    assert_eq!(told(ask(Method::GET, PATH), Response::builder(), &[first, second]).await, [SETTLED]);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(document.as_bytes()).unwrap();
    let coded = encoder.finish().unwrap();
    let (first, second) = coded.split_at(coded.len() / 2);
    let head = || Response::builder().header("content-encoding", "gzip");
    assert_eq!(told(ask(Method::GET, PATH), head(), &[first, second]).await, [SETTLED]);
    assert!(told(ask(Method::GET, PATH), head(), &[first]).await.is_empty(), "half of it");
    assert!(told(ask(Method::GET, PATH), head(), &[b"not gzip"]).await.is_empty());
    let unknown = Response::builder().header("content-encoding", "compress");
    assert!(told(ask(Method::GET, PATH), unknown, &[document.as_bytes()]).await.is_empty());
}

#[tokio::test]
async fn a_stream_is_read_from_wherever_it_begins() {
    let created = ("response.created", json!({"type": "response.created", "response": response("queued")}));
    let done = |item: usize| {
        let item = &response("completed")["output"][item];
        ("response.output_item.done", json!({"type": "response.output_item.done", "output_index": 0, "item": item}))
    };
    let end = ("response.completed", json!({"type": "response.completed", "response": response("completed")}));
    let head = || Response::builder().header("content-type", "text/event-stream");
    let path = "/v1/responses/resp_1?stream=true&starting_after=2";
    for stream in [events(&[created.clone(), done(0), end.clone()]), events(&[end])] {
        let (first, second) = stream.as_bytes().split_at(stream.len() / 2);
        assert_eq!(told(ask(Method::GET, path), head(), &[first, second]).await, [SETTLED]);
    }
    let left = events(&[created, done(0)]);
    assert!(told(ask(Method::GET, path), head(), &[left.as_bytes()]).await.is_empty());
}

#[tokio::test]
async fn a_response_that_failed_is_told_with_what_it_used() {
    let end = ("response.failed", json!({"type": "response.failed", "response": response("failed")}));
    let head = Response::builder().header("content-type", "text/event-stream");
    assert_eq!(told(ask(Method::GET, PATH), head, &[events(&[end]).as_bytes()]).await, [SETTLED]);
}

#[tokio::test]
async fn only_the_retrieval_of_a_response_is_read() {
    let document = response("completed").to_string();
    for (method, path) in [
        (Method::GET, "/v1/responses/resp_1/input_items"),
        (Method::POST, "/v1/responses/resp_1"),
        (Method::DELETE, "/v1/responses/resp_1"),
        (Method::GET, "/v1/responses/"),
    ] {
        assert!(told(ask(method, path), Response::builder(), &[document.as_bytes()]).await.is_empty(), "{path}");
    }
    let elsewhere = ProviderRoute::new(Arc::new(instance(Kind::OpenAi)), Endpoint::Passthrough, "/v1/conversations/*");
    let mut request = ask(Method::GET, PATH);
    request.extensions_mut().insert(elsewhere);
    assert!(told(request, Response::builder(), &[document.as_bytes()]).await.is_empty());
    for status in [StatusCode::NOT_FOUND, StatusCode::ACCEPTED] {
        let head = Response::builder().status(status);
        assert!(told(ask(Method::GET, PATH), head, &[document.as_bytes()]).await.is_empty(), "{status}");
    }
}

#[tokio::test]
async fn the_route_that_is_watched_is_the_one_that_clients_use() {
    for path in
        ["/v1/responses/resp_1", "/v1/v1/responses/resp_1?include[]=x", "/responses/resp_1", "/v1/responses/resp_1/"]
    {
        let told = Told::default();
        let body = Script::<io::Error>::new([Step::Data(Bytes::from(response("completed").to_string()))]);
        let inner = once(Ok::<_, io::Error>(Response::new(body)));
        let registry = Arc::new(Registry::new([instance(Kind::OpenAi)]));
        let service = RouteLayer::new(registry).layer(FollowLayer::new(told.clone()).layer(inner));
        let uri = format!("/api/v2/aibridge/openai{path}");
        let reply = service.oneshot(Request::get(uri).extension(actor()).body(()).unwrap()).await.unwrap();
        drop(bytes(reply.into_body()).await);
        assert_eq!(told.calls(), [SETTLED], "{path}");
    }
}

#[tokio::test]
async fn without_content_tokens_and_names_of_tools_remain() {
    let told = Told::default();
    let body = Script::<io::Error>::new([Step::Data(Bytes::from(response("completed").to_string()))]);
    let inner = once(Ok::<_, io::Error>(Response::new(body)));
    let reply =
        FollowLayer::new(told.clone()).content(false).layer(inner).oneshot(ask(Method::GET, PATH)).await.unwrap();
    drop(bytes(reply.into_body()).await);
    assert_eq!(told.calls(), [r#"settled resp_1 of openai by 7: 8+18 cache 50 tools ["add null"] thoughts []"#]);
}

#[tokio::test]
async fn it_is_told_with_the_last_frame_and_the_reply_is_untouched() {
    let told = Told::default();
    let document = Bytes::from(response("completed").to_string());
    let script = Script::<io::Error>::new([Step::Data(document.clone())]).knows_its_end();
    let inner = once(Ok::<_, io::Error>(Response::new(script)));
    let reply = FollowLayer::new(told.clone()).layer(inner).oneshot(ask(Method::GET, PATH)).await.unwrap();
    let mut body = reply.into_body();
    assert_eq!(body.size_hint().exact(), Some(document.len() as u64));
    assert!(told.calls().is_empty());
    let frame = match poll(&mut body) {
        std::task::Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(frame.as_ptr(), document.as_ptr(), "not copied");
    assert!(body.is_end_stream());
    assert_eq!(told.calls(), [SETTLED]);
    drop(body);
    assert_eq!(told.calls().len(), 1);
}

#[tokio::test]
async fn a_reply_that_breaks_off_tells_what_it_had_shown() {
    let end = ("response.completed", json!({"type": "response.completed", "response": response("completed")}));
    let broken = || Step::Fail(io::Error::from(io::ErrorKind::ConnectionReset));
    let document = response("completed").to_string();
    let half = &document.as_bytes()[..document.len() / 2];
    for (kind, data, calls) in
        [("text/event-stream", events(&[end]).into_bytes(), vec![SETTLED]), ("application/json", half.to_vec(), vec![])]
    {
        let told = Told::default();
        let script = Script::new([Step::Data(Bytes::from(data)), broken()]);
        let inner = once(Ok::<_, io::Error>(Response::builder().header("content-type", kind).body(script).unwrap()));
        let reply = FollowLayer::new(told.clone()).layer(inner).oneshot(ask(Method::GET, PATH)).await.unwrap();
        assert!(http_body_util::BodyExt::collect(reply.into_body()).await.is_err());
        assert_eq!(told.calls(), calls, "{kind}");
    }
}

#[tokio::test]
async fn a_request_without_route_or_actor_is_refused() {
    for strip in [true, false] {
        let mut request = ask(Method::GET, PATH);
        match strip {
            true => drop(request.extensions_mut().remove::<ProviderRoute>()),
            false => drop(request.extensions_mut().remove::<Actor>()),
        }
        let inner = once(Ok::<_, io::Error>(Response::new(Script::<io::Error>::new([]))));
        let reply = FollowLayer::new(Told::default()).layer(inner).oneshot(request).await.unwrap();
        assert_eq!(reply.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
