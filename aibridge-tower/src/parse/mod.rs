//! What a request asks for: [`ParseLayer`] buffers the body once, reads it, and passes on a `Request<AiBody>`.
//!
//! Compressed bodies (`gzip`, `deflate`, `br`, `zstd`) are decoded for reading; the bytes that go upstream stay those the
//! client sent. A body that is not a JSON object is refused; anything inside it that is unknown passes.
//!
//! | needs | adds |
//! | --- | --- |
//! | [`ProviderRoute`](crate::ProviderRoute) | [`AiBody`] in the place of the body |
//!
//! ```
//! use std::{convert::Infallible, sync::Arc};
//! use aibridge_providers::{api::Api, provider::{BaseUrl, Endpoint, Instance, Kind}};
//! use aibridge_tower::{ProviderRoute, parse::{AiBody, ParseLayer}};
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let app = ServiceBuilder::new().layer(ParseLayer::new().max_bytes(1024)).service_fn(|request: Request<AiBody>| async move {
//!     let model = request.body().facts().model.clone().unwrap_or_default();
//!     Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(model)))
//! });
//! let openai = Instance::builder(Kind::OpenAi, BaseUrl::parse("https://api.openai.com/v1/").unwrap()).build();
//! let route = ProviderRoute::new(Arc::new(openai), Endpoint::Intercepted(Api::Chat), "/v1/chat/completions");
//! let request = Request::post("/").extension(route).body(Full::from(r#"{"model": "gpt-5"}"#)).unwrap();
//! let body = http_body_util::BodyExt::collect(app.oneshot(request).await.unwrap().into_body()).await.unwrap();
//! assert_eq!(body.to_bytes(), "gpt-5");
//! # }
//! ```

mod body;
mod future;
mod service;
mod understand;

pub use body::AiBody;
pub use future::ResponseFuture;
pub use service::{Parse, ParseLayer};
#[cfg(feature = "bedrock")]
pub(crate) use understand::collect;

#[cfg(test)]
mod tests;
