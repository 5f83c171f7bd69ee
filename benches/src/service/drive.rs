use std::{fmt::Debug, pin::pin};

use bytes::Bytes;
use futures::{StreamExt, future::poll_fn, stream::FuturesUnordered};
use http::{Request, Response};
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

/// Makes one call and reads its reply to the end.
///
/// # Panics
/// When the reply is not 200 with `expected` bytes.
pub async fn call<S, B, R>(service: S, request: Request<B>, expected: usize)
where
    S: Service<Request<B>, Response = Response<R>, Error: Debug>,
    R: Body<Data = Bytes, Error: Debug>,
{
    let (head, body) = service.oneshot(request).await.expect("a reply").into_parts();
    assert_eq!(head.status, 200);
    let mut body = pin!(body);
    let mut length = 0;
    // As a server does: whoever says that it is over is not asked again.
    while !body.is_end_stream() {
        let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await else { break };
        length += frame.expect("a frame").data_ref().map_or(0, Bytes::len);
    }
    assert_eq!(length, expected);
}

/// Makes a call for each of `requests`, all at the same time.
///
/// # Panics
/// See [`call`].
pub async fn calls<S, B, R>(service: &S, requests: Vec<Request<B>>, expected: usize)
where
    S: Service<Request<B>, Response = Response<R>, Error: Debug> + Clone,
    R: Body<Data = Bytes, Error: Debug>,
{
    let running: FuturesUnordered<_> =
        requests.into_iter().map(|request| call(service.clone(), request, expected)).collect();
    running.for_each(|()| async {}).await;
}
