use std::{collections::HashMap, time::Duration};

use aibridge_store::{accounts::ApiKey, sqlite::Sqlite};
use anyhow::{Context, anyhow};
use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand};
use secrecy::ExposeSecret;
use serde_json::json;
use uuid::Uuid;

use super::{parse, print_json, table};
use crate::{accounts, config::Config};

/// Manage gateway tokens.
#[derive(Debug, Parser)]
struct Tokens {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token for a user. It is shown this once.
    Create {
        /// Whose.
        #[arg(long, value_name = "USERNAME")]
        user: String,
        /// What to call it.
        #[arg(long, default_value = "")]
        name: String,
        /// How long it is valid, e.g. 90d. Without it, until it is revoked.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        lifetime: Option<Duration>,
    },
    /// List tokens. Their secrets are not stored and cannot be shown.
    List {
        /// Only this user's.
        #[arg(long, value_name = "USERNAME")]
        user: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a token worthless. A running gateway notices within a minute.
    Revoke {
        /// The ten characters before the hyphen.
        id: String,
    },
}

pub(crate) async fn run(config: &Config, arguments: &[String]) -> anyhow::Result<()> {
    let Tokens { action } = parse("tokens", arguments);
    let store = accounts::open_beside(&config.host.data_dir)?;
    match action {
        Action::Create { user, name, lifetime } => {
            let user = accounts::user(&store, &user).await?;
            let expires_at = lifetime.map(expiry).transpose()?;
            let (key, token) = store.create_key(user.id, &name, expires_at).await?;
            eprintln!("token {} of {}; it is shown this once:", key.id, user.username);
            println!("{}", token.expose_secret());
        }
        Action::List { user, json } => {
            let user = match user {
                Some(user) => Some(accounts::user(&store, &user).await?.id),
                None => None,
            };
            list(&store, store.keys(user).await?, json).await?;
        }
        Action::Revoke { id } => {
            // The whole token may be given, of which the secret is none of our business.
            let id = id.split('-').next().unwrap_or_default();
            let revoked = store.revoke_key(id).await?;
            let key = revoked.ok_or_else(|| anyhow!("there is no token {id:?}; see: aibridge-gateway tokens list"))?;
            println!("revoked {}; a running gateway refuses it within a minute", key.id);
        }
    }
    Ok(())
}

fn expiry(lifetime: Duration) -> anyhow::Result<DateTime<Utc>> {
    let expires = chrono::TimeDelta::from_std(lifetime).ok().and_then(|it| Utc::now().checked_add_signed(it));
    expires.context("--lifetime is too long")
}

async fn list(store: &Sqlite, keys: Vec<ApiKey>, as_json: bool) -> anyhow::Result<()> {
    let users: HashMap<Uuid, String> = store.users().await?.into_iter().map(|user| (user.id, user.username)).collect();
    let owner = |key: &ApiKey| users.get(&key.user_id).cloned().unwrap_or_default();
    if as_json {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| {
                json!({"id": key.id, "user_id": key.user_id, "username": owner(key), "name": key.name,
                    "created_at": key.created_at, "expires_at": key.expires_at, "revoked_at": key.revoked_at,
                    "last_used_at": key.last_used_at})
            })
            .collect();
        return print_json(&keys);
    }
    let row = |key: &ApiKey| {
        [
            key.id.clone(),
            owner(key),
            key.name.clone(),
            state(key),
            moment(key.last_used_at),
            moment(Some(key.created_at)),
        ]
    };
    table::print(["ID", "USER", "NAME", "STATE", "LAST USED", "CREATED"], &keys.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn state(key: &ApiKey) -> String {
    match (key.revoked_at, key.expires_at) {
        (Some(_), _) => "revoked".to_owned(),
        (None, Some(expires)) if expires <= Utc::now() => "expired".to_owned(),
        (None, Some(expires)) => format!("until {}", expires.format("%Y-%m-%d %H:%M")),
        (None, None) => "valid".to_owned(),
    }
}

fn moment(at: Option<DateTime<Utc>>) -> String {
    at.map_or("-".to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string())
}
