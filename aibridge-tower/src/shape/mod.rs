//! The outermost layer: [`ShapeLayer`] turns every error into a response in the format of the API being spoken.
//!
//! Refusals of the layers are responses already. What reaches this one as `Err` (the provider unreachable, a host's own
//! layer that failed) is looked through along [`source`](std::error::Error::source), and becomes a
//! [`Refusal`](aibridge_providers::api::Refusal) too. Behind it the pipeline cannot fail. A client that speaks Bedrock is
//! told refusals in Bedrock's form, whichever layer refused.
//!
//! | needs | adds |
//! | --- | --- |
//! | nothing | the error format the client speaks |
//!
//! ```
//! use aibridge_tower::shape::ShapeLayer;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let app = ServiceBuilder::new().layer(ShapeLayer::new()).service_fn(|_: Request<Full<Bytes>>| async {
//!     Err::<Response<Full<Bytes>>, _>(std::io::Error::other("broken"))
//! });
//! let response = app.oneshot(Request::new(Full::default())).await.unwrap();
//! assert_eq!(response.status(), 500);
//! # }
//! ```

mod future;
mod service;

pub use future::ResponseFuture;
pub use service::{Shape, ShapeLayer};

#[cfg(test)]
mod tests;
