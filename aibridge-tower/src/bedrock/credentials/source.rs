//! Keeps one credential fresh.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use aws_credential_types::{Credentials, provider::error::CredentialsError};
use futures::FutureExt;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use crate::refuse;

/// How long AWS may take to give credentials.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts at least, whoever asks.
const HOLD_OFF: Duration = Duration::from_secs(5);
/// After an attempt that failed while the old credentials are still good.
const RETRY: Duration = Duration::from_secs(30);
/// How long before they expire credentials are asked for again; of short-lived ones a fifth of their life.
const LEAD: Duration = Duration::from_secs(300);
/// Credentials that do not expire may have been replaced where they come from: a profile, a container's file.
const REREAD: Duration = Duration::from_secs(900);
/// Credentials are not used in their last moments: a request takes a while to arrive.
const MARGIN: Duration = Duration::from_secs(5);

/// There are no credentials. Why, the log says.
#[derive(Clone, Copy, Debug)]
pub(in crate::bedrock) struct Unresolved;

/// One credential, and the task that keeps it.
pub(super) struct Source {
    latest: watch::Receiver<State>,
    demand: Arc<Notify>,
}

#[derive(Debug)]
enum State {
    Unknown,
    Known(Known),
    Failed { at: Instant },
}

#[derive(Debug)]
struct Known {
    credentials: Credentials,
    expires: Option<Instant>,
}

impl Source {
    /// Keeps what `ask` gives on `runtime`, until it gives `None`. `instance` is for the log.
    pub(super) fn start<F>(runtime: &Handle, instance: &str, ask: impl Fn() -> Option<F> + Send + 'static) -> Source
    where
        F: Future<Output = Result<Credentials, CredentialsError>> + Send + 'static,
    {
        let (sender, latest) = watch::channel(State::Unknown);
        let demand = Arc::new(Notify::new());
        runtime.spawn(keep(instance.to_owned(), ask, sender, demand.clone()));
        Source { latest, demand }
    }

    /// Whether its task runs.
    pub(super) fn is_alive(&self) -> bool {
        self.latest.has_changed().is_ok()
    }

    /// What is known. If nothing is, it is asked for.
    pub(super) fn find(&self) -> super::Found {
        let mut latest = self.latest.clone();
        match &*latest.borrow_and_update() {
            State::Known(known) if known.is_valid() => return super::Found::Known(known.credentials.clone()),
            State::Failed { at } if at.elapsed() < HOLD_OFF => return super::Found::Failed,
            _ => {}
        }
        self.demand.notify_one();
        super::Found::Pending(Pending(Box::pin(wait(latest))))
    }

    /// Asks for new credentials now.
    pub(super) fn ask_again(&self) {
        self.demand.notify_one();
    }
}

/// Waits for credentials.
pub(in crate::bedrock) struct Pending(Pin<Box<dyn Future<Output = Result<Credentials, Unresolved>> + Send>>);

impl Future for Pending {
    type Output = Result<Credentials, Unresolved>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

async fn wait(mut latest: watch::Receiver<State>) -> Result<Credentials, Unresolved> {
    while latest.changed().await.is_ok() {
        match &*latest.borrow_and_update() {
            State::Known(known) if known.is_valid() => return Ok(known.credentials.clone()),
            State::Failed { .. } => return Err(Unresolved),
            _ => {}
        }
    }
    Err(Unresolved)
}

impl Known {
    fn new(credentials: Credentials) -> Known {
        // What is left is counted on the clock that timers run on.
        let left = credentials.expiry().map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
        Known { expires: left.map(|left| Instant::now() + left), credentials }
    }

    fn left(&self) -> Option<Duration> {
        Some(self.expires?.duration_since(Instant::now()))
    }

    fn is_valid(&self) -> bool {
        self.left().is_none_or(|left| left > MARGIN)
    }

    /// When to ask for the next ones.
    fn refresh_in(&self) -> Duration {
        self.left().map_or(REREAD, |left| left - LEAD.min(left / 5))
    }
}

/// Keeps `latest` fresh until nobody can ask any more.
async fn keep<F>(instance: String, ask: impl Fn() -> Option<F>, latest: watch::Sender<State>, demand: Arc<Notify>)
where
    F: Future<Output = Result<Credentials, CredentialsError>>,
{
    while let Some(asked) = ask() {
        let pause = match attempt(asked).await {
            Ok(known) => {
                let pause = known.refresh_in();
                tracing::debug!(instance, next = ?pause, "AWS credentials resolved");
                latest.send_replace(State::Known(known));
                Some(pause)
            }
            Err(error) => {
                tracing::warn!(instance, %error, "AWS credentials could not be resolved");
                let left = match &*latest.borrow() {
                    State::Known(known) if known.is_valid() => Some(known.left().unwrap_or(RETRY)),
                    _ => None,
                };
                if left.is_none() {
                    latest.send_replace(State::Failed { at: Instant::now() });
                }
                left.map(|left| RETRY.min(left))
            }
        };
        // Who asked while the answer was on its way has it now.
        let _ = demand.notified().now_or_never();
        let next = async {
            sleep(HOLD_OFF).await;
            tokio::select! {
                () = demand.notified() => {}
                () = at_leisure(pause) => {}
            }
        };
        tokio::select! {
            () = next => {}
            () = latest.closed() => return,
        }
    }
}

/// After `pause`, or never.
async fn at_leisure(pause: Option<Duration>) {
    match pause {
        Some(pause) => sleep(pause.saturating_sub(HOLD_OFF)).await,
        None => std::future::pending().await,
    }
}

async fn attempt(asked: impl Future<Output = Result<Credentials, CredentialsError>>) -> Result<Known, String> {
    let credentials = match timeout(PATIENCE, asked).await {
        Ok(Ok(credentials)) => credentials,
        Ok(Err(error)) => return Err(told(&error)),
        Err(_) => return Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    let known = Known::new(credentials);
    match known.is_valid() {
        true => Ok(known),
        false => Err("the credentials that were given have expired".to_owned()),
    }
}

/// An error with its causes: what AWS says is in the last ones.
fn told(error: &(dyn Error + 'static)) -> String {
    refuse::chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
