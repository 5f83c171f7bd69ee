use std::{fmt, sync::Arc};

use crate::{
    Recorder, Started,
    record::{Record, Start},
};

/// Tells several recorders. The first one's answer to a start decides; the others are told once it was asked.
#[derive(Clone)]
pub struct Fanout {
    first: Arc<dyn Recorder>,
    others: Vec<Arc<dyn Recorder>>,
}

impl Fanout {
    /// A fan-out whose starts are decided by `first`.
    pub fn new(first: impl Recorder) -> Fanout {
        Fanout { first: Arc::new(first), others: Vec::new() }
    }

    /// Also tells `recorder`.
    #[must_use]
    pub fn also(mut self, recorder: impl Recorder) -> Fanout {
        self.others.push(Arc::new(recorder));
        self
    }
}

impl Recorder for Fanout {
    fn start(&self, start: &Arc<Start>) -> Started {
        let started = self.first.start(start);
        for other in &self.others {
            drop(other.start(start));
        }
        started
    }

    fn record(&self, record: &Arc<Record>) {
        self.first.record(record);
        for other in &self.others {
            other.record(record);
        }
    }
}

impl fmt::Debug for Fanout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fanout({})", self.others.len() + 1)
    }
}
