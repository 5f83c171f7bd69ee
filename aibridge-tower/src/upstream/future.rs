use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use aibridge_providers::provider::headers;
use http::{Response, Version};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::{ResponseBody, UpstreamError, request_body::BrokenOff};
use crate::refuse;

pin_project! {
    /// The future of [`Upstream`](super::Upstream).
    pub struct ResponseFuture {
        #[pin]
        state: State,
    }
}

pin_project! {
    #[project = StateProj]
    enum State {
        Waiting {
            #[pin]
            response: hyper_util::client::legacy::ResponseFuture,
            #[pin]
            deadline: Sleep,
            timeout: Duration,
        },
        Failed { error: Option<UpstreamError> },
    }
}

impl ResponseFuture {
    pub(super) fn new(response: hyper_util::client::legacy::ResponseFuture, timeout: Duration) -> ResponseFuture {
        ResponseFuture { state: State::Waiting { response, deadline: sleep(timeout), timeout } }
    }

    pub(super) fn failed(error: UpstreamError) -> ResponseFuture {
        ResponseFuture { state: State::Failed { error: Some(error) } }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, UpstreamError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Waiting { response, deadline, timeout } => {
                if let Poll::Ready(response) = response.poll(cx) {
                    return Poll::Ready(match response {
                        Ok(mut response) => {
                            headers::to_client(response.headers_mut());
                            // The provider's HTTP version is not the client's.
                            *response.version_mut() = Version::HTTP_11;
                            Ok(response.map(ResponseBody::new))
                        }
                        Err(error) if refuse::chain(&error).any(|cause| cause.is::<BrokenOff>()) => {
                            Err(UpstreamError::RequestBody(error.into()))
                        }
                        Err(error) => Err(UpstreamError::Unreachable(error.into())),
                    });
                }
                deadline.poll(cx).map(|()| Err(UpstreamError::Timeout(*timeout)))
            }
            StateProj::Failed { error } => Poll::Ready(Err(error.take().expect("polled after completion"))),
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
