use std::{future::Future, sync::Arc};

use aibridge_providers::provider::Secret;

use super::Actor;

/// A source of identity: says whose a gateway token is.
pub trait Authenticate: Send + Sync + 'static {
    /// Resolves to the actor.
    type Future: Future<Output = Result<Actor, AuthError>> + Send + 'static;

    /// Checks `token`, taken from the request without its scheme.
    fn authenticate(&self, token: &Secret) -> Self::Future;
}

impl<A: Authenticate + ?Sized> Authenticate for Arc<A> {
    type Future = A::Future;

    fn authenticate(&self, token: &Secret) -> Self::Future {
        (**self).authenticate(token)
    }
}

/// Why a token is not accepted. All but the last are answered alike, so that a caller learns nothing from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The request carries no token.
    #[error("no gateway token")]
    Missing,
    /// The token is not of a form this source knows; another source may.
    #[error("malformed gateway token")]
    Malformed,
    /// No such token, or a wrong secret or signature.
    #[error("unknown gateway token")]
    Unknown,
    /// The token has expired.
    #[error("expired gateway token")]
    Expired,
    /// The token was revoked.
    #[error("revoked gateway token")]
    Revoked,
    /// The token's user is not active.
    #[error("the account is not active")]
    Inactive,
    /// The source of identity could not be asked.
    #[error("the source of identity is unavailable: {0}")]
    Unavailable(String),
}

impl AuthError {
    /// The name used in logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            AuthError::Missing => "missing",
            AuthError::Malformed => "malformed",
            AuthError::Unknown => "unknown",
            AuthError::Expired => "expired",
            AuthError::Revoked => "revoked",
            AuthError::Inactive => "inactive",
            AuthError::Unavailable(_) => "unavailable",
        }
    }
}
