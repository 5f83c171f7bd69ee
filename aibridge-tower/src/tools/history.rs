//! What clients have not seen of their conversations.

use std::{sync::Arc, time::Duration};

use aibridge_providers::api::tools::Kept;
use moka::sync::Cache;
use uuid::Uuid;

/// How long after its last use.
const KEPT_FOR: Duration = Duration::from_secs(3600);

/// How many actors are remembered to have anything kept.
const MAX_ACTORS: u64 = 100_000;

/// Hidden turns, each actor's own.
#[derive(Clone)]
pub(super) struct History {
    kept: Cache<(Uuid, String), Arc<Kept>>,
    /// Who has anything: to look it up, a conversation has to be searched for ids.
    actors: Cache<Uuid, ()>,
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
        let actors = Cache::builder().max_capacity(MAX_ACTORS).time_to_idle(KEPT_FOR).build();
        History { kept, actors }
    }

    /// Whether anything may be there for the actor.
    pub(super) fn has(&self, actor: Uuid) -> bool {
        self.actors.get(&actor).is_some()
    }

    pub(super) fn keep(&self, actor: Uuid, kept: Kept) {
        let kept = Arc::new(kept);
        for key in &kept.keys {
            self.kept.insert((actor, key.clone()), kept.clone());
        }
        self.actors.insert(actor, ());
    }

    pub(super) fn find(&self, actor: Uuid, key: &str) -> Option<Arc<Kept>> {
        self.kept.get(&(actor, key.to_owned()))
    }
}
