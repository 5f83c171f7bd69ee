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

/// With how many actors the limiter begins to forget those that have been quiet.
const FORGET_ABOVE: usize = 10_000;

/// Adds [`Rate`].
#[derive(Clone)]
pub struct RateLayer {
    limiter: Option<Arc<DefaultKeyedRateLimiter<Uuid>>>,
}

impl RateLayer {
    /// Serves each actor `per_second` requests a second, and as many at once; `None` is without bound. Services of one
    /// layer share the count.
    pub fn new(per_second: Option<NonZeroU32>) -> RateLayer {
        let limiter = per_second.map(|rate| Arc::new(RateLimiter::keyed(Quota::per_second(rate))));
        RateLayer { limiter }
    }
}

impl<S> Layer<S> for RateLayer {
    type Service = Rate<S>;

    fn layer(&self, inner: S) -> Rate<S> {
        Rate { inner, limiter: self.limiter.clone() }
    }
}

/// Refuses with 429 what exceeds an actor's rate.
#[derive(Clone)]
pub struct Rate<S> {
    inner: S,
    limiter: Option<Arc<DefaultKeyedRateLimiter<Uuid>>>,
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
        let Some(limiter) = &self.limiter else { return ResponseFuture::call(self.inner.call(request)) };
        if limiter.len() > FORGET_ABOVE {
            limiter.retain_recent();
        }
        let refusal = match request.extensions().get::<Actor>() {
            None => refuse::missing::<Actor>("Rate"),
            Some(actor) => match limiter.check_key(&actor.id) {
                Ok(()) => return ResponseFuture::call(self.inner.call(request)),
                Err(until) => {
                    let message =
                        "aibridge: you have reached this gateway's request rate; wait before the next request";
                    let wait = until.wait_time_from(limiter.clock().now());
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
