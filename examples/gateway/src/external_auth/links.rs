//! What users linked, and their tokens: renewed before they expire, or once they were refused.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use aibridge_mcp::{Credentials, CredentialsError, Token};
use aibridge_store::{
    accounts::AccountsError,
    external_auth::{ExternalAuthLink, Tokens},
    sealed::Keyring,
    sqlite::Sqlite,
};
use chrono::{TimeDelta, Utc};
use futures::{
    FutureExt,
    future::{self, BoxFuture, Shared},
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{application::Application, call::CallError, grant::GrantError, tasks::Tasks};

/// How long before it expires a token is renewed, in seconds.
const EARLY: TimeDelta = TimeDelta::seconds(60);

/// Users' links. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Links(Arc<Inner>);

struct Inner {
    applications: Vec<Arc<Application>>,
    store: Sqlite,
    keys: Keyring,
    /// Renewals under way: callers that need the same wait for it together.
    renewals: Mutex<HashMap<(Uuid, String), Renewal>>,
    /// What a caller that goes away must not take along, renewals among it: the old refresh token may be spent, and the new
    /// one not yet written.
    tasks: Tasks,
}

type Renewal = Shared<BoxFuture<'static, Result<Option<SecretString>, LinkError>>>;

/// Why there is no token although the application may be linked.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The store failed, or the token cannot be decrypted.
    #[error(transparent)]
    Store(#[from] AccountsError),
    /// The provider issued none.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The renewal did not come to an end, or was not begun because the host comes to its own.
    #[error("the token's renewal was interrupted")]
    Interrupted,
}

impl Links {
    /// Renewals run on the runtime this is called on.
    pub(super) fn new(applications: Vec<Arc<Application>>, store: Sqlite, keys: Keyring) -> Links {
        Links(Arc::new(Inner { applications, store, keys, renewals: Mutex::default(), tasks: Tasks::new() }))
    }

    /// The applications, in the order of the configuration.
    pub(super) fn applications(&self) -> &[Arc<Application>] {
        &self.0.applications
    }

    /// The application of that id.
    pub(super) fn application(&self, id: &str) -> Option<&Arc<Application>> {
        self.0.applications.iter().find(|application| application.config.id == id)
    }

    /// What a user linked, of the applications there are.
    pub(super) async fn of(&self, user: Uuid) -> Result<Vec<ExternalAuthLink>, AccountsError> {
        self.0.store.links(Some(user)).await
    }

    /// Warns of links that nobody can use, for want of their keys.
    pub(crate) async fn warn_of_lost_keys(&self) -> Result<(), AccountsError> {
        let mut lost: Vec<String> = self.0.store.links(None).await?.into_iter().map(|link| link.key_id).collect();
        lost.retain(|key| !self.0.keys.holds(key));
        let links = lost.len();
        lost.sort_unstable();
        lost.dedup();
        if links > 0 {
            tracing::warn!(
                links,
                keys = ?lost,
                "what users linked is encrypted under keys that are not in CODER_EXTERNAL_TOKEN_ENCRYPTION_KEY; add the \
                 keys, or have the users link again"
            );
        }
        Ok(())
    }

    /// Whether the link can be used: if not, the user has to link again.
    pub(super) fn is_usable(&self, link: &ExternalAuthLink) -> bool {
        link.failure.is_none() && self.0.keys.holds(&link.key_id)
    }

    /// Writes what a user linked.
    pub(super) async fn put(&self, user: Uuid, application: &str, tokens: &Tokens) -> Result<(), AccountsError> {
        self.0.store.put_link(&self.0.keys, application, user, tokens).await.map(drop)
    }

    /// Forgets what a user linked, and gives the tokens back. False when there was nothing. What the provider says to it
    /// comes second: the gateway is done with the tokens in any case. A caller that goes away changes nothing.
    pub(crate) async fn unlink(&self, user: Uuid, id: &str) -> Result<(bool, Result<bool, String>), AccountsError> {
        let (links, id) = (self.clone(), id.to_owned());
        let unlinked = self.to_the_end(async move { links.give_back(user, &id).await }).await;
        unlinked.unwrap_or_else(|| Err(AccountsError("unlinking was interrupted".to_owned())))
    }

    /// Brings `task` to its end also if the caller goes away. `None` when it has none, or may not begin any more.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.0.tasks.begin(task)?.await.ok()
    }

    async fn give_back(&self, user: Uuid, id: &str) -> Result<(bool, Result<bool, String>), AccountsError> {
        // Whatever is being bought right now is to be given back too.
        let running = self.running().get(&(user, id.to_owned())).cloned();
        if let Some(running) = running {
            drop(running.await);
        }
        let found = self.0.store.link(&self.0.keys, id, user).await;
        let deleted = self.0.store.delete_link(id, user).await?;
        let revoked = match (self.application(id), found) {
            (Some(application), Ok(Some((_, tokens)))) if deleted => application.revoke(&tokens).await,
            (Some(_), Err(error)) => Err(error.to_string()),
            _ => Ok(false),
        };
        Ok((deleted, revoked))
    }

    /// The user's token, renewed if it is about to expire. `None` when there is none, or none that works: the user has to
    /// link.
    pub(super) async fn token(&self, user: Uuid, id: &str) -> Result<Option<SecretString>, LinkError> {
        let Some(application) = self.application(id) else { return Ok(None) };
        let Some((link, tokens)) = self.0.store.link(&self.0.keys, id, user).await? else { return Ok(None) };
        match link.failure.is_none() && expires_soon(&link) {
            true => self.renewal(user, application, None).await,
            false => Ok(link.failure.is_none().then_some(tokens.access)),
        }
    }

    /// Another token than `used`, which was refused. `None` when there is none: the user has to link.
    pub(super) async fn refresh(
        &self,
        user: Uuid,
        id: &str,
        used: &SecretString,
    ) -> Result<Option<SecretString>, LinkError> {
        let Some(application) = self.application(id) else { return Ok(None) };
        self.renewal(user, application, Some(used)).await
    }

    /// The renewal that is under way, or a new one. At the host's end there is none: nobody could write what it brings.
    fn renewal(&self, user: Uuid, application: &Arc<Application>, refused: Option<&SecretString>) -> Renewal {
        let key = (user, application.config.id.clone());
        let mut running = self.running();
        if let Some(renewal) = running.get(&key) {
            return renewal.clone();
        }
        let (links, application, refused) = (self.clone(), application.clone(), refused.cloned());
        let done = key.clone();
        let task = self.0.tasks.begin(async move {
            // Also when it panics or its runtime ends.
            let _entry = Entry { links: &links, key: done };
            links.renew(user, &application, refused.as_ref()).await
        });
        let Some(task) = task else { return future::ready(Err(LinkError::Interrupted)).boxed().shared() };
        let renewal: Renewal = async { task.await.unwrap_or(Err(LinkError::Interrupted)) }.boxed().shared();
        running.insert(key, renewal.clone());
        renewal
    }

    /// Waits for what is under way: renewals, links and what is given back; and lets nothing more begin. For the end of the
    /// host, before the store is closed: a refresh token or a code may be spent, and what was bought not yet written. Takes
    /// no longer than the few calls to a provider that are left, each of which has its time limit.
    pub(crate) async fn settle(&self) {
        self.0.tasks.finish().await;
    }

    pub(super) fn running(&self) -> std::sync::MutexGuard<'_, HashMap<(Uuid, String), Renewal>> {
        self.0.renewals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks again, now that nobody else renews it, and buys a new token if that is still needed.
    async fn renew(
        &self,
        user: Uuid,
        application: &Application,
        refused: Option<&SecretString>,
    ) -> Result<Option<SecretString>, LinkError> {
        let (store, keys, id) = (&self.0.store, &self.0.keys, &application.config.id);
        let Some((link, tokens)) = store.link(keys, id, user).await? else { return Ok(None) };
        if link.failure.is_some() {
            return Ok(None);
        }
        let was_refused = refused.is_some_and(|used| used.expose_secret() == tokens.access.expose_secret());
        if !was_refused && !expires_soon(&link) {
            return Ok(Some(tokens.access));
        }
        let still_valid = || (!was_refused && link.expires_at > Some(Utc::now())).then(|| tokens.access.clone());
        let Some(refresh) = &tokens.refresh else {
            if let Some(access) = still_valid() {
                return Ok(Some(access));
            }
            // One server's refusal does not condemn a token that its issuer stands by.
            let unavailable = |error: CallError| GrantError::Unavailable(error.to_string());
            if was_refused && application.accepts(&tokens.access).await.map_err(unavailable)? == Some(true) {
                return Ok(None);
            }
            return self.failed(&link, "the token has expired or was revoked").await;
        };
        match application.renew(refresh).await {
            Ok(renewed) => self.save(application, link, renewed).await,
            Err(error) if error.is_final() => self.failed(&link, &error.to_string()).await,
            Err(error) => {
                tracing::warn!(application = id, %user, %error, "a token could not be renewed");
                still_valid().map(Some).ok_or(LinkError::Grant(error))
            }
        }
    }

    /// Writes renewed tokens, unless the application was unlinked or linked again meanwhile.
    async fn save(
        &self,
        application: &Application,
        mut seen: ExternalAuthLink,
        renewed: Tokens,
    ) -> Result<Option<SecretString>, LinkError> {
        let (store, keys) = (&self.0.store, &self.0.keys);
        while store.replace_link(keys, &seen, &renewed).await?.is_none() {
            match store.link(keys, &seen.provider_id, seen.user_id).await? {
                // Another gateway on the same database came second with the refresh token, and was told that it is spent.
                Some((link, _)) if link.failure.is_some() && link.created_at == seen.created_at => seen = link,
                None => {
                    // Who unlinked it gave back what there was then.
                    if let Err(error) = application.revoke(&renewed).await {
                        let (id, user) = (&seen.provider_id, seen.user_id);
                        tracing::warn!(application = id, %user, error, "a token could not be revoked");
                    }
                    return Ok(None);
                }
                found => return Ok(usable(found)),
            }
        }
        Ok(Some(renewed.access))
    }

    /// Notes that the user has to link again, unless somebody else renewed the token: another gateway on the same database.
    async fn failed(&self, seen: &ExternalAuthLink, why: &str) -> Result<Option<SecretString>, LinkError> {
        if self.0.store.fail_link(seen, why).await?.is_none() {
            return Ok(usable(self.0.store.link(&self.0.keys, &seen.provider_id, seen.user_id).await?));
        }
        tracing::warn!(application = seen.provider_id, user = %seen.user_id, why, "a user has to link an application again");
        Ok(None)
    }
}

fn usable(found: Option<(ExternalAuthLink, Tokens)>) -> Option<SecretString> {
    found.filter(|(link, _)| link.failure.is_none()).map(|(_, tokens)| tokens.access)
}

fn expires_soon(link: &ExternalAuthLink) -> bool {
    link.expires_at.is_some_and(|at| at <= Utc::now() + EARLY)
}

/// Takes a renewal off the list.
struct Entry<'a> {
    links: &'a Links,
    key: (Uuid, String),
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.links.running().remove(&self.key);
    }
}

impl Credentials for Links {
    fn token(&self, actor: Uuid, server: &str) -> aibridge_mcp::BoxFuture<Result<Option<Token>, CredentialsError>> {
        let (links, server) = (self.clone(), server.to_owned());
        Box::pin(async move { Ok(Links::token(&links, actor, &server).await?.map(shown)) })
    }

    fn refresh(
        &self,
        actor: Uuid,
        server: &str,
        used: &Token,
    ) -> aibridge_mcp::BoxFuture<Result<Option<Token>, CredentialsError>> {
        let (links, server, used) = (self.clone(), server.to_owned(), SecretString::from(used.expose()));
        Box::pin(async move { Ok(Links::refresh(&links, actor, &server, &used).await?.map(shown)) })
    }
}

fn shown(token: SecretString) -> Token {
    Token::new(token.expose_secret())
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("applications", &self.0.applications).finish_non_exhaustive()
    }
}
