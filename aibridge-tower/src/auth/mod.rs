//! Who is calling: [`AuthLayer`] takes the gateway's token out of the request, asks a source of identity whose it is, and
//! inserts the [`Actor`].
//!
//! The token is looked for in `X-Coder-AI-Governance-Token`, `Authorization: Bearer`, `X-Api-Key`, in this order. Beside the
//! first one, the other two are the user's own provider credential ([`Byok`](crate::Byok)) and stay; otherwise
//! both belong to the gateway and are removed. An AWS signature in `Authorization`, which clients of Amazon Bedrock may not
//! be able to leave out, is neither, and goes.
//!
//! | needs | adds |
//! | --- | --- |
//! | nothing | [`Actor`] (also to the response), [`Byok`](crate::Byok) |
//!
//! ```
//! use std::{convert::Infallible, future::{Ready, ready}};
//! use aibridge_providers::provider::Secret;
//! use aibridge_tower::auth::{Actor, AuthError, AuthLayer, Authenticate};
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! /// Accepts one token.
//! #[derive(Clone)]
//! struct OneToken;
//!
//! impl Authenticate for OneToken {
//!     type Future = Ready<Result<Actor, AuthError>>;
//!
//!     fn authenticate(&self, token: &Secret) -> Self::Future {
//!         let known = token.expose() == "open-sesame";
//!         ready(if known { Ok(Actor::new(uuid::Uuid::nil(), "ali")) } else { Err(AuthError::Unknown) })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let app = ServiceBuilder::new().layer(AuthLayer::new(OneToken)).service_fn(|request: Request<Full<Bytes>>| async move {
//!     let actor = request.extensions().get::<Actor>().expect("Auth inserts it");
//!     Ok::<_, Infallible>(Response::new(Full::from(actor.username.to_string())))
//! });
//! let request = Request::builder().header("authorization", "Bearer open-sesame").body(Full::default()).unwrap();
//! assert_eq!(app.oneshot(request).await.unwrap().status(), 200);
//! # }
//! ```

mod actor;
mod authenticate;
mod future;
mod layer;
mod service;
pub mod source;
mod token;

pub use actor::Actor;
pub use authenticate::{AuthError, Authenticate};
pub use future::ResponseFuture;
pub use layer::AuthLayer;
pub use service::Auth;

#[cfg(test)]
mod tests;
