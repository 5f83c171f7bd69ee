//! Which models may be asked for: [`ModelsLayer`] refuses those that the instance's rules exclude.
//!
//! It stands behind [`Record`](crate::record::Record), so that the attempt is on record.
//!
//! | needs | adds |
//! | --- | --- |
//! | [`ProviderRoute`], [`AiBody`] | nothing |

use std::task::{Context, Poll};

use aibridge_providers::api::{Reason, Refusal};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{ProviderRoute, answer::ResponseFuture, body::ResponseBody, parse::AiBody, refuse};

/// Adds [`Models`].
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ModelsLayer {}

impl ModelsLayer {
    /// Applies the rules of each request's instance.
    pub fn new() -> ModelsLayer {
        ModelsLayer {}
    }
}

impl<S> Layer<S> for ModelsLayer {
    type Service = Models<S>;

    fn layer(&self, inner: S) -> Models<S> {
        Models { inner }
    }
}

/// Refuses models that are not allowed. See the [module](self) documentation.
#[derive(Clone, Debug)]
pub struct Models<S> {
    inner: S,
}

impl<S, ResBody> Service<Request<AiBody>> for Models<S>
where
    S: Service<Request<AiBody>, Response = Response<ResBody>>,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<AiBody>) -> Self::Future {
        let model = request.body().facts().model.as_deref().unwrap_or_default();
        let refusal = match request.extensions().get::<ProviderRoute>() {
            None => refuse::missing::<ProviderRoute>("Models"),
            Some(route) if !route.instance.models.permit(model) => {
                let message = format!(
                    "aibridge: the model {model:?} is not allowed on provider {:?}; ask for another model",
                    route.instance.name
                );
                Refusal::new(Reason::ModelNotAllowed, message)
            }
            Some(_) => return ResponseFuture::call(self.inner.call(request)),
        };
        ResponseFuture::own(refuse::response(request.body().api().format(), refusal))
    }
}
