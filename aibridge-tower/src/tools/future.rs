use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use aibridge_mcp::{BoxFuture, Toolbox};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;
use uuid::Uuid;

use super::{
    ResponseBody,
    blocking::{not_as_received, rounds},
    layer::Settings,
    turn::Turn,
};
use crate::{
    BoxError,
    encoded::{Coding, coding, is_event_stream},
    parse::AiBody,
    record::Interception,
};

pin_project! {
    /// The future of [`Tools`](super::Tools).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<AiBody>>,
    {
        #[pin]
        state: State<S, S::Future, Result<Response<ResponseBody<S, B>>, S::Error>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, R> {
        // The actor's tools are not known yet.
        Waiting { tools: BoxFuture<Arc<Toolbox>>, waits: Option<Box<Waits<S>>> },
        // The first round has been asked for; without a turn the reply passes.
        Calling { #[pin] call: F, turn: Option<Box<Turn<S>>> },
        Blocking { work: Pin<Box<dyn Future<Output = R> + Send>> },
    }
}

/// A request that waits for its tools.
struct Waits<S> {
    inner: S,
    settings: Arc<Settings>,
    actor: Uuid,
    request: Request<AiBody>,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<AiBody>> + Clone,
{
    pub(super) fn direct(call: S::Future) -> Self {
        ResponseFuture { state: State::Calling { call, turn: None } }
    }

    pub(super) fn wait(
        tools: BoxFuture<Arc<Toolbox>>,
        inner: S,
        settings: Arc<Settings>,
        actor: Uuid,
        request: Request<AiBody>,
    ) -> Self {
        let waits = Some(Box::new(Waits { inner, settings, actor, request }));
        ResponseFuture { state: State::Waiting { tools, waits } }
    }

    pub(super) fn begin(
        inner: S,
        settings: Arc<Settings>,
        actor: Uuid,
        toolbox: Arc<Toolbox>,
        request: Request<AiBody>,
    ) -> Self {
        ResponseFuture { state: begin(Waits { inner, settings, actor, request }, toolbox) }
    }
}

fn begin<S, R>(waited: Waits<S>, toolbox: Arc<Toolbox>) -> State<S, S::Future, R>
where
    S: Service<Request<AiBody>> + Clone,
{
    let Waits { mut inner, settings, actor, mut request } = waited;
    match settings.prepare(actor, &mut request, &toolbox) {
        None => State::Calling { call: inner.call(request), turn: None },
        Some(names) => {
            let further = inner.clone();
            let turn = Box::new(Turn::new(further, settings, actor, toolbox, names, &request));
            State::Calling { call: inner.call(request), turn: Some(turn) }
        }
    }
}

impl<S, B> Future for ResponseFuture<S, B>
where
    S: Service<Request<AiBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<S, B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Waiting { tools, waits } => {
                    let toolbox = ready!(tools.as_mut().poll(cx));
                    begin(*waits.take().expect("polled after completion"), toolbox)
                }
                StateProj::Calling { call, turn } => {
                    let response = ready!(call.poll(cx))?;
                    let Some(turn) = turn.take() else { return Poll::Ready(Ok(response.map(ResponseBody::inner))) };
                    match first(turn, response) {
                        First::Reply(response) => return Poll::Ready(Ok(response)),
                        First::Blocking(turn, response) => State::Blocking { work: Box::pin(rounds(turn, response)) },
                    }
                }
                StateProj::Blocking { work } => return work.as_mut().poll(cx),
            };
            state.set(next);
        }
    }
}

/// What the first round was answered with.
enum First<S, B> {
    /// This is the reply.
    Reply(Response<ResponseBody<S, B>>),
    /// It has to be read as a whole.
    Blocking(Box<Turn<S>>, Response<B>),
}

fn first<S, B>(mut turn: Box<Turn<S>>, response: Response<B>) -> First<S, B> {
    let coding = coding(response.headers());
    if !response.status().is_success() || matches!(coding, Coding::Unreadable) {
        return First::Reply(response.map(ResponseBody::inner));
    }
    turn.begun(response.extensions().get::<Interception>().cloned());
    if !is_event_stream(response.headers()) {
        return First::Blocking(turn, response);
    }
    let (mut head, body) = response.into_parts();
    not_as_received(&mut head);
    let decoder = match coding {
        Coding::Coded(decoder) => Some(decoder),
        _ => None,
    };
    First::Reply(Response::from_parts(head, ResponseBody::stream(body, turn, decoder)))
}

impl<S: Service<Request<AiBody>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
