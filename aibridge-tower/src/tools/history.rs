//! What clients have not seen of their conversations.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aibridge_providers::api::tools::Kept;
use foldhash::fast::RandomState;
use moka::sync::Cache;
use tokio::time::Instant;
use uuid::Uuid;

/// How long after its last use.
const KEPT_FOR: Duration = Duration::from_secs(3600);

/// Of how many actors it is known that they have something, before those are looked for that have nothing any more.
const MANY_ACTORS: usize = 10_000;

/// Hidden turns, each actor's own.
#[derive(Clone)]
pub(super) struct History {
    kept: Cache<(Uuid, String), Arc<Kept>>,
    /// Who has anything, and since when it is not used: to look it up, a conversation has to be searched for ids.
    actors: Arc<RwLock<HashMap<Uuid, Instant, RandomState>>>,
}

impl History {
    /// Keeps at most that many bytes.
    pub(super) fn new(max_bytes: u64) -> History {
        let kept = Cache::builder()
            .weigher(|(_, key): &(Uuid, String), kept: &Arc<Kept>| {
                u32::try_from(key.len() + kept.size() / kept.keys.len().max(1)).unwrap_or(u32::MAX)
            })
            .max_capacity(max_bytes)
            .time_to_idle(KEPT_FOR)
            .build();
        History { kept, actors: Arc::default() }
    }

    /// Whether anything may be there for the actor.
    pub(super) fn has(&self, actor: Uuid) -> bool {
        let actors = self.actors.read().unwrap_or_else(PoisonError::into_inner);
        actors.get(&actor).is_some_and(|used| used.elapsed() < KEPT_FOR)
    }

    pub(super) fn keep(&self, actor: Uuid, kept: Kept) {
        let kept = Arc::new(kept);
        for key in &kept.keys {
            self.kept.insert((actor, key.clone()), kept.clone());
        }
        self.used(actor);
    }

    pub(super) fn find(&self, actor: Uuid, key: &str) -> Option<Arc<Kept>> {
        let found = self.kept.get(&(actor, key.to_owned()))?;
        self.used(actor);
        Some(found)
    }

    fn used(&self, actor: Uuid) {
        let mut actors = self.actors.write().unwrap_or_else(PoisonError::into_inner);
        actors.insert(actor, Instant::now());
        if actors.len().is_multiple_of(MANY_ACTORS) {
            actors.retain(|_, used| used.elapsed() < KEPT_FOR);
        }
    }
}
