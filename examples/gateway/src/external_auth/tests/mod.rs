//! The whole way, with a browser and a provider of the tests' own.

mod browser;
mod end;
mod pages;
mod provider;
mod renewal;
mod tools;

use std::{path::Path, sync::Arc, time::Duration};

use aibridge_mcp::ToolRules;
use aibridge_providers::provider::Secret;
use aibridge_store::{
    accounts::NewUser,
    external_auth::Tokens,
    sealed::{Key, Keyring},
    sqlite::Sqlite,
};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

use super::{ExternalAuth, Links};
use crate::{
    config::{self, Authentication, ClientAuth, Mcp, Revocation},
    identity::identity,
    mcp::servers,
};
use browser::Browser;
use provider::{Behaviour, CLIENT_ID, CLIENT_SECRET, Provider};

/// How long a test waits for what has to happen.
const LIMIT: Duration = Duration::from_secs(20);

/// Waits for what has to happen.
async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, event).await.expect("it happens")
}

/// A gateway's part in it: users, and one application, `app`.
struct Gateway {
    _home: TempDir,
    store: Sqlite,
    keys: Keyring,
    links: Links,
    mcp: aibridge_mcp::Mcp,
    routes: axum::Router,
}

/// An application at `provider`.
fn application(provider: &Provider) -> config::Application {
    config::Application {
        id: "app".to_owned(),
        display_name: "The <App>".to_owned(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: Some(Secret::new(CLIENT_SECRET)),
        client_auth: ClientAuth::Standard,
        auth_url: provider.url("/authorize?audience=tools"),
        token_url: provider.url("/token"),
        extra: &[("resource", "r")],
        validate_url: Some(provider.url("/validate")),
        revoke_url: Some(provider.url("/revoke")),
        revocation: Revocation::Standard,
        scopes: vec!["read".to_owned(), "write:all".to_owned()],
        mcp_url: provider.url("/mcp"),
        rules: ToolRules::new(),
    }
}

impl Gateway {
    async fn new(provider: &Provider) -> Gateway {
        Gateway::at("http://gateway.test:3000/", application(provider)).await
    }

    /// One that users reach at `access_url`.
    async fn at(access_url: &str, application: config::Application) -> Gateway {
        let home = tempfile::tempdir().expect("a directory");
        let store = Sqlite::open(&home.path().join("aibridge.sqlite")).expect("opened");
        let keys = Keyring::new([Key::generate().expect("a key").0]).expect("a key");
        let mcp = Mcp { servers: Vec::new(), applications: vec![application], coder: None, keys: Some(keys.clone()) };
        let access_url = Url::parse(access_url).expect("a URL");
        let links = super::links(&mcp, &store, &access_url, Path::new("/nowhere")).expect("set up").expect("some");
        let mcp = servers(&mcp, aibridge_mcp::Limits::default(), Some(&links), None).expect("set up").expect("some");
        let authentication = Authentication { coder_url: None, oidc: None };
        let identity = identity(&authentication, &store, None).expect("set up");
        let routes = Arc::new(ExternalAuth::new(links.clone(), identity, Some(mcp.clone()), &access_url)).routes();
        Gateway { _home: home, store, keys, links, mcp, routes }
    }

    /// A new user and their gateway token.
    async fn user(&self, username: &str) -> (Uuid, String) {
        let user = self.store.create_user(NewUser { username: username.to_owned(), ..NewUser::default() }).await;
        let user = user.expect("created");
        let (_, token) = self.store.create_key(user.id, "", None).await.expect("created");
        (user.id, token.expose_secret().to_owned())
    }

    fn browser(&self) -> Browser {
        Browser::new(self.routes.clone())
    }

    /// A browser in which this user is signed in.
    async fn signed_in(&self, username: &str) -> (Uuid, Browser) {
        let (id, token) = self.user(username).await;
        let mut browser = self.browser();
        browser.sign_in(&token).await;
        (id, browser)
    }

    /// A user who has linked the application.
    async fn linked(&self) -> (Uuid, Browser) {
        let (id, mut browser) = self.signed_in("ali").await;
        assert_eq!(browser.link("app").await.status, 303);
        (id, browser)
    }

    /// The user's token as the tool source gets it.
    async fn token(&self, user: Uuid) -> Option<String> {
        let token = self.links.token(user, "app").await.expect("an answer");
        token.map(|token| token.expose_secret().to_owned())
    }

    /// What is stored, not renewed.
    async fn stored(&self, user: Uuid) -> Tokens {
        self.store.link(&self.keys, "app", user).await.expect("an answer").expect("linked").1
    }

    /// Why the user has to link again.
    async fn failure(&self, user: Uuid) -> Option<String> {
        self.store.links(Some(user)).await.expect("an answer").pop().and_then(|link| link.failure)
    }
}
