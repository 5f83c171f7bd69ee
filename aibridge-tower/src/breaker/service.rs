use std::{
    sync::Arc,
    task::{Context, Poll},
};

use aibridge_providers::api::{Reason, Refusal};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{BreakerBody, BreakerFuture, circuits::Circuits};
use crate::{BoxError, ProviderRoute, answer::ResponseFuture, body::ResponseBody, parse::AiBody, refuse};

/// Leaves a provider alone that keeps failing. See the [module](super) documentation.
#[derive(Clone, Debug)]
pub struct Breaker<S> {
    inner: S,
    circuits: Option<Arc<Circuits>>,
}

impl<S> Breaker<S> {
    pub(super) fn new(inner: S, circuits: Option<Arc<Circuits>>) -> Breaker<S> {
        Breaker { inner, circuits }
    }
}

impl<S, ResBody> Service<Request<AiBody>> for Breaker<S>
where
    S: Service<Request<AiBody>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<BreakerBody<ResBody>>>;
    type Error = BoxError;
    type Future = ResponseFuture<BreakerFuture<S::Future>, BreakerBody<ResBody>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<AiBody>) -> Self::Future {
        let format = request.body().api().format();
        let ticket = match (&self.circuits, request.extensions().get::<ProviderRoute>()) {
            (None, _) => None,
            (Some(_), None) => {
                return ResponseFuture::own(refuse::response(format, refuse::missing::<ProviderRoute>("Breaker")));
            }
            (Some(circuits), Some(route)) => {
                let model = request.body().facts().model.as_deref().unwrap_or_default();
                match circuits.admit(route, model) {
                    Ok(ticket) => Some(ticket),
                    Err(wait) => {
                        let message = "aibridge: the provider keeps failing for this model and is left alone for a while; try \
                                       again when Retry-After says";
                        let refusal = Refusal::new(Reason::BreakerOpen, message).retry_after(wait);
                        return ResponseFuture::own(refuse::response(format, refusal));
                    }
                }
            }
        };
        ResponseFuture::call(BreakerFuture::new(self.inner.call(request), ticket))
    }
}

#[cfg(test)]
impl<S> Breaker<S> {
    /// How many circuits are kept.
    pub(super) fn circuits_len(&self) -> usize {
        self.circuits.as_ref().map_or(0, |circuits| circuits.len())
    }
}
