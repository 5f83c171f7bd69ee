use std::{
    convert::Infallible,
    error::Error,
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
};

use aibridge_providers::{
    api::{Format, Refusal},
    bedrock::NativeCall,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::ResponseFuture;
use crate::{BoxError, body::ResponseBody, context::Speaks};

/// Recognises an error of the host's own.
pub(super) type Recognise = Arc<dyn Fn(&(dyn Error + 'static)) -> Option<Refusal> + Send + Sync>;

/// Adds [`Shape`].
#[derive(Clone, Default)]
pub struct ShapeLayer {
    recognise: Option<Recognise>,
}

impl ShapeLayer {
    /// A layer that knows the errors of this crate; all others are answered 500.
    pub fn new() -> ShapeLayer {
        ShapeLayer::default()
    }

    /// Asks `recognise` about each error of the chain that this crate does not know, e.g. `tower`'s `Overloaded`.
    #[must_use]
    pub fn recognise<F>(mut self, recognise: F) -> ShapeLayer
    where
        F: Fn(&(dyn Error + 'static)) -> Option<Refusal> + Send + Sync + 'static,
    {
        self.recognise = Some(Arc::new(recognise));
        self
    }
}

impl<S> Layer<S> for ShapeLayer {
    type Service = Shape<S>;

    fn layer(&self, inner: S) -> Shape<S> {
        Shape { inner, recognise: self.recognise.clone(), failed: None }
    }
}

/// Turns errors into responses. See the [module](super) documentation.
pub struct Shape<S> {
    inner: S,
    recognise: Option<Recognise>,
    /// What `poll_ready` failed with, kept for the call, which can tell it.
    failed: Option<BoxError>,
}

impl<S: Clone> Clone for Shape<S> {
    fn clone(&self) -> Shape<S> {
        Shape { inner: self.inner.clone(), recognise: self.recognise.clone(), failed: None }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Shape<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.failed = ready!(self.inner.poll_ready(cx)).err().map(Into::into);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let format = Format::guess(request.uri().path(), request.headers());
        let native = speaks_bedrock(request.uri().path());
        if let Some(error) = self.failed.take() {
            return ResponseFuture::failed(error, format, native, self.recognise.clone());
        }
        request.extensions_mut().insert(Speaks(format));
        ResponseFuture::new(self.inner.call(request), format, native, self.recognise.clone())
    }
}

/// Whether the path, below whatever mount, is a call of a client that speaks Bedrock itself.
fn speaks_bedrock(path: &str) -> bool {
    path.find("/model/").is_some_and(|at| NativeCall::parse(path[at..].trim_end_matches('/')).is_some())
}

impl fmt::Debug for ShapeLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShapeLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for Shape<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shape").field("inner", &self.inner).finish_non_exhaustive()
    }
}
