//! The metrics of key pools. All but the gauge are touched only when a key fails.

use std::sync::{Arc, Weak};

use aibridge_providers::provider::{Exhausted, Registry, Verdict};
use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram},
};
use tokio::time::Instant;

/// The instruments. Counters get their `_total` from the exporter.
pub(super) struct Metrics {
    transitions: Counter<u64>,
    exhaustions: Counter<u64>,
    failovers: Histogram<u64>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let meter = global::meter("aibridge");
        Metrics {
            transitions: meter
                .u64_counter("coder_aibridged_key_pool_state_transitions")
                .with_description("Keys that were usable and were left out, by reason.")
                .build(),
            exhaustions: meter
                .u64_counter("coder_aibridged_key_pool_exhaustions")
                .with_description("Requests for which no key was left, by reason.")
                .build(),
            failovers: meter
                .u64_histogram("coder_aibridged_key_pool_failover_attempts")
                .with_description("Keys asked by requests whose first one failed, by outcome.")
                .with_boundaries(vec![1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0])
                .build(),
        }
    }
}

impl Metrics {
    pub(super) fn left_out(&self, provider: &str, verdict: Verdict) {
        let reason = match verdict {
            Verdict::RateLimited(_) => "rate_limited",
            _ => "refused",
        };
        self.transitions.add(1, &labels(provider, "reason", reason));
    }

    pub(super) fn exhausted(&self, provider: &str, why: Exhausted) {
        let reason = match why {
            Exhausted::RateLimited(_) => "rate_limited",
            _ => "refused",
        };
        self.exhaustions.add(1, &labels(provider, "reason", reason));
    }

    /// A request whose first key failed asked `attempts` keys.
    pub(super) fn failed_over(&self, provider: &str, attempts: usize, answered: bool) {
        let outcome = if answered { "answered" } else { "exhausted" };
        self.failovers.record(attempts as u64, &labels(provider, "outcome", outcome));
    }
}

fn labels(provider: &str, name: &'static str, value: &'static str) -> [KeyValue; 2] {
    [KeyValue::new("provider", provider.to_owned()), KeyValue::new(name, value)]
}

/// Shows in which state the keys of all instances are, `coder_aibridged_key_pool_state` by `provider` and `state`
/// (`usable`, `rate_limited`, `refused`), whenever metrics are collected.
///
/// To be called once, after the global OpenTelemetry meter provider is set.
pub fn observe_pools(registry: &Arc<Registry>) {
    let registry: Weak<Registry> = Arc::downgrade(registry);
    let meter = global::meter("aibridge");
    // The meter provider keeps the callback.
    let _gauge = meter
        .u64_observable_gauge("coder_aibridged_key_pool_state")
        .with_description("Keys by state.")
        .with_callback(move |observer| {
            let Some(registry) = registry.upgrade() else { return };
            let now = Instant::now().into_std();
            for instance in registry.all().iter().filter(|instance| !instance.pool().is_empty()) {
                let states = instance.pool().states(now);
                for (state, count) in
                    [("usable", states.usable), ("rate_limited", states.rate_limited), ("refused", states.refused)]
                {
                    observer.observe(count, &labels(&instance.name, "state", state));
                }
            }
        })
        .build();
}
