//! The bare relay that everything is compared with: hyper's server, hyper-util's client, and nothing between them.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::Context as _;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::uri::{Authority, PathAndQuery};
use http::{Request, Response, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

type Reply = Either<Incoming, Empty<Bytes>>;

/// Serves until the process ends. `add` blanks are sent before the body of each request.
///
/// # Errors
///
/// When the upstream has no authority or connections can no longer be accepted.
pub(crate) async fn serve(listener: TcpListener, upstream: Uri, add: usize) -> anyhow::Result<()> {
    let authority = upstream.authority().context("the upstream needs a host")?.clone();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let more = Bytes::from(vec![b' '; add]);
    let client: Client<_, Grown> = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, authority, more) = (client.clone(), authority.clone(), more.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| relay(&client, &authority, &more, request));
            // A connection that breaks concerns nobody else.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn relay(
    client: &Client<HttpConnector, Grown>,
    upstream: &Authority,
    more: &Bytes,
    mut request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme("http").authority(upstream.clone()).path_and_query(path).build();
    let answer = match uri {
        Ok(uri) => {
            *request.uri_mut() = uri;
            if !more.is_empty() {
                request.headers_mut().remove(CONTENT_LENGTH);
            }
            client.request(request.map(|body| Grown { body, more: more.clone() })).await.ok()
        }
        Err(_) => None,
    };
    Ok(answer.map_or_else(bad_gateway, |response| response.map(Either::Left)))
}

/// A body with some bytes before it.
struct Grown {
    body: Incoming,
    more: Bytes,
}

impl Body for Grown {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if !self.more.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(mem::take(&mut self.more)))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.more.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.size_hint().exact() {
            Some(length) => SizeHint::with_exact(length + self.more.len() as u64),
            None => SizeHint::default(),
        }
    }
}

fn bad_gateway() -> Response<Reply> {
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
