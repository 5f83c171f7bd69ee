//! Amazon Bedrock: [`BedrockLayer`] makes requests to instances of [`Kind::Bedrock`] what Bedrock takes, and signs them.
//!
//! | request | to | reply |
//! | --- | --- | --- |
//! | Messages, [`Protocol::InvokeModel`] | translated, `/model/{id}/invoke` or `/invoke-with-response-stream` | frames become server-sent events, errors Anthropic's form |
//! | Messages, [`Protocol::Mantle`] | as it is | as it is |
//! | `InvokeModel` of a client that speaks Bedrock | as it is, without the client's own signature | as it is |
//!
//! What the translation is, `aibridge_providers::bedrock` says. Requests are signed with Signature Version 4 over their final
//! headers, for the instance's region, with the credential that [`Keys`](crate::keys::Keys) chose; a request that brings
//! the user's own is not signed. Requests to other kinds pass.
//!
//! [`ProxiedLayer`] does the same for routes that are only proxied: Mantle's are signed; `InvokeModel` has none.
//!
//! | needs | adds |
//! | --- | --- |
//! | [`ProviderRoute`](crate::ProviderRoute), [`Credential`](crate::Credential), [`Byok`](crate::Byok) | the signature |
//!
//! ```no_run
//! use aibridge_tower::{bedrock::{BedrockLayer, Credentials}, keys::KeysLayer, upstream::Upstream};
//! use axum::body::Body;
//! use tower::ServiceBuilder;
//!
//! # #[tokio::main] async fn main() -> Result<(), aibridge_tower::BoxError> {
//! let service = ServiceBuilder::new()
//!     .layer(KeysLayer::new())
//!     .layer(BedrockLayer::new(Credentials::new()))
//!     .service(Upstream::builder().build::<Body>()?.parsed());
//! # drop(service);
//! # Ok(()) }
//! ```
//!
//! [`Kind::Bedrock`]: aibridge_providers::provider::Kind::Bedrock
//! [`Protocol::InvokeModel`]: aibridge_providers::bedrock::Protocol::InvokeModel
//! [`Protocol::Mantle`]: aibridge_providers::bedrock::Protocol::Mantle

mod body;
mod credentials;
mod endpoint;
mod future;
mod prepare;
mod proxied;
mod service;
mod sign;

pub use body::ResponseBody;
pub use credentials::Credentials;
pub use endpoint::default_base_url;
pub use future::ResponseFuture;
pub use proxied::{Proxied, ProxiedFuture, ProxiedLayer};
pub use service::{Bedrock, BedrockLayer};

#[cfg(test)]
mod tests;
