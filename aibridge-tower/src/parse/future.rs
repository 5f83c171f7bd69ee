use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::api::{Api, Refusal};
use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    AiBody,
    understand::{not_collected, understand},
};
use crate::{BoxError, ProviderRoute, body::ResponseBody, collect::Collect, context::format_of, refuse};

pin_project! {
    /// The future of [`Parse`](super::Parse).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<AiBody>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B> {
        Reading {
            #[pin]
            body: Collect<B>,
            inner: S,
            head: Option<Parts>,
            api: Option<Api>,
            limit: usize,
        },
        Calling {
            #[pin]
            call: F,
        },
        Refused {
            response: Option<(Parts, Refusal)>,
        },
    }
}

impl<S: Service<Request<AiBody>>, B> ResponseFuture<S, B> {
    pub(super) fn read(inner: S, head: Parts, body: B, api: Api, limit: usize) -> Self {
        let body = Collect::new(body, limit);
        ResponseFuture { state: State::Reading { body, inner, head: Some(head), api: Some(api), limit } }
    }

    pub(super) fn refuse(head: Parts, refusal: Refusal) -> Self {
        ResponseFuture { state: State::Refused { response: Some((head, refusal)) } }
    }
}

impl<S, ReqBody, ResBody> Future for ResponseFuture<S, ReqBody>
where
    S: Service<Request<AiBody>, Response = Response<ResBody>>,
    ReqBody: Body<Data = Bytes>,
    ReqBody::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Reading { body, inner, head, api, limit } => {
                    let body = ready!(body.poll(cx)).map_err(|(_, error)| not_collected(error, *limit));
                    let (head, api) = head.take().zip(api.take()).expect("polled after completion");
                    let native = head.extensions.get::<ProviderRoute>().and_then(|route| route.native.as_deref());
                    match body.and_then(|body| understand(api, native, &head.headers, body, *limit)) {
                        Ok(body) => {
                            let call = inner.call(Request::from_parts(head, body));
                            state.set(State::Calling { call });
                        }
                        Err(refusal) => state.set(State::Refused { response: Some((head, refusal)) }),
                    }
                }
                StateProj::Calling { call } => {
                    return Poll::Ready(Ok(ready!(call.poll(cx))?.map(ResponseBody::inner)));
                }
                StateProj::Refused { response } => {
                    let (head, refusal) = response.take().expect("polled after completion");
                    return Poll::Ready(Ok(refuse::response(format_of(&head), refusal)));
                }
            }
        }
    }
}

impl<S: Service<Request<AiBody>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
