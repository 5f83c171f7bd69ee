use std::{sync::Arc, time::Duration};

use tower_layer::Layer;

use super::{Breaker, circuits::Circuits};

/// When a circuit opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "built field by field from a configuration")]
pub struct Policy {
    /// So many failures in a row open it. Default: 5; 0 counts as 1.
    pub failures: u32,
    /// The failures are forgotten this often. Default: 10 s; zero is never.
    pub interval: Duration,
    /// How long it stays open. Default: 30 s.
    pub open: Duration,
    /// How many requests are let through then, all of which must succeed. Default: 3; 0 counts as 1.
    pub probes: u32,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { failures: 5, interval: Duration::from_secs(10), open: Duration::from_secs(30), probes: 3 }
    }
}

/// Adds [`Breaker`].
///
/// Its clones, and the services they make, share the circuits. Metrics go to the OpenTelemetry meter provider that is
/// global when it is made.
#[derive(Clone, Debug)]
pub struct BreakerLayer {
    circuits: Option<Arc<Circuits>>,
}

impl BreakerLayer {
    /// Opens and closes circuits as `policy` says; `None` lets everything pass.
    pub fn new(policy: Option<Policy>) -> BreakerLayer {
        BreakerLayer { circuits: policy.map(|policy| Arc::new(Circuits::new(policy))) }
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = Breaker<S>;

    fn layer(&self, inner: S) -> Breaker<S> {
        Breaker::new(inner, self.circuits.clone())
    }
}
