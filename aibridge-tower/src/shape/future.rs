use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use aibridge_providers::{
    api::{Format, Refusal},
    bedrock::native_refusal,
};
use http::{HeaderName, HeaderValue, Response, header};
use pin_project_lite::pin_project;

use super::service::Recognise;
use crate::{
    BoxError,
    body::ResponseBody,
    record::{INTERCEPTION_ID, InterceptionFailed},
    refuse,
};

/// Where clients that speak Bedrock look for the kind of an error.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

pin_project! {
    /// The future of [`Shape`](super::Shape).
    pub struct ResponseFuture<F> {
        #[pin]
        call: Option<F>,
        failed: Option<BoxError>,
        format: Format,
        native: bool,
        recognise: Option<Recognise>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(call: F, format: Format, native: bool, recognise: Option<Recognise>) -> Self {
        ResponseFuture { call: Some(call), failed: None, format, native, recognise }
    }

    pub(super) fn failed(error: BoxError, format: Format, native: bool, recognise: Option<Recognise>) -> Self {
        ResponseFuture { call: None, failed: Some(error), format, native, recognise }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let failure = match this.call.as_pin_mut() {
            Some(call) => match ready!(call.poll(cx)) {
                Ok(response) => {
                    return Poll::Ready(Ok(in_form(response.map(ResponseBody::inner), *this.native)));
                }
                Err(error) => error.into(),
            },
            None => this.failed.take().expect("polled after completion"),
        };
        let response = respond(*this.format, failure.as_ref(), this.recognise.as_ref());
        Poll::Ready(Ok(in_form(response, *this.native)))
    }
}

/// Layers refuse in the API's format. A client that speaks Bedrock is told in Bedrock's.
fn in_form<B>(response: Response<ResponseBody<B>>, native: bool) -> Response<ResponseBody<B>> {
    let refusal = match response.extensions().get::<Refusal>() {
        Some(refusal) if native => native_refusal(refusal),
        _ => return response,
    };
    let (mut head, _) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(ERROR_TYPE, HeaderValue::from_static(refusal.error_type));
    Response::from_parts(head, ResponseBody::own(refusal.body))
}

/// Walks the chain of causes once and answers with the first refusal it holds.
fn respond<B>(
    format: Format,
    failure: &(dyn Error + 'static),
    recognise: Option<&Recognise>,
) -> Response<ResponseBody<B>> {
    tracing::warn!(error = failure, "a request failed before it was answered");
    let recognised = refuse::chain(failure).find_map(|error| recognise.as_ref()?(error));
    let refusal = recognised.unwrap_or_else(|| refuse::refusal_of(failure));
    match refuse::chain(failure).find_map(<dyn Error>::downcast_ref::<InterceptionFailed>) {
        Some(failed) => {
            let mut response = refuse::response(failed.format(), refusal);
            response.headers_mut().insert(INTERCEPTION_ID, failed.id());
            response
        }
        None => refuse::response(format, refusal),
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
