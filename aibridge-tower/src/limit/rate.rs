use std::{
    fmt,
    num::NonZeroU32,
    sync::Arc,
    task::{Context, Poll},
};

use aibridge_providers::api::{Reason, Refusal};
use bytes::Bytes;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;
use uuid::Uuid;

use crate::{answer::ResponseFuture, auth::Actor, body::ResponseBody, context::format_of, refuse};

/// After how many requests the limiter forgets actors that have been quiet.
const FORGET_EVERY: u32 = 4096;

/// Adds [`Rate`].
#[derive(Clone)]
pub struct RateLayer {
    limiter: Arc<DefaultKeyedRateLimiter<Uuid>>,
}

impl RateLayer {
    /// Serves each actor `per_second` requests a second, and as many at once. Services of one layer share the count.
    pub fn new(per_second: NonZeroU32) -> RateLayer {
        RateLayer { limiter: Arc::new(RateLimiter::keyed(Quota::per_second(per_second))) }
    }
}

impl<S> Layer<S> for RateLayer {
    type Service = Rate<S>;

    fn layer(&self, inner: S) -> Rate<S> {
        Rate { inner, limiter: self.limiter.clone(), calls: 0 }
    }
}

/// Refuses with 429 what exceeds an actor's rate.
#[derive(Clone)]
pub struct Rate<S> {
    inner: S,
    limiter: Arc<DefaultKeyedRateLimiter<Uuid>>,
    calls: u32,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Rate<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        self.calls = self.calls.wrapping_add(1);
        if self.calls.is_multiple_of(FORGET_EVERY) {
            self.limiter.retain_recent();
        }
        let refusal = match request.extensions().get::<Actor>() {
            None => refuse::missing::<Actor>("Rate"),
            Some(actor) => match self.limiter.check_key(&actor.id) {
                Ok(()) => return ResponseFuture::call(self.inner.call(request)),
                Err(until) => {
                    let message = "aibridge: you have reached this gateway's request rate; wait before the next request";
                    let wait = until.wait_time_from(self.limiter.clock().now());
                    Refusal::new(Reason::RateLimited, message).retry_after(wait)
                }
            },
        };
        let (head, _) = request.into_parts();
        ResponseFuture::own(refuse::response(format_of(&head), refusal))
    }
}

impl fmt::Debug for RateLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for Rate<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate").field("inner", &self.inner).finish_non_exhaustive()
    }
}
