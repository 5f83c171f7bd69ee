use std::{
    mem,
    task::{Context, Poll},
};

use aibridge_providers::{
    api::{Reason, Refusal},
    provider::Endpoint,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{AiBody, ResponseFuture};
use crate::{BoxError, ProviderRoute, body::ResponseBody, refuse};

/// Adds [`Parse`].
#[derive(Clone, Debug)]
pub struct ParseLayer {
    max_bytes: usize,
}

impl Default for ParseLayer {
    fn default() -> ParseLayer {
        ParseLayer { max_bytes: 64 * 1024 * 1024 }
    }
}

impl ParseLayer {
    /// Buffers and reads request bodies of up to 64 MiB.
    pub fn new() -> ParseLayer {
        ParseLayer::default()
    }

    /// Sets the limit in bytes, of the body as sent and as decoded.
    #[must_use]
    pub fn max_bytes(mut self, limit: usize) -> ParseLayer {
        self.max_bytes = limit;
        self
    }
}

impl<S> Layer<S> for ParseLayer {
    type Service = Parse<S>;

    fn layer(&self, inner: S) -> Parse<S> {
        Parse { inner, max_bytes: self.max_bytes }
    }
}

/// Buffers and understands request bodies. See the [module](super) documentation.
#[derive(Clone, Debug)]
pub struct Parse<S> {
    inner: S,
    max_bytes: usize,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Parse<S>
where
    S: Service<Request<AiBody>, Response = Response<ResBody>> + Clone,
    ReqBody: Body<Data = Bytes>,
    ReqBody::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (head, body) = request.into_parts();
        let api = match head.extensions.get::<ProviderRoute>().map(|route| route.endpoint) {
            Some(Endpoint::Intercepted(api)) => api,
            Some(_) => {
                let message = "aibridge: a route that is not intercepted reached Parse; put Passthrough before it";
                return ResponseFuture::refuse(head, Refusal::new(Reason::Internal, message));
            }
            None => return ResponseFuture::refuse(head, refuse::missing::<ProviderRoute>("Parse")),
        };
        // A clone may not be ready: leave it behind, carry off the service that `poll_ready` drove.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        ResponseFuture::read(inner, head, body, api, self.max_bytes)
    }
}
