//! The future of layers that answer at once or pass the request on.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use crate::{ProviderRoute, body::ResponseBody};

pin_project! {
    /// The future of a layer that either answers at once or passes the request on.
    pub struct ResponseFuture<F, B> {
        #[pin]
        call: Option<F>,
        own: Option<Response<ResponseBody<B>>>,
        route: Option<ProviderRoute>,
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(crate) fn call(call: F) -> Self {
        ResponseFuture { call: Some(call), own: None, route: None }
    }

    pub(crate) fn own(response: Response<ResponseBody<B>>) -> Self {
        ResponseFuture { call: None, own: Some(response), route: None }
    }

    /// Puts `route` into the response's extensions, for layers further out.
    pub(crate) fn tell(mut self, route: Option<ProviderRoute>) -> Self {
        self.route = route;
        self
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.call.as_pin_mut() {
            Some(call) => ready!(call.poll(cx))?.map(ResponseBody::inner),
            None => this.own.take().expect("polled after completion"),
        };
        if let Some(route) = this.route.take() {
            response.extensions_mut().insert(route);
        }
        Poll::Ready(Ok(response))
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
