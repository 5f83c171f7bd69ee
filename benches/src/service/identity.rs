use std::future::ready;

use aibridge_store::accounts::{Accounts, AccountsFuture, ApiKey, User, UserStatus};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The gateway token of the one user.
pub const TOKEN: &str = "gatewaytok-abcdefghijklmnopqrstuv";

/// Accounts of one user with one key, in memory.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Keyring;

impl Keyring {
    /// The accounts.
    pub fn new() -> Keyring {
        Keyring
    }
}

impl Default for Keyring {
    fn default() -> Keyring {
        Keyring::new()
    }
}

impl Accounts for Keyring {
    fn key(&self, id: &str) -> AccountsFuture<Option<(ApiKey, User)>> {
        let user = User {
            id: Uuid::from_u128(7),
            username: "ali".to_owned(),
            name: String::new(),
            email: "ali@example.com".to_owned(),
            avatar_url: String::new(),
            status: UserStatus::Active,
            created_at: DateTime::<Utc>::UNIX_EPOCH,
        };
        let key = ApiKey {
            id: id.to_owned(),
            hashed_secret: Sha256::digest(&TOKEN[11..]).into(),
            user_id: user.id,
            name: String::new(),
            created_at: DateTime::<Utc>::UNIX_EPOCH,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        };
        Box::pin(ready(Ok((id == &TOKEN[..10]).then_some((key, user)))))
    }

    fn touch(&self, _: &str) {}
}
