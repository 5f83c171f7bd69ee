use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use super::{ResponseBody, watch::Asked};
use crate::body;

pin_project! {
    /// The future of [`Follow`](super::Follow).
    pub struct ResponseFuture<F, B> {
        #[pin]
        call: Option<F>,
        asked: Option<Asked>,
        own: Option<Response<body::ResponseBody<ResponseBody<B>>>>,
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(super) fn call(call: F, asked: Option<Asked>) -> Self {
        ResponseFuture { call: Some(call), asked, own: None }
    }

    pub(super) fn own(response: Response<body::ResponseBody<ResponseBody<B>>>) -> Self {
        ResponseFuture { call: None, asked: None, own: Some(response) }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<body::ResponseBody<ResponseBody<B>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(call) = this.call.as_pin_mut() else {
            return Poll::Ready(Ok(this.own.take().expect("polled after completion")));
        };
        let (head, inner) = ready!(call.poll(cx))?.into_parts();
        let watch = this.asked.take().and_then(|asked| asked.watch(&head));
        Poll::Ready(Ok(Response::from_parts(head, body::ResponseBody::inner(ResponseBody::new(inner, watch)))))
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
