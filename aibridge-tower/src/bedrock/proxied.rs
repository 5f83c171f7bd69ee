//! Routes that are only proxied.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::{
    api::{Format, Reason, Refusal},
    bedrock::Protocol,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    Credentials,
    credentials::Found,
    prepare::{self, Plan},
};
use crate::{BoxError, ProviderRoute, body::ResponseBody, parse, passthrough::RequestBody, refuse};

/// Adds [`Proxied`]: stands between [`Keys`](crate::keys::Keys) and [`Upstream`](crate::upstream::Upstream) on the side of
/// [`Passthrough`](crate::passthrough::Passthrough).
#[derive(Clone, Debug)]
pub struct ProxiedLayer {
    credentials: Credentials,
    max_bytes: usize,
}

impl ProxiedLayer {
    /// Signs with `credentials` requests of up to 64 MiB, which have to be buffered for that.
    pub fn new(credentials: Credentials) -> ProxiedLayer {
        ProxiedLayer { credentials, max_bytes: 64 * 1024 * 1024 }
    }

    /// Sets the limit, in bytes.
    #[must_use]
    pub fn max_bytes(mut self, limit: usize) -> ProxiedLayer {
        self.max_bytes = limit;
        self
    }
}

impl<S> Layer<S> for ProxiedLayer {
    type Service = Proxied<S>;

    fn layer(&self, inner: S) -> Proxied<S> {
        Proxied { inner, settings: self.clone() }
    }
}

/// Signs proxied requests to Mantle, and refuses those for which `InvokeModel` has no operation: sent on without a
/// signature they would only be refused there. Requests to other kinds pass.
#[derive(Clone, Debug)]
pub struct Proxied<S> {
    inner: S,
    settings: ProxiedLayer,
}

impl<S, ReqBody, ResBody> Service<Request<RequestBody<ReqBody>>> for Proxied<S>
where
    S: Service<Request<RequestBody<ReqBody>>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: Body<Data = Bytes> + Send + 'static,
    ReqBody::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ProxiedFuture<S::Future, ResBody, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RequestBody<ReqBody>>) -> Self::Future {
        let plan = match prepare::plan(&request) {
            None => return ProxiedFuture::call(self.inner.call(request)),
            Some(plan) => plan.and_then(|plan| match plan.settings().protocol {
                Protocol::Mantle => Ok(plan),
                _ => Err(no_operation(&request)),
            }),
        };
        let plan = match plan {
            Ok(plan) => plan,
            Err(refusal) => return ProxiedFuture::refuse(refusal),
        };
        plan.settle_headers(&mut request);
        let Some(slot) = plan.slot else {
            return ProxiedFuture::call(self.inner.call(request));
        };
        // A clone may not be ready: leave it behind, carry off the service that `poll_ready` drove.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let ProxiedLayer { credentials, max_bytes } = self.settings.clone();
        let found = credentials.find(&plan.instance, plan.settings(), slot);
        ProxiedFuture::signed(async move {
            match signed(request, &plan, found, max_bytes).await {
                Ok(request) => Ok(inner.call(request).await?.map(ResponseBody::inner)),
                Err(refusal) => Ok(refuse::response(Format::Anthropic, refusal)),
            }
        })
    }
}

async fn signed<B>(
    request: Request<RequestBody<B>>,
    plan: &Plan,
    found: Found,
    max_bytes: usize,
) -> Result<Request<RequestBody<B>>, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (head, body) = request.into_parts();
    let body = parse::collect(body, max_bytes).await?;
    let credentials = match found {
        Found::Known(credentials) => credentials,
        Found::Pending(pending) => pending.await.map_err(|_| plan.unresolved())?,
        Found::Failed => return Err(plan.unresolved()),
    };
    let mut request = Request::from_parts(head, RequestBody::whole(body.clone()));
    plan.sign(&mut request, &body, credentials)?;
    Ok(request)
}

fn no_operation<B>(request: &Request<B>) -> Refusal {
    let pattern = request.extensions().get::<ProviderRoute>().map_or("", |route| route.pattern);
    let message = format!("route not supported: {} {pattern} (not by Amazon Bedrock's InvokeModel)", request.method());
    Refusal::new(Reason::UnknownRoute, message)
}

type Signed<B, E> = Pin<Box<dyn Future<Output = Result<Response<ResponseBody<B>>, E>> + Send>>;

pin_project! {
    /// The future of [`Proxied`].
    pub struct ProxiedFuture<F, B, E> {
        #[pin]
        state: State<F, B, E>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B, E> {
        Calling { #[pin] call: F },
        Signed { call: Signed<B, E> },
        Refused { refusal: Option<Refusal> },
    }
}

impl<F, B, E> ProxiedFuture<F, B, E> {
    fn call(call: F) -> Self {
        ProxiedFuture { state: State::Calling { call } }
    }

    fn signed(call: impl Future<Output = Result<Response<ResponseBody<B>>, E>> + Send + 'static) -> Self {
        ProxiedFuture { state: State::Signed { call: Box::pin(call) } }
    }

    fn refuse(refusal: Refusal) -> Self {
        ProxiedFuture { state: State::Refused { refusal: Some(refusal) } }
    }
}

impl<F, B, E> Future for ProxiedFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Calling { call } => Poll::Ready(Ok(ready!(call.poll(cx))?.map(ResponseBody::inner))),
            StateProj::Signed { call } => call.as_mut().poll(cx),
            StateProj::Refused { refusal } => {
                let refusal = refusal.take().expect("polled after completion");
                Poll::Ready(Ok(refuse::response(Format::Anthropic, refusal)))
            }
        }
    }
}

impl<F, B, E> fmt::Debug for ProxiedFuture<F, B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxiedFuture").finish_non_exhaustive()
    }
}
