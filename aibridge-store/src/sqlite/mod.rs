//! The embedded store.

use std::{path::Path, sync::Arc};

use crate::{
    RecordError, Recorder, Started,
    record::{Record, Start},
};

/// A SQLite database and its one writer.
#[derive(Clone, Debug)]
pub struct Sqlite {}

impl Sqlite {
    /// Opens or creates the database at `path`.
    pub fn open(path: &Path) -> Result<Sqlite, RecordError> {
        todo!("{path:?}")
    }
}

impl Recorder for Sqlite {
    fn start(&self, start: &Arc<Start>) -> Started {
        todo!("{start:?}")
    }

    fn record(&self, record: &Arc<Record>) {
        todo!("{record:?}")
    }
}
