use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

/// The authenticated user, inserted into the request's extensions by [`Auth`](super::Auth).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Actor {
    /// The user's id, recorded as the initiator.
    pub id: Uuid,
    /// The user's name.
    pub username: Arc<str>,
    /// The gateway API key that was used, if it was one.
    pub api_key_id: Option<Arc<str>>,
    /// What else the source of identity says, e.g. `email`, `name`.
    pub metadata: Arc<Map<String, Value>>,
}

impl Actor {
    /// An actor without key or metadata.
    pub fn new(id: Uuid, username: &str) -> Actor {
        Actor { id, username: username.into(), api_key_id: None, metadata: Arc::default() }
    }

    /// Names the gateway API key that was used.
    #[must_use]
    pub fn api_key_id(mut self, id: &str) -> Actor {
        self.api_key_id = Some(id.into());
        self
    }

    /// Sets what else is known.
    #[must_use]
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Actor {
        self.metadata = Arc::new(metadata);
        self
    }
}
