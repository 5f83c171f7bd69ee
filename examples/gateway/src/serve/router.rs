//! Which requests go to the pipeline, and which to the host's own routes.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::api::{Format, Reason, Refusal};
use aibridge_tower::{BoxError, body::ResponseBody, refuse, route::DEFAULT_MOUNTS};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Either;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio_util::sync::CancellationToken;
use tower::Service;

/// Sends what is below the mounts to the pipeline `P`, everything else to the host's own routes. While the gateway is
/// stopping it refuses.
#[derive(Clone)]
pub(super) struct Router<P> {
    pipeline: P,
    host: axum::Router,
    stop: CancellationToken,
}

impl<P> Router<P> {
    pub(super) fn new(pipeline: P, host: axum::Router, stop: CancellationToken) -> Router<P> {
        Router { pipeline, host, stop }
    }
}

/// The body of either side.
pub(super) type HostBody<B> = Either<ResponseBody<B>, axum::body::Body>;

impl<P, B> Service<Request<Incoming>> for Router<P>
where
    P: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error = BoxError>,
{
    type Response = Response<HostBody<B>>;
    type Error = Infallible;
    type Future = ResponseFuture<P::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.pipeline.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let path = request.uri().path();
        let state = if !is_mounted(path) {
            State::Host { call: self.host.call(request.map(axum::body::Body::new)) }
        } else if self.stop.is_cancelled() {
            State::Stopping { format: Some(Format::guess(path, request.headers())) }
        } else {
            State::Pipeline { call: Box::pin(self.pipeline.call(request)) }
        };
        ResponseFuture { state }
    }
}

/// Whether the path is a mount or below one.
fn is_mounted(path: &str) -> bool {
    let below = |mount: &&str| path.strip_prefix(*mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    DEFAULT_MOUNTS.iter().any(below)
}

pin_project! {
    /// The future of [`Router`].
    pub(super) struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        // On the heap, because hyper keeps the room of a finished future as long as its reply streams.
        Pipeline { call: Pin<Box<F>> },
        Host { #[pin] call: axum::routing::future::RouteFuture<Infallible> },
        Stopping { format: Option<Format> },
    }
}

impl<F, B> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<HostBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().state.project() {
            StateProj::Pipeline { call } => ready!(call.as_mut().poll(cx))
                .map(|response| response.map(|body| Either::Left(ResponseBody::inner(body)))),
            StateProj::Host { call } => ready!(call.poll(cx)).map(|response| response.map(Either::Right)),
            StateProj::Stopping { format } => {
                let message = "aibridge: the gateway is shutting down; try again";
                let refusal =
                    Refusal::new(Reason::ShuttingDown, message).retry_after(std::time::Duration::from_secs(1));
                let format = format.take().expect("polled after completion");
                Ok(refuse::response(format, refusal).map(Either::Left))
            }
        })
    }
}

impl<P> fmt::Debug for Router<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").finish_non_exhaustive()
    }
}
