//! The service below the layers under test, and what they are asked.

use std::{
    error::Error,
    fmt,
    future::{Ready, ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use aibridge_mcp::{BoxFuture, Listed, Outcome, Tool, ToolSource, Toolbox};
use aibridge_providers::{
    api::{Api, Facts, Reason, Refusal},
    bedrock::{KeyPair, Protocol, Settings},
    client,
    json::Document,
    provider::{BaseUrl, Endpoint, Instance, Kind, Registry, Secret},
};
use aibridge_store::{
    Recorder, Started,
    record::{Record, Start},
};
use aibridge_tower::{
    BoxError, ProviderRoute,
    auth::{Actor, AuthError, Authenticate},
    parse::AiBody,
    shape::ShapeLayer,
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use tower_service::Service;
use uuid::Uuid;

/// A service that insists on the contract: it panics when called without having become ready, its clones are not ready,
/// and each readiness counts as a permit until the call it bought is over.
#[derive(Debug)]
pub(crate) struct Probe {
    held: Arc<AtomicUsize>,
    permit: Option<Permit>,
    behaviour: Behaviour,
}

#[derive(Clone, Copy, Debug)]
enum Behaviour {
    Answers,
    NeverAnswers,
    IsBroken,
}

/// Why a broken probe is not ready.
#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl Error for Broken {}

#[derive(Debug)]
struct Permit(Arc<AtomicUsize>);

impl Permit {
    fn new(held: &Arc<AtomicUsize>) -> Permit {
        held.fetch_add(1, Ordering::Relaxed);
        Permit(held.clone())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Probe {
    pub(crate) fn answers() -> Probe {
        Probe::new(Behaviour::Answers)
    }

    pub(crate) fn never_answers() -> Probe {
        Probe::new(Behaviour::NeverAnswers)
    }

    /// Fails to become ready.
    pub(crate) fn broken() -> Probe {
        Probe::new(Behaviour::IsBroken)
    }

    fn new(behaviour: Behaviour) -> Probe {
        Probe { held: Arc::default(), permit: None, behaviour }
    }

    /// Counts the permits that are held.
    pub(crate) fn held(&self) -> impl Fn() -> usize + use<> {
        let held = self.held.clone();
        move || held.load(Ordering::Relaxed)
    }
}

impl Clone for Probe {
    fn clone(&self) -> Probe {
        Probe { held: self.held.clone(), permit: None, behaviour: self.behaviour }
    }
}

impl<B> Service<Request<B>> for Probe {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = ProbeFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if let Behaviour::IsBroken = self.behaviour {
            return Poll::Ready(Err(Broken.into()));
        }
        self.permit.get_or_insert_with(|| Permit::new(&self.held));
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> ProbeFuture {
        let permit = self.permit.take().expect("called without having become ready");
        ProbeFuture { permit: Some(permit), answers: matches!(self.behaviour, Behaviour::Answers) }
    }
}

pub(crate) struct ProbeFuture {
    permit: Option<Permit>,
    answers: bool,
}

impl Future for ProbeFuture {
    type Output = Result<Response<Full<Bytes>>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.answers {
            return Poll::Pending;
        }
        self.permit = None;
        Poll::Ready(Ok(Response::new(Full::from("answered"))))
    }
}

/// Answers a broken service with a status that no layer uses for anything else here.
pub(crate) fn shape() -> ShapeLayer {
    ShapeLayer::new().recognise(|error| {
        error.downcast_ref::<Broken>().map(|_| Refusal::new(Reason::WebSocket, "the service is broken"))
    })
}

/// Whether [`Broken`] is what came out: as an error, or shaped by [`shape`].
pub(crate) fn is_broken<B>(result: &Result<Response<B>, BoxError>) -> bool {
    match result {
        Ok(response) => response.status() == 426,
        Err(error) => {
            let mut cause: Option<&(dyn Error + 'static)> = Some(error.as_ref());
            while let Some(error) = cause {
                if error.is::<Broken>() {
                    return true;
                }
                cause = error.source();
            }
            false
        }
    }
}

pub(crate) fn registry() -> Arc<Registry> {
    Arc::new(Registry::new([openai()]))
}

fn openai() -> Instance {
    let base = BaseUrl::parse("https://api.openai.com/v1/").unwrap();
    Instance::builder(Kind::OpenAi, base).key(Secret::new("sk-central")).key(Secret::new("sk-second")).build()
}

const BODY: &str = r#"{"model": "gpt-5", "messages": []}"#;

/// A request that every layer before parsing passes on.
pub(crate) fn plain() -> Request<Full<Bytes>> {
    request(Endpoint::Intercepted(Api::Chat), Full::from(BODY))
}

/// The same on a route that is only proxied.
pub(crate) fn proxied() -> Request<Full<Bytes>> {
    request(Endpoint::Passthrough, Full::from(BODY))
}

/// A request that every layer behind parsing passes on.
pub(crate) fn parsed() -> Request<AiBody> {
    let bytes = Bytes::from_static(BODY.as_bytes());
    let document = Document::parse(bytes.clone()).unwrap();
    let facts = Facts::read(Api::Chat, &document);
    let caller = client::detect(&HeaderMap::new(), None);
    request(Endpoint::Intercepted(Api::Chat), AiBody::new(Api::Chat, bytes, document, facts, caller))
}

/// The same to an instance on Bedrock.
pub(crate) fn to_bedrock<B>(mut request: Request<B>, role: Option<&str>) -> Request<B> {
    let settings = Settings {
        protocol: Protocol::Mantle,
        region: "us-east-1".to_owned(),
        model: String::new(),
        small_fast_model: String::new(),
        credentials: vec![KeyPair { id: Secret::new("AKIA"), secret: Secret::new("secret") }],
        role_arn: role.map(str::to_owned),
        external_id: None,
    };
    let base = BaseUrl::parse("https://bedrock.example/").unwrap();
    let instance = Arc::new(Instance::builder(Kind::Bedrock, base).bedrock(settings).build());
    *request.uri_mut() = http::Uri::from_static("https://bedrock.example/v1/messages");
    request.extensions_mut().insert(ProviderRoute::new(instance, Endpoint::Passthrough, "/v1/messages"));
    request
}

pub(crate) fn request<B>(endpoint: Endpoint, body: B) -> Request<B> {
    Request::post("/api/v2/aibridge/openai/v1/chat/completions")
        .header("authorization", "Bearer open-sesame")
        .extension(Actor::new(Uuid::nil(), "ali"))
        .extension(ProviderRoute::new(Arc::new(openai()), endpoint, "/v1/chat/completions"))
        .body(body)
        .unwrap()
}

/// Accepts every token.
#[derive(Clone, Debug)]
pub(crate) struct Anybody;

impl Authenticate for Anybody {
    type Future = Ready<Result<Actor, AuthError>>;

    fn authenticate(&self, _: &Secret) -> Self::Future {
        ready(Ok(Actor::new(Uuid::nil(), "ali")))
    }
}

/// Records nothing, at once.
pub(crate) struct Forgets;

impl Recorder for Forgets {
    fn start(&self, _: &Arc<Start>) -> Started {
        Started::ready(Ok(()))
    }

    fn record(&self, _: &Arc<Record>) {}
}

/// Has one tool, which answers nothing.
pub(crate) struct OneTool {
    known: bool,
    answers: bool,
}

impl OneTool {
    /// Known from the start.
    pub(crate) fn known() -> OneTool {
        OneTool { known: true, answers: true }
    }

    /// Has to be asked for.
    pub(crate) fn asked_for() -> OneTool {
        OneTool { known: false, answers: true }
    }

    /// Is asked for, and never found out.
    pub(crate) fn never_found() -> OneTool {
        OneTool { known: false, answers: false }
    }

    fn toolbox() -> Arc<Toolbox> {
        let schema = serde_json::json!({"type": "object"});
        Arc::new(Toolbox::new([Listed::new(Tool::new("srv", "look"), "https://mcp.example", schema)]))
    }
}

impl ToolSource for OneTool {
    fn known(&self, _: Uuid) -> Option<Arc<Toolbox>> {
        self.known.then(OneTool::toolbox)
    }

    fn tools(&self, _: Uuid) -> BoxFuture<Arc<Toolbox>> {
        match self.answers {
            true => Box::pin(ready(OneTool::toolbox())),
            false => Box::pin(std::future::pending()),
        }
    }

    fn call(&self, _: Uuid, _: &Tool, _: serde_json::Map<String, serde_json::Value>) -> BoxFuture<Outcome> {
        Box::pin(ready(Outcome::new(Vec::new(), None, std::time::Duration::ZERO)))
    }
}
