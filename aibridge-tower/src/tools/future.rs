use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use aibridge_mcp::{BoxFuture, Toolbox};
use bytes::Bytes;
use http::{Request, Response, response::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;
use uuid::Uuid;

use super::{
    ResponseBody,
    blocking::{First, LIMIT, first, not_as_received, rounds, too_large},
    refused::{is_final, refused},
    service::Shared,
    turn::Turn,
};
use crate::{
    BoxError,
    collect::Collect,
    encoded::{Coding, coding, is_event_stream},
    parse::AiBody,
};

pin_project! {
    /// The future of [`Tools`](super::Tools).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<AiBody>>,
    {
        #[pin]
        state: State<S, S::Future, B, Result<Response<ResponseBody<S, B>>, S::Error>>,
    }

    impl<S, B> PinnedDrop for ResponseFuture<S, B>
    where
        S: Service<Request<AiBody>>,
    {
        fn drop(this: Pin<&mut Self>) {
            // The client has left before there was anything to record. Whoever records is told of the request all the
            // same: it begins, and is given up at once. A call that is never polled sends nothing.
            if let StateProj::Waiting { waits, .. } = this.project().state.project()
                && let Some(mut waits) = waits.take()
            {
                drop(waits.inner.call(waits.request));
            }
        }
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B, R> {
        // The actor's tools are not known yet.
        Waiting { tools: BoxFuture<Arc<Toolbox>>, waits: Option<Box<Waits<S>>> },
        // The first round has been asked for; without a turn the reply passes.
        Calling { #[pin] call: F, turn: Option<Box<Turn<S>>> },
        // A blocking reply is read.
        Reading { #[pin] body: Collect<B>, begun: Option<(Box<Turn<S>>, Parts)> },
        // It has calls of ours.
        Rounds { work: Pin<Box<dyn Future<Output = R> + Send>> },
    }
}

/// A request that waits for its tools.
struct Waits<S> {
    inner: S,
    shared: Arc<Shared<S>>,
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
        shared: Arc<Shared<S>>,
        actor: Uuid,
        request: Request<AiBody>,
    ) -> Self {
        let waits = Some(Box::new(Waits { inner, shared, actor, request }));
        ResponseFuture { state: State::Waiting { tools, waits } }
    }

    pub(super) fn begin(
        inner: &mut S,
        shared: Arc<Shared<S>>,
        actor: Uuid,
        toolbox: Arc<Toolbox>,
        request: Request<AiBody>,
    ) -> Self {
        ResponseFuture { state: begin(inner, shared, actor, toolbox, request) }
    }
}

fn begin<S, B, R>(
    inner: &mut S,
    shared: Arc<Shared<S>>,
    actor: Uuid,
    toolbox: Arc<Toolbox>,
    mut request: Request<AiBody>,
) -> State<S, S::Future, B, R>
where
    S: Service<Request<AiBody>> + Clone,
{
    let turn = shared
        .settings
        .prepare(actor, &mut request, &toolbox)
        .map(|(names, plain)| Box::new(Turn::new(shared, actor, toolbox, names, plain, &request)));
    State::Calling { call: inner.call(request), turn }
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
                    let Waits { mut inner, shared, actor, request } = *waits.take().expect("polled after completion");
                    begin(&mut inner, shared, actor, toolbox, request)
                }
                StateProj::Calling { call, turn } => {
                    let response = ready!(call.poll(cx))?;
                    let Some(mut turn) = turn.take().filter(|_| !is_final(&response)) else {
                        return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                    };
                    if !response.status().is_success() {
                        state.set(State::Rounds { work: Box::pin(refused(turn, response)) });
                        continue;
                    }
                    let decoder = match coding(response.headers()) {
                        Coding::Unreadable => return Poll::Ready(Ok(response.map(ResponseBody::inner))),
                        Coding::Coded(decoder) => Some(decoder),
                        Coding::Plain => None,
                    };
                    let (mut head, body) = response.into_parts();
                    if is_event_stream(&head.headers) {
                        turn.begun(&head);
                        not_as_received(&mut head);
                        let body = ResponseBody::stream(body, turn, decoder);
                        return Poll::Ready(Ok(Response::from_parts(head, body)));
                    }
                    // In place, because it is large.
                    state.set(State::Reading { body: Collect::new(body, LIMIT), begun: Some((turn, head)) });
                    continue;
                }
                StateProj::Reading { body, begun } => {
                    let received = ready!(body.poll(cx));
                    let (turn, head) = begun.take().expect("polled after completion");
                    match first(turn, head, received) {
                        First::Reply(response) => return Poll::Ready(Ok(response)),
                        First::Calls(turn, head, step) => State::Rounds { work: Box::pin(rounds(turn, head, step)) },
                        // Afterwards, because whoever records takes the end of this state for the client's leaving.
                        First::TooLarge(turn, head) => State::Rounds { work: Box::pin(too_large(turn, head)) },
                    }
                }
                StateProj::Rounds { work } => return work.as_mut().poll(cx),
            };
            state.set(next);
        }
    }
}

impl<S: Service<Request<AiBody>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
