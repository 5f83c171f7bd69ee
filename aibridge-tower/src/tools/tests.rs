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
use tokio_test::{assert_pending, task};
use tower::{ServiceBuilder, service_fn};
use tower_service::Service;
use uuid::Uuid;

use super::ToolsLayer;
use crate::{
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
