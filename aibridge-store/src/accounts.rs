//! Users and their gateway API keys.

use std::{future::Future, pin::Pin};

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

pub use crate::keys::hash_secret;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(clippy::exhaustive_structs, reason = "a row, built field by field")]
pub struct User {
    /// The user's id, the initiator of interceptions.
    pub id: Uuid,
    /// Unique, compared without case.
    pub username: String,
    /// Display name; may be empty.
    pub name: String,
    /// May be empty.
    pub email: String,
    /// May be empty.
    pub avatar_url: String,
    /// Whether the user may use the gateway.
    pub status: UserStatus,
    /// When the user was created.
    pub created_at: DateTime<Utc>,
}

/// Whether a user may use the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UserStatus {
    /// Yes.
    Active,
    /// No: the account was suspended.
    Suspended,
}

impl UserStatus {
    /// The name used in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            UserStatus::Active => "active",
            UserStatus::Suspended => "suspended",
        }
    }
}

/// A user to be created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "built field by field")]
pub struct NewUser {
    /// Unique, compared without case (of ASCII letters).
    pub username: String,
    /// Display name; may be empty.
    pub name: String,
    /// May be empty.
    pub email: String,
    /// May be empty.
    pub avatar_url: String,
}

/// A gateway API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(clippy::exhaustive_structs, reason = "a row, built field by field")]
pub struct ApiKey {
    /// The 10 characters before the hyphen.
    pub id: String,
    /// SHA-256 of the 22 characters after it.
    #[serde(skip)]
    pub hashed_secret: [u8; 32],
    /// Whose it is.
    pub user_id: Uuid,
    /// What its owner calls it; may be empty.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ceases to work, if it does.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A store of accounts that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the account store failed: {0}")]
#[allow(clippy::exhaustive_structs, reason = "any store of accounts builds it")]
pub struct AccountsError(pub String);

/// The future of an account query.
pub type AccountsFuture<T> = Pin<Box<dyn Future<Output = Result<T, AccountsError>> + Send>>;

/// What authentication needs to know of accounts.
pub trait Accounts: Send + Sync + 'static {
    /// The key of that id and its user.
    fn key(&self, id: &str) -> AccountsFuture<Option<(ApiKey, User)>>;

    /// Notes that a key was used now. Never waits; written at most once a minute for each key.
    fn touch(&self, id: &str);
}
