//! Layers that wait before they call hold the readiness they were given, and give it back when they are dropped or
//! refuse.

use std::{
    convert::Infallible,
    fmt::Debug,
    future::{Pending, Ready, pending, ready},
    sync::{Arc, Mutex},
    task::Poll,
};

use aibridge_providers::{
    api::Api,
    provider::{Endpoint, Secret},
};
use aibridge_store::{
    RecordError, Recorder, Started,
    record::{Record, Start},
};
use aibridge_tower::{
    auth::{Actor, AuthError, AuthLayer, Authenticate},
    bedrock::{BedrockLayer, Credentials},
    keys::KeysLayer,
    parse::{AiBody, ParseLayer},
    record::RecordLayer,
    tools::ToolsLayer,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, ServiceExt, limit::ConcurrencyLimit};
use tower_service::Service;
use tower_test::mock;

use crate::probe::{OneTool, Probe, parsed, plain, request, to_bedrock};

/// Makes `service` ready and calls it.
async fn begin<S, B>(mut service: S, request: Request<B>) -> task::Spawn<S::Future>
where
    S: Service<Request<B>, Error: Debug>,
{
    service.ready().await.unwrap();
    task::spawn(service.call(request))
}

#[derive(Clone)]
struct Undecided;

impl Authenticate for Undecided {
    type Future = Pending<Result<Actor, AuthError>>;

    fn authenticate(&self, _: &Secret) -> Self::Future {
        pending()
    }
}

#[derive(Clone)]
struct Nobody;

impl Authenticate for Nobody {
    type Future = Ready<Result<Actor, AuthError>>;

    fn authenticate(&self, _: &Secret) -> Self::Future {
        ready(Err(AuthError::Unknown))
    }
}

#[tokio::test]
async fn dropped_while_authenticating_auth_gives_back_its_readiness() {
    let probe = Probe::answers();
    let held = probe.held();
    let auth = AuthLayer::new(Undecided).layer(probe);
    let mut call = begin(auth, plain()).await;
    assert_pending!(call.poll());
    assert_eq!(held(), 1);
    drop(call);
    assert_eq!(held(), 0);
}

#[tokio::test]
async fn a_caller_auth_refuses_holds_nothing() {
    let probe = Probe::answers();
    let held = probe.held();
    let auth = AuthLayer::new(Nobody).layer(probe);
    let mut call = begin(auth, plain()).await;
    assert_eq!(assert_ready_ok!(call.poll()).status(), 401);
    assert_eq!(held(), 0);
}

#[tokio::test]
async fn dropped_while_buffering_parse_gives_back_its_readiness() {
    let probe = Probe::answers();
    let held = probe.held();
    let parse = ParseLayer::new().layer(probe);
    let begun = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"{")))]);
    let body = StreamBody::new(begun.chain(stream::pending()));
    let mut call = begin(parse, request(Endpoint::Intercepted(Api::Chat), body)).await;
    assert_pending!(call.poll());
    assert_eq!(held(), 1);
    drop(call);
    assert_eq!(held(), 0);
}

#[tokio::test]
async fn a_body_parse_refuses_holds_nothing() {
    let probe = Probe::answers();
    let held = probe.held();
    let parse = ParseLayer::new().layer(probe);
    let body: Full<Bytes> = Full::from("[]");
    let mut call = begin(parse, request(Endpoint::Intercepted(Api::Chat), body)).await;
    assert_eq!(assert_ready_ok!(call.poll()).status(), 400);
    assert_eq!(held(), 0);
}

/// Answers a start when told to.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<Vec<Answer>>>);

type Answer = tokio::sync::oneshot::Sender<Result<(), RecordError>>;

impl Recorder for Slow {
    fn start(&self, _: &Arc<Start>) -> Started {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.0.lock().unwrap().push(sender);
        Started::reply(receiver)
    }

    fn record(&self, _: &Arc<Record>) {}
}

#[tokio::test]
async fn dropped_while_starting_record_gives_back_its_readiness() {
    let probe = Probe::answers();
    let held = probe.held();
    let record = RecordLayer::new(Slow::default()).layer(probe);
    let mut call = begin(record, parsed()).await;
    assert_pending!(call.poll());
    assert_eq!(held(), 1);
    drop(call);
    assert_eq!(held(), 0);
}

#[tokio::test]
async fn a_request_that_cannot_be_recorded_holds_nothing() {
    let probe = Probe::answers();
    let held = probe.held();
    let slow = Slow::default();
    let record = RecordLayer::new(slow.clone()).layer(probe);
    let mut call = begin(record, parsed()).await;
    assert_pending!(call.poll());
    slow.0.lock().unwrap().pop().unwrap().send(Err(RecordError::Full)).unwrap();
    assert_eq!(assert_ready_ok!(call.poll()).status(), 503);
    assert_eq!(held(), 0);
}

#[tokio::test]
async fn dropped_while_aws_is_asked_for_credentials_bedrock_gives_back_its_readiness() {
    // Accepts connections, and says nothing.
    let sts = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let credentials = Credentials::new().sts_url(format!("http://{}", sts.local_addr().unwrap()));
    let probe = Probe::answers();
    let held = probe.held();
    let bedrock = BedrockLayer::new(credentials).layer(probe);
    let mut call = begin(bedrock, to_bedrock(parsed(), Some("arn:aws:iam::1:role/r"))).await;
    assert_pending!(call.poll());
    assert_eq!(held(), 1);
    drop(call);
    assert_eq!(held(), 0);
}

#[tokio::test]
async fn keys_waits_for_readiness_before_each_further_call() {
    // The mock panics when it is called without being ready.
    let (inner, mut handle) = mock::pair::<Request<AiBody>, Response<Full<Bytes>>>();
    handle.allow(1);
    let mut call = begin(KeysLayer::new().layer(inner), parsed()).await;
    for (key, next) in [("Bearer sk-central", true), ("Bearer sk-second", false)] {
        assert_pending!(call.poll());
        let Poll::Ready(Some((request, answer))) = task::spawn(handle.next_request()).poll() else {
            panic!("the request has not reached the inner service")
        };
        assert_eq!(request.headers()["authorization"], key);
        let mut refused = Response::new(Full::default());
        *refused.status_mut() = StatusCode::UNAUTHORIZED;
        answer.send_response(refused);
        if next {
            assert_pending!(call.poll(), "the inner service is not ready");
            assert_pending!(task::spawn(handle.next_request()).poll());
            handle.allow(1);
            assert!(call.is_woken());
        }
    }
    assert_eq!(assert_ready_ok!(call.poll()).status(), 502);
}

#[tokio::test]
async fn dropped_before_a_further_call_keys_gives_everything_back() {
    let (inner, mut handle) = mock::pair::<Request<AiBody>, Response<Full<Bytes>>>();
    let limited = ConcurrencyLimit::new(inner, 1);
    let mut other = limited.clone();
    handle.allow(1);
    let mut call = begin(KeysLayer::new().layer(limited), parsed()).await;
    assert_pending!(call.poll());
    let Poll::Ready(Some((_, answer))) = task::spawn(handle.next_request()).poll() else {
        panic!("the request has not reached the inner service")
    };
    let mut refused = Response::new(Full::default());
    *refused.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    answer.send_response(refused);
    assert_pending!(call.poll());
    drop(call);
    handle.allow(1);
    assert_ready_ok!(task::spawn(other.ready()).poll());
}

#[tokio::test]
async fn dropped_while_its_tools_are_asked_for_tools_gives_back_its_readiness() {
    let probe = Probe::answers();
    let held = probe.held();
    let mut call = begin(ToolsLayer::new(OneTool::never_found()).layer(probe), parsed()).await;
    assert_pending!(call.poll());
    assert_eq!(held(), 1);
    drop(call);
    assert_eq!(held(), 0);
}

/// A reply in which the model calls the one tool.
fn calls_the_tool() -> Response<Full<Bytes>> {
    let call = r#"{"id": "c", "type": "function", "function": {"name": "bmcp_srv_look", "arguments": "{}"}}"#;
    let message = format!(r#"{{"role": "assistant", "content": null, "tool_calls": [{call}]}}"#);
    let choice = format!(r#"{{"index": 0, "message": {message}, "finish_reason": "tool_calls"}}"#);
    let body = format!(r#"{{"id": "r", "object": "chat.completion", "choices": [{choice}]}}"#);
    let reply = Response::builder().header("content-type", "application/json");
    reply.body(Full::from(body)).unwrap()
}

#[tokio::test]
async fn tools_waits_for_readiness_before_each_further_round() {
    // The mock panics when it is called without being ready.
    let (inner, mut handle) = mock::pair::<Request<AiBody>, Response<Full<Bytes>>>();
    handle.allow(1);
    let mut call = begin(ToolsLayer::new(OneTool::known()).layer(inner), parsed()).await;
    assert_pending!(call.poll());
    let Poll::Ready(Some((_, answer))) = task::spawn(handle.next_request()).poll() else {
        panic!("the request has not reached the inner service")
    };
    answer.send_response(calls_the_tool());
    assert_pending!(call.poll(), "the tool has run, and the inner service is not ready");
    assert_pending!(task::spawn(handle.next_request()).poll());
    handle.allow(1);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    let Poll::Ready(Some((request, answer))) = task::spawn(handle.next_request()).poll() else {
        panic!("the second round has not reached the inner service")
    };
    assert!(String::from_utf8_lossy(request.body().bytes()).contains(r#""tool_call_id":"c""#));
    answer.send_response(Response::new(Full::from("{}")));
    assert_eq!(assert_ready_ok!(call.poll()).status(), 200);
}
