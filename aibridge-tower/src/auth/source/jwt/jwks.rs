use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use reqwest::Client;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::{
    super::{SourceError, fetch},
    keys::{Key, from_jwks},
};
use crate::auth::AuthError;

/// Age at which keys are fetched again, in the background.
const FRESH: Duration = Duration::from_secs(15 * 60);
/// Age up to which keys serve while they cannot be fetched.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// Between two fetches while there are keys: a token that names an unknown one must not make the gateway hammer.
const PAUSE: Duration = Duration::from_secs(30);
/// Between two fetches while there are none: tokens wait for nothing else.
const PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(1);
/// For each of the requests of a fetch.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of what is fetched, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// Where the key set is.
pub(super) enum Endpoint {
    /// At this URL.
    Jwks(Url),
    /// Where the issuer's discovery document says.
    Discover { issuer: String, document: Url },
}

impl Endpoint {
    /// OpenID Connect Discovery 1.0, section 4.
    pub(super) fn discover(issuer: &str) -> Result<Endpoint, SourceError> {
        const NAME: &str = "the token issuer";
        let document = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document = document.parse().map_err(|_| SourceError::Url(NAME))?;
        Ok(Endpoint::Discover { issuer: issuer.into(), document: fetch::http_url(document, NAME)? })
    }
}

impl fmt::Display for Endpoint {
    /// The host only: the rest may hold what is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Endpoint::Jwks(url) | Endpoint::Discover { document: url, .. }) = self;
        f.write_str(url.host_str().unwrap_or_default())
    }
}

/// The keys of an issuer, fetched when needed.
pub(super) struct Jwks {
    client: Client,
    endpoint: Endpoint,
    state: Mutex<State>,
    /// Held by the fetch that is under way: there is one at a time, and whoever waits for it takes its result.
    pub(super) fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    set: Option<Arc<KeySet>>,
    /// Fetches that have ended.
    fetches: u64,
    last: Option<Fetch>,
}

/// How the last fetch went.
#[derive(Clone)]
struct Fetch {
    at: Instant,
    failure: Option<AuthError>,
}

/// The keys of one fetch.
pub(super) struct KeySet {
    pub(super) keys: Vec<Key>,
    fetched: Instant,
}

impl Jwks {
    pub(super) fn new(endpoint: Endpoint) -> Result<Jwks, SourceError> {
        let client = fetch::client(TIMEOUT)?;
        Ok(Jwks { client, endpoint, state: Mutex::default(), fetching: tokio::sync::Mutex::default() })
    }

    /// The keys to try first. Waits for them only if there are none.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<KeySet>, AuthError> {
        let (usable, seen, last) = {
            let state = self.state();
            (state.usable(), state.fetches, state.last.clone())
        };
        let rested = |pause| last.as_ref().is_none_or(|last| last.at.elapsed() >= pause);
        if let Some(set) = usable {
            if set.fetched.elapsed() >= FRESH && rested(PAUSE) && self.fetching.try_lock().is_ok() {
                tokio::spawn(Arc::clone(self).fetch_unless_done_since(seen));
            }
            return Ok(set);
        }
        if rested(PAUSE_WITHOUT_KEYS) {
            self.wait_for_fetch(seen).await;
        }
        let state = self.state();
        state.usable().ok_or_else(|| state.failure())
    }

    /// Keys fetched after `set`, in which the one that a token names is missing. `None` if there are none yet.
    ///
    /// # Errors
    ///
    /// When the last fetch failed, so that nobody can say whether that key exists.
    pub(super) async fn newer_than(self: &Arc<Self>, set: &Arc<KeySet>) -> Result<Option<Arc<KeySet>>, AuthError> {
        let newer = |state: &State| state.set.clone().filter(|newest| !Arc::ptr_eq(newest, set));
        let (found, seen, last) = {
            let state = self.state();
            (newer(&state), state.fetches, state.last.clone())
        };
        if found.is_some() {
            return Ok(found);
        }
        if last.is_none_or(|last| last.at.elapsed() >= PAUSE) {
            self.wait_for_fetch(seen).await;
        }
        let state = self.state();
        match &state.last {
            Some(Fetch { failure: Some(failure), .. }) => Err(failure.clone()),
            _ => Ok(newer(&state)),
        }
    }

    /// In a task of its own: the request that waits may go away, and others wait for the same.
    async fn wait_for_fetch(self: &Arc<Self>, seen: u64) {
        if let Err(error) = tokio::spawn(Arc::clone(self).fetch_unless_done_since(seen)).await {
            tracing::error!(%error, "the task that fetches keys failed");
        }
    }

    async fn fetch_unless_done_since(self: Arc<Self>, seen: u64) {
        let _one_at_a_time = self.fetching.lock().await;
        if self.state().fetches != seen {
            return;
        }
        let fetched = self.fetch().await;
        let at = Instant::now();
        let mut state = self.state();
        state.fetches += 1;
        let failure = match fetched {
            Ok(keys) => {
                tracing::debug!(host = %self.endpoint, keys = keys.len(), "fetched the token keys");
                state.set = Some(Arc::new(KeySet { keys, fetched: at }));
                None
            }
            Err(error) => {
                tracing::warn!(host = %self.endpoint, error, "cannot fetch the token keys");
                Some(AuthError::Unavailable(format!("the token keys of {}: {error}", self.endpoint)))
            }
        };
        state.last = Some(Fetch { at, failure });
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let discovered;
        let url = match &self.endpoint {
            Endpoint::Jwks(url) => url,
            Endpoint::Discover { issuer, document } => {
                discovered = self.discover(issuer, document).await?;
                &discovered
            }
        };
        from_jwks(&self.get(url).await?)
    }

    async fn discover(&self, issuer: &str, document: &Url) -> Result<Url, String> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
            jwks_uri: String,
        }

        let found: Document = serde_json::from_slice(&self.get(document).await?)
            .map_err(|error| format!("not a discovery document: {error}"))?;
        // Section 4.3: else anybody's document would do.
        if found.issuer != issuer {
            return Err(format!("the discovery document is of the issuer {:?}, not {issuer:?}", found.issuer));
        }
        let url = Url::parse(&found.jwks_uri).map_err(|error| format!("the jwks_uri is not a URL: {error}"))?;
        if url.scheme() != "https" && document.scheme() == "https" {
            return Err("the discovery document leads to keys without TLS".into());
        }
        Ok(url)
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, String> {
        let request = self.client.get(url.clone()).header("accept", "application/json");
        let response = request.send().await.map_err(fetch::describe)?;
        match response.status() {
            StatusCode::OK => fetch::body(response, MAX_BODY).await,
            status => Err(format!("answered {status}")),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn usable(&self) -> Option<Arc<KeySet>> {
        self.set.clone().filter(|set| set.fetched.elapsed() < STALE)
    }

    /// Why there are no keys.
    fn failure(&self) -> AuthError {
        self.last
            .as_ref()
            .and_then(|last| last.failure.clone())
            .unwrap_or_else(|| AuthError::Unavailable("the token keys could not be fetched".into()))
    }
}
