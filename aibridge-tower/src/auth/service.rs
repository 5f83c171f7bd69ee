use std::{
    mem,
    task::{Context, Poll},
};

use aibridge_providers::api::{Reason, Refusal};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    Authenticate, ResponseFuture,
    future::refusal_for,
    token::{self, TokenError},
};
use crate::{auth::AuthError, body::ResponseBody, context::format_of};

/// Establishes who is calling. See the [module](super) documentation.
#[derive(Clone, Debug)]
pub struct Auth<S, A> {
    inner: S,
    authenticator: A,
    allow_byok: bool,
}

impl<S, A> Auth<S, A> {
    pub(super) fn new(inner: S, authenticator: A, allow_byok: bool) -> Auth<S, A> {
        Auth { inner, authenticator, allow_byok }
    }
}

impl<S, A, ReqBody, ResBody> Service<Request<ReqBody>> for Auth<S, A>
where
    A: Authenticate,
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<A::Future, S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let format = format_of(&head);
        let carried = match token::take(&mut head.headers) {
            Ok(carried) => carried,
            Err(TokenError::Missing) => return ResponseFuture::refuse(format, refusal_for(&AuthError::Missing)),
            Err(TokenError::Conflict) => {
                let message = "aibridge: Authorization and X-Api-Key carry different values; send the gateway token in \
                               one of them, or in X-Coder-AI-Governance-Token to bring your own provider credential";
                return ResponseFuture::refuse(format, Refusal::new(Reason::ConflictingTokens, message));
            }
        };
        if let Some(byok) = carried.byok {
            if !self.allow_byok {
                let message = "aibridge: bringing your own provider credential is switched off here; send only the \
                               gateway token";
                return ResponseFuture::refuse(format, Refusal::new(Reason::ByokDisabled, message));
            }
            head.extensions.insert(byok);
        }
        let check = self.authenticator.authenticate(&carried.token);
        // A clone may not be ready: leave it behind, carry off the service that `poll_ready` drove.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        ResponseFuture::new(check, inner, Request::from_parts(head, body), format)
    }
}
