//! Users and API keys.

use std::{collections::HashMap, sync::PoisonError, time::Duration};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};
use secrecy::SecretString;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Sqlite,
    text::{Id, Stamp, column, optional},
};
use crate::{
    RecordError,
    accounts::{Accounts, AccountsError, AccountsFuture, ApiKey, NewUser, User, UserStatus},
    keys,
};

const USER: &str = "u.id, u.username, u.name, u.email, u.avatar_url, u.status, u.created_at";
const KEY: &str = "k.id, k.hashed_secret, k.user_id, k.name, k.created_at, k.expires_at, k.revoked_at, k.last_used_at";

/// How often a key's last use is written, at most.
const TOUCH: Duration = Duration::from_secs(60);

/// When keys were last touched.
pub(super) type Touched = HashMap<String, Instant>;

impl Accounts for Sqlite {
    fn key(&self, id: &str) -> AccountsFuture<Option<(ApiKey, User)>> {
        let (store, id) = (self.clone(), id.to_owned());
        Box::pin(async move {
            let found = store.read(move |db| {
                let sql =
                    format!("SELECT {KEY}, {USER} FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.id = ?");
                db.prepare_cached(&sql)?.query_row([id], |row| Ok((key(row, 0)?, user(row, 8)?))).optional()
            });
            found.await.map_err(failed)
        })
    }

    fn touch(&self, id: &str) {
        let Some(queue) = &self.0.queue else { return };
        let now = Instant::now();
        {
            let mut touched = self.0.touched.lock().unwrap_or_else(PoisonError::into_inner);
            match touched.get_mut(id) {
                Some(at) if now.duration_since(*at) < TOUCH => return,
                Some(at) => *at = now,
                None => {
                    touched.retain(|_, at| now.duration_since(*at) < TOUCH);
                    touched.insert(id.to_owned(), now);
                }
            }
        }
        let (id, at) = (id.to_owned(), Stamp::new(Utc::now()));
        queue.job(Box::new(move |db| {
            if let Err(error) = db.execute("UPDATE api_keys SET last_used_at = ? WHERE id = ?", params![at, id]) {
                tracing::debug!(%error, "the last use of a key was not noted");
            }
        }));
    }
}

/// What the command line manages. Works beside a running gateway, see [`Sqlite::open_reader`].
impl Sqlite {
    /// Creates a user.
    ///
    /// # Errors
    ///
    /// When the username is empty or taken, or the database cannot be written.
    pub async fn create_user(&self, new: NewUser) -> Result<User, AccountsError> {
        let user = User {
            id: Uuid::now_v7(),
            username: new.username,
            name: new.name,
            email: new.email,
            avatar_url: new.avatar_url,
            status: UserStatus::Active,
            created_at: micros(Utc::now()),
        };
        self.put_user(user, false).await
    }

    /// Creates the user of that id, or brings all but its status and its creation up to date: for users that another
    /// source of identity vouches for.
    ///
    /// # Errors
    ///
    /// When the username is empty or another user's, or the database cannot be written.
    pub async fn upsert_user(&self, user: User) -> Result<User, AccountsError> {
        self.put_user(user, true).await
    }

    async fn put_user(&self, user: User, update: bool) -> Result<User, AccountsError> {
        if user.username.trim().is_empty() {
            return Err(AccountsError("a username must not be empty".into()));
        }
        let username = user.username.clone();
        let put = self.write(move |db| put(db, &user, update));
        let taken = || AccountsError(format!("the username {username} is taken"));
        put.await.map_err(failed)?.ok_or_else(taken)
    }

    /// All users, by username.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn users(&self) -> Result<Vec<User>, AccountsError> {
        let users = self.read(|db| {
            let sql = format!("SELECT {USER} FROM users u ORDER BY u.username");
            db.prepare_cached(&sql)?.query_map([], |row| user(row, 0))?.collect()
        });
        users.await.map_err(failed)
    }

    /// The user of that name, compared without case.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn user(&self, username: &str) -> Result<Option<User>, AccountsError> {
        let username = username.to_owned();
        let found = self.read(move |db| {
            let sql = format!("SELECT {USER} FROM users u WHERE u.username = ?");
            db.prepare_cached(&sql)?.query_row([username], |row| user(row, 0)).optional()
        });
        found.await.map_err(failed)
    }

    /// Suspends or activates a user. `None` when there is none of that name.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub async fn set_user_status(&self, username: &str, status: UserStatus) -> Result<Option<User>, AccountsError> {
        let username = username.to_owned();
        let updated = self.write(move |db| {
            let sql = format!("UPDATE users AS u SET status = ? WHERE u.username = ? RETURNING {}", unqualified(USER));
            db.prepare_cached(&sql)?.query_row(params![status.as_str(), username], |row| user(row, 0)).optional()
        });
        updated.await.map_err(failed)
    }

    /// Makes a key for a user. The token is `<10 characters>-<22 characters>`; it cannot be shown again.
    ///
    /// # Errors
    ///
    /// When there is no such user, or the database cannot be written.
    pub async fn create_key(
        &self,
        user_id: Uuid,
        name: &str,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<(ApiKey, SecretString), AccountsError> {
        let (id, token, hashed_secret) = keys::generate();
        let key = ApiKey {
            id,
            hashed_secret,
            user_id,
            name: name.to_owned(),
            created_at: micros(Utc::now()),
            expires_at: expires_at.map(micros),
            revoked_at: None,
            last_used_at: None,
        };
        let row = key.clone();
        let inserted = self.write(move |db| {
            db.execute(
                "INSERT INTO api_keys (id, hashed_secret, user_id, name, created_at, expires_at) \
                 SELECT ?, ?, id, ?, ?, ? FROM users WHERE id = ?",
                params![
                    row.id,
                    row.hashed_secret,
                    row.name,
                    Stamp::new(row.created_at),
                    row.expires_at.map(Stamp::new),
                    Id::new(row.user_id),
                ],
            )
        });
        match inserted.await.map_err(failed)? {
            0 => Err(AccountsError(format!("there is no user {user_id}"))),
            _ => Ok((key, token)),
        }
    }

    /// The keys of one user, or all, oldest first.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn keys(&self, user_id: Option<Uuid>) -> Result<Vec<ApiKey>, AccountsError> {
        let keys = self.read(move |db| {
            let sql =
                format!("SELECT {KEY} FROM api_keys k WHERE ?1 IS NULL OR k.user_id = ?1 ORDER BY k.created_at, k.id");
            db.prepare_cached(&sql)?.query_map([user_id.map(Id::new)], |row| key(row, 0))?.collect()
        });
        keys.await.map_err(failed)
    }

    /// Revokes a key. `None` when there is none of that id; one revoked before stays as it is.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub async fn revoke_key(&self, id: &str) -> Result<Option<ApiKey>, AccountsError> {
        let (id, now) = (id.to_owned(), Stamp::new(Utc::now()));
        let revoked = self.write(move |db| {
            let sql = format!(
                "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? RETURNING {}",
                unqualified(KEY)
            );
            db.prepare_cached(&sql)?.query_row(params![now, id], |row| key(row, 0)).optional()
        });
        revoked.await.map_err(failed)
    }
}

/// `None` when the username is another user's.
fn put(db: &Connection, new: &User, update: bool) -> rusqlite::Result<Option<User>> {
    let id = Id::new(new.id);
    let taken = "SELECT 1 FROM users WHERE username = ? AND id <> ?";
    if db.prepare_cached(taken)?.exists(params![new.username, id])? {
        return Ok(None);
    }
    let conflict = match update {
        true => {
            "ON CONFLICT (id) DO UPDATE SET username = excluded.username, name = excluded.name, \
             email = excluded.email, avatar_url = excluded.avatar_url"
        }
        false => "",
    };
    let sql = format!(
        "INSERT INTO users (id, username, name, email, avatar_url, status, created_at) VALUES (?, ?, ?, ?, ?, ?, ?) \
         {conflict} RETURNING {}",
        unqualified(USER)
    );
    let row =
        params![id, new.username, new.name, new.email, new.avatar_url, new.status.as_str(), Stamp::new(new.created_at)];
    db.prepare_cached(&sql)?.query_row(row, |row| user(row, 0)).map(Some)
}

/// `RETURNING` knows no aliases.
fn unqualified(columns: &str) -> String {
    columns.replace("u.", "").replace("k.", "")
}

fn user(row: &Row<'_>, first: usize) -> rusqlite::Result<User> {
    let status: String = row.get(first + 5)?;
    Ok(User {
        id: column(row, first)?,
        username: row.get(first + 1)?,
        name: row.get(first + 2)?,
        email: row.get(first + 3)?,
        avatar_url: row.get(first + 4)?,
        // Whatever this program does not know does not let anyone in.
        status: if status == UserStatus::Active.as_str() { UserStatus::Active } else { UserStatus::Suspended },
        created_at: column(row, first + 6)?,
    })
}

fn key(row: &Row<'_>, first: usize) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        id: row.get(first)?,
        hashed_secret: row.get(first + 1)?,
        user_id: column(row, first + 2)?,
        name: row.get(first + 3)?,
        created_at: column(row, first + 4)?,
        expires_at: optional(row, first + 5)?,
        revoked_at: optional(row, first + 6)?,
        last_used_at: optional(row, first + 7)?,
    })
}

/// As precise as the database.
pub(super) fn micros(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.timestamp_micros()).unwrap_or(time)
}

pub(super) fn failed(error: RecordError) -> AccountsError {
    AccountsError(match error {
        RecordError::Store(error) => error,
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests;
