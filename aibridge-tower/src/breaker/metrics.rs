//! The metrics of circuits, touched only when one changes or refuses.
//!
//! Their labels name models. The SDK bounds how many a metric has, and a model is named only after it has failed often
//! enough.

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Gauge},
};

use super::circuit::Change;
use crate::ProviderRoute;

/// The instruments. Counters get their `_total` from the exporter.
#[derive(Debug)]
pub(super) struct Metrics {
    state: Gauge<f64>,
    trips: Counter<u64>,
    rejects: Counter<u64>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let meter = global::meter("aibridge");
        Metrics {
            state: meter
                .f64_gauge("coder_aibridged_circuit_breaker_state")
                .with_description("0 closed, 0.5 half-open, 1 open.")
                .build(),
            trips: meter
                .u64_counter("coder_aibridged_circuit_breaker_trips")
                .with_description("Times a circuit opened.")
                .build(),
            rejects: meter
                .u64_counter("coder_aibridged_circuit_breaker_rejects")
                .with_description("Requests refused because a circuit was open.")
                .build(),
        }
    }
}

impl Metrics {
    pub(super) fn changed(&self, route: &ProviderRoute, model: &str, change: Change) {
        let labels = labels(route, model);
        let (provider, endpoint) = (&*route.instance.name, route.pattern);
        match change {
            Change::Opened => {
                tracing::warn!(provider, endpoint, ?model, "a provider keeps failing and is left alone for a while");
                self.state.record(1.0, &labels);
                self.trips.add(1, &labels);
            }
            Change::HalfOpened => {
                tracing::info!(provider, endpoint, ?model, "a provider that kept failing is asked again");
                self.state.record(0.5, &labels);
            }
            Change::Closed => {
                tracing::info!(provider, endpoint, ?model, "a provider works again");
                self.state.record(0.0, &labels);
            }
        }
    }

    pub(super) fn rejected(&self, route: &ProviderRoute, model: &str) {
        self.rejects.add(1, &labels(route, model));
    }
}

fn labels(route: &ProviderRoute, model: &str) -> [KeyValue; 3] {
    [
        KeyValue::new("endpoint", route.pattern),
        KeyValue::new("model", model.to_owned()),
        KeyValue::new("provider", route.instance.name.clone()),
    ]
}
