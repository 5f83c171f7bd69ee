use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use aibridge_providers::api::{Reason, Refusal};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_layer::Layer;
use tower_service::Service;

use crate::{answer::ResponseFuture, body::ResponseBody, context::format_of, refuse};

/// Adds [`InFlight`].
#[derive(Clone, Debug)]
pub struct InFlightLayer {
    permits: Arc<Semaphore>,
}

impl InFlightLayer {
    /// Serves at most `max` requests at once, streams until their end. Services of one layer share the bound.
    pub fn new(max: usize) -> InFlightLayer {
        InFlightLayer { permits: Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))) }
    }
}

impl<S> Layer<S> for InFlightLayer {
    type Service = InFlight<S>;

    fn layer(&self, inner: S) -> InFlight<S> {
        InFlight { inner, permits: self.permits.clone() }
    }
}

/// Refuses with 503 what exceeds the number of requests in flight.
#[derive(Clone, Debug)]
pub struct InFlight<S> {
    inner: S,
    permits: Arc<Semaphore>,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for InFlight<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<InFlightBody<ResBody>>>;
    type Error = S::Error;
    type Future = ResponseFuture<InFlightFuture<S::Future>, InFlightBody<ResBody>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // The permit is taken here, not in `poll_ready`: a ready service that is never called would hold it.
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            let call = self.inner.call(request);
            return ResponseFuture::call(InFlightFuture { call, permit: Some(permit) });
        }
        let (head, _) = request.into_parts();
        let message = "aibridge: the gateway serves as many requests as it is allowed to; try again in a moment";
        let refusal = Refusal::new(Reason::Overloaded, message).retry_after(Duration::from_secs(1));
        ResponseFuture::own(refuse::response(format_of(&head), refusal))
    }
}

pin_project! {
    /// The future of an admitted request.
    pub struct InFlightFuture<F> {
        #[pin]
        call: F,
        permit: Option<OwnedSemaphorePermit>,
    }
}

impl<F, B, E> Future for InFlightFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<InFlightBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.call.poll(cx))?;
        let permit = this.permit.take();
        Poll::Ready(Ok(response.map(|inner| InFlightBody { inner, permit })))
    }
}

impl<F> fmt::Debug for InFlightFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlightFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// The inner body, which counts as in flight until it is dropped.
    #[derive(Debug)]
    pub struct InFlightBody<B> {
        #[pin]
        inner: B,
        permit: Option<OwnedSemaphorePermit>,
    }
}

impl<B: Body<Data = Bytes>> Body for InFlightBody<B> {
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
