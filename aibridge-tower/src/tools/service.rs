use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use aibridge_providers::provider::Endpoint;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{ResponseBody, ResponseFuture, layer::Settings};
use crate::{BoxError, ProviderRoute, auth::Actor, parse::AiBody};

/// Gives tools and runs them. See the [module](super) documentation.
#[derive(Clone, Debug)]
pub struct Tools<S> {
    inner: S,
    shared: Option<Arc<Shared<S>>>,
}

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared<S> {
    pub(super) settings: Settings,
    /// What services for further rounds are cloned from: few requests need one. In a mutex, because a service need not be
    /// `Sync`.
    spare: Mutex<S>,
}

impl<S: Clone> Shared<S> {
    /// A service for a further round.
    pub(super) fn service(&self) -> S {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S: Clone> Tools<S> {
    pub(super) fn new(inner: S, settings: Option<Settings>) -> Tools<S> {
        let shared = settings.map(|settings| Arc::new(Shared { settings, spare: Mutex::new(inner.clone()) }));
        Tools { inner, shared }
    }
}

impl<S, B> Service<Request<AiBody>> for Tools<S>
where
    S: Service<Request<AiBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<S, B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<AiBody>) -> Self::Future {
        let actor = request.extensions().get::<Actor>().map(|actor| actor.id);
        let (shared, actor) = match (&self.shared, actor) {
            (Some(shared), Some(actor)) if takes_tools(&request) => (shared, actor),
            _ => return ResponseFuture::direct(self.inner.call(request)),
        };
        match shared.settings.source.known(actor) {
            Some(toolbox) => ResponseFuture::begin(&mut self.inner, shared.clone(), actor, toolbox, request),
            None => {
                let tools = shared.settings.source.tools(actor);
                // A clone may not be ready: leave it behind, carry off the service that `poll_ready` drove.
                let clone = self.inner.clone();
                let inner = mem::replace(&mut self.inner, clone);
                ResponseFuture::wait(tools, inner, shared.clone(), actor, request)
            }
        }
    }
}

/// Whether the route is one whose requests are given tools: not those of clients that speak Bedrock itself, whose streams
/// are not read here. What only the body tells is for [`inject`](aibridge_providers::api::tools::inject).
fn takes_tools(request: &Request<AiBody>) -> bool {
    request.extensions().get::<ProviderRoute>().is_some_and(|route| {
        matches!(route.endpoint, Endpoint::Intercepted(_))
            && !route.pattern.ends_with("/compact")
            && route.native.is_none()
    })
}
