use std::{
    sync::Arc,
    task::{Context, Poll},
};

use aibridge_providers::{
    api::{Format, Reason, Refusal},
    provider::{Endpoint, Instance, Registry, Route as Resolved, RouteError, headers, resolve},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header, request::Parts};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::mount::Mounts;
use crate::{
    answer::ResponseFuture,
    body::ResponseBody,
    context::{ProviderRoute, Speaks, format_of},
    refuse,
};

/// Adds [`Route`].
#[derive(Clone, Debug)]
pub struct RouteLayer {
    registry: Arc<Registry>,
    mounts: Mounts,
}

impl RouteLayer {
    /// Routes to the instances of `registry`, at [`DEFAULT_MOUNTS`](super::DEFAULT_MOUNTS).
    pub fn new(registry: Arc<Registry>) -> RouteLayer {
        RouteLayer { registry, mounts: Mounts::default() }
    }

    /// Sets the path prefixes in front of an instance's name, in the place of the default ones. `""` is the root.
    #[must_use]
    pub fn mounts(mut self, mounts: impl IntoIterator<Item = impl AsRef<str>>) -> RouteLayer {
        self.mounts = Mounts::new(mounts);
        self
    }
}

impl<S> Layer<S> for RouteLayer {
    type Service = Route<S>;

    fn layer(&self, inner: S) -> Route<S> {
        Route { inner, registry: self.registry.clone(), mounts: self.mounts.clone() }
    }
}

/// Finds the provider instance. See the [module](super) documentation.
#[derive(Clone, Debug)]
pub struct Route<S> {
    inner: S,
    registry: Arc<Registry>,
    mounts: Mounts,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Route<S>
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
        let (mut head, body) = request.into_parts();
        match self.find(&mut head) {
            Ok(route) => {
                head.extensions.insert(route.clone());
                ResponseFuture::call(self.inner.call(Request::from_parts(head, body))).tell(Some(route))
            }
            Err((refusal, allow)) => {
                let mut response = refuse::response(format_of(&head), refusal);
                if let Some(allow) = allow {
                    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
                }
                ResponseFuture::own(response)
            }
        }
    }
}

/// A refusal, and the value for `Allow`.
type Refused = (Refusal, Option<&'static str>);

impl<S> Route<S> {
    fn find(&self, head: &mut Parts) -> Result<ProviderRoute, Refused> {
        let Some((name, path)) = self.mounts.split(head.uri.path()) else {
            let message = format!("route not supported: {} {}", head.method, head.uri.path());
            return Err((Refusal::new(Reason::UnknownRoute, message), None));
        };
        let Some(instance) = self.registry.find(name) else {
            let message = format!(
                "aibridge: there is no provider named {name:?} here; check the base url, its last part names the provider"
            );
            return Err((Refusal::new(Reason::UnknownProvider, message), None));
        };
        if !head.extensions.get::<Speaks>().is_some_and(|speaks| speaks.0 == Format::Anthropic) {
            head.extensions.insert(Speaks(instance.kind.format()));
        }
        if let Some(why) = &instance.disabled {
            return Err((disabled(&instance, why), None));
        }
        let route = match resolve(instance.kind, &head.method, path) {
            Ok(route) => route,
            Err(_) if asks_for_websocket(head, path) => {
                let message = "aibridge: websockets are not served; use plain https requests";
                return Err((Refusal::new(Reason::WebSocket, message), None));
            }
            Err(error) => return Err(unroutable(error)),
        };
        if let Endpoint::Intercepted(api) = route.endpoint {
            head.extensions.insert(Speaks(api.format()));
        }
        self.rewrite(head, instance, route)
    }

    fn rewrite(&self, head: &mut Parts, instance: Arc<Instance>, route: Resolved) -> Result<ProviderRoute, Refused> {
        let Some(uri) = instance.base_url.join(instance.kind, &route.path, head.uri.query()) else {
            let message = "aibridge: the path and query do not form a url";
            return Err((Refusal::new(Reason::InvalidRequest, message), None));
        };
        head.uri = uri;
        headers::end_hop(&mut head.headers);
        let native = route.native;
        let route = ProviderRoute::new(instance, route.endpoint, route.pattern);
        Ok(match native {
            Some(call) => route.native(call),
            None => route,
        })
    }
}

fn disabled(instance: &Instance, why: &str) -> Refusal {
    Refusal::new(Reason::ProviderDisabled, format!("aibridge: provider {:?} is switched off: {why}", instance.name))
}

/// Codex and Copilot first try a websocket on the Responses route, and fall back at once when told 426.
fn asks_for_websocket(head: &Parts, path: &str) -> bool {
    let websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    head.headers.get(header::UPGRADE).is_some_and(websocket) && path.trim_end_matches('/').ends_with("/responses")
}

fn unroutable(error: RouteError) -> Refused {
    match error {
        RouteError::Method { allow, .. } => {
            (Refusal::new(Reason::MethodNotAllowed, format!("aibridge: {error}")), Some(allow))
        }
        RouteError::Unknown { .. } => (Refusal::new(Reason::UnknownRoute, error.to_string()), None),
        error => (Refusal::new(Reason::InvalidRequest, format!("aibridge: {error}")), None),
    }
}
