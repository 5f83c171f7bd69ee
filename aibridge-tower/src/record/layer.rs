use std::{fmt, sync::Arc};

use aibridge_store::Recorder;
use tower_layer::Layer;

use super::Record;

/// What happens to a request that cannot be recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingPolicy {
    /// It is refused with 503 before it reaches the provider.
    #[default]
    Require,
    /// It is served without a record, and counted in a warning.
    BestEffort,
}

/// Adds [`Record`].
#[derive(Clone)]
pub struct RecordLayer {
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) policy: RecordingPolicy,
    pub(super) content: bool,
}

impl RecordLayer {
    /// Tells `recorder`; a request that it cannot record is refused.
    pub fn new(recorder: impl Recorder) -> RecordLayer {
        RecordLayer { recorder: Arc::new(recorder), policy: RecordingPolicy::default(), content: true }
    }

    /// Sets what happens to a request that cannot be recorded. Default: [`RecordingPolicy::Require`].
    #[must_use]
    pub fn policy(mut self, policy: RecordingPolicy) -> RecordLayer {
        self.policy = policy;
        self
    }

    /// Sets whether prompts, tool inputs and thoughts are recorded. Default: `true`. Without them interceptions,
    /// tokens and the names of tools remain.
    #[must_use]
    pub fn content(mut self, record: bool) -> RecordLayer {
        self.content = record;
        self
    }
}

impl<S> Layer<S> for RecordLayer {
    type Service = Record<S>;

    fn layer(&self, inner: S) -> Record<S> {
        Record::new(inner, self.clone())
    }
}

impl fmt::Debug for RecordLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordLayer").field("policy", &self.policy).field("content", &self.content).finish()
    }
}
