use std::sync::Arc;

use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::{Context, Keeping, KnownServer};
use crate::{
    Credentials, Token,
    backoff::Backoff,
    credentials::TokenDigest,
    failure::Failure,
    session::{self, Listing, Session},
};

/// An actor at a server: the session, or why there is none.
pub(super) struct Slot {
    context: Arc<Context>,
    pub(super) server: Arc<KnownServer>,
    keeping: Keeping,
    state: watch::Sender<State>,
}

#[derive(Clone, Default)]
struct State {
    /// May have been closed since; what it listed counts until it cannot be opened again.
    session: Option<Arc<Session>>,
    /// When the credentials were last asked for.
    checked: Option<Instant>,
    /// Somebody finds out what there is to know.
    attempt: Option<Attempt>,
    /// The server wants another credential than this, and maybe refreshing gets one.
    refused: Option<TokenDigest>,
    /// The server wants another credential than this, and refreshing does not get one.
    hopeless: Option<TokenDigest>,
    /// The actor cannot use the server.
    trouble: Backoff,
    /// What the last attempt failed for.
    failure: Option<Failure>,
}

#[derive(Clone, Copy)]
struct Attempt {
    since: Instant,
    /// Requests wait for it.
    awaited: bool,
}

/// What can be seen of a slot without waiting.
pub(super) enum Sight {
    /// What the server lists, or that it has no tools for the actor now.
    Known(Option<Arc<Listing>>),
    /// It is being found out, and requests wait until then.
    Wait(Instant),
}

/// What an attempt comes to.
enum Found {
    /// The session is as it should be.
    Same,
    Session(Arc<Session>),
    NotLinked,
    Hopeless(TokenDigest),
    Failed(Failure),
}

impl Slot {
    pub(super) fn new(context: Arc<Context>, server: Arc<KnownServer>, keeping: Keeping) -> Slot {
        Slot { context, server, keeping, state: watch::Sender::new(State::default()) }
    }

    /// What is known. Sets about finding out what is not.
    pub(super) fn look(self: &Arc<Slot>) -> Sight {
        let now = Instant::now();
        let mut seen = Sight::Known(None);
        let mut start = false;
        self.state.send_if_modified(|state| {
            let mut begin = |state: &mut State, awaited| {
                start = true;
                state.attempt = Some(Attempt { since: now, awaited });
            };
            let fresh = self.is_fresh(state, now);
            if let Some(session) = &state.session {
                seen = Sight::Known(Some(session.listing()));
                let open = session.is_open();
                if !(fresh && open) && state.attempt.is_none() && (open || self.may_try(state, now)) {
                    begin(state, false);
                }
            } else if let Some(attempt) = state.attempt {
                let until = attempt.since + self.context.limits.cold_start;
                if attempt.awaited && now < until {
                    seen = Sight::Wait(until);
                }
            } else if state.trouble.is_failing() || self.server.outage().is_failing() {
                if self.may_try(state, now) {
                    begin(state, false);
                }
            } else if !fresh {
                begin(state, true);
                seen = Sight::Wait(now + self.context.limits.cold_start);
            }
            false
        });
        if start {
            self.start();
        }
        seen
    }

    /// What is known, when it is or has taken too long.
    pub(super) async fn settled(self: &Arc<Slot>) -> Option<Arc<Listing>> {
        let mut changes = self.state.subscribe();
        match self.look() {
            Sight::Known(listing) => return listing,
            Sight::Wait(until) => drop(timeout_at(until, changes.wait_for(|state| state.attempt.is_none())).await),
        }
        self.state.borrow().session.as_ref().map(|session| session.listing())
    }

    /// An open session for a call.
    pub(super) async fn session(self: &Arc<Slot>) -> Result<Arc<Session>, Failure> {
        let mut changes = self.state.subscribe();
        let mut tried = false;
        loop {
            changes.mark_unchanged();
            let now = Instant::now();
            let mut answer = None;
            let mut start = false;
            self.state.send_if_modified(|state| {
                let fresh = tried || self.is_fresh(state, now);
                let open = state.session.clone().filter(|session| session.is_open());
                if let (Some(session), true) = (&open, fresh) {
                    answer = Some(Ok(session.clone()));
                } else if state.attempt.is_some() {
                    // To be waited for.
                } else if state.session.is_none() && fresh {
                    answer = Some(Err(state.failure.clone().unwrap_or(Failure::NotLinked)));
                } else if !tried && (open.is_some() || self.may_try(state, now)) {
                    start = true;
                    state.attempt = Some(Attempt { since: now, awaited: false });
                } else {
                    answer = Some(Err(state.failure.clone().unwrap_or(Failure::Unreachable)));
                }
                false
            });
            if let Some(answer) = answer {
                return answer;
            }
            if start {
                tried = true;
                self.start();
            }
            // The sender is in `self`.
            let _ = changes.changed().await;
        }
    }

    /// The server has refused the session's credential.
    pub(super) fn refuse(&self, session: &Session) {
        self.state.send_modify(|state| {
            if state.session.as_ref().is_some_and(|held| held.credential == session.credential) {
                state.refused = Some(session.credential);
                state.checked = None;
            }
        });
        session.retire();
    }

    /// Whether what the credentials said is still believed. Without credentials there is nothing to doubt in a session,
    /// and nothing to believe without one.
    fn is_fresh(&self, state: &State, now: Instant) -> bool {
        match self.server.config.credentials {
            Some(_) => state.checked.is_some_and(|checked| now < checked + self.context.limits.credentials),
            None => state.session.is_some(),
        }
    }

    /// Whether nothing has failed, or it is time to try again.
    fn may_try(&self, state: &mut State, now: Instant) -> bool {
        if state.trouble.is_failing() {
            return state.trouble.claim(now);
        }
        self.server.is_down(now).unwrap_or(true)
    }

    /// Makes the attempt that has been noted in the state.
    fn start(self: &Arc<Slot>) {
        let ending = Ending(Some(self.clone()));
        let slot = self.clone();
        self.context.runtime.spawn(async move {
            let limit = slot.context.limits.cold_start;
            let mut finding = std::pin::pin!(slot.find());
            let found = match timeout(limit, &mut finding).await {
                Ok(found) => found,
                Err(_) => {
                    slot.failed(&Failure::Timeout, "MCP server is slow, its tools come later");
                    timeout(limit, finding).await.unwrap_or(Found::Failed(Failure::Timeout))
                }
            };
            ending.with(found);
        });
    }

    /// Asks for the credential, and opens a session with it if there is none.
    async fn find(&self) -> Found {
        let state = self.state.borrow().clone();
        let Some(credentials) = &self.server.config.credentials else {
            if state.session.is_some_and(|session| session.is_open()) {
                return Found::Same;
            }
            return self.open(None).await.map_or_else(Found::Failed, Found::Session);
        };
        match self.find_with(&**credentials, state).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(server = self.server.config.id, %error, "no credentials for MCP server");
                Found::Failed(Failure::Credentials)
            }
        }
    }

    async fn find_with(&self, credentials: &dyn Credentials, state: State) -> Result<Found, crate::CredentialsError> {
        let (actor, server) = (self.keeping.actor, &*self.server.config.id);
        let Some(mut token) = credentials.token(actor, server).await? else { return Ok(Found::NotLinked) };
        if state.hopeless == Some(token.digest()) {
            return Ok(Found::Same);
        }
        let mut refused = state.refused == Some(token.digest());
        if !refused && state.session.is_some_and(|held| held.is_open() && held.credential == token.digest()) {
            return Ok(Found::Same);
        }
        let mut refreshed = false;
        loop {
            if refused {
                if refreshed {
                    return Ok(Found::Hopeless(token.digest()));
                }
                let used = token;
                token = match credentials.refresh(actor, server, &used).await? {
                    Some(token) if token.digest() != used.digest() => token,
                    _ => return Ok(Found::Hopeless(used.digest())),
                };
                refreshed = true;
            }
            match self.open(Some(&token)).await {
                Ok(session) => return Ok(Found::Session(session)),
                Err(Failure::Unauthorized) => refused = true,
                Err(failure) => return Ok(Found::Failed(failure)),
            }
        }
    }

    async fn open(&self, token: Option<&Token>) -> Result<Arc<Session>, Failure> {
        session::open(&self.context, &self.server, token, self.keeping.clone()).await
    }

    /// Ends the attempt.
    fn found(&self, found: Found) {
        let now = Instant::now();
        match &found {
            Found::Session(_) => {
                *self.server.outage() = Backoff::default();
                self.context.metrics.connected(&self.server.config.id);
            }
            Found::Failed(failure) => self.failed(failure, "MCP server cannot be used, its tools are left out"),
            Found::Hopeless(_) => self.warn(&Failure::Unauthorized, "MCP server refuses the user's token"),
            Found::Same | Found::NotLinked => {}
        }
        let mut replaced = None;
        self.state.send_modify(|state| {
            state.attempt = None;
            state.checked = Some(now);
            state.refused = None;
            if !matches!(found, Found::Failed(_)) {
                state.trouble = Backoff::default();
            }
            match found {
                Found::Same => {}
                Found::Session(session) => {
                    replaced = state.session.replace(session);
                    (state.hopeless, state.failure) = (None, None);
                }
                Found::NotLinked => {
                    replaced = state.session.take();
                    (state.hopeless, state.failure) = (None, Some(Failure::NotLinked));
                }
                Found::Hopeless(token) => {
                    replaced = state.session.take();
                    (state.hopeless, state.failure) = (Some(token), Some(Failure::Unauthorized));
                }
                Found::Failed(failure) => {
                    // Without news of the credential, the one at hand is as good as it was.
                    if failure != Failure::Credentials {
                        replaced = state.session.take();
                    }
                    if !failure.is_outage() {
                        state.trouble.fail(now, &self.context.limits);
                    }
                    state.failure = Some(failure);
                }
            }
        });
        // Not under the lock: this may close the session.
        drop(replaced);
    }

    fn failed(&self, failure: &Failure, message: &'static str) {
        if failure.is_outage() {
            self.server.outage().fail(Instant::now(), &self.context.limits);
        }
        self.warn(failure, message);
    }

    fn warn(&self, failure: &Failure, message: &'static str) {
        let server = &*self.server.config.id;
        tracing::warn!(server, actor = %self.keeping.actor, reason = failure.reason(), error = %failure, "{message}");
        self.context.metrics.failed(server, failure.reason());
    }
}

/// Ends an attempt that does not come to an end itself, because it panics or its runtime goes away: nobody shall wait for it.
struct Ending(Option<Arc<Slot>>);

impl Ending {
    fn with(mut self, found: Found) {
        if let Some(slot) = self.0.take() {
            slot.found(found);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(slot) = &self.0 {
            slot.found(Found::Failed(Failure::ShuttingDown));
        }
    }
}
