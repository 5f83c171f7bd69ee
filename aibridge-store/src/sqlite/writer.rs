//! The one thread that writes.
//!
//! Starts are urgent: as soon as one waits, all that wait are made durable by one commit. Everything else is written
//! in batches, at most one between two groups of starts, so that a start never waits for more than a batch.

use std::{fs::File, sync::Arc};

use rusqlite::Connection;
use tokio::time::{Duration, Instant};

use super::{
    outbox,
    queue::{Entry, Item, Queue},
    rows::Rows,
    schema::store,
};
use crate::RecordError;

/// How long the store is left alone after it failed.
const RETRY: Duration = Duration::from_millis(500);

/// Runs until the queue is closed. `lock` keeps other gateways away and is held until the database is closed.
pub(super) fn run(db: Connection, queue: &Queue, lock: File) {
    // Also when the thread panics: whoever waits must learn that nobody is coming.
    let closed = Closed(queue);
    match Rows::new(&db) {
        Ok(rows) => {
            Writer { db: &db, rows, queue, backlog: Vec::new(), encoded: Vec::new(), errors: Errors(None) }.run()
        }
        Err(error) => tracing::error!(%error, "the record store cannot be written"),
    }
    if let Err(error) = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the record store was not checkpointed");
    }
    drop(db);
    drop(lock);
    drop(closed);
}

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
    encoded: Vec<u8>,
    errors: Errors,
}

impl Writer<'_> {
    fn run(&mut self) {
        // When the backlog is to be written.
        let mut due: Option<Instant> = None;
        let mut failed = false;
        loop {
            let wait = due.map(|due| due.saturating_duration_since(Instant::now()));
            let from = self.backlog.len();
            let taken = self.queue.take(&mut self.backlog, wait);
            self.admit(from);
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
                // More than a batch: the rest follows when the starts that came meanwhile are served.
                (false, false) if self.backlog.len() >= self.queue.limits.batch => Some(Instant::now()),
                (false, false) => Some(Instant::now() + self.queue.limits.delay),
            };
        }
    }

    /// Makes the starts that were just taken durable and answers them.
    fn admit(&mut self, from: usize) {
        let fresh = &mut self.backlog[from..];
        let starts = |entry: &Entry| matches!(entry.item, Item::Start(..));
        if !fresh.iter().any(starts) {
            return;
        }
        outbox::encode(
            &mut self.encoded,
            fresh.iter().filter_map(|entry| match &entry.item {
                Item::Start(start, _) => Some(&**start),
                _ => None,
            }),
        );
        let result = self.rows.admit(&self.encoded);
        // What one huge group needed is not kept for ever.
        self.encoded.shrink_to(1 << 20);
        match result {
            Ok(number) => {
                self.queue.set_healthy(true);
                for entry in fresh {
                    let Item::Start(start, _) = &entry.item else { continue };
                    let durable = Item::Durable(start.clone(), number);
                    if let Item::Start(_, reply) = std::mem::replace(&mut entry.item, durable) {
                        reply.send(Ok(())).ok();
                    }
                }
            }
            Err(error) => {
                self.errors.note(self.queue, &error);
                let error = store(error);
                let refused = self.backlog.extract_if(from.., |entry| matches!(entry.item, Item::Start(..)));
                let (mut entries, mut bytes) = (0, 0);
                for entry in refused {
                    entries += 1;
                    bytes += entry.bytes;
                    if let Item::Start(_, reply) = entry.item {
                        reply.send(Err(error.clone())).ok();
                    }
                }
                self.queue.release(entries, bytes);
            }
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
        // A group of starts that reaches beyond the batch is kept in the outbox.
        let number = |entry: &Entry| match entry.item {
            Item::Durable(_, number) => Some(number),
            _ => None,
        };
        let done = match (batch.iter().rev().find_map(number), rest.iter().find_map(number)) {
            (Some(last), Some(next)) => Some(last.min(next - 1)),
            (last, _) => last,
        };
        match self.rows.write(batch, done) {
            Ok(written) => {
                let (entries, bytes) = (batch.len(), batch.iter().map(|entry| entry.bytes).sum());
                self.backlog.drain(..entries);
                self.queue.release(entries, bytes);
                self.queue.wrote(written.records);
                if written.orphans > 0 {
                    self.queue.lose(written.orphans);
                }
                self.queue.set_healthy(true);
                Ok(())
            }
            Err(error) => {
                self.errors.note(self.queue, &error);
                Err(store(error))
            }
        }
    }

    /// Counts what could not be written before closing.
    fn give_up(&mut self) {
        let bytes = self.backlog.iter().map(|entry| entry.bytes).sum();
        let entries = self.backlog.len();
        // Starts are safe in the outbox.
        let lost = self.backlog.drain(..).filter(|entry| matches!(entry.item, Item::Record(_))).count();
        self.queue.release(entries, bytes);
        if lost > 0 {
            self.queue.lose(lost as u64);
        }
    }
}

/// Logs errors once a minute.
struct Errors(Option<Instant>);

impl Errors {
    fn note(&mut self, queue: &Queue, error: &rusqlite::Error) {
        queue.set_healthy(false);
        let now = Instant::now();
        if self.0.is_none_or(|at| now.duration_since(at) >= Duration::from_secs(60)) {
            self.0 = Some(now);
            tracing::error!(%error, "the record store failed");
        }
    }
}

/// Starts the thread.
pub(super) fn spawn(db: Connection, queue: Arc<Queue>, lock: File) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("aibridge-store".into()).spawn(move || run(db, &queue, lock))
}
