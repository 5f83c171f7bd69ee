//! Where identity comes from: the sources behind [`Authenticate`](super::Authenticate).
//!
//! | source | accepts | asks |
//! | --- | --- | --- |
//! | [`ApiKeys`] | `<10 chars>-<22 chars>` | the gateway's own store |
//! | [`Jwt`] | a signed JSON Web Token | nobody, or the issuer's key set now and then |
//! | [`Coder`] | whatever a Coder deployment accepts | that deployment |
//!
//! [`Chain`] asks several in order. [`Cached`] goes around all of them, because authentication runs on every request.
//!
//! ```
//! use std::sync::Arc;
//!
//! use aibridge_store::accounts::Accounts;
//! use aibridge_tower::auth::source::{ApiKeys, Cached, Chain, Coder, Jwt, SourceError};
//!
//! fn identity(accounts: Arc<dyn Accounts>) -> Result<Cached<Chain>, SourceError> {
//!     let jwt = Jwt::builder().issuer("https://id.example.com").audience("aibridge").discover().build()?;
//!     let coder = Coder::new("https://coder.example.com".parse().expect("a URL"))?;
//!     Ok(Cached::new(Chain::new().then(ApiKeys::new(accounts)).then(jwt).then(coder)))
//! }
//! ```
//!
//! The HTTP clients of [`Jwt`] and [`Coder`] follow no redirects, bound what they read, and take nothing from the
//! environment (no `HTTP_PROXY`). No token and no secret appears in `Debug`, errors or logs.

mod api_keys;
mod cached;
mod chain;
mod coder;
mod error;
mod fetch;
mod jwt;
#[cfg(test)]
mod testing;

use std::pin::Pin;

pub use api_keys::{ApiKeys, ApiKeysFuture};
pub use cached::{Cached, CachedFuture};
pub use chain::Chain;
pub use coder::Coder;
pub use error::SourceError;
pub use jwt::{Jwt, JwtBuilder};

use super::{Actor, AuthError};

/// The future of a source that asks over the network.
pub type SourceFuture = Pin<Box<dyn Future<Output = Result<Actor, AuthError>> + Send>>;
