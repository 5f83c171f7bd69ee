use aibridge_store::accounts::{NewUser, User, UserStatus};
use anyhow::anyhow;
use clap::{Parser, Subcommand};
use serde_json::json;

use super::{parse, print_json, table};
use crate::{accounts, config::Config};

/// Manage users.
#[derive(Debug, Parser)]
struct Users {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a user.
    Create {
        /// Unique, compared without case.
        username: String,
        /// Display name.
        #[arg(long, default_value = "")]
        name: String,
        /// E-mail address.
        #[arg(long, default_value = "")]
        email: String,
    },
    /// List users.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Refuse a user's tokens until the user is activated again.
    Suspend {
        /// The user.
        username: String,
    },
    /// Accept a suspended user's tokens again.
    Activate {
        /// The user.
        username: String,
    },
}

pub(crate) async fn run(config: &Config, arguments: &[String]) -> anyhow::Result<()> {
    let Users { action } = parse("users", arguments);
    let store = accounts::open_beside(&config.host.data_dir)?;
    let set = async |username: String, status: UserStatus| {
        let user = store.set_user_status(&username, status).await?;
        user.ok_or_else(|| anyhow!("there is no user {username:?}; see: aibridge-gateway users list"))
    };
    match action {
        Action::Create { username, name, email } => {
            let user = store.create_user(NewUser { username, name, email, ..NewUser::default() }).await?;
            println!("created {} ({})", user.username, user.id);
        }
        Action::List { json } => list(&store.users().await?, json)?,
        Action::Suspend { username } => {
            let user = set(username, UserStatus::Suspended).await?;
            println!("suspended {}; a running gateway refuses its tokens within a minute", user.username);
        }
        Action::Activate { username } => println!("activated {}", set(username, UserStatus::Active).await?.username),
    }
    Ok(())
}

fn list(users: &[User], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let users: Vec<_> = users
            .iter()
            .map(|user| {
                json!({"id": user.id, "username": user.username, "name": user.name, "email": user.email,
                    "avatar_url": user.avatar_url, "status": status(user.status), "created_at": user.created_at})
            })
            .collect();
        return print_json(&users);
    }
    let row = |user: &User| {
        let created = user.created_at.format("%Y-%m-%d %H:%M").to_string();
        [user.id.to_string(), user.username.clone(), user.name.clone(), status(user.status).to_owned(), created]
    };
    table::print(["ID", "USERNAME", "NAME", "STATUS", "CREATED"], &users.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn status(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Active => "active",
        _ => "suspended",
    }
}
