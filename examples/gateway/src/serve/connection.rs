//! One connection.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use aibridge_tower::BoxError;
use bytes::Bytes;
use futures::FutureExt;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tower::Service;

use super::workers::Open;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a request's head may take to arrive.
const HEAD: Duration = Duration::from_secs(60);

pub(super) fn server() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        // Header names go on spelt as they came; replies are spelt as the provider spelt them.
        .preserve_header_case(true);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30));
    builder
}

pub(super) fn spawn<S, B>(
    server: &Arc<Builder<TokioExecutor>>,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    service: S,
    connections: &GracefulShutdown,
    open: Open,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    let (server, watcher) = (server.clone(), connections.watcher());
    let Some(tls) = tls else {
        tokio::spawn(serve(&server, stream, service, watcher, open));
        return;
    };
    tokio::spawn(async move {
        match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => serve(&server, stream, service, watcher, open).await,
            Ok(Err(error)) => tracing::debug!(%error, "a tls handshake failed"),
            Err(_) => tracing::debug!("a tls handshake took too long"),
        }
    });
}

/// Not an `async fn`: each of the thousands of open connections would hold all of this twice.
fn serve<IO, S, B>(
    server: &Builder<TokioExecutor>,
    stream: IO,
    service: S,
    watcher: Watcher,
    open: Open,
) -> impl Future<Output = ()> + Send + use<IO, S, B>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned();
    watcher.watch(connection).map(move |result| {
        drop(open);
        if let Err(error) = result {
            tracing::debug!(error = &*error, "a connection ended early");
        }
    })
}
