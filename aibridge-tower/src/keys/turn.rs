//! One request's way from key to key.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use aibridge_providers::{
    api::{Api, Format, ProviderError, Reason, Refusal},
    provider::{Endpoint, Exhausted, Kind, Verdict, retry_after, verdict},
};
use http::{Request, StatusCode, request, response::Parts};
use tokio::time::Instant;
use tower_service::Service;

use super::{
    Repeat, header,
    layer::KeysLayer,
    memory::{Conversation, Remember},
};
use crate::{BoxError, Credential, ProviderRoute, upstream::UpstreamError};

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The first pause, without what varies it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// What is logged of a provider's message, in bytes.
const LOGGED: usize = 300;

/// What is known of a request while its provider is asked.
pub(super) struct Turn<S, B> {
    pub(super) layer: KeysLayer,
    pub(super) route: ProviderRoute,
    pub(super) format: Format,
    /// With which of the organisation's keys the provider is asked; `None` with the user's own, or without any.
    pub(super) slot: Option<usize>,
    /// The keys that failed.
    pub(super) tried: Vec<usize>,
    /// The request went again this often.
    pub(super) retried: u32,
    /// Found out only when something may have to be remembered or forgotten.
    pub(super) conversation: Option<Conversation>,
    /// For who reads the reply, when its id may be referred to.
    pub(super) remember: Option<Remember>,
    /// How to ask again, if that is possible.
    pub(super) again: Option<Box<Again<S, B>>>,
}

/// A service, and the request as it came.
pub(super) struct Again<S, B> {
    pub(super) inner: S,
    pub(super) head: request::Parts,
    pub(super) body: B,
}

/// What a reply leads to.
pub(super) enum Next {
    /// It goes to the client.
    Pass,
    /// It is about the key: another one is tried.
    Failover(Verdict),
    /// The provider is asked again after this time.
    Retry(Duration),
}

impl<S, B> Turn<S, B> {
    /// What a reply with this head leads to.
    pub(super) fn next(&mut self, head: &Parts) -> Next {
        // A layer further in refused; the provider said nothing.
        if head.extensions.get::<Refusal>().is_some() {
            return Next::Pass;
        }
        if self.slot.is_some()
            && let Some(verdict) = verdict(self.route.instance.kind, head.status, &head.headers)
        {
            return Next::Failover(verdict);
        }
        match head.status.as_u16() {
            502 | 503 | 529 => self.retry(retry_after(&head.headers)).map_or(Next::Pass, Next::Retry),
            _ => Next::Pass,
        }
    }

    /// How long to wait until the provider is asked again, if it is, after the call failed with `error`.
    pub(super) fn retry_after_failure(&mut self, error: &BoxError) -> Option<Duration> {
        let connect = UpstreamError::find(error.as_ref()).is_some_and(UpstreamError::is_connect);
        if connect { self.retry(None) } else { None }
    }

    fn retry(&mut self, asked: Option<Duration>) -> Option<Duration> {
        if self.retried >= self.layer.max_retries || self.again.is_none() {
            return None;
        }
        let pause = pause(self.retried, asked);
        self.retried += 1;
        tracing::debug!(
            provider = self.route.instance.name,
            attempt = self.retried,
            ?pause,
            "the provider is asked again"
        );
        Some(pause)
    }

    /// The key failed with `verdict`: it is left out, and the log says why.
    pub(super) fn failed(&mut self, verdict: Verdict, status: StatusCode, error: &ProviderError) {
        let Some(slot) = self.slot else { return };
        let instance = &self.route.instance;
        let now = Instant::now().into_std();
        if instance.pool().mark(slot, verdict, now) {
            self.layer.shared.metrics.left_out(&instance.name, verdict);
        }
        self.tried.push(slot);
        let message = self.redacted(&error.message);
        let hint = instance.pool().hint(slot);
        let (provider, hint, error) = (&*instance.name, &*hint, &*error.kind);
        let status = status.as_u16();
        match verdict {
            Verdict::RateLimited(wait) => {
                tracing::warn!(provider, slot, hint, status, error, message, ?wait, "a key is rate-limited");
            }
            _ => tracing::warn!(provider, slot, hint, status, error, message, "a key is refused"),
        }
    }

    /// The next key, or what the client is told when there is none, or when there is no asking again.
    pub(super) fn next_key(&mut self) -> Result<(), Refusal> {
        if self.slot.is_none() {
            // A user's own credential stays the only one.
            return Ok(());
        }
        let (instance, metrics) = (&self.route.instance, &self.layer.shared.metrics);
        // The same once more, unless it was that which failed.
        match instance.pool().pick(self.slot, &self.tried, Instant::now().into_std()) {
            Ok(slot) if self.again.is_some() => {
                self.slot = Some(slot);
                Ok(())
            }
            Ok(_) => {
                metrics.failed_over(&instance.name, self.tried.len(), false);
                let message = "aibridge: the provider did not accept the gateway's key, and the gateway cannot repeat this \
                               request; try again, and another key is used";
                Err(Refusal::new(Reason::KeysRateLimited, message).retry_after(Duration::ZERO))
            }
            Err(exhausted) => {
                metrics.exhausted(&instance.name, exhausted);
                if !self.tried.is_empty() {
                    metrics.failed_over(&instance.name, self.tried.len(), false);
                }
                Err(refusal(exhausted))
            }
        }
    }

    /// The request as it goes to the provider: with its key, and with word of it for those further in.
    pub(super) fn equip(&mut self, mut request: Request<B>) -> Result<Request<B>, Refusal> {
        let Some(slot) = self.slot else { return Ok(request) };
        let instance = &self.route.instance;
        if slot > 0
            && self.route.endpoint == Endpoint::Intercepted(Api::Responses)
            && let Some(key) = instance.pool().key(slot)
        {
            self.remember = Some(self.layer.shared.memory.handle(request.extensions(), instance, key));
        }
        if let Some((name, value)) = header::of(instance, slot)? {
            request.headers_mut().insert(name, value);
        }
        request.extensions_mut().insert(Credential::new(slot, instance.pool().hint(slot)));
        Ok(request)
    }

    /// Asks again, with the key that is next. The service has to be ready.
    pub(super) fn ask_again(&mut self) -> Result<S::Future, Refusal>
    where
        S: Service<Request<B>>,
        B: Repeat,
    {
        let again = self.again.take().ok_or_else(|| refusal(Exhausted::Refused))?;
        let Again { mut inner, head, body } = *again;
        let spare = body.repeat();
        if self.conversation.is_none() && self.slot.is_some_and(|slot| slot > 0) {
            let memory = &self.layer.shared.memory;
            self.conversation = Some(memory.conversation(&head, &self.route.instance, body.parsed()));
        }
        self.remember = None;
        let request = self.equip(Request::from_parts(head.clone(), body))?;
        let call = inner.call(request);
        self.again = spare.map(|body| Box::new(Again { inner, head, body }));
        Ok(call)
    }

    /// The reply goes to the client: says so to layers further out, and remembers which key the conversation used.
    pub(super) fn answered(&mut self, head: &mut Parts) {
        let Some(slot) = self.slot else { return };
        let (instance, shared) = (&self.route.instance, &self.layer.shared);
        head.extensions.insert(Credential::new(slot, instance.pool().hint(slot)));
        if !self.tried.is_empty() {
            shared.metrics.failed_over(&instance.name, self.tried.len() + 1, true);
        }
        if !head.status.is_success() {
            return;
        }
        if let Some(remember) = self.remember.take() {
            head.extensions.insert(remember);
        }
        match (slot, self.conversation, instance.pool().key(slot)) {
            (0, Some(conversation), _) => shared.memory.forget(conversation),
            (1.., Some(conversation), Some(key)) => shared.memory.remember(conversation, key),
            _ => {}
        }
    }

    /// What of a provider's message is for the log: its beginning, without the key.
    fn redacted(&self, message: &str) -> String {
        let mut text = message.to_owned();
        for key in self.route.instance.keys.iter().filter(|key| !key.expose().is_empty()) {
            text = text.replace(key.expose(), "[key]");
        }
        text.truncate(text.floor_char_boundary(LOGGED));
        text
    }
}

/// What the client is told when no key is left.
pub(super) fn refusal(exhausted: Exhausted) -> Refusal {
    match exhausted {
        Exhausted::RateLimited(wait) => {
            let message = "aibridge: the provider limits the rate of every key that the gateway has for it; try again when \
                           Retry-After says";
            Refusal::new(Reason::KeysRateLimited, message).retry_after(wait)
        }
        _ => {
            let message = "aibridge: the provider refuses every key that the gateway has for it; tell the gateway's \
                           administrator";
            Refusal::new(Reason::KeysRefused, message)
        }
    }
}

/// Whether a request of that instance, without the user's own credential, can be served at all.
pub(super) fn needs_own(kind: Kind) -> bool {
    kind == Kind::Copilot
}

/// The pause before the attempt after `retried` others: what the provider `asked` for, else doubling, and varied by half
/// so that those who failed together do not come back together.
fn pause(retried: u32, asked: Option<Duration>) -> Duration {
    if let Some(asked) = asked {
        return asked.min(LONGEST_PAUSE);
    }
    let whole = FIRST_PAUSE.saturating_mul(1 << retried.min(8)).min(LONGEST_PAUSE);
    let varied = RandomState::new().hash_one(retried) % 1024;
    whole / 2 + (whole / 2).mul_f64(varied as f64 / 1024.0)
}
