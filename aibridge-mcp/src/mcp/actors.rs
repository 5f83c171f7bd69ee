use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Context, KnownServer,
    slot::{Sight, Slot},
    toolboxes::Toolboxes,
};
use crate::{Toolbox, session::Listing};

/// The actors who have made requests lately.
pub(super) struct Actors {
    context: Arc<Context>,
    servers: Arc<[Arc<KnownServer>]>,
    by_id: Mutex<HashMap<Uuid, Arc<Actor>>>,
    this: Weak<Actors>,
}

/// What each server lists, `None` where there are no tools for the actor.
type Listings = Vec<Option<Arc<Listing>>>;

/// An actor, with a slot for each server.
pub(super) struct Actor {
    used: Arc<Used>,
    slots: Vec<Arc<Slot>>,
    /// What the servers listed at the last look, and the toolbox of that.
    last: Mutex<Option<(Listings, Arc<Toolbox>)>>,
}

/// When the actor made a request last.
pub(crate) struct Used(Mutex<Instant>);

impl Used {
    fn lock(&self) -> MutexGuard<'_, Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Actors {
    pub(super) fn new(context: Arc<Context>, servers: Arc<[Arc<KnownServer>]>) -> Arc<Actors> {
        Arc::new_cyclic(|this| Actors { context, servers, by_id: Mutex::default(), this: this.clone() })
    }

    pub(super) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(super) fn servers(&self) -> &[Arc<KnownServer>] {
        &self.servers
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Actor>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The actor, who makes a request.
    pub(super) fn actor(&self, id: Uuid) -> Arc<Actor> {
        let now = Instant::now();
        let mut by_id = self.by_id();
        if let Some(actor) = by_id.get(&id) {
            *actor.used.lock() = now;
            return actor.clone();
        }
        if by_id.len() >= self.context.limits.max_actors
            && let Some((&oldest, _)) = by_id.iter().min_by_key(|(_, actor)| *actor.used.lock())
        {
            by_id.remove(&oldest);
        }
        let used = Arc::new(Used(Mutex::new(now)));
        let slots = self.servers.iter().map(|server| {
            let keeping =
                Keeping { actors: self.this.clone(), actor: id, used: used.clone(), idle: self.context.limits.idle };
            Arc::new(Slot::new(self.context.clone(), server.clone(), keeping))
        });
        let actor = Arc::new(Actor { slots: slots.collect(), used: used.clone(), last: Mutex::default() });
        by_id.insert(id, actor.clone());
        actor
    }

    pub(super) fn forget(&self, id: Uuid) {
        let forgotten = self.by_id().remove(&id);
        // Not under the lock: this may close sessions.
        drop(forgotten);
    }

    pub(super) fn forget_all(&self) {
        let forgotten = std::mem::take(&mut *self.by_id());
        drop(forgotten);
    }
}

impl Actor {
    /// What the servers list, or nothing, if something is not known yet. What is not is being found out.
    fn known(&self) -> Option<Listings> {
        let mut known = Some(Vec::with_capacity(self.slots.len()));
        for slot in &self.slots {
            match slot.look() {
                Sight::Known(listing) => known.iter_mut().for_each(|known| known.push(listing.clone())),
                // The others have to be looked at all the same.
                Sight::Wait(_) => known = None,
            }
        }
        known
    }

    /// The toolbox of what is [`known`](Actor::known).
    pub(super) fn toolbox(&self, toolboxes: &Toolboxes) -> Option<Arc<Toolbox>> {
        let listings = self.known()?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(one, other): (&Option<Arc<Listing>>, &Option<Arc<Listing>>)| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        if let Some((before, toolbox)) = &*last
            && before.iter().zip(&listings).all(same)
        {
            return Some(toolbox.clone());
        }
        let toolbox = toolboxes.of(&listings);
        *last = Some((listings, toolbox.clone()));
        Some(toolbox)
    }

    /// What the servers list, as soon as it is known or has taken too long.
    pub(super) async fn settled(&self) -> Listings {
        if let Some(known) = self.known() {
            return known;
        }
        futures::future::join_all(self.slots.iter().map(Slot::settled)).await
    }

    /// The slot for the server of this id.
    pub(super) fn slot(&self, server: &str) -> Option<Arc<Slot>> {
        self.slots.iter().find(|slot| slot.server.config.id == server).cloned()
    }
}

/// What a session knows of its owner.
#[derive(Clone)]
pub(crate) struct Keeping {
    actors: Weak<Actors>,
    pub(crate) actor: Uuid,
    used: Arc<Used>,
    idle: std::time::Duration,
}

impl Keeping {
    /// When the actor will have been idle for long enough, unless there are more requests.
    pub(crate) fn idle_at(&self) -> Instant {
        *self.used.lock() + self.idle
    }

    /// Forgets the actor, if it is idle. Says whether it was.
    pub(crate) fn expire(&self) -> bool {
        let Some(actors) = self.actors.upgrade() else { return true };
        let mut by_id = actors.by_id();
        if Instant::now() < self.idle_at() {
            return false;
        }
        let mine = by_id.get(&self.actor).is_some_and(|actor| Arc::ptr_eq(&actor.used, &self.used));
        let forgotten = if mine { by_id.remove(&self.actor) } else { None };
        drop(by_id);
        drop(forgotten);
        true
    }
}
