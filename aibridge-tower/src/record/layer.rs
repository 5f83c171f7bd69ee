use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

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
    pub(super) keep_alive: Option<Duration>,
    pub(super) cut_off: Arc<AtomicBool>,
}

impl RecordLayer {
    /// Tells `recorder`; a request that it cannot record is refused.
    pub fn new(recorder: impl Recorder) -> RecordLayer {
        RecordLayer {
            recorder: Arc::new(recorder),
            policy: RecordingPolicy::default(),
            content: true,
            keep_alive: None,
            cut_off: Arc::default(),
        }
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

    /// Sends something when a stream has been silent for this time, at least a second: for proxies that close quiet
    /// connections. Messages get an `event: ping`, the others a comment; it stands between two events. While
    /// [tools](crate::tools) run it is sent as well, but not while the model writes a call that the client does not see.
    /// Default: off.
    ///
    /// Compressed streams are left alone.
    #[must_use]
    pub fn keep_alive(mut self, every: Duration) -> RecordLayer {
        self.keep_alive = Some(every.max(Duration::from_secs(1)));
        self
    }

    /// Shares a flag that the host sets before it drops requests that outlast its shutdown: what is dropped from then on
    /// ends as `gateway_error`, [`INTERRUPTED`](aibridge_store::sqlite::INTERRUPTED), because its client has not gone.
    /// Default: a flag that nobody sets.
    #[must_use]
    pub fn cut_off(mut self, flag: Arc<AtomicBool>) -> RecordLayer {
        self.cut_off = flag;
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
        f.debug_struct("RecordLayer")
            .field("policy", &self.policy)
            .field("content", &self.content)
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}
