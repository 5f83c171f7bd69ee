use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body::Body;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tower_service::Service;

use super::{ResponseBody, ResponseFuture, UpstreamError, request_body::RequestBody};
use crate::{BoxError, context::final_headers, parse::AiBody, passthrough};

/// Sends requests to the provider. See the [module](super) documentation.
///
/// `B` is the body of requests that are only passed through.
pub struct Upstream<B> {
    /// Every layer above may clone the service for each request.
    shared: Arc<Shared<B>>,
}

struct Shared<B> {
    client: Client<HttpsConnector<HttpConnector>, RequestBody<B>>,
    header_timeout: Duration,
}

/// Configures an [`Upstream`].
#[derive(Clone, Debug)]
pub struct UpstreamBuilder {
    connect_timeout: Duration,
    header_timeout: Duration,
    pool_idle_timeout: Duration,
    http2: bool,
}

impl Default for UpstreamBuilder {
    fn default() -> UpstreamBuilder {
        UpstreamBuilder {
            connect_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(600),
            pool_idle_timeout: Duration::from_secs(90),
            http2: true,
        }
    }
}

impl UpstreamBuilder {
    /// How long a TCP connection may take to be established. Default: 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> UpstreamBuilder {
        self.connect_timeout = timeout;
        self
    }

    /// How long the provider may take until it answers with headers. Default: 600 s. There is no limit on a body that
    /// has begun.
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> UpstreamBuilder {
        self.header_timeout = timeout;
        self
    }

    /// How long an unused connection is kept. Default: 90 s.
    #[must_use]
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> UpstreamBuilder {
        self.pool_idle_timeout = timeout;
        self
    }

    /// Whether HTTP/2 is offered to providers over TLS. Default: `true`.
    #[must_use]
    pub fn http2(mut self, offer: bool) -> UpstreamBuilder {
        self.http2 = offer;
        self
    }

    /// The service, trusting the operating system's certificate authorities.
    ///
    /// # Errors
    /// When the platform's certificate verifier cannot be set up.
    pub fn build<B>(self) -> Result<Upstream<B>, BoxError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_secs(60)));
        http.set_connect_timeout(Some(self.connect_timeout));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let schemes =
            hyper_rustls::HttpsConnectorBuilder::new().with_provider_and_platform_verifier(provider)?.https_or_http();
        let connector = match self.http2 {
            true => schemes.enable_all_versions().wrap_connector(http),
            false => schemes.enable_http1().wrap_connector(http),
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(self.pool_idle_timeout)
            // Header names reach the provider spelt as the client spelt them.
            .http1_preserve_header_case(true)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .http2_keep_alive_while_idle(false)
            .build(connector);
        Ok(Upstream { shared: Arc::new(Shared { client, header_timeout: self.header_timeout }) })
    }
}

impl<B> Upstream<B> {
    fn send(&self, request: Request<RequestBody<B>>) -> ResponseFuture
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut head, body) = request.into_parts();
        if head.uri.authority().is_none() {
            return ResponseFuture::failed(UpstreamError::NoRoute);
        }
        head.headers = final_headers(head.headers, &head.extensions);
        if body.is_end_stream() && matches!(head.method, Method::POST | Method::PUT | Method::PATCH) {
            // hyper leaves it out, and some servers insist (RFC 9110, 8.6).
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        // The client's HTTP version is not the provider's.
        head.version = http::Version::HTTP_11;
        ResponseFuture::new(self.shared.client.request(Request::from_parts(head, body)), self.shared.header_timeout)
    }
}

impl<B> Service<Request<B>> for Upstream<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = UpstreamError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), UpstreamError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.send(request.map(|body| RequestBody::Stream { body }))
    }
}

/// The end of a pipeline whose requests are only passed through.
impl<B> Service<Request<passthrough::RequestBody<B>>> for Upstream<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = UpstreamError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), UpstreamError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<passthrough::RequestBody<B>>) -> ResponseFuture {
        self.send(request.map(|body| match body.into_inner() {
            Ok(body) => RequestBody::Stream { body },
            Err(bytes) => RequestBody::Whole { bytes },
        }))
    }
}

/// The same for a request that was parsed. A wrapper, because a type cannot be a service of two bodies when one of them
/// is any.
#[derive(Debug)]
pub struct Parsed<B>(pub(super) Upstream<B>);

impl<B> Service<Request<AiBody>> for Parsed<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = UpstreamError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), UpstreamError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<AiBody>) -> ResponseFuture {
        self.0.send(request.map(|body| RequestBody::Parsed { body }))
    }
}

impl<B> Upstream<B> {
    /// The end of a pipeline whose requests are parsed; shares this one's connections.
    pub fn parsed(&self) -> Parsed<B> {
        Parsed(self.clone())
    }
}

impl<B> Clone for Upstream<B> {
    fn clone(&self) -> Upstream<B> {
        Upstream { shared: self.shared.clone() }
    }
}

impl<B> Clone for Parsed<B> {
    fn clone(&self) -> Parsed<B> {
        Parsed(self.0.clone())
    }
}

impl<B> fmt::Debug for Upstream<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("header_timeout", &self.shared.header_timeout).finish_non_exhaustive()
    }
}
