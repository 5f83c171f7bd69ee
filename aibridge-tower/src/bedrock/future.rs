use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use aibridge_providers::{
    api::{Format, Refusal},
    bedrock::translate_error,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header, response::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Timeout, timeout};
use tower_service::Service;

use super::{
    Credentials, ResponseBody,
    credentials::{Pending, Unresolved},
    prepare::Plan,
};
use crate::{BoxError, body, collect::Collect, encoded::is_frames, parse::AiBody, refuse};

/// What is read of an error's body, in bytes.
const ERROR_LIMIT: usize = 256 * 1024;
/// How long it is waited for.
const ERROR_PATIENCE: Duration = Duration::from_secs(10);

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const AMZN_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// Where clients of the Messages API look for it.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

pin_project! {
    /// The future of [`Bedrock`](super::Bedrock).
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
        Waiting {
            credentials: Pending,
            inner: S,
            request: Option<Request<AiBody>>,
            sent: Option<Sent>,
        },
        Calling {
            #[pin]
            call: F,
            sent: Option<Sent>,
        },
        /// Bedrock answered with an error, whose body is read.
        Failed {
            body: Pin<Box<Timeout<Collect<B>>>>,
            head: Option<Parts>,
        },
        Refused {
            refusal: Option<Refusal>,
            format: Format,
        },
    }
}

/// How a request was sent, or is about to be.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) plan: Plan,
    pub(super) credentials: Credentials,
}

impl<S: Service<Request<AiBody>>, B> ResponseFuture<S, B> {
    /// `sent` is `None` for a request that does not go to Bedrock.
    pub(super) fn call(call: S::Future, sent: Option<Sent>) -> Self {
        ResponseFuture { state: State::Calling { call, sent } }
    }

    pub(super) fn wait(credentials: Pending, inner: S, request: Request<AiBody>, sent: Sent) -> Self {
        ResponseFuture { state: State::Waiting { credentials, inner, request: Some(request), sent: Some(sent) } }
    }

    pub(super) fn refuse(format: Format, refusal: Refusal) -> Self {
        ResponseFuture { state: State::Refused { refusal: Some(refusal), format } }
    }
}

impl<S, B> Future for ResponseFuture<S, B>
where
    S: Service<Request<AiBody>, Response = Response<B>>,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<body::ResponseBody<ResponseBody<B>>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Waiting { credentials, inner, request, sent } => {
                    let found = ready!(Pin::new(credentials).poll(cx));
                    let (mut request, sent) = request.take().zip(sent.take()).expect("polled after completion");
                    let body = request.body().bytes().clone();
                    let signed = match found {
                        Ok(credentials) => sent.plan.sign(&mut request, &body, credentials),
                        Err(Unresolved { .. }) => Err(sent.plan.unresolved()),
                    };
                    let format = request.body().api().format();
                    match signed {
                        Ok(()) => {
                            let call = inner.call(request);
                            state.set(State::Calling { call, sent: Some(sent) });
                        }
                        Err(refusal) => state.set(State::Refused { refusal: Some(refusal), format }),
                    }
                }
                StateProj::Calling { call, sent } => {
                    let response = ready!(call.poll(cx))?;
                    let Some(sent) = sent.take().filter(|_| response.extensions().get::<Refusal>().is_none()) else {
                        return Poll::Ready(Ok(untouched(response)));
                    };
                    sent.look_at(&response);
                    if !sent.plan.translated {
                        return Poll::Ready(Ok(untouched(response)));
                    }
                    let (mut head, body) = response.into_parts();
                    if let Some(id) = head.headers.get(AMZN_REQUEST_ID).cloned() {
                        head.headers.insert(REQUEST_ID, id);
                    }
                    if !head.status.is_success() {
                        let body = Box::pin(timeout(ERROR_PATIENCE, Collect::new(body, ERROR_LIMIT)));
                        state.set(State::Failed { body, head: Some(head) });
                    } else if is_frames(&head.headers) {
                        let value = HeaderValue::from_static("text/event-stream; charset=utf-8");
                        replace_body(&mut head.headers, value);
                        let body = body::ResponseBody::inner(ResponseBody::events(body));
                        return Poll::Ready(Ok(Response::from_parts(head, body)));
                    } else {
                        return Poll::Ready(Ok(untouched(Response::from_parts(head, body))));
                    }
                }
                StateProj::Failed { body, head } => {
                    // Without its body the status and AWS's header still say what went wrong.
                    let body = match ready!(body.as_mut().poll(cx)) {
                        Ok(Ok(body)) => body,
                        Ok(Err(_)) | Err(_) => Bytes::new(),
                    };
                    let mut head = head.take().expect("polled after completion");
                    let error = translate_error(head.status, &head.headers, &body);
                    head.status = error.status;
                    replace_body(&mut head.headers, HeaderValue::from_static("application/json"));
                    return Poll::Ready(Ok(Response::from_parts(head, body::ResponseBody::own(error.body))));
                }
                StateProj::Refused { refusal, format } => {
                    let refusal = refusal.take().expect("polled after completion");
                    return Poll::Ready(Ok(refuse::response(*format, refusal)));
                }
            }
        }
    }
}

impl Sent {
    /// Credentials that AWS calls expired are asked for again at once, whatever they said of themselves.
    fn look_at<B>(&self, response: &Response<B>) {
        let is_expired = |value: &HeaderValue| value.as_bytes().starts_with(b"ExpiredToken");
        if let Some(slot) = self.plan.slot
            && response.headers().get(ERROR_TYPE).is_some_and(is_expired)
        {
            self.credentials.expired(&self.plan.instance, self.plan.settings(), slot);
        }
    }
}

fn untouched<B>(response: Response<B>) -> Response<body::ResponseBody<ResponseBody<B>>> {
    response.map(|body| body::ResponseBody::inner(ResponseBody::untouched(body)))
}

/// The body is another one, of this type.
fn replace_body(headers: &mut HeaderMap, content_type: HeaderValue) {
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.remove(header::CONTENT_LENGTH);
}

impl<S: Service<Request<AiBody>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
