//! Users' OAuth2 tokens at other services: what a user linked, and the tokens themselves, [sealed](crate::sealed).

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Serialize;
use uuid::Uuid;

/// That a user linked an application, without the tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(clippy::exhaustive_structs, reason = "a row, built field by field")]
pub struct ExternalAuthLink {
    /// The application's id.
    pub provider_id: String,
    /// Whose link it is.
    pub user_id: Uuid,
    /// When the access token expires, if its issuer said so.
    pub expires_at: Option<DateTime<Utc>>,
    /// Why the tokens are worthless, if they are: the user has to link again.
    pub failure: Option<String>,
    /// When the user linked it.
    pub created_at: DateTime<Utc>,
    /// When the tokens were last written. It tells one state of the link from the next, see
    /// [`replace_link`](crate::sqlite::Sqlite::replace_link).
    pub updated_at: DateTime<Utc>,
    /// The key its tokens are sealed under, see [`Keyring::holds`](crate::sealed::Keyring::holds).
    pub key_id: String,
}

/// The tokens of a link.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a row, built field by field")]
pub struct Tokens {
    /// What the service is called with.
    pub access: SecretString,
    /// What the next access token is bought with, if there is one.
    pub refresh: Option<SecretString>,
    /// When the access token expires, if its issuer said so.
    pub expires_at: Option<DateTime<Utc>>,
}
