//! What background responses came to: [`FollowLayer`] watches clients ask for them.
//!
//! A Responses request with `background: true` is answered before there is anything to count, and its interception ends
//! as `accepted`. The client asks for the response later, `GET /v1/responses/{id}`, which is only passed through. This
//! layer reads a copy of what it gets, and when that shows a response that has finished, tells the recorder
//! ([`Settled`](aibridge_store::record::Settled)) its tokens, tools and thoughts. The bytes pass untouched.
//!
//! It belongs in front of the service that proxied routes leave the pipeline for.
//!
//! | needs | adds |
//! | --- | --- |
//! | [`Actor`](crate::auth::Actor), [`ProviderRoute`](crate::ProviderRoute) | nothing |
//!
//! ```
//! use aibridge_store::StructuredLog;
//! use aibridge_tower::{keys::KeysLayer, passthrough::PassthroughLayer, record::follow::FollowLayer, upstream::Upstream};
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use tower::ServiceBuilder;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let proxied = ServiceBuilder::new()
//!     .layer(FollowLayer::new(StructuredLog::default()))
//!     .layer(KeysLayer::new())
//!     .service(Upstream::builder().build::<Full<Bytes>>()?);
//! let passthrough = PassthroughLayer::new(proxied);
//! # Ok(()) }
//! ```

mod body;
mod future;
mod service;
#[cfg(test)]
mod tests;
mod watch;

pub use body::ResponseBody;
pub use future::ResponseFuture;
pub use service::{Follow, FollowLayer};
