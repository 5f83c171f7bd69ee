//! Which key a conversation used.

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aibridge_providers::{
    api::{Api, conversation},
    provider::{Instance, Key},
};
use http::{Extensions, request::Parts};
use moka::sync::Cache;
use uuid::Uuid;

use crate::{ProviderRoute, auth::Actor, parse::AiBody};

/// How many conversations are remembered.
const CONVERSATIONS: u64 = 100_000;
/// How long after its last request.
const IDLE: Duration = Duration::from_secs(24 * 60 * 60);

/// The keys of conversations that used another one than the first, by a digest of what identifies the conversation.
pub(crate) struct Memory {
    keys: Cache<u64, Key>,
    /// Nothing was remembered yet: nothing need be looked up.
    empty: AtomicBool,
    hasher: RandomState,
}

/// What identifies the conversation of a request, as digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Conversation {
    /// Under which it may be remembered.
    pub(super) found_by: Option<u64>,
    /// Under which its further requests find it, apart from the ids of responses.
    pub(super) known_by: Option<u64>,
}

/// One user at one instance.
#[derive(Clone, Copy)]
struct Scope(u64);

/// Lets who reads the reply remember its id. Inserted by [`Keys`](super::Keys) into responses whose id may be referred to,
/// read by [`Record`](crate::record::Record).
#[derive(Clone)]
pub(crate) struct Remember {
    memory: Arc<Memory>,
    scope: Scope,
    key: Key,
}

impl Default for Memory {
    fn default() -> Memory {
        let keys = Cache::builder().max_capacity(CONVERSATIONS).time_to_idle(IDLE).build();
        Memory { keys, empty: AtomicBool::new(true), hasher: RandomState::new() }
    }
}

impl Memory {
    pub(super) fn is_empty(&self) -> bool {
        self.empty.load(Ordering::Relaxed)
    }

    /// The key that `conversation` used last, if it is remembered.
    pub(super) fn recall(&self, conversation: Conversation) -> Option<Key> {
        self.keys.get(&conversation.found_by?)
    }

    /// The conversation used `key`, which is not the first.
    pub(super) fn remember(&self, conversation: Conversation, key: &Key) {
        if let Some(known_by) = conversation.known_by {
            self.insert(known_by, key.clone());
        }
    }

    /// The conversation used the first key.
    pub(super) fn forget(&self, conversation: Conversation) {
        if let Some(known_by) = conversation.known_by {
            self.keys.invalidate(&known_by);
        }
    }

    /// What identifies the conversation of a request.
    pub(super) fn conversation(&self, head: &Parts, instance: &Instance, body: Option<&AiBody>) -> Conversation {
        let scope = self.scope(&head.extensions, instance);
        let Some(body) = body else {
            let response = response_in_path(head);
            return Conversation { found_by: response.map(|id| self.of_response(scope, id)), known_by: None };
        };
        let previous = match body.api() {
            Api::Responses => conversation::previous_response(body.document()),
            _ => None,
        };
        let known_by = match &body.caller().session_id {
            Some(session) => Some(self.hasher.hash_one((scope.0, "session", session))),
            // It opened with a request that is not here.
            None if previous.is_some() => None,
            None => {
                let mut hasher = self.hasher.build_hasher();
                (scope.0, "opening").hash(&mut hasher);
                conversation::opening(body.api(), body.document(), &mut hasher).then(|| hasher.finish())
            }
        };
        Conversation { found_by: previous.map(|id| self.of_response(scope, &id)).or(known_by), known_by }
    }

    /// The handle with which the id of a reply is remembered.
    pub(super) fn handle(self: &Arc<Memory>, extensions: &Extensions, instance: &Instance, key: &Key) -> Remember {
        Remember { memory: self.clone(), scope: self.scope(extensions, instance), key: key.clone() }
    }

    fn scope(&self, extensions: &Extensions, instance: &Instance) -> Scope {
        let actor = extensions.get::<Actor>().map_or(Uuid::nil(), |actor| actor.id);
        Scope(self.hasher.hash_one((&instance.name, actor)))
    }

    fn of_response(&self, scope: Scope, id: &str) -> u64 {
        self.hasher.hash_one((scope.0, "response", id))
    }

    fn insert(&self, digest: u64, key: Key) {
        self.keys.insert(digest, key);
        self.empty.store(false, Ordering::Relaxed);
    }
}

impl Remember {
    /// The reply's id.
    pub(crate) fn reply(&self, id: &str) {
        self.memory.insert(self.memory.of_response(self.scope, id), self.key.clone());
    }
}

/// The id in `/v1/responses/{id}` and below.
fn response_in_path(head: &Parts) -> Option<&str> {
    let route = head.extensions.get::<ProviderRoute>()?;
    let (_, below) = head.uri.path().rsplit_once("/responses/").filter(|_| route.pattern == "/v1/responses/*")?;
    below.split('/').next().filter(|id| !id.is_empty())
}

impl fmt::Debug for Remember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remember").finish_non_exhaustive()
    }
}
