//! Routes that are only proxied leave the pipeline here: [`PassthroughLayer`] sends them, unparsed and unrecorded, to a
//! service of their own.
//!
//! | needs | adds |
//! | --- | --- |
//! | [`ProviderRoute`] | [`RequestBody`] in the place of the body |
//!
//! ```
//! use std::{convert::Infallible, sync::Arc};
//! use aibridge_providers::provider::{BaseUrl, Instance, Kind, Registry};
//! use aibridge_tower::{passthrough::{PassthroughLayer, RequestBody}, route::RouteLayer};
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let openai = Instance::builder(Kind::OpenAi, BaseUrl::parse("https://api.openai.com/v1/").unwrap()).build();
//! let proxied = service_fn(|_: Request<RequestBody<Full<Bytes>>>| async { Ok::<_, Infallible>(Response::new(Full::from("proxied"))) });
//! let app = ServiceBuilder::new()
//!     .layer(RouteLayer::new(Arc::new(Registry::new([openai]))))
//!     .layer(PassthroughLayer::new(proxied))
//!     .service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::from("intercepted"))) });
//! let request = Request::get("/api/v2/aibridge/openai/v1/models").body(Full::default()).unwrap();
//! let body = http_body_util::BodyExt::collect(app.oneshot(request).await.unwrap().into_body()).await.unwrap();
//! assert_eq!(body.to_bytes(), "proxied");
//! # }
//! ```

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::provider::Endpoint;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{BoxError, ProviderRoute};

mod request_body;

pub use request_body::RequestBody;

/// Adds [`Passthrough`].
#[derive(Clone, Debug)]
pub struct PassthroughLayer<U> {
    proxied: U,
}

impl<U> PassthroughLayer<U> {
    /// Sends what is only proxied to `proxied`, usually [`Keys`](crate::keys::Keys) over
    /// [`Upstream`](crate::upstream::Upstream).
    pub fn new(proxied: U) -> PassthroughLayer<U> {
        PassthroughLayer { proxied }
    }
}

impl<S, U: Clone> Layer<S> for PassthroughLayer<U> {
    type Service = Passthrough<S, U>;

    fn layer(&self, inner: S) -> Passthrough<S, U> {
        Passthrough { inner, proxied: self.proxied.clone() }
    }
}

/// Tells proxied routes from intercepted ones. See the [module](self) documentation.
#[derive(Clone, Debug)]
pub struct Passthrough<S, U> {
    inner: S,
    proxied: U,
}

impl<S, U, ReqBody, InnerBody, ProxiedBody> Service<Request<ReqBody>> for Passthrough<S, U>
where
    S: Service<Request<ReqBody>, Response = Response<InnerBody>>,
    S::Error: Into<BoxError>,
    U: Service<Request<RequestBody<ReqBody>>, Response = Response<ProxiedBody>>,
    U::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<InnerBody, ProxiedBody>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, U::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Which of the two a request needs is not known yet.
        ready!(self.inner.poll_ready(cx)).map_err(Into::into)?;
        self.proxied.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match request.extensions().get::<ProviderRoute>() {
            Some(ProviderRoute { endpoint: Endpoint::Passthrough, .. }) => {
                ResponseFuture { branch: Branch::Proxied { it: self.proxied.call(request.map(RequestBody::new)) } }
            }
            // Without a route the inner service says what is missing.
            _ => ResponseFuture { branch: Branch::Inner { it: self.inner.call(request) } },
        }
    }
}

pin_project! {
    /// The future of [`Passthrough`].
    pub struct ResponseFuture<F, G> {
        #[pin]
        branch: Branch<F, G>,
    }
}

pin_project! {
    /// The body of either branch, untouched.
    #[derive(Debug)]
    pub struct ResponseBody<B, C> {
        #[pin]
        branch: Branch<B, C>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = BranchProj]
    enum Branch<I, P> {
        Inner { #[pin] it: I },
        Proxied { #[pin] it: P },
    }
}

impl<F, G, B, C, E, D> Future for ResponseFuture<F, G>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    G: Future<Output = Result<Response<C>, D>>,
    D: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<B, C>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().branch.project() {
            BranchProj::Inner { it } => match ready!(it.poll(cx)) {
                Ok(response) => Ok(response.map(|body| ResponseBody { branch: Branch::Inner { it: body } })),
                Err(error) => Err(error.into()),
            },
            BranchProj::Proxied { it } => match ready!(it.poll(cx)) {
                Ok(response) => Ok(response.map(|body| ResponseBody { branch: Branch::Proxied { it: body } })),
                Err(error) => Err(error.into()),
            },
        })
    }
}

impl<F, G> fmt::Debug for ResponseFuture<F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

impl<B, C> Body for ResponseBody<B, C>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
    C: Body<Data = Bytes>,
    C::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().branch.project() {
            BranchProj::Inner { it } => it.poll_frame(cx).map_err(Into::into),
            BranchProj::Proxied { it } => it.poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.branch {
            Branch::Inner { it } => it.is_end_stream(),
            Branch::Proxied { it } => it.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.branch {
            Branch::Inner { it } => it.size_hint(),
            Branch::Proxied { it } => it.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests;
