//! Which provider instance a request is for: [`RouteLayer`] finds it by the name in the path, resolves the route, inserts
//! [`ProviderRoute`](crate::ProviderRoute) and rewrites the URI to the provider's.
//!
//! Paths are `{mount}/{name}/...`. Only the routes that the provider's kind is known for are served: a central key may
//! carry administrative rights. [`ProbeLayer`] answers what agents ask before they sign in.
//!
//! | needs | adds |
//! | --- | --- |
//! | nothing | [`ProviderRoute`](crate::ProviderRoute) (also to the response), the absolute URI |
//!
//! ```
//! use std::{convert::Infallible, sync::Arc};
//! use aibridge_providers::provider::{BaseUrl, Instance, Kind, Registry};
//! use aibridge_tower::route::RouteLayer;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let anthropic = Instance::builder(Kind::Anthropic, BaseUrl::parse("https://api.anthropic.com").unwrap()).build();
//! let registry = Arc::new(Registry::new([anthropic]));
//! let app = ServiceBuilder::new().layer(RouteLayer::new(registry)).service_fn(|request: Request<Full<Bytes>>| async move {
//!     Ok::<_, Infallible>(Response::new(Full::from(request.uri().to_string())))
//! });
//! let request = Request::post("/api/v2/aibridge/anthropic/v1/messages?beta=true").body(Full::default()).unwrap();
//! let body = http_body_util::BodyExt::collect(app.oneshot(request).await.unwrap().into_body()).await.unwrap();
//! assert_eq!(body.to_bytes(), "https://api.anthropic.com/v1/messages?beta=true");
//! # }
//! ```

mod mount;
mod probe;
mod service;

pub use crate::answer::ResponseFuture;
pub use mount::DEFAULT_MOUNTS;
pub use probe::{Probe, ProbeLayer};
pub use service::{Route, RouteLayer};
