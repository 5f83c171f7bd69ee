//! Writes batches of records as rows.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use rusqlite::Connection;
use uuid::Uuid;

use super::{
    queue::{Entry, Item},
    start::StartRow,
    statements::Statements,
};
use crate::record::{End, Record, Start};

/// Writes batches, and knows the interceptions that run.
pub(super) struct Rows<'db> {
    db: &'db Connection,
    statements: Statements<'db>,
    running: ById<Running>,
}

type ById<T> = HashMap<Uuid, T, BuildHasherDefault<RandomHalf>>;

/// Hashes a UUID by its last eight bytes, which are random and our own choice.
#[derive(Default)]
struct RandomHalf(u64);

impl Hasher for RandomHalf {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.last_chunk().map_or(0, |last| u64::from_be_bytes(*last));
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// An interception that has a row and no end.
struct Running {
    seq: i64,
    start: Arc<Start>,
}

/// What became of a batch's records.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Written {
    pub(super) records: u64,
    /// Records whose interception never began.
    pub(super) orphans: u64,
}

impl<'db> Rows<'db> {
    pub(super) fn new(db: &'db Connection) -> rusqlite::Result<Rows<'db>> {
        Ok(Rows { db, statements: Statements::new(db)?, running: ById::default() })
    }

    /// Writes all of `batch`, or nothing. `applied` is the number up to which the outbox is then no longer needed.
    pub(super) fn write(&mut self, batch: &[Entry], applied: Option<u64>) -> rusqlite::Result<Written> {
        self.statements.begin.execute([])?;
        let written = self.write_all(batch, applied).and_then(|written| {
            self.statements.commit.execute([])?;
            Ok(written)
        });
        match written {
            Ok(written) => {
                for entry in batch {
                    if let Item::Record(record) = &entry.item
                        && let Record::End(end) = &**record
                    {
                        self.running.remove(&end.id);
                    }
                }
                Ok(written)
            }
            Err(error) => {
                // Some errors have rolled back already.
                if !self.db.is_autocommit() {
                    self.statements.rollback.execute([]).ok();
                }
                for entry in batch {
                    if let Item::Start(start, _) = &entry.item {
                        self.running.remove(&start.id);
                    }
                }
                Err(error)
            }
        }
    }

    fn write_all(&mut self, batch: &[Entry], applied: Option<u64>) -> rusqlite::Result<Written> {
        // An interception that began and ended within the batch is written once.
        let mut ends: ById<Option<&End>> = ById::default();
        for entry in batch {
            match &entry.item {
                Item::Start(start, _) => {
                    ends.insert(start.id, None);
                }
                Item::Record(record) => {
                    if let Record::End(end) = &**record
                        && let Some(known) = ends.get_mut(&end.id)
                    {
                        *known = Some(end);
                    }
                }
            }
        }
        let mut written = Written::default();
        for entry in batch {
            let kept = match &entry.item {
                Item::Start(start, _) => {
                    let end = ends.get(&start.id).copied().flatten();
                    let seq = self.statements.start(&StartRow::from(&**start), end)?;
                    self.running.insert(start.id, Running { seq, start: start.clone() });
                    true
                }
                Item::Record(record) => match &**record {
                    Record::End(end) => ends.contains_key(&end.id) || self.end(end)?,
                    other => self.running.contains_key(&other.interception_id()) && self.statements.child(other)?,
                },
            };
            if kept {
                written.records += 1;
            } else {
                written.orphans += 1;
            }
        }
        if let Some(applied) = applied {
            self.statements.applied(applied)?;
        }
        Ok(written)
    }

    /// False when the interception never began.
    fn end(&mut self, end: &End) -> rusqlite::Result<bool> {
        let Some(running) = self.running.get(&end.id) else { return Ok(false) };
        self.statements.end(running.seq, end, &running.start.metadata)?;
        Ok(true)
    }
}
