use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::{Keys, memory::Memory, metrics::Metrics};

/// Adds [`Keys`].
///
/// Its clones, and the services they make, share what they remember of conversations. Metrics go to the OpenTelemetry
/// meter provider that is global when it is made.
#[derive(Clone, Default)]
pub struct KeysLayer {
    pub(super) shared: Arc<Shared>,
    pub(super) max_retries: u32,
}

#[derive(Default)]
pub(super) struct Shared {
    pub(super) memory: Arc<Memory>,
    pub(super) metrics: Metrics,
}

impl KeysLayer {
    /// Adds the keys of each request's instance.
    pub fn new() -> KeysLayer {
        KeysLayer::default()
    }

    /// How often a request is sent again that no connection could be made for, or that the provider answered 502, 503 or
    /// 529, also with a user's own credential. Default: 0.
    ///
    /// Between attempts it waits for what `Retry-After` says, at most 5 s; without, about a quarter of a second at first
    /// and twice as long each time. Keys that are tried in turn do not count.
    #[must_use]
    pub fn max_retries(mut self, retries: u32) -> KeysLayer {
        self.max_retries = retries;
        self
    }
}

impl<S> Layer<S> for KeysLayer {
    type Service = Keys<S>;

    fn layer(&self, inner: S) -> Keys<S> {
        Keys::new(inner, self.clone())
    }
}

impl fmt::Debug for KeysLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeysLayer").field("max_retries", &self.max_retries).finish_non_exhaustive()
    }
}
