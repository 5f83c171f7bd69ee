use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use aibridge_providers::api::Api;
use aibridge_store::{
    RecordError, Recorder, Started,
    record::{Outcome, Record, Start},
};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Byok,
    parse::AiBody,
    record::{
        INTERCEPTION_ID, Interception, RecordLayer, RecordingPolicy,
        testing::{ASK, DELTA, START, STOP, answer, steps, stream},
    },
    testing::{Script, Step, Told, bytes, once, parsed},
    upstream::UpstreamError,
};

fn script() -> Script<io::Error> {
    Script::new(steps(&[START, DELTA, STOP]))
}

fn length() -> usize {
    START.len() + DELTA.len() + STOP.len()
}

#[tokio::test]
async fn the_end_is_recorded_when_the_last_clone_goes() {
    let told = Told::default();
    let mut reply = answer(RecordLayer::new(told.clone()), parsed(Api::Messages, ASK), stream(), script()).await;
    let held = reply.extensions_mut().remove::<Interception>().unwrap();
    let id = held.id().to_string();
    assert_eq!(reply.headers()[INTERCEPTION_ID], id);
    assert_eq!(told.starts()[0].id.to_string(), id);
    drop(bytes(reply.into_body()).await);
    let another = held.clone();
    drop(held);
    let before = ["start messages claude", "prompt hi", "tokens 3+9 cache 0/0 final msg_1"];
    assert_eq!(told.calls(), before);
    drop(another);
    assert_eq!(told.calls()[3..], [format!("end completed 200 {}B -", length())]);
}

#[tokio::test]
async fn an_interception_that_is_continued_has_two_token_usages_and_one_end() {
    let told = Told::default();
    let layer = RecordLayer::new(told.clone());
    let mut first = answer(layer.clone(), parsed(Api::Messages, ASK), stream(), script()).await;
    let interception = first.extensions_mut().remove::<Interception>().unwrap();
    drop(bytes(first.into_body()).await);

    let mut request = parsed(Api::Messages, ASK);
    request.extensions_mut().insert(interception.clone());
    let second = answer(layer, request, stream(), script()).await;
    assert_eq!(second.headers()[INTERCEPTION_ID], interception.id().to_string());
    assert_eq!(second.extensions().get::<Interception>().unwrap().id(), interception.id());
    drop(bytes(second.into_body()).await);
    let summary = interception.summary();
    assert_eq!((summary.input_tokens, summary.output_tokens, summary.outcome), (6, 18, Outcome::Completed));
    drop(interception);

    let usage = "tokens 3+9 cache 0/0 final msg_1";
    let end = format!("end completed 200 {}B -", 2 * length());
    assert_eq!(told.calls(), ["start messages claude", "prompt hi", usage, usage, &end]);
}

#[tokio::test]
async fn every_round_of_a_chat_stream_is_asked_for_its_usage() {
    const CHUNK: &str = "data: {\"id\":\"c1\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n";
    const DONE: &str = "data: [DONE]\n\n";
    let told = Told::default();
    let layer = RecordLayer::new(told.clone());
    let ask = r#"{"model":"gpt","stream":true,"messages":[]}"#;
    let mut interception = None;
    for round in ["1", "2"] {
        let mut request = parsed(Api::Chat, ask);
        // What a layer further out has made of it.
        AiBody::edit(&mut request, ask.replace("[]", round).into());
        if let Some(interception) = interception.take() {
            request.extensions_mut().insert::<Interception>(interception);
        }
        let provider = service_fn(move |request: Request<AiBody>| async move {
            let asked = r#"{"model":"gpt","stream":true,"messages":R,"stream_options":{"include_usage":true}}"#;
            assert_eq!(request.body().bytes(), &asked.replace('R', round));
            Ok::<_, io::Error>(stream().body(Script::<io::Error>::new(steps(&[CHUNK, USAGE, DONE]))).unwrap())
        });
        let mut reply = layer.layer(provider).oneshot(request).await.unwrap();
        interception = reply.extensions_mut().remove::<Interception>();
        assert_eq!(bytes(reply.into_body()).await, [CHUNK, DONE].concat());
    }
    let usage = "tokens 7+2 cache 0/0 final c1";
    assert_eq!(told.calls(), ["start chat_completions gpt", usage, usage]);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused_before_the_provider_is_asked() {
    let told = Told::refusing(RecordError::Full);
    let never = service_fn(|_: Request<AiBody>| async { panic!("the provider was asked") });
    let never = never.map_response(|_: ()| Response::new(script())).map_err(|error: io::Error| error);
    let reply = RecordLayer::new(told.clone()).layer(never).oneshot(parsed(Api::Messages, ASK)).await.unwrap();
    assert_eq!(reply.status(), 503);
    assert_eq!(reply.headers()["retry-after"], "1");
    assert!(!reply.headers().contains_key(INTERCEPTION_ID), "there is no interception of that id");
    drop(reply);
    assert_eq!(told.calls(), ["start messages claude"]);
}

#[tokio::test]
async fn with_best_effort_what_cannot_be_recorded_is_served_and_nothing_more_is_told() {
    let told = Told::refusing(RecordError::Closed);
    let layer = RecordLayer::new(told.clone()).policy(RecordingPolicy::BestEffort);
    let reply = answer(layer, parsed(Api::Messages, ASK), stream(), script()).await;
    assert_eq!(bytes(reply.into_body()).await.len(), length());
    assert_eq!(told.calls(), ["start messages claude"]);
}

#[tokio::test]
async fn without_content_prompts_thoughts_and_inputs_stay_out_of_the_records() {
    const CHAT: &str = concat!(
        r#"{"id":"c1","choices":[{"message":{"content":"a","reasoning_content":"hm","tool_calls":"#,
        r#"[{"id":"t1","function":{"name":"ls","arguments":"{\"path\":\"/\"}"}}]},"finish_reason":"tool_calls"}],"#,
        r#""usage":{"prompt_tokens":7,"completion_tokens":2}}"#,
    );
    let ask = r#"{"model":"gpt","messages":[{"role":"user","content":"hi"}]}"#;
    let end = format!("end completed 200 {}B -", CHAT.len());
    for (content, expected) in
        [(true, &["prompt hi", "thought \"reasoning\" hm", r#"tool ls {"path":"/"}"#][..]), (false, &["tool ls null"])]
    {
        let told = Told::default();
        let layer = RecordLayer::new(told.clone()).content(content);
        let reply = answer(layer, parsed(Api::Chat, ask), Response::builder(), Script::new(steps(&[CHAT]))).await;
        drop(bytes(reply.into_body()).await);
        let ends = ["tokens 7+2 cache 0/0 final c1", &end];
        assert_eq!(told.calls(), [&["start chat_completions gpt"], expected, &ends].concat());
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_named_in_the_end() {
    let told = Told::default();
    let unreachable = once(Err::<Response<Script>, _>(UpstreamError::Unreachable("refused".into())));
    let error =
        RecordLayer::new(told.clone()).layer(unreachable).oneshot(parsed(Api::Messages, ASK)).await.unwrap_err();
    let begun = ["start messages claude", "prompt hi", "tokens 0+0 cache 0/0 none -"];
    assert_eq!(told.calls(), begun, "the error holds the interception until it is told to the client");
    drop(error);
    assert_eq!(told.calls()[3..], ["end gateway_error 502 0B provider_unreachable"]);
}

#[tokio::test]
async fn a_service_that_does_not_become_ready_is_no_round_trip() {
    let told = Told::default();
    let (mock, mut handle) = tower_test::mock::pair::<Request<AiBody>, Response<Script>>();
    handle.send_error("gone");
    let error = RecordLayer::new(told.clone()).layer(mock).oneshot(parsed(Api::Messages, ASK)).await.unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "gone");
    drop(error);
    assert_eq!(told.calls(), ["start messages claude", "prompt hi", "end gateway_error 500 0B internal"]);
}

#[tokio::test]
async fn a_client_that_leaves_while_the_provider_is_asked_is_gone() {
    let told = Told::default();
    let (mock, mut handle) = tower_test::mock::pair::<Request<AiBody>, Response<Script>>();
    let mut call = task::spawn(RecordLayer::new(told.clone()).layer(mock).oneshot(parsed(Api::Messages, ASK)));
    assert_pending!(call.poll());
    assert!(matches!(task::spawn(handle.next_request()).poll(), Poll::Ready(Some(_))));
    drop(call);
    let expected = ["start messages claude", "prompt hi", "tokens 0+0 cache 0/0 none -", "end client_gone - 0B -"];
    assert_eq!(told.calls(), expected);
}

#[tokio::test]
async fn a_future_that_is_never_polled_is_a_client_that_left() {
    let told = Told::default();
    let mut service = RecordLayer::new(told.clone()).layer(once(Ok::<_, io::Error>(Response::new(script()))));
    drop(service.call(parsed(Api::Messages, ASK)));
    assert_eq!(told.calls(), ["start messages claude", "end client_gone - 0B -"]);
}

/// Answers the one start when told to.
#[derive(Clone, Default)]
struct Slow(Told, Arc<Mutex<Option<Answer>>>);

type Answer = oneshot::Receiver<Result<(), RecordError>>;

impl Recorder for Slow {
    fn start(&self, start: &Arc<Start>) -> Started {
        drop(self.0.start(start));
        Started::reply(self.1.lock().unwrap().take().expect("one start"))
    }

    fn record(&self, record: &Arc<Record>) {
        self.0.record(record);
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_the_start_is_recorded_ends_behind_it() {
    for (recorded, ends) in [(Ok(()), &["end client_gone - 0B -"][..]), (Err(RecordError::Full), &[])] {
        let (reply, answered) = oneshot::channel();
        let slow = Slow(Told::default(), Arc::new(Mutex::new(Some(answered))));
        let inner = once(Ok::<_, io::Error>(Response::new(script())));
        let mut call = task::spawn(RecordLayer::new(slow.clone()).layer(inner).oneshot(parsed(Api::Messages, ASK)));
        assert_pending!(call.poll());
        drop(call);
        tokio::task::yield_now().await;
        assert_eq!(slow.0.calls(), ["start messages claude"], "nothing overtakes the start");
        reply.send(recorded).unwrap();
        tokio::task::yield_now().await;
        assert_eq!(slow.0.calls()[1..], *ends);
    }
}

#[tokio::test(start_paused = true)]
async fn times_are_measured_from_the_start() {
    let pause = || Step::Wait(Duration::from_secs(1));
    let script = Script::new([pause(), Step::data(START), pause(), Step::data(DELTA), pause(), Step::data(STOP)]);
    let mut reply = answer(RecordLayer::new(Told::default()), parsed(Api::Messages, ASK), stream(), script).await;
    let interception = reply.extensions_mut().remove::<Interception>().unwrap();
    drop(bytes(reply.into_body()).await);
    let summary = interception.summary();
    // The clock of a paused runtime counts whole milliseconds.
    assert_eq!(summary.ttfb.unwrap().as_secs(), 1);
    assert_eq!(summary.first_content.unwrap().as_secs(), 2);
    assert_eq!(interception.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn the_start_says_who_asked_what_of_whom() {
    let told = Told::default();
    let mut request = parsed(Api::Messages, ASK);
    drop(answer(RecordLayer::new(told.clone()), request, stream(), script()).await);
    request = parsed(Api::Messages, ASK);
    request.extensions_mut().insert(Byok::new("sk-o...cdef"));
    drop(answer(RecordLayer::new(told.clone()), request, stream(), script()).await);

    let starts = told.starts();
    let start = &starts[0];
    assert_eq!(start.initiator_id, uuid::Uuid::from_u128(7));
    assert_eq!(start.api_key_id.as_deref(), Some("0123456789"));
    assert_eq!((&*start.provider, &*start.provider_name), ("anthropic", "anthropic"));
    assert_eq!(
        (&*start.model, &*start.requested_model, start.api, start.streaming),
        ("claude", "claude", "messages", true)
    );
    assert_eq!((start.client, start.request_bytes), ("Unknown", ASK.len() as u64));
    assert_eq!((start.credential_kind, &*start.credential_hint), ("centralized", "sk-c...cdef"));
    assert_eq!((starts[1].credential_kind, &*starts[1].credential_hint), ("byok", "sk-o...cdef"));
    assert_ne!(starts[0].id, starts[1].id);
}

#[tokio::test]
async fn the_recorder_is_told_before_the_provider_is_asked() {
    let told = Told::default();
    let seen = told.clone();
    let inner = service_fn(move |_: Request<AiBody>| {
        assert_eq!(seen.calls(), ["start messages claude", "prompt hi"]);
        std::future::ready(Ok::<_, io::Error>(Response::new(script())))
    });
    let mut call = task::spawn(RecordLayer::new(told).layer(inner).oneshot(parsed(Api::Messages, ASK)));
    assert!(assert_ready!(call.poll()).is_ok());
}

#[tokio::test]
async fn what_the_host_cuts_off_was_not_left_by_its_client() {
    let cut_off = Arc::new(AtomicBool::new(false));
    let told = Told::default();
    let layer = RecordLayer::new(told.clone()).cut_off(cut_off.clone());
    let mut whole = answer(layer.clone(), parsed(Api::Messages, ASK), stream(), script()).await;
    let mut half = answer(layer.clone(), parsed(Api::Messages, ASK), stream(), script()).await;
    drop((whole.extensions_mut().remove::<Interception>(), half.body_mut().frame().await));
    let never = service_fn(|_: Request<AiBody>| std::future::pending::<io::Result<Response<Script>>>());
    let mut asking = task::spawn(layer.layer(never).oneshot(parsed(Api::Messages, ASK)));
    assert_pending!(asking.poll());
    let (left, held) = (told.calls().len(), half.extensions().get::<Interception>().cloned().unwrap());

    cut_off.store(true, Ordering::Release);
    drop(bytes(whole.into_body()).await);
    drop(asking);
    drop(half);
    assert_eq!(held.summary().outcome, Outcome::GatewayError);
    drop(held);
    let usage = "tokens 3+9 cache 0/0 final msg_1";
    let completed = format!("end completed 200 {}B -", length());
    let partial = "tokens 3+1 cache 0/0 partial msg_1";
    let interrupted = format!("end gateway_error 200 {}B interrupted", START.len());
    let unanswered = ["tokens 0+0 cache 0/0 none -", "end gateway_error - 0B interrupted"];
    let expected = [&[usage, &completed][..], &unanswered, &[partial, &interrupted]].concat();
    assert_eq!(told.calls()[left..], expected);
}
