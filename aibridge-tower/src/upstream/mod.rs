//! The provider: [`Upstream`] is the service at the end of the pipeline, a pooled hyper client.
//!
//! Request and response bodies are passed on as they are; hop-by-hop headers and what belongs to the gateway stay
//! behind (see `aibridge_providers::provider::headers`). Nothing is retried, except a request that a pooled connection
//! proved closed for before a byte of it was sent. Dropping the future or the body closes the request at once.
//!
//! | needs | adds |
//! | --- | --- |
//! | an absolute URI ([`Route`](crate::route::Route)) | nothing |
//!
//! ```no_run
//! use aibridge_tower::upstream::Upstream;
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use tower::ServiceExt;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let upstream = Upstream::builder().build::<Full<Bytes>>()?;
//! let request = Request::get("https://api.openai.com/v1/models").body(Full::default())?;
//! let response = upstream.oneshot(request).await?;
//! # Ok(()) }
//! ```

mod body;
mod error;
mod future;
mod request_body;
mod service;

pub use body::ResponseBody;
pub use error::UpstreamError;
pub use future::ResponseFuture;
pub use service::{Parsed, Upstream, UpstreamBuilder};

impl Upstream<()> {
    /// Configures an upstream.
    pub fn builder() -> UpstreamBuilder {
        UpstreamBuilder::default()
    }
}
