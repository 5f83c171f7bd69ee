use std::sync::Arc;

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{Context, Keeping, KnownServer};
use crate::{
    backoff::Backoff,
    credentials::TokenDigest,
    failure::Failure,
    session::{Listing, Session},
};

/// An actor at a server: the session, or why there is none.
pub(super) struct Slot {
    pub(super) context: Arc<Context>,
    pub(super) server: Arc<KnownServer>,
    pub(super) keeping: Keeping,
    pub(super) state: watch::Sender<State>,
}

#[derive(Clone, Default)]
pub(super) struct State {
    /// May have been closed since; what it listed counts until it cannot be opened again.
    pub(super) session: Option<Arc<Session>>,
    /// When the credentials were last asked for.
    pub(super) checked: Option<Instant>,
    /// Somebody finds out what there is to know.
    pub(super) attempt: Option<Attempt>,
    /// The server wants another credential than this, and maybe refreshing gets one.
    pub(super) refused: Option<TokenDigest>,
    /// The server wants another credential than this, and refreshing does not get one.
    pub(super) hopeless: Option<TokenDigest>,
    /// The actor cannot use the server.
    pub(super) trouble: Backoff,
    /// What the last attempt failed for.
    pub(super) failure: Option<Failure>,
}

#[derive(Clone, Copy)]
pub(super) struct Attempt {
    since: Instant,
    /// Requests wait for it.
    awaited: bool,
}

/// What an attempt finds out for others, who wait for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Nothing,
    /// Whether the actor can use the server again.
    Trouble,
    /// Whether the server is back.
    Outage,
}

/// What can be seen of a slot without waiting.
pub(super) enum Sight {
    /// What the server lists, or that it has no tools for the actor now.
    Known(Option<Arc<Listing>>),
    /// It is being found out, and requests wait until then.
    Wait(Instant),
}

impl Slot {
    pub(super) fn new(context: Arc<Context>, server: Arc<KnownServer>, keeping: Keeping) -> Slot {
        Slot { context, server, keeping, state: watch::Sender::new(State::default()) }
    }

    /// What is known. Sets about finding out what is not.
    pub(super) fn look(self: &Arc<Slot>) -> Sight {
        let now = Instant::now();
        let mut seen = Sight::Known(None);
        let mut start = None;
        self.state.send_if_modified(|state| {
            let mut begin = |state: &mut State, awaited, claim| {
                start = Some(claim);
                state.attempt = Some(Attempt { since: now, awaited });
            };
            let fresh = self.is_fresh(state, now);
            if let Some(session) = &state.session {
                seen = Sight::Known(Some(session.listing()));
                let open = session.is_open();
                if !(fresh && open)
                    && state.attempt.is_none()
                    && let Some(claim) = self.may_look(open, state, now)
                {
                    begin(state, false, claim);
                }
            } else if let Some(attempt) = state.attempt {
                let until = attempt.since + self.context.limits.cold_start;
                if attempt.awaited && now < until {
                    seen = Sight::Wait(until);
                }
            } else if fresh {
                // Not linked, or not accepted.
            } else if state.trouble.is_failing() || self.server.outage().is_failing() {
                if let Some(claim) = self.may_try(state, now) {
                    begin(state, false, claim);
                }
            } else {
                begin(state, true, Claim::Nothing);
                seen = Sight::Wait(now + self.context.limits.cold_start);
            }
            false
        });
        if let Some(claim) = start {
            self.start(claim);
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
            let mut start = None;
            self.state.send_if_modified(|state| {
                let fresh = tried || self.is_fresh(state, now);
                let open = state.session.clone().filter(|session| session.is_open());
                if let (Some(session), true) = (&open, fresh) {
                    answer = Some(Ok(session.clone()));
                } else if state.attempt.is_some() {
                    // To be waited for.
                } else if state.session.is_none() && fresh {
                    answer = Some(Err(state.failure.clone().unwrap_or(Failure::NotLinked)));
                } else {
                    start = if tried { None } else { self.may_look(open.is_some(), state, now) };
                    match start {
                        Some(_) => state.attempt = Some(Attempt { since: now, awaited: false }),
                        None => answer = Some(Err(state.failure.clone().unwrap_or(Failure::Unreachable))),
                    }
                }
                false
            });
            if let Some(answer) = answer {
                return answer;
            }
            if let Some(claim) = start {
                tried = true;
                self.start(claim);
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

    /// The server has refused the session's credential, and the one before it: there is no use in getting another.
    pub(super) fn give_up(&self, session: &Session) {
        let mut held = None;
        self.state.send_modify(|state| {
            if state.session.as_ref().is_some_and(|held| held.credential == session.credential) {
                held = state.session.take();
                state.checked = Some(Instant::now());
                (state.hopeless, state.failure) = (Some(session.credential), Some(Failure::Unauthorized));
            }
        });
        session.retire();
        // Of calls made together, one does.
        if held.is_some() {
            self.warn_of_hopeless();
        }
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
    fn may_try(&self, state: &mut State, now: Instant) -> Option<Claim> {
        if state.trouble.is_failing() {
            return state.trouble.claim(now).then_some(Claim::Trouble);
        }
        match self.server.is_down(now) {
            None => Some(Claim::Nothing),
            Some(claimed) => claimed.then_some(Claim::Outage),
        }
    }

    /// The same, but with an open session the credentials may be asked at any time.
    fn may_look(&self, open: bool, state: &mut State, now: Instant) -> Option<Claim> {
        if open { Some(Claim::Nothing) } else { self.may_try(state, now) }
    }
}
