//! All circuits that have failed.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Policy,
    circuit::{Circuit, Verdict},
    metrics::Metrics,
    ticket::Ticket,
};
use crate::ProviderRoute;

/// The most circuits that are kept.
pub(super) const CIRCUITS: usize = 4096;

/// The circuits, by a digest of instance, endpoint and model.
#[derive(Debug)]
pub(super) struct Circuits {
    policy: Policy,
    metrics: Metrics,
    hasher: RandomState,
    table: Mutex<Table>,
    /// The size of the table: while nothing fails, nobody needs the lock.
    size: AtomicUsize,
}

#[derive(Debug, Default)]
struct Table {
    circuits: HashMap<u64, Circuit>,
    generations: u64,
}

impl Circuits {
    pub(super) fn new(policy: Policy) -> Circuits {
        Circuits {
            policy,
            metrics: Metrics::default(),
            hasher: RandomState::new(),
            table: Mutex::default(),
            size: AtomicUsize::new(0),
        }
    }

    /// Lets a request through, or says how long not to.
    pub(super) fn admit(self: &Arc<Circuits>, route: &ProviderRoute, model: &str) -> Result<Ticket, Duration> {
        if self.size.load(Ordering::Relaxed) == 0 {
            return Ok(Ticket::new(self.clone(), route, model, None));
        }
        let digest = self.digest(route, model);
        let admitted = {
            let table = &mut *self.table();
            match table.circuits.get_mut(&digest) {
                None => return Ok(Ticket::new(self.clone(), route, model, None)),
                Some(circuit) => {
                    table.generations += 1;
                    circuit.admit(&self.policy, table.generations, Instant::now())
                }
            }
        };
        match admitted {
            Ok(admitted) => {
                if let Some(change) = admitted.change {
                    self.metrics.changed(route, model, change);
                }
                Ok(Ticket::new(self.clone(), route, model, admitted.probe))
            }
            Err(wait) => {
                self.metrics.rejected(route, model);
                Err(wait)
            }
        }
    }

    /// Takes in what a request came to.
    pub(super) fn settle(&self, route: &ProviderRoute, model: &str, probe: Option<u64>, verdict: Verdict) {
        if verdict != Verdict::Failed && self.size.load(Ordering::Relaxed) == 0 {
            return;
        }
        let (digest, now) = (self.digest(route, model), Instant::now());
        let change = {
            let table = &mut *self.table();
            if verdict == Verdict::Failed && !table.circuits.contains_key(&digest) {
                if table.circuits.len() >= CIRCUITS {
                    table.circuits.retain(|_, circuit| !circuit.is_stale(&self.policy, now));
                }
                if table.circuits.len() < CIRCUITS {
                    table.circuits.insert(digest, Circuit::Closed { failures: 0, since: now });
                }
            }
            let Some(circuit) = table.circuits.get_mut(&digest) else { return };
            let change = circuit.settle(&self.policy, probe, verdict, now);
            if circuit.is_sound() {
                table.circuits.remove(&digest);
            }
            self.size.store(table.circuits.len(), Ordering::Relaxed);
            change
        };
        if let Some(change) = change {
            self.metrics.changed(route, model, change);
        }
    }

    fn digest(&self, route: &ProviderRoute, model: &str) -> u64 {
        self.hasher.hash_one((&route.instance.name, route.pattern, model))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table().circuits.len()
    }
}
