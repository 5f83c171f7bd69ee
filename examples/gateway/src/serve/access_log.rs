//! One line for each request, when its last byte is gone.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::api::Refusal;
use aibridge_tower::{ProviderRoute, auth::Actor, record::Interception};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::{Layer, Service};

/// Adds [`AccessLog`].
#[derive(Clone, Copy, Debug)]
pub(super) struct AccessLogLayer {}

impl AccessLogLayer {
    pub(super) fn new() -> AccessLogLayer {
        AccessLogLayer {}
    }
}

impl<S> Layer<S> for AccessLogLayer {
    type Service = AccessLog<S>;

    fn layer(&self, inner: S) -> AccessLog<S> {
        AccessLog { inner }
    }
}

/// Logs requests. The outermost layer: what it tells it reads from the response's extensions.
#[derive(Clone, Debug)]
pub(super) struct AccessLog<S> {
    inner: S,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for AccessLog<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let entry = tracing::enabled!(target: TARGET, tracing::Level::INFO)
            .then(|| Box::new(Entry::new(request.method().clone(), request.uri().path().to_owned())));
        ResponseFuture { call: self.inner.call(request), entry }
    }
}

const TARGET: &str = "aibridge::access";

pin_project! {
    /// The future of [`AccessLog`].
    pub(super) struct ResponseFuture<F> {
        #[pin]
        call: F,
        entry: Option<Box<Entry>>,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.call.poll(cx))?;
        let mut entry = this.entry.take();
        if let Some(entry) = &mut entry {
            entry.answered(&response);
        }
        Poll::Ready(Ok(response.map(|inner| ResponseBody { inner, entry })))
    }
}

pin_project! {
    /// The inner body; logs when it is dropped.
    pub(super) struct ResponseBody<B> {
        #[pin]
        inner: B,
        entry: Option<Box<Entry>>,
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What is logged of one request. Dropped without an answer, it says so.
struct Entry {
    begun: Instant,
    method: Method,
    path: String,
    status: Option<StatusCode>,
    actor: Option<Actor>,
    route: Option<ProviderRoute>,
    refusal: Option<&'static str>,
    interception: Option<Interception>,
}

impl Entry {
    fn new(method: Method, path: String) -> Entry {
        let begun = Instant::now();
        Entry { begun, method, path, status: None, actor: None, route: None, refusal: None, interception: None }
    }

    fn answered<B>(&mut self, response: &Response<B>) {
        let extensions = response.extensions();
        self.status = Some(response.status());
        self.actor = extensions.get::<Actor>().cloned();
        self.route = extensions.get::<ProviderRoute>().cloned();
        self.refusal = extensions.get::<Refusal>().map(|refusal| refusal.reason.as_str());
        self.interception = extensions.get::<Interception>().cloned();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let summary = self.interception.as_ref().map(Interception::summary);
        let outcome = match (&summary, self.refusal, self.status) {
            (Some(summary), ..) => summary.outcome.as_str(),
            (None, Some(reason), _) => reason,
            (None, None, Some(_)) => "proxied",
            (None, None, None) => "client_gone",
        };
        let millis = |duration: std::time::Duration| duration.as_secs_f64() * 1000.0;
        tracing::info!(
            target: TARGET,
            method = %self.method,
            route = self.route.as_ref().map_or(self.path.as_str(), |route| route.pattern),
            provider = self.route.as_ref().map(|route| route.instance.name.as_str()),
            model = self.interception.as_ref().map(|interception| interception.start().model.as_str()),
            status = self.status.map(|status| status.as_u16()),
            outcome,
            duration_ms = millis(self.begun.elapsed()),
            ttfb_ms = summary.as_ref().and_then(|summary| summary.ttfb).map(millis),
            input_tokens = summary.as_ref().map(|summary| summary.input_tokens),
            output_tokens = summary.as_ref().map(|summary| summary.output_tokens),
            interception_id = self.interception.as_ref().map(|interception| tracing::field::display(interception.id())),
            actor = self.actor.as_ref().map(|actor| &*actor.username),
            "request"
        );
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
