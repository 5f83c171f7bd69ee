use std::sync::Arc;

use chrono::{DateTime, Utc};
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
    /// When the token that was shown expires, if its source knows. No answer is cached beyond it.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Actor {
    /// An actor without key or metadata.
    pub fn new(id: Uuid, username: &str) -> Actor {
        Actor { id, username: username.into(), api_key_id: None, metadata: Arc::default(), expires_at: None }
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

    /// Sets when the token expires.
    #[must_use]
    pub fn expires_at(mut self, at: DateTime<Utc>) -> Actor {
        self.expires_at = Some(at);
        self
    }
}
