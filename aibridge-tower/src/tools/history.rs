//! What clients have not seen of their conversations.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aibridge_providers::api::tools::Kept;
use foldhash::fast::RandomState;
use moka::{policy::EvictionPolicy, sync::Cache};
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
            // The default would rather keep what has been found often than take in what is new.
            .eviction_policy(EvictionPolicy::lru())
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
        // What is too much goes now, and not some time later.
        self.kept.run_pending_tasks();
        self.used(actor);
    }

    pub(super) fn find(&self, actor: Uuid, key: &str) -> Option<Arc<Kept>> {
        let found = self.kept.get(&(actor, key.to_owned()))?;
        // What it is kept under besides has been used with it, and takes its share of the room.
        for other in found.keys.iter().filter(|other| *other != key) {
            self.kept.get(&(actor, other.clone()));
        }
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

#[cfg(test)]
mod tests {
    use aibridge_providers::{
        api::{
            Api,
            tools::{Answer, Exchange, Names, Part},
        },
        json::Document,
    };

    use super::*;

    /// A turn to which the client comes back with the id of its own call.
    fn turn(id: &str, result: usize) -> Kept {
        let call = |id: &str, name: &str| {
            format!(r#"{{"id":"{id}","type":"function","function":{{"name":"{name}","arguments":"{{}}"}}}}"#)
        };
        let calls = [call("hidden", "bmcp_a"), call(id, "mine")].join(",");
        let message = format!(r#"{{"role":"assistant","tool_calls":[{calls}]}}"#);
        let reply = format!(r#"{{"id":"c","choices":[{{"message":{message},"finish_reason":"tool_calls"}}]}}"#);
        let mut exchange = Exchange::new(Api::Chat, Names::from_iter(["bmcp_a".to_owned()]));
        let step = exchange.reply(reply.into());
        let parts = vec![Part::Text("x".repeat(result))];
        let answer = Answer { call_id: step.calls[0].id.clone(), parts, is_error: false };
        let sent = Document::parse(r#"{"messages":[]}"#.into()).unwrap();
        exchange.finish(&sent, &[answer]).kept.expect("a turn with calls of both")
    }

    #[test]
    fn what_was_used_last_is_kept_and_what_was_not_goes() {
        let history = History::new(20_000);
        let (actor, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let has = |id: &str| history.find(actor, id).is_some();
        for number in 0..100 {
            history.keep(actor, turn(&format!("call_{number}"), 1000));
            assert!(has(&format!("call_{number}")), "the newest: {number}");
            assert!(has("call_0"), "the one that is always used: {number}");
        }
        let kept = (0..100).filter(|number| has(&format!("call_{number}"))).count();
        assert!((5..20).contains(&kept), "{kept} of 100");
        assert!(!has("call_50"));
        assert!(history.find(other, "call_99").is_none() && !history.has(other), "another's");
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let history = History::new(0);
        let actor = Uuid::from_u128(1);
        history.keep(actor, turn("call_1", 1));
        assert!(history.find(actor, "call_1").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_nothing_any_more_is_not_looked_up() {
        let history = History::new(20_000);
        let actor = Uuid::from_u128(1);
        assert!(!history.has(actor));
        history.keep(actor, turn("call_1", 1));
        tokio::time::advance(KEPT_FOR - Duration::from_secs(1)).await;
        assert!(history.has(actor) && history.find(actor, "call_1").is_some(), "and used again");
        tokio::time::advance(KEPT_FOR - Duration::from_secs(1)).await;
        assert!(history.has(actor));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!history.has(actor));
    }
}
