use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use aibridge_mcp::{BoxFuture, Listed, Outcome, Tool, ToolSource, Toolbox};
use aibridge_providers::api::Api;
use aibridge_store::{
    Recorder, Started,
    record::{Record, Start},
};
use futures::future;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};
use tokio_test::{assert_pending, task};
use tower::{ServiceBuilder, service_fn};
use tower_service::Service;
use uuid::Uuid;

use super::ToolsLayer;
use crate::{
    Credential,
    parse::AiBody,
    record::RecordLayer,
    testing::{Script, Step, Told, once, parsed},
};

/// Tools that never answer, or are never found out.
struct Never(Option<Arc<Toolbox>>);

impl ToolSource for Never {
    fn known(&self, _: Uuid) -> Option<Arc<Toolbox>> {
        self.0.clone()
    }

    fn tools(&self, _: Uuid) -> BoxFuture<Arc<Toolbox>> {
        Box::pin(future::pending())
    }

    fn call(&self, _: Uuid, _: &Tool, _: Map<String, Value>) -> BoxFuture<Outcome> {
        Box::pin(future::pending())
    }
}

/// One tool, which answers after a while.
struct Slow(Arc<Toolbox>, Duration);

impl ToolSource for Slow {
    fn known(&self, _: Uuid) -> Option<Arc<Toolbox>> {
        Some(self.0.clone())
    }

    fn tools(&self, _: Uuid) -> BoxFuture<Arc<Toolbox>> {
        unreachable!("they are known")
    }

    fn call(&self, _: Uuid, _: &Tool, _: Map<String, Value>) -> BoxFuture<Outcome> {
        let after = sleep(self.1);
        Box::pin(async move {
            after.await;
            Outcome::new(Vec::new(), None, Duration::ZERO)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn between_rounds_silence_is_broken_and_the_credential_handed_on() {
    const CALLS: &str = concat!(
        r#"data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","function":"#,
        r#"{"name":"bmcp_wiki_search","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#,
        "\n\ndata: [DONE]\n\n"
    );
    const ANSWERS: &str = concat!(
        r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
        "\n\ndata: [DONE]\n\n"
    );
    let tool = Listed::new(Tool::new("wiki", "search"), "https://wiki.example/mcp", json!({"type": "object"}));
    let source = Slow(Arc::new(Toolbox::new([tool])), Duration::from_secs(40));
    let replies = Arc::new(Mutex::new(vec![ANSWERS, CALLS]));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let with = asked.clone();
    let provider = service_fn(move |request: Request<AiBody>| {
        with.lock().unwrap().push(request.extensions().get::<Credential>().cloned());
        let text = replies.lock().unwrap().pop().expect("two rounds");
        let body = Script::<io::Error>::new([Step::data(text)]);
        let reply = Response::builder().header("content-type", "text/event-stream").extension(Credential::new(1, "k"));
        future::ready(Ok::<_, io::Error>(reply.body(body).unwrap()))
    });
    let record = RecordLayer::new(Told::default()).keep_alive(Duration::from_secs(15));
    let mut service = ServiceBuilder::new().layer(ToolsLayer::new(source)).layer(record).service(provider);
    let request = parsed(Api::Chat, r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#);
    let begun = Instant::now();
    let mut body = service.call(request).await.unwrap().into_body();
    let mut got = Vec::new();
    while let Some(frame) = body.frame().await {
        let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
        got.push((begun.elapsed().as_secs(), text));
    }
    let alive = |at| (at, ": keep-alive\n\n".to_owned());
    assert_eq!(got, [alive(15), alive(30), (40, ANSWERS.to_owned())]);
    assert_eq!(*asked.lock().unwrap(), [None, Some(Credential::new(1, "k"))], "the one that answered before");
}

#[tokio::test]
async fn a_client_that_leaves_before_its_tools_are_known_is_recorded() {
    let told = Told::default();
    let provider = service_fn(async |_: Request<AiBody>| -> Result<Response<Script<io::Error>>, io::Error> {
        panic!("the provider is not asked")
    });
    let mut service = ServiceBuilder::new()
        .layer(ToolsLayer::new(Never(None)))
        .layer(RecordLayer::new(told.clone()))
        .service(provider);
    let request = parsed(Api::Chat, r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#);
    let mut call = task::spawn(service.call(request));
    assert_pending!(call.poll());
    assert_eq!(told.calls(), [""; 0]);
    drop(call);
    assert_eq!(told.calls(), ["start chat_completions m", "end client_gone - 0B -"]);
}

/// What is recorded of calls: the error, and the rest.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Value>>>);

impl Recorder for Calls {
    fn start(&self, _: &Arc<Start>) -> Started {
        Started::ready(Ok(()))
    }

    fn record(&self, record: &Arc<Record>) {
        if let Record::ToolUsage(call) = &**record {
            self.0.lock().unwrap().push(json!([call.invocation_error, call.metadata]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_client_leaves_is_recorded_with_how_long_it_ran() {
    const CALLS: &str = r#"{"id":"r1","type":"message","role":"assistant","content":[
        {"type":"tool_use","id":"c1","name":"bmcp_srv_look","input":{}}],"stop_reason":"tool_use"}"#;
    let look = Listed::new(Tool::new("srv", "look"), "https://mcp.example/mcp", json!({"type": "object"}));
    let recorded = Calls::default();
    let reply = Response::builder().header("content-type", "application/json");
    let reply = reply.body(Script::<Infallible>::new([Step::data(CALLS)])).unwrap();
    let mut service = ServiceBuilder::new()
        .layer(ToolsLayer::new(Never(Some(Arc::new(Toolbox::new([look]))))))
        .layer(RecordLayer::new(recorded.clone()))
        .service(once(Ok::<_, io::Error>(reply)));
    let request = parsed(Api::Messages, r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#);
    let mut call = task::spawn(service.call(request));
    assert_pending!(call.poll());
    tokio::time::advance(Duration::from_millis(1500)).await;
    assert!(recorded.0.lock().unwrap().is_empty());
    drop(call);
    assert_eq!(*recorded.0.lock().unwrap(), [json!(["cancelled: the client went away", {"duration_ms": 1500}])]);
}

#[tokio::test]
async fn the_trailers_of_a_stream_that_calls_no_tool_pass() {
    let reply = Response::builder().header("content-type", "text/event-stream");
    let reply = reply.body(Script::<Infallible>::new([Step::data("data: [DONE]\n\n"), Step::Trailers])).unwrap();
    let look = Listed::new(Tool::new("srv", "look"), "https://mcp.example/mcp", json!({"type": "object"}));
    let mut service = ServiceBuilder::new()
        .layer(ToolsLayer::new(Never(Some(Arc::new(Toolbox::new([look]))))))
        .service(once(Ok::<_, io::Error>(reply)));
    let request = parsed(Api::Chat, r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#);
    let body = service.call(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.trailers().expect("they were sent")["etag"], "x");
    assert_eq!(body.to_bytes(), "data: [DONE]\n\n");
}
