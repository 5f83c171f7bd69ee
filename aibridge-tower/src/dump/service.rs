use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, request::Parts};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{RequestBody, ResponseBody, head, layer::Target, writer::Pair};
use crate::{
    context::final_headers,
    encoded::{Coding, coding},
    parse::AiBody,
};

/// Dumps requests that were parsed, and their replies. See the [module](super) documentation.
#[derive(Clone, Debug)]
pub struct Dump<S> {
    inner: S,
    target: Option<Target>,
}

impl<S> Dump<S> {
    pub(super) fn new(inner: S, target: Option<Target>) -> Dump<S> {
        Dump { inner, target }
    }
}

impl<S, B> Service<Request<AiBody>> for Dump<S>
where
    S: Service<Request<AiBody>, Response = Response<B>>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<AiBody>) -> Self::Future {
        let pair = self.target.as_ref().map(|target| {
            let (head, body) = request.clone().into_parts();
            let pair = begin(target, &head, Some(body.facts().model.as_deref().unwrap_or_default()));
            pair.request(body.bytes().clone());
            pair
        });
        ResponseFuture { call: self.inner.call(request), pair }
    }
}

/// Dumps requests that are only passed through, and their replies. See the [module](super) documentation.
#[derive(Clone, Debug)]
pub struct DumpProxied<S> {
    inner: S,
    target: Option<Target>,
}

impl<S> DumpProxied<S> {
    pub(super) fn new(inner: S, target: Option<Target>) -> DumpProxied<S> {
        DumpProxied { inner, target }
    }
}

impl<S, B, R> Service<Request<R>> for DumpProxied<S>
where
    S: Service<Request<RequestBody<R>>, Response = Response<B>>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let (head, body) = request.into_parts();
        let pair = self.target.as_ref().map(|target| begin(target, &head, None));
        let body = RequestBody::new(body, pair.clone());
        ResponseFuture { call: self.inner.call(Request::from_parts(head, body)), pair }
    }
}

fn begin(target: &Target, head: &Parts, model: Option<&str>) -> Arc<Pair> {
    let pair = target.begin(&head.extensions, model);
    let headers = final_headers(head.headers.clone(), &head.extensions);
    pair.request(head::request(&head.method, &head.uri, &headers).into());
    Arc::new(pair)
}

pin_project! {
    /// The future of [`Dump`] and [`DumpProxied`].
    pub struct ResponseFuture<F> {
        #[pin]
        call: F,
        pair: Option<Arc<Pair>>,
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
        let pair = this.pair.take();
        if let Some(pair) = &pair {
            let decoder = match coding(response.headers()) {
                Coding::Coded(decoder) => Some(decoder),
                Coding::Plain | Coding::Unreadable => None,
            };
            pair.head(head::response(response.status(), response.headers()), decoder);
        }
        Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, pair))))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
