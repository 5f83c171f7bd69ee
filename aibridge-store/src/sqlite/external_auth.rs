//! Users' links to applications, with sealed tokens.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{
    Sqlite,
    accounts::{failed, micros},
    text::{Id, Stamp, column, optional},
};
use crate::{
    accounts::AccountsError,
    external_auth::{ExternalAuthLink, Tokens},
    sealed::{Keyring, SealError},
};

const LINK: &str = "provider_id, user_id, oauth_expiry, oauth_refresh_failure_reason, created_at, updated_at, \
                    oauth_access_token_key_id";

/// A link and its tokens, which are opened off the threads that read the database.
type Sealed = (ExternalAuthLink, Vec<u8>, Option<(Vec<u8>, String)>);

impl Sqlite {
    /// Writes a user's link, in place of an earlier one.
    ///
    /// # Errors
    ///
    /// When the tokens cannot be sealed or the database cannot be written.
    pub async fn put_link(
        &self,
        keys: &Keyring,
        provider_id: &str,
        user_id: Uuid,
        tokens: &Tokens,
    ) -> Result<ExternalAuthLink, AccountsError> {
        let now = micros(Utc::now());
        let link = ExternalAuthLink {
            provider_id: provider_id.to_owned(),
            user_id,
            expires_at: tokens.expires_at.map(micros),
            failure: None,
            created_at: now,
            updated_at: now,
            key_id: String::new(),
        };
        let (link, access, refresh) = seal(keys, link, tokens)?;
        let row = link.clone();
        let written = self.write(move |db| {
            db.prepare_cached("DELETE FROM external_auth_links WHERE provider_id = ? AND user_id = ?")?
                .execute(params![row.provider_id, Id::new(row.user_id)])?;
            insert(db, &row, &access, refresh.as_ref())
        });
        written.await.map_err(failed)?;
        Ok(link)
    }

    /// Writes new tokens, unless the link is gone or was written since `seen` was read: `None` then.
    ///
    /// # Errors
    ///
    /// When the tokens cannot be sealed or the database cannot be written.
    pub async fn replace_link(
        &self,
        keys: &Keyring,
        seen: &ExternalAuthLink,
        tokens: &Tokens,
    ) -> Result<Option<ExternalAuthLink>, AccountsError> {
        let before = Stamp::new(seen.updated_at);
        let link = ExternalAuthLink {
            expires_at: tokens.expires_at.map(micros),
            failure: None,
            updated_at: later_than(seen.updated_at),
            ..seen.clone()
        };
        let (link, access, refresh) = seal(keys, link, tokens)?;
        let row = link.clone();
        let written = self.write(move |db| {
            let sql = "DELETE FROM external_auth_links WHERE provider_id = ? AND user_id = ? AND updated_at = ?";
            match db.prepare_cached(sql)?.execute(params![row.provider_id, Id::new(row.user_id), before])? {
                0 => Ok(false),
                _ => insert(db, &row, &access, refresh.as_ref()).map(|()| true),
            }
        });
        Ok(written.await.map_err(failed)?.then_some(link))
    }

    /// Notes why the tokens of a link are worthless and forgets its refresh token, unless the link is gone or was written
    /// since `seen` was read: `None` then.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub async fn fail_link(
        &self,
        seen: &ExternalAuthLink,
        why: &str,
    ) -> Result<Option<ExternalAuthLink>, AccountsError> {
        let why = if why.is_empty() { "unknown" } else { why };
        let link =
            ExternalAuthLink { failure: Some(why.to_owned()), updated_at: later_than(seen.updated_at), ..seen.clone() };
        let (row, before) = (link.clone(), Stamp::new(seen.updated_at));
        let written = self.write(move |db| {
            let sql = "UPDATE external_auth_links SET oauth_refresh_failure_reason = ?, updated_at = ?, \
                       oauth_refresh_token = NULL, oauth_refresh_token_key_id = NULL \
                       WHERE provider_id = ? AND user_id = ? AND updated_at = ?";
            let (user, after) = (Id::new(row.user_id), Stamp::new(row.updated_at));
            db.prepare_cached(sql)?.execute(params![row.failure, after, row.provider_id, user, before])
        });
        Ok((written.await.map_err(failed)? > 0).then_some(link))
    }

    /// A user's link to an application, and its tokens.
    ///
    /// # Errors
    ///
    /// When the database cannot be read, or the tokens cannot be opened: their key is missing, or the row was changed.
    pub async fn link(
        &self,
        keys: &Keyring,
        provider_id: &str,
        user_id: Uuid,
    ) -> Result<Option<(ExternalAuthLink, Tokens)>, AccountsError> {
        let provider = provider_id.to_owned();
        let found = self.read(move |db| {
            let sql = format!(
                "SELECT {LINK}, oauth_access_token, oauth_refresh_token, oauth_refresh_token_key_id \
                 FROM external_auth_links WHERE provider_id = ? AND user_id = ?"
            );
            let sealed = |row: &Row<'_>| {
                let refresh = row.get::<_, Option<Vec<u8>>>(8)?.zip(row.get::<_, Option<String>>(9)?);
                Ok((link(row)?, row.get(7)?, refresh))
            };
            db.prepare_cached(&sql)?.query_row(params![provider, Id::new(user_id)], sealed).optional()
        });
        found.await.map_err(failed)?.map(|sealed| open(keys, sealed)).transpose()
    }

    /// The links of one user, or all, by user and application.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn links(&self, user_id: Option<Uuid>) -> Result<Vec<ExternalAuthLink>, AccountsError> {
        let links = self.read(move |db| {
            let sql = format!(
                "SELECT {LINK} FROM external_auth_links WHERE ?1 IS NULL OR user_id = ?1 ORDER BY user_id, provider_id"
            );
            db.prepare_cached(&sql)?.query_map([user_id.map(Id::new)], link)?.collect()
        });
        links.await.map_err(failed)
    }

    /// Forgets a user's link. False when there is none.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub async fn delete_link(&self, provider_id: &str, user_id: Uuid) -> Result<bool, AccountsError> {
        let provider = provider_id.to_owned();
        let deleted = self.write(move |db| {
            db.prepare_cached("DELETE FROM external_auth_links WHERE provider_id = ? AND user_id = ?")?
                .execute(params![provider, Id::new(user_id)])
        });
        Ok(deleted.await.map_err(failed)? > 0)
    }
}

fn insert(
    db: &Connection,
    link: &ExternalAuthLink,
    access: &[u8],
    refresh: Option<&(Vec<u8>, String)>,
) -> rusqlite::Result<()> {
    let (refresh, refresh_key) = refresh.map(|(token, key)| (token, key)).unzip();
    let sql = "INSERT INTO external_auth_links (provider_id, user_id, created_at, updated_at, oauth_access_token, \
               oauth_access_token_key_id, oauth_refresh_token, oauth_refresh_token_key_id, oauth_expiry, \
               oauth_refresh_failure_reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '')";
    let values = params![
        link.provider_id,
        Id::new(link.user_id),
        Stamp::new(link.created_at),
        Stamp::new(link.updated_at),
        access,
        link.key_id,
        refresh,
        refresh_key,
        link.expires_at.map(Stamp::new),
    ];
    db.prepare_cached(sql)?.execute(values).map(drop)
}

fn link(row: &Row<'_>) -> rusqlite::Result<ExternalAuthLink> {
    Ok(ExternalAuthLink {
        provider_id: row.get(0)?,
        user_id: column(row, 1)?,
        expires_at: optional(row, 2)?,
        failure: Some(row.get(3)?).filter(|why: &String| !why.is_empty()),
        created_at: column(row, 4)?,
        updated_at: column(row, 5)?,
        key_id: row.get(6)?,
    })
}

fn seal(keys: &Keyring, mut link: ExternalAuthLink, tokens: &Tokens) -> Result<Sealed, AccountsError> {
    let token = |token: &SecretString, what| {
        keys.seal(&context(&link, what), token.expose_secret()).map_err(|why| unusable(&link, why))
    };
    let (key_id, access) = token(&tokens.access, "access")?;
    let refresh = tokens.refresh.as_ref().map(|refresh| token(refresh, "refresh")).transpose()?;
    link.key_id = key_id;
    Ok((link, access, refresh.map(|(key_id, sealed)| (sealed, key_id))))
}

fn open(keys: &Keyring, (link, access, refresh): Sealed) -> Result<(ExternalAuthLink, Tokens), AccountsError> {
    let token = |sealed: &[u8], key_id: &str, what| {
        keys.open(key_id, &context(&link, what), sealed).map(SecretString::from).map_err(|why| unusable(&link, why))
    };
    let tokens = Tokens {
        access: token(&access, &link.key_id, "access")?,
        refresh: refresh.map(|(sealed, key_id)| token(&sealed, &key_id, "refresh")).transpose()?,
        expires_at: link.expires_at,
    };
    Ok((link, tokens))
}

/// The place a token is sealed for. All but the last part are of one length, or of a fixed set without blanks.
fn context(link: &ExternalAuthLink, what: &str) -> Vec<u8> {
    format!("external_auth_links {} {what} {}", link.user_id, link.provider_id).into_bytes()
}

fn unusable(link: &ExternalAuthLink, why: SealError) -> AccountsError {
    AccountsError(format!("the token of {} for {} cannot be used: {why}", link.user_id, link.provider_id))
}

/// Now, and in any case another moment than `before`: it tells one state of a link from the next.
fn later_than(before: DateTime<Utc>) -> DateTime<Utc> {
    micros(Utc::now()).max(before + TimeDelta::microseconds(1))
}

#[cfg(test)]
mod tests;
