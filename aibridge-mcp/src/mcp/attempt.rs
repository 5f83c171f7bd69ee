use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::slot::{Claim, Slot, State};
use crate::{
    Credentials, CredentialsError, Token,
    backoff::Backoff,
    credentials::TokenDigest,
    failure::Failure,
    session::{self, Session},
};

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
    /// Makes the attempt that has been noted in the state.
    pub(super) fn start(self: &Arc<Slot>, claim: Claim) {
        let mut ending = Ending { slot: Some(self.clone()), claim };
        let slot = self.clone();
        self.context.runtime.spawn(async move {
            let limit = slot.context.limits.cold_start;
            let mut finding = std::pin::pin!(slot.find());
            let found = match timeout(limit, &mut finding).await {
                Ok(found) => found,
                Err(_) => {
                    slot.failed(&Failure::Timeout, &mut ending.claim, "MCP server is slow, its tools come later");
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

    async fn find_with(&self, credentials: &dyn Credentials, state: State) -> Result<Found, CredentialsError> {
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
        let open = || session::open(&self.context, &self.server, token, self.keeping.clone());
        match open().await {
            // Before it was asked for its tools.
            Err(Failure::Forgotten) => open().await,
            opened => opened,
        }
    }

    /// Ends the attempt.
    fn found(&self, found: Found, mut claim: Claim) {
        let now = Instant::now();
        let claimed_trouble = claim == Claim::Trouble;
        match &found {
            Found::Session(_) => {
                self.server.works();
                self.context.metrics.connected(&self.server.config.id);
            }
            Found::Failed(failure) => {
                self.failed(failure, &mut claim, "MCP server cannot be used, its tools are left out");
            }
            Found::Hopeless(_) => self.warn_of_hopeless(),
            Found::Same | Found::NotLinked => {}
        }
        // It was on this attempt to see whether the server is back, and it has not seen: it is now on the next.
        if claim == Claim::Outage {
            self.server.outage().release(now);
        }
        let mut replaced = None;
        self.state.send_modify(|state| {
            state.attempt = None;
            state.refused = None;
            if !matches!(found, Found::Failed(_)) {
                state.trouble = Backoff::default();
                state.checked = Some(now);
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
                    match failure {
                        Failure::Credentials => state.checked = Some(now),
                        _ => replaced = state.session.take(),
                    }
                    if !self.is_outage(&failure) {
                        state.trouble.fail(now, &self.context.limits, claimed_trouble);
                    }
                    state.failure = Some(failure);
                }
            }
        });
        // Not under the lock: this may close the session.
        drop(replaced);
    }

    fn failed(&self, failure: &Failure, claim: &mut Claim, message: &'static str) {
        if self.is_outage(failure) {
            let claimed = std::mem::replace(claim, Claim::Nothing) == Claim::Outage;
            self.server.outage().fail(Instant::now(), &self.context.limits, claimed);
        }
        self.warn(failure, message);
    }

    fn is_outage(&self, failure: &Failure) -> bool {
        failure.is_outage(self.server.config.credentials.is_some())
    }

    pub(super) fn warn_of_hopeless(&self) {
        self.warn(&Failure::Unauthorized, "MCP server refuses the user's token");
    }

    fn warn(&self, failure: &Failure, message: &'static str) {
        let (server, reason) = (&*self.server.config.id, failure.reason());
        tracing::warn!(server, actor = %self.keeping.actor, reason, code = failure.code(), "{message}");
        self.context.metrics.failed(server, reason);
    }
}

/// Ends an attempt that does not come to an end itself, because it panics or its runtime goes away: nobody shall wait for it.
struct Ending {
    slot: Option<Arc<Slot>>,
    claim: Claim,
}

impl Ending {
    fn with(mut self, found: Found) {
        if let Some(slot) = self.slot.take() {
            slot.found(found, self.claim);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(slot) = &self.slot {
            slot.found(Found::Failed(Failure::Stopped), self.claim);
        }
    }
}
