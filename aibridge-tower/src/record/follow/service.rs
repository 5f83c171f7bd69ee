use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use aibridge_providers::provider::Endpoint;
use aibridge_store::Recorder;
use bytes::Bytes;
use http::{Method, Request, Response, request::Parts};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{ResponseBody, ResponseFuture, watch::Asked};
use crate::{ProviderRoute, auth::Actor, body, context::format_of, refuse};

/// Adds [`Follow`].
#[derive(Clone)]
pub struct FollowLayer {
    recorder: Arc<dyn Recorder>,
    content: bool,
}

impl FollowLayer {
    /// Tells `recorder`, which has to be the one that is told of interceptions.
    pub fn new(recorder: impl Recorder) -> FollowLayer {
        FollowLayer { recorder: Arc::new(recorder), content: true }
    }

    /// Sets whether tool inputs and thoughts are recorded, as [`RecordLayer::content`](crate::record::RecordLayer::content)
    /// does. Default: `true`.
    #[must_use]
    pub fn content(mut self, record: bool) -> FollowLayer {
        self.content = record;
        self
    }
}

impl<S> Layer<S> for FollowLayer {
    type Service = Follow<S>;

    fn layer(&self, inner: S) -> Follow<S> {
        Follow { inner, settings: self.clone() }
    }
}

impl fmt::Debug for FollowLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowLayer").field("content", &self.content).finish_non_exhaustive()
    }
}

/// Watches background responses being asked for. See the [module](super) documentation.
#[derive(Clone, Debug)]
pub struct Follow<S> {
    inner: S,
    settings: FollowLayer,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Follow<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<body::ResponseBody<ResponseBody<ResBody>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (head, body) = request.into_parts();
        let Some(route) = head.extensions.get::<ProviderRoute>() else {
            return ResponseFuture::own(refuse::response(format_of(&head), refuse::missing::<ProviderRoute>("Follow")));
        };
        let asked = match asks_for_response(route, &head) {
            false => None,
            true => match head.extensions.get::<Actor>() {
                None => {
                    let refusal = refuse::missing::<Actor>("Follow");
                    return ResponseFuture::own(refuse::response(format_of(&head), refusal));
                }
                Some(actor) => Some(Asked {
                    recorder: self.settings.recorder.clone(),
                    content: self.settings.content,
                    initiator_id: actor.id,
                    provider_name: route.instance.name.clone(),
                }),
            },
        };
        ResponseFuture::call(self.inner.call(Request::from_parts(head, body)), asked)
    }
}

/// `GET /v1/responses/{id}`, but nothing below it.
fn asks_for_response(route: &ProviderRoute, head: &Parts) -> bool {
    let Some((above, id)) = head.uri.path().trim_end_matches('/').rsplit_once('/') else { return false };
    head.method == Method::GET
        && route.endpoint == Endpoint::Passthrough
        && route.pattern == "/v1/responses/*"
        && above.ends_with("/responses")
        && !id.is_empty()
}
