use std::{
    sync::Arc,
    task::{Context, Poll},
};

use aibridge_providers::provider::{Endpoint, Registry, resolve};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::mount::Mounts;
use crate::{answer::ResponseFuture, body::ResponseBody};

/// Adds [`Probe`]: stands outside of [`Auth`](crate::auth::Auth), because agents probe without credentials.
#[derive(Clone, Debug)]
pub struct ProbeLayer {
    registry: Arc<Registry>,
    mounts: Mounts,
}

impl ProbeLayer {
    /// Answers for the instances of `registry`, at [`DEFAULT_MOUNTS`](super::DEFAULT_MOUNTS).
    pub fn new(registry: Arc<Registry>) -> ProbeLayer {
        ProbeLayer { registry, mounts: Mounts::default() }
    }

    /// Sets the path prefixes in front of an instance's name, in the place of the default ones.
    #[must_use]
    pub fn mounts(mut self, mounts: impl IntoIterator<Item = impl AsRef<str>>) -> ProbeLayer {
        self.mounts = Mounts::new(mounts);
        self
    }
}

impl<S> Layer<S> for ProbeLayer {
    type Service = Probe<S>;

    fn layer(&self, inner: S) -> Probe<S> {
        Probe { inner, registry: self.registry.clone(), mounts: self.mounts.clone() }
    }
}

/// Answers 200 to `HEAD {mount}/{name}`, `{mount}/{name}/` and `{mount}/{name}/api/hello` of a known instance; passes on
/// everything else.
#[derive(Clone, Debug)]
pub struct Probe<S> {
    inner: S,
    registry: Arc<Registry>,
    mounts: Mounts,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Probe<S>
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
        let is_probe = request.method() == Method::HEAD
            && self.mounts.split(request.uri().path()).is_some_and(|(name, path)| {
                self.registry.find(name).is_some_and(|instance| {
                    resolve(instance.kind, &Method::HEAD, path).is_ok_and(|route| route.endpoint == Endpoint::Probe)
                })
            });
        match is_probe {
            true => ResponseFuture::own(Response::new(ResponseBody::own(Bytes::new()))),
            false => ResponseFuture::call(self.inner.call(request)),
        }
    }
}
