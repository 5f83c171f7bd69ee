//! The thread that writes the database, in batches.

use std::{
    fs::File,
    sync::{Arc, atomic::Ordering},
};

use rusqlite::Connection;
use tokio::time::{Duration, Instant};

use super::{
    admit::Errors,
    queue::{Entry, Item, Queue},
    rows::Rows,
    schema::store,
};
use crate::RecordError;

/// How long the database is left alone after it failed.
const RETRY: Duration = Duration::from_millis(500);

/// Runs until the queue is closed. `lock` keeps other gateways away and is held until the database is closed.
fn run(db: Connection, queue: &Queue, lock: File) {
    let closed = Closed(queue);
    match Rows::new(&db) {
        Ok(rows) => Writer { db: &db, rows, queue, backlog: Vec::new(), errors: Errors::default() }.run(),
        Err(error) => tracing::error!(%error, "the record store cannot be written"),
    }
    if let Err(error) = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the record store was not checkpointed");
    }
    drop(db);
    drop(lock);
    drop(closed);
}

/// Also when the thread panics: whoever waits must learn that nobody is coming.
struct Closed<'a>(&'a Queue);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.closed();
    }
}

struct Writer<'db> {
    db: &'db Connection,
    rows: Rows<'db>,
    queue: &'db Queue,
    /// Taken and not yet written.
    backlog: Vec<Entry>,
    errors: Errors,
}

impl Writer<'_> {
    fn run(&mut self) {
        // When the backlog is to be written.
        let mut due: Option<Instant> = None;
        let mut failed = false;
        loop {
            let wait = due.map(|due| due.saturating_duration_since(Instant::now()));
            let taken = self.queue.take(&mut self.backlog, wait);
            for job in taken.jobs {
                job(self.db);
            }
            if !taken.flushes.is_empty() || taken.closing {
                let result = self.write_all();
                failed = result.is_err();
                for reply in taken.flushes {
                    reply.send(result.clone()).ok();
                }
                if taken.closing {
                    self.give_up();
                    return;
                }
            } else if due.is_some_and(|due| due <= Instant::now())
                || (!failed && (taken.due || self.backlog.len() >= self.queue.limits.batch))
            {
                failed = self.write_batch().is_err();
            } else if due.is_some() {
                continue;
            }
            due = match (self.backlog.is_empty(), failed) {
                (true, _) => None,
                (false, true) => Some(Instant::now() + RETRY),
                (false, false) if self.backlog.len() >= self.queue.limits.batch => Some(Instant::now()),
                (false, false) => Some(Instant::now() + self.queue.limits.delay),
            };
        }
    }

    fn write_all(&mut self) -> Result<(), RecordError> {
        while !self.backlog.is_empty() {
            self.write_batch()?;
        }
        Ok(())
    }

    /// Writes the oldest entries. They stay when that fails.
    fn write_batch(&mut self) -> Result<(), RecordError> {
        let (batch, rest) = self.backlog.split_at(self.backlog.len().min(self.queue.limits.batch));
        let number = |entry: &Entry| match entry.item {
            Item::Start(_, number) => Some(number),
            Item::Record(_) => None,
        };
        // Starts that were admitted together share a number: the outbox is done with it when all are rows.
        let applied = match (batch.iter().rev().find_map(number), rest.iter().find_map(number)) {
            (Some(last), Some(next)) => Some(last.min(next - 1)),
            (last, _) => last,
        };
        match self.rows.write(batch, applied) {
            Ok(written) => {
                let (entries, bytes) = (batch.len(), batch.iter().map(|entry| entry.bytes).sum());
                self.backlog.drain(..entries);
                if let Some(applied) = applied {
                    self.queue.applied.store(applied, Ordering::Release);
                }
                self.queue.wrote(written.records);
                self.queue.release(entries, bytes, None);
                if written.orphans > 0 {
                    self.queue.lose(written.orphans);
                }
                Ok(())
            }
            Err(error) => {
                self.errors.note(&error);
                let error = store(error);
                self.queue.release(0, 0, Some(error.clone()));
                Err(error)
            }
        }
    }

    /// Counts what could not be written before closing.
    fn give_up(&mut self) {
        // Starts are safe in the outbox.
        let lost = self.backlog.drain(..).filter(|entry| matches!(entry.item, Item::Record(_))).count();
        if lost > 0 {
            self.queue.lose(lost as u64);
        }
    }
}

/// Starts the thread.
pub(super) fn spawn(db: Connection, queue: Arc<Queue>, lock: File) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("aibridge-store".into()).spawn(move || run(db, &queue, lock))
}
