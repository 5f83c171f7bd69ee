//! Where the store is, and accounts as the commands and the demo need them.

use std::path::{Path, PathBuf};

use aibridge_store::{
    accounts::{NewUser, User},
    sqlite::Sqlite,
};
use anyhow::{Context, anyhow};
use chrono::{TimeDelta, Utc};
use secrecy::SecretString;

/// The name of the demo's user.
const DEMO: &str = "demo";

/// The database in the data directory, which is made if it is missing.
pub(crate) fn database(data_dir: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("the data directory {} cannot be made (CODER_DATA_DIR)", data_dir.display()))?;
    Ok(data_dir.join("aibridge.sqlite"))
}

/// The store, for a command that works beside a running gateway.
pub(crate) fn open_beside(data_dir: &Path) -> anyhow::Result<Sqlite> {
    let path = database(data_dir)?;
    Sqlite::open_reader(&path).with_context(|| format!("the record store {} cannot be opened", path.display()))
}

/// The user of that name.
pub(crate) async fn user(store: &Sqlite, username: &str) -> anyhow::Result<User> {
    store.user(username).await?.ok_or_else(|| {
        anyhow!("there is no user {username:?}; create it with: aibridge-gateway users create {username}")
    })
}

/// A token for the demo's user, valid for a day.
pub(crate) async fn demo_token(store: &Sqlite) -> anyhow::Result<SecretString> {
    let user = match store.user(DEMO).await? {
        Some(user) => user,
        None => store.create_user(NewUser { username: DEMO.to_owned(), ..NewUser::default() }).await?,
    };
    let (_, token) = store.create_key(user.id, "demo", Some(Utc::now() + TimeDelta::days(1))).await?;
    Ok(token)
}
