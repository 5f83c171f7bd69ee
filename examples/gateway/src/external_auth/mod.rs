//! Applications that users link: OAuth2 (RFC 6749) with PKCE (RFC 7636), the pages for it, and the tokens.
//!
//! A user signs in with the gateway token once and gets a session; links an application by going to its provider and
//! coming back with a code; and the gateway calls the application's MCP server with the tokens that the code is exchanged
//! for, which it keeps encrypted, renews, and gives back when the user unlinks.

mod application;
mod call;
mod grant;
mod keys;
mod links;
mod page;
mod routes;
mod session;
mod tasks;
#[cfg(test)]
mod tests;
mod visitor;

use std::{path::Path, sync::Arc};

use aibridge_mcp::Mcp;
use aibridge_store::sqlite::Sqlite;
use anyhow::Context;
use url::Url;
use uuid::Uuid;

pub(crate) use application::callback;
pub(crate) use links::Links;

use crate::{config, identity::Identity};
use application::Application;
use session::{Cookie, Sessions};

/// What the pages need.
#[derive(Debug)]
pub(crate) struct ExternalAuth {
    links: Links,
    sessions: Sessions,
    identity: Identity,
    /// What knows a user's tools has to hear of links that come and go.
    mcp: Option<Mcp>,
    cookie: Cookie,
    /// Where users reach the gateway: the origin that forms may come from, and the path that links begin with.
    access_url: Url,
}

impl ExternalAuth {
    /// `access_url` is where users reach the gateway.
    pub(crate) fn new(links: Links, identity: Identity, mcp: Option<Mcp>, access_url: &Url) -> ExternalAuth {
        let cookie = Cookie { secure: access_url.scheme() == "https" };
        ExternalAuth { links, sessions: Sessions::default(), identity, mcp, cookie, access_url: access_url.clone() }
    }

    /// The user's links changed.
    fn changed(&self, user: Uuid) {
        if let Some(mcp) = &self.mcp {
            mcp.refresh(user);
        }
    }

    /// The routes.
    pub(crate) fn routes(self: Arc<ExternalAuth>) -> axum::Router {
        routes::routes(self)
    }

    /// What links begin with.
    fn base(&self) -> &str {
        self.access_url.path().trim_end_matches('/')
    }
}

/// Users' links to the configured applications; `None` when there are none. Renewals run on the runtime this is called on.
///
/// # Errors
/// The key is missing and cannot be made, or the HTTP client cannot be set up.
pub(crate) fn links(
    config: &config::Mcp,
    store: &Sqlite,
    access_url: &Url,
    data_dir: &Path,
) -> anyhow::Result<Option<Links>> {
    if config.applications.is_empty() {
        return Ok(None);
    }
    let http = call::client().context("the HTTP client for external applications cannot be set up")?;
    let keys = keys::keyring(config.keys.as_ref(), data_dir)?;
    let application =
        |config: &config::Application| Arc::new(Application::new(config.clone(), access_url, http.clone()));
    let applications = config.applications.iter().map(application).collect();
    Ok(Some(Links::new(applications, store.clone(), keys)))
}
