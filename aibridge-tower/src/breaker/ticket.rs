use std::sync::Arc;

use super::{circuit::Verdict, circuits::Circuits};
use crate::ProviderRoute;

/// A request that was let through. What it came to is told once; nothing, when it is dropped before.
#[derive(Debug)]
pub(super) struct Ticket {
    circuits: Arc<Circuits>,
    route: ProviderRoute,
    model: String,
    probe: Option<u64>,
    open: bool,
}

impl Ticket {
    pub(super) fn new(circuits: Arc<Circuits>, route: &ProviderRoute, model: &str, probe: Option<u64>) -> Ticket {
        Ticket { circuits, route: route.clone(), model: model.to_owned(), probe, open: true }
    }

    pub(super) fn settle(mut self, verdict: Verdict) {
        self.tell(verdict);
    }

    fn tell(&mut self, verdict: Verdict) {
        if std::mem::take(&mut self.open) {
            self.circuits.settle(&self.route, &self.model, self.probe, verdict);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.tell(Verdict::None);
    }
}
