#![expect(clippy::disallowed_types, reason = "the caller's clock, which tests can pause, in the type it has in common")]

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Instance, Kind, Secret, Verdict};
use crate::bedrock::KeyPair;

/// How long a key that was refused is left out.
const REFUSED: Duration = Duration::from_secs(60);
/// The longest a key is left out on a provider's word. Some count by the day, none by more.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The organisation's credentials for one instance, in order, and which of them may be used now.
///
/// Shared by all requests: what one of them learns of a key, the others know. Holds no clock; every question says what
/// time it is, on a clock that does not go backwards.
///
/// ```
/// use aibridge_providers::provider::{BaseUrl, Exhausted, Instance, Kind, Secret, Verdict};
/// # #[allow(clippy::disallowed_types)]
/// use std::time::{Duration, Instant};
///
/// let base = BaseUrl::parse("https://api.anthropic.com/").unwrap();
/// let instance = Instance::builder(Kind::Anthropic, base).key(Secret::new("one")).key(Secret::new("two")).build();
/// let (pool, now) = (instance.pool(), Instant::now());
/// assert_eq!(pool.pick(None, &[], now), Ok(0));
/// pool.mark(0, Verdict::RateLimited(Duration::from_secs(7)), now);
/// assert_eq!(pool.pick(None, &[], now), Ok(1));
/// pool.mark(1, Verdict::Refused, now);
/// assert_eq!(pool.pick(None, &[], now), Err(Exhausted::RateLimited(Duration::from_secs(7))));
/// ```
#[derive(Default)]
pub struct KeyPool {
    slots: Vec<Slot>,
}

struct Slot {
    credential: Credential,
    hint: Arc<str>,
    key: Key,
}

enum Credential {
    Key(Secret),
    Pair(KeyPair),
    /// Whatever the AWS default chain finds.
    Chain,
}

/// One credential of a pool, wherever it stands: after a reload it may have another place, and keeps its state.
#[derive(Clone)]
pub struct Key(Arc<Mutex<Option<Out>>>);

/// Why a key was last left out, and until when. Stays when that time is over.
#[derive(Clone, Copy)]
struct Out {
    why: Why,
    until: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    RateLimited,
    Refused,
}

/// No key of a pool is left to ask with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exhausted {
    /// The rate of some is limited: the first of them can be used again after this time.
    RateLimited(Duration),
    /// All were refused.
    Refused,
}

/// How many keys of a pool are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStates {
    /// They can be used.
    pub usable: u64,
    /// Their rate is limited.
    pub rate_limited: u64,
    /// They were refused.
    pub refused: u64,
}

impl KeyPool {
    /// The pool of `instance`: its keys, or on Bedrock its access keys, or else the AWS default chain.
    pub(super) fn of(instance: &Instance) -> KeyPool {
        let credentials: Vec<Credential> = match (instance.kind, &instance.bedrock) {
            (Kind::Bedrock, Some(settings)) if settings.credentials.is_empty() => vec![Credential::Chain],
            (Kind::Bedrock, Some(settings)) => settings.credentials.iter().cloned().map(Credential::Pair).collect(),
            (Kind::Bedrock, None) => vec![Credential::Chain],
            _ => instance.keys.iter().cloned().map(Credential::Key).collect(),
        };
        let slot =
            |credential: Credential| Slot { hint: credential.hint().into(), credential, key: Key(Arc::default()) };
        KeyPool { slots: credentials.into_iter().map(slot).collect() }
    }

    /// Takes over what `old` knows of the keys that are in both.
    pub(super) fn inherit(&mut self, old: &KeyPool) {
        for slot in &mut self.slots {
            if let Some(same) = old.slots.iter().find(|other| other.credential.is(&slot.credential)) {
                slot.key = same.key.clone();
            }
        }
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none: the provider is asked without.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// First and last characters of the key at that place, as recorded; of an AWS access key, those of its id. Empty when
    /// there is no such place.
    pub fn hint(&self, slot: usize) -> Arc<str> {
        self.slots.get(slot).map_or_else(Arc::default, |slot| slot.hint.clone())
    }

    /// The key at that place.
    pub fn key(&self, slot: usize) -> Option<&Key> {
        self.slots.get(slot).map(|slot| &slot.key)
    }

    /// The place of `key`, if it is still one of these.
    pub fn position(&self, key: &Key) -> Option<usize> {
        self.slots.iter().position(|slot| slot.key == *key)
    }

    /// The place of the key to use `now`: `preferred` if it is usable, else the first that is, but none of those that this
    /// request has `tried`.
    ///
    /// # Errors
    /// [`Exhausted`], when none is left.
    pub fn pick(&self, preferred: Option<usize>, tried: &[usize], now: Instant) -> Result<usize, Exhausted> {
        let usable = |slot: &usize| !tried.contains(slot) && self.is_usable(*slot, now);
        preferred.filter(usable).or_else(|| (0..self.slots.len()).find(usable)).ok_or_else(|| self.exhausted(now))
    }

    /// Whether there is a key at that place that can be used `now`.
    pub fn is_usable(&self, slot: usize, now: Instant) -> bool {
        self.slots.get(slot).is_some_and(|slot| slot.key.out().is_none_or(|out| out.until <= now))
    }

    /// Leaves the key at that place out from `now` on, for as long as `verdict` says; never for less than is left of an
    /// earlier verdict, and at most for a day. Returns whether it could be used until then.
    pub fn mark(&self, slot: usize, verdict: Verdict, now: Instant) -> bool {
        let Some(slot) = self.slots.get(slot) else { return false };
        let (why, wait) = match verdict {
            Verdict::RateLimited(wait) => (Why::RateLimited, wait.min(LONGEST)),
            Verdict::Refused => (Why::Refused, REFUSED),
        };
        let until = now + wait;
        let mut out = slot.key.0.lock().unwrap_or_else(PoisonError::into_inner);
        if out.is_none_or(|out| out.until < until) {
            let was_usable = out.is_none_or(|out| out.until <= now);
            *out = Some(Out { why, until });
            return was_usable;
        }
        false
    }

    /// How many keys are in which state `now`.
    pub fn states(&self, now: Instant) -> KeyStates {
        let mut states = KeyStates::default();
        for slot in &self.slots {
            match slot.key.out().filter(|out| out.until > now).map(|out| out.why) {
                None => states.usable += 1,
                Some(Why::RateLimited) => states.rate_limited += 1,
                Some(Why::Refused) => states.refused += 1,
            }
        }
        states
    }

    fn exhausted(&self, now: Instant) -> Exhausted {
        let limited = self.slots.iter().filter_map(|slot| slot.key.out().filter(|out| out.why == Why::RateLimited));
        match limited.map(|out| out.until.saturating_duration_since(now)).min() {
            Some(wait) => Exhausted::RateLimited(wait),
            None => Exhausted::Refused,
        }
    }
}

impl Credential {
    fn hint(&self) -> String {
        match self {
            Credential::Key(key) => key.hint(),
            Credential::Pair(pair) => pair.id.hint(),
            Credential::Chain => String::new(),
        }
    }

    fn is(&self, other: &Credential) -> bool {
        match (self, other) {
            (Credential::Key(one), Credential::Key(other)) => one.expose() == other.expose(),
            (Credential::Pair(one), Credential::Pair(other)) => {
                one.id.expose() == other.id.expose() && one.secret.expose() == other.secret.expose()
            }
            (Credential::Chain, Credential::Chain) => true,
            _ => false,
        }
    }
}

impl Key {
    fn out(&self) -> Option<Out> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl fmt::Debug for KeyPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPool").field("slots", &self.slots.len()).finish()
    }
}

#[cfg(test)]
mod tests;
