//! With which credential the provider is asked: [`KeysLayer`] adds the instance's key to requests that do not carry the
//! user's own.
//!
//! | instance | header |
//! | --- | --- |
//! | `anthropic` | `X-Api-Key: <key>` |
//! | `azure` | `Api-Key: <key>` |
//! | other OpenAI formats | `Authorization: Bearer <key>` |
//! | `copilot` | none: always the user's own |
//!
//! An instance without a key is asked without a credential, as local model servers are.
//!
//! | needs | adds |
//! | --- | --- |
//! | [`ProviderRoute`], [`Byok`] | the provider's credential |

use std::task::{Context, Poll};

use aibridge_providers::{
    api::{Reason, Refusal},
    provider::{Instance, Kind},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Byok, ProviderRoute,
    answer::ResponseFuture,
    body::ResponseBody,
    context::format_of,
    refuse,
};

/// Adds [`Keys`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct KeysLayer {}

impl KeysLayer {
    /// Adds the first key of each request's instance.
    pub fn new() -> KeysLayer {
        KeysLayer {}
    }
}

impl<S> Layer<S> for KeysLayer {
    type Service = Keys<S>;

    fn layer(&self, inner: S) -> Keys<S> {
        Keys { inner }
    }
}

/// Adds the provider's credential. See the [module](self) documentation.
#[derive(Clone, Debug)]
pub struct Keys<S> {
    inner: S,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Keys<S>
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
        let byok = head.extensions.get::<Byok>().is_some();
        let added = match head.extensions.get::<ProviderRoute>() {
            None => Err(refuse::missing::<ProviderRoute>("Keys")),
            Some(_) if byok => Ok(None),
            Some(route) => credential(&route.instance),
        };
        match added {
            Ok(None) => {}
            Ok(Some((name, value))) => drop(head.headers.insert(name, value)),
            Err(refusal) => {
                let format = format_of(&head);
                return ResponseFuture::own(refuse::response(format, refusal));
            }
        }
        ResponseFuture::call(self.inner.call(Request::from_parts(head, body)))
    }
}

/// The header that carries the instance's key.
fn credential(instance: &Instance) -> Result<Option<(HeaderName, HeaderValue)>, Refusal> {
    if instance.kind == Kind::Copilot {
        let message = "aibridge: this provider is used with your own credential; send it in Authorization, and the \
                       gateway token in X-Coder-AI-Governance-Token";
        return Err(Refusal::new(Reason::Unauthenticated, message));
    }
    let Some(key) = instance.keys.first() else { return Ok(None) };
    let (name, value) = match instance.kind {
        Kind::Anthropic | Kind::Bedrock => (HeaderName::from_static("x-api-key"), HeaderValue::from_str(key.expose())),
        Kind::Azure => (HeaderName::from_static("api-key"), HeaderValue::from_str(key.expose())),
        _ => (header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", key.expose()))),
    };
    let mut value = value.map_err(|_| {
        let message = format!("aibridge: the key of provider {:?} cannot be sent in a header", instance.name);
        Refusal::new(Reason::Internal, message)
    })?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}
