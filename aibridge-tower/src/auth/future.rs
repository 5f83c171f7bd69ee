use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::api::{Format, Reason, Refusal};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Actor, AuthError};
use crate::{body::ResponseBody, refuse};

pin_project! {
    /// The future of [`Auth`](super::Auth).
    #[derive(Debug)]
    pub struct ResponseFuture<C, S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<C, S, S::Future, B>,
        format: Format,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<C, S, F, B> {
        Checking { #[pin] check: C, inner: S, request: Option<Request<B>> },
        Calling { #[pin] call: F, actor: Option<Actor> },
        Refused { refusal: Option<Refusal> },
    }
}

impl<C, S: Service<Request<B>>, B> ResponseFuture<C, S, B> {
    pub(super) fn new(check: C, inner: S, request: Request<B>, format: Format) -> Self {
        ResponseFuture { state: State::Checking { check, inner, request: Some(request) }, format }
    }

    pub(super) fn refuse(format: Format, refusal: Refusal) -> Self {
        ResponseFuture { state: State::Refused { refusal: Some(refusal) }, format }
    }
}

impl<C, S, ReqBody, ResBody> Future for ResponseFuture<C, S, ReqBody>
where
    C: Future<Output = Result<Actor, AuthError>>,
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Checking { check, inner, request } => match ready!(check.poll(cx)) {
                    Ok(actor) => {
                        let mut request = request.take().expect("polled after completion");
                        request.extensions_mut().insert(actor.clone());
                        let call = inner.call(request);
                        this.state.set(State::Calling { call, actor: Some(actor) });
                    }
                    Err(error) => {
                        let refusal = Some(refusal_for(&error));
                        this.state.set(State::Refused { refusal });
                    }
                },
                StateProj::Calling { call, actor } => {
                    let mut response = ready!(call.poll(cx))?;
                    if let Some(actor) = actor.take() {
                        response.extensions_mut().insert(actor);
                    }
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                StateProj::Refused { refusal } => {
                    let refusal = refusal.take().expect("polled after completion");
                    return Poll::Ready(Ok(refuse::response(*this.format, refusal)));
                }
            }
        }
    }
}

/// What the caller is told: the same for every fault of the token, so that nothing can be learnt from it.
pub(super) fn refusal_for(error: &AuthError) -> Refusal {
    tracing::info!(target: "aibridge::auth", reason = error.as_str(), "authentication refused");
    match error {
        AuthError::Unavailable(cause) => {
            tracing::warn!(target: "aibridge::auth", %cause, "the source of identity is unavailable");
            let message = "aibridge: the gateway cannot check your token right now; try again in a moment";
            Refusal::new(Reason::IdentityUnavailable, message)
        }
        _ => {
            let message = "aibridge: the gateway token is missing or not valid; sign in to the gateway again, or ask \
                           its administrator for a new token";
            Refusal::new(Reason::Unauthenticated, message)
        }
    }
}
