use std::collections::HashMap;

use aibridge_store::external_auth::ExternalAuthLink;
use anyhow::{anyhow, bail};
use clap::{Parser, Subcommand};
use serde_json::json;
use uuid::Uuid;

use super::{parse, print_json, table};
use crate::{
    accounts,
    config::Config,
    external_auth::{self, callback},
};

/// Look at the applications that users link, and unlink them.
#[derive(Debug, Parser)]
struct ExternalAuth {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the applications: where users link them, and the redirect URL to register at their providers.
    Applications,
    /// List who linked what. Tokens are not shown.
    List {
        /// Only this user's.
        #[arg(long, value_name = "USERNAME")]
        user: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Forget what a user linked, and revoke the token at its provider.
    Unlink {
        /// Whose.
        #[arg(long, value_name = "USERNAME")]
        user: String,
        /// The application's id.
        id: String,
    },
}

pub(crate) async fn run(config: &Config, arguments: &[String]) -> anyhow::Result<()> {
    let ExternalAuth { action } = parse("external-auth", arguments);
    if let Action::Applications = action {
        applications(config);
        return Ok(());
    }
    let store = accounts::open_beside(&config.host.data_dir)?;
    match action {
        Action::Applications => {}
        Action::List { user, json } => {
            let user = match user {
                Some(user) => Some(accounts::user(&store, &user).await?.id),
                None => None,
            };
            let users = store.users().await?.into_iter().map(|user| (user.id, user.username)).collect();
            list(&store.links(user).await?, &users, json)?;
        }
        Action::Unlink { user, id } => {
            let user = accounts::user(&store, &user).await?;
            let links = external_auth::links(&config.mcp, &store, &config.host.access_url, &config.host.data_dir)?;
            let (deleted, revoked) = match &links {
                Some(links) => links.unlink(user.id, &id).await?,
                // Of an application that is configured no more.
                None => (store.delete_link(&id, user.id).await?, Ok(false)),
            };
            if !deleted {
                bail!("{} has not linked {id:?}; see: aibridge-gateway external-auth list", user.username);
            }
            println!("unlinked {id} of {}", user.username);
            match revoked {
                Ok(true) => println!("its token is revoked"),
                Ok(false) if config.mcp.applications.iter().any(|application| application.id == id) => {
                    println!("its token is not revoked: the application has no REVOKE_URL");
                }
                Ok(false) => println!("its token is not revoked: the application is not configured here"),
                Err(error) => return Err(anyhow!("its token could not be revoked: {error}")),
            }
        }
    }
    Ok(())
}

fn applications(config: &Config) {
    let login = |id: &str| callback(&config.host.access_url, id).as_str().replace("/callback", "/login");
    let rows: Vec<_> = config
        .mcp
        .applications
        .iter()
        .map(|application| {
            let id = application.id.as_str();
            let redirect = callback(&config.host.access_url, id).to_string();
            [id.to_owned(), application.display_name.clone(), login(id), redirect]
        })
        .collect();
    table::print(["ID", "NAME", "LINK AT", "REDIRECT URL"], &rows);
}

fn list(links: &[ExternalAuthLink], users: &HashMap<Uuid, String>, as_json: bool) -> anyhow::Result<()> {
    let username = |link: &ExternalAuthLink| users.get(&link.user_id).cloned().unwrap_or_default();
    if as_json {
        let links: Vec<_> = links
            .iter()
            .map(|link| {
                json!({"provider_id": link.provider_id, "user_id": link.user_id, "username": username(link),
                    "expires_at": link.expires_at, "failure": link.failure, "created_at": link.created_at,
                    "updated_at": link.updated_at})
            })
            .collect();
        return print_json(&links);
    }
    let row = |link: &ExternalAuthLink| {
        let state = link.failure.as_ref().map_or_else(|| "linked".to_owned(), |why| format!("broken: {why}"));
        let day = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M").to_string();
        [link.provider_id.clone(), username(link), state, day(link.created_at), day(link.updated_at)]
    };
    table::print(["ID", "USER", "STATE", "LINKED", "RENEWED"], &links.iter().map(row).collect::<Vec<_>>());
    Ok(())
}
