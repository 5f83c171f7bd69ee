use std::sync::Arc;

use crate::{
    Recorder, Started,
    record::{Record, Start},
};

/// Writes one `interception log` line per record through `tracing`.
#[derive(Clone, Copy, Debug, Default)]
pub struct StructuredLog {}

impl Recorder for StructuredLog {
    fn start(&self, start: &Arc<Start>) -> Started {
        todo!("{start:?}")
    }

    fn record(&self, record: &Arc<Record>) {
        todo!("{record:?}")
    }
}
