//! What the tests of several layers need: requests, scripted bodies, a recorder that keeps what it is told.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt::Debug,
    future::{self, Ready},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use aibridge_providers::{
    api::{Api, Facts},
    client,
    json::Document,
    provider::{BaseUrl, Endpoint, Instance, Kind, Secret},
};
use aibridge_store::{
    RecordError, Recorder, Started,
    record::{Record, Start},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Sleep, sleep};
use tower::{Service, service_fn};
use uuid::Uuid;

use crate::{ProviderRoute, auth::Actor, parse::AiBody};

/// The path of the Messages route of the instance `anthropic`.
pub(crate) const MESSAGES: &str = "/api/v2/aibridge/anthropic/v1/messages";

pub(crate) fn instance(kind: Kind) -> Instance {
    let base = BaseUrl::parse("https://provider.example/").unwrap();
    Instance::builder(kind, base).key(Secret::new("sk-central-0123456789abcdef")).build()
}

pub(crate) fn actor() -> Actor {
    Actor::new(Uuid::from_u128(7), "ali").api_key_id("0123456789")
}

/// A request as it leaves Route.
pub(crate) fn routed<B>(api: Api, body: B) -> Request<B> {
    let (kind, pattern) = match api {
        Api::Messages => (Kind::Anthropic, "/v1/messages"),
        Api::Chat => (Kind::OpenAi, "/v1/chat/completions"),
        _ => (Kind::OpenAi, "/v1/responses"),
    };
    let route = ProviderRoute::new(Arc::new(instance(kind)), Endpoint::Intercepted(api), pattern);
    Request::post(format!("https://provider.example{pattern}")).extension(actor()).extension(route).body(body).unwrap()
}

/// A request as it leaves Parse.
pub(crate) fn parsed(api: Api, json: &str) -> Request<AiBody> {
    let bytes = Bytes::copy_from_slice(json.as_bytes());
    let document = Document::parse(bytes.clone()).unwrap();
    let facts = Facts::read(api, &document);
    let caller = client::detect(&HeaderMap::new(), None);
    routed(api, AiBody::new(api, bytes, document, facts, caller))
}

/// The bytes of a body that does not fail.
pub(crate) async fn bytes<B: Body<Data = Bytes, Error: Debug>>(body: B) -> Bytes {
    body.collect().await.unwrap().to_bytes()
}

/// A refusal's body as JSON.
pub(crate) async fn json<B: Body<Data = Bytes, Error: Debug>>(body: B) -> serde_json::Value {
    serde_json::from_slice(&bytes(body).await).unwrap()
}

/// What polling a body gives.
pub(crate) type Polled<D, E> = Poll<Option<Result<Frame<D>, E>>>;

/// The next frame of a body, as far as it is there.
pub(crate) fn poll<B: Body + Unpin>(body: &mut B) -> Polled<B::Data, B::Error> {
    tokio_test::task::spawn(()).enter(|cx, _| Pin::new(body).poll_frame(cx))
}

/// A service that gives one answer, once.
pub(crate) fn once<T, B, E>(
    answer: Result<Response<B>, E>,
) -> impl Service<Request<T>, Response = Response<B>, Error = E, Future = Ready<Result<Response<B>, E>>> + Clone {
    let answer = Arc::new(Mutex::new(Some(answer)));
    service_fn(move |_| future::ready(answer.lock().unwrap().take().expect("called once")))
}

/// What a scripted body does next.
#[derive(Debug)]
pub(crate) enum Step<E = Infallible> {
    Data(Bytes),
    Trailers,
    Fail(E),
    Wait(Duration),
    /// Not ready, but about to be.
    Yield,
    /// Nothing ever again.
    Hang,
}

impl<E> Step<E> {
    pub(crate) fn data(text: &'static str) -> Step<E> {
        Step::Data(Bytes::from_static(text.as_bytes()))
    }
}

/// A body that does what it was told, step by step.
#[derive(Debug)]
pub(crate) struct Script<E = Infallible> {
    steps: VecDeque<Step<E>>,
    waiting: Option<Pin<Box<Sleep>>>,
    knows_its_end: bool,
}

impl<E> Script<E> {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step<E>>) -> Script<E> {
        Script { steps: steps.into_iter().collect(), waiting: None, knows_its_end: false }
    }

    /// With its last frame it says that it is over, as a body with a `content-length` does.
    pub(crate) fn knows_its_end(mut self) -> Script<E> {
        self.knows_its_end = true;
        self
    }
}

impl<E: Unpin> Body for Script<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        loop {
            if let Some(sleep) = &mut self.waiting {
                ready!(sleep.as_mut().poll(cx));
                self.waiting = None;
            }
            return match self.steps.pop_front() {
                None => Poll::Ready(None),
                Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Step::Trailers) => {
                    let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("x"))]);
                    Poll::Ready(Some(Ok(Frame::trailers(trailers))))
                }
                Some(Step::Fail(error)) => Poll::Ready(Some(Err(error))),
                Some(Step::Wait(time)) => {
                    self.waiting = Some(Box::pin(sleep(time)));
                    continue;
                }
                Some(Step::Yield) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(Step::Hang) => {
                    self.steps.push_front(Step::Hang);
                    Poll::Pending
                }
            };
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let length =
            self.steps.iter().map(|step| if let Step::Data(data) = step { data.len() as u64 } else { 0 }).sum();
        if self.knows_its_end { SizeHint::with_exact(length) } else { SizeHint::default() }
    }
}

/// A recorder that keeps everything it is told, a line each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    calls: Arc<Mutex<Vec<String>>>,
    starts: Arc<Mutex<Vec<Arc<Start>>>>,
    refuses: Option<RecordError>,
}

impl Told {
    /// Cannot record a start.
    pub(crate) fn refusing(error: RecordError) -> Told {
        Told { refuses: Some(error), ..Told::default() }
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// The starts among them.
    pub(crate) fn starts(&self) -> Vec<Arc<Start>> {
        self.starts.lock().unwrap().clone()
    }
}

impl Recorder for Told {
    fn start(&self, start: &Arc<Start>) -> Started {
        self.starts.lock().unwrap().push(start.clone());
        self.calls.lock().unwrap().push(format!("start {} {}", start.api, start.model));
        Started::ready(self.refuses.clone().map_or(Ok(()), Err))
    }

    fn record(&self, record: &Arc<Record>) {
        let line = match &**record {
            Record::UserPrompt(it) => format!("prompt {}", it.prompt),
            Record::TokenUsage(it) => format!(
                "tokens {}+{} cache {}/{} {} {}",
                it.input_tokens,
                it.output_tokens,
                it.cache_read_input_tokens,
                it.cache_write_input_tokens,
                it.usage_source,
                it.provider_response_id.as_deref().unwrap_or("-"),
            ),
            Record::ToolUsage(it) => format!("tool {} {}", it.tool, it.input),
            Record::ModelThought(it) => format!("thought {} {}", it.metadata["source"], it.content),
            Record::End(it) => format!(
                "end {} {} {}B {}",
                it.outcome.as_str(),
                it.http_status.map_or("-".to_owned(), |status| status.to_string()),
                it.response_bytes,
                it.error_type.as_deref().unwrap_or("-"),
            ),
            Record::Settled(it) => format!(
                "settled {} of {} by {}: {}+{} cache {} tools {:?} thoughts {:?}",
                it.provider_response_id,
                it.provider_name,
                it.initiator_id.as_u128(),
                it.usage.input_tokens,
                it.usage.output_tokens,
                it.usage.cache_read_input_tokens,
                it.tools.iter().map(|tool| format!("{} {}", tool.tool, tool.input)).collect::<Vec<_>>(),
                it.thoughts.iter().map(|thought| &*thought.content).collect::<Vec<_>>(),
            ),
            other => format!("{other:?}"),
        };
        self.calls.lock().unwrap().push(line);
    }
}
