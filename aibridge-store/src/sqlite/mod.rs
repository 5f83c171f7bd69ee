//! The embedded store: one SQLite database in WAL mode, and the one thread that writes it.
//!
//! ```no_run
//! # async fn example() -> Result<(), aibridge_store::RecordError> {
//! use aibridge_store::sqlite::Sqlite;
//!
//! let store = Sqlite::open("aibridge.db".as_ref())?;
//! // Record through a clone of it, as an `aibridge_store::Recorder`, and before the process leaves:
//! store.close().await
//! # }
//! ```
mod outbox;
mod queue;
mod rows;
mod schema;
mod text;
mod writer;

use std::{
    fmt,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use chrono::Utc;
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::oneshot;

use self::{
    queue::{Limits, Queue},
    rows::Rows,
    schema::store,
    text::Stamp,
};
use crate::{
    RecordError, Recorder, Started,
    record::{Outcome, Record, Start},
};

#[cfg(test)]
mod tests;

/// The `error_type` of an interception that a killed gateway left without an end.
pub const INTERRUPTED: &str = "interrupted";

/// A SQLite database and its one writer. Cheap to clone.
///
/// A start is durable when its future resolves, everything later within about 50 ms: written to the operating system,
/// so that it survives the process being killed. [`close`](Sqlite::close) before the process leaves. Dropping the last
/// clone also has everything written, but nobody waits for it.
#[derive(Clone)]
pub struct Sqlite(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// `None` when another process does the recording.
    queue: Option<Arc<Queue>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How much may wait for the database, and for how long.
#[derive(Clone, Debug)]
pub struct SqliteOptions(Limits);

impl Default for SqliteOptions {
    fn default() -> SqliteOptions {
        SqliteOptions(Limits { bytes: 64 << 20, entries: 100_000, delay: Duration::from_millis(50), batch: 256 })
    }
}

impl SqliteOptions {
    /// 64 MiB, 100,000 records, 50 ms, batches of 256.
    pub fn new() -> SqliteOptions {
        SqliteOptions::default()
    }

    /// About how many bytes may wait. Beyond it, interceptions are refused; beyond twice it, records of running ones
    /// are lost. Default 64 MiB.
    #[must_use]
    pub fn max_queued_bytes(mut self, bytes: usize) -> SqliteOptions {
        self.0.bytes = bytes;
        self
    }

    /// How many records may wait, in the same way. Default 100,000.
    #[must_use]
    pub fn max_queued(mut self, records: usize) -> SqliteOptions {
        self.0.entries = records;
        self
    }

    /// How long what is not urgent may wait to be written with others; at most a second. Default 50 ms.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> SqliteOptions {
        self.0.delay = delay.min(Duration::from_secs(1));
        self
    }

    /// How many records are written at once. Default 256.
    #[must_use]
    pub fn batch(mut self, records: usize) -> SqliteOptions {
        self.0.batch = records.max(1);
        self
    }

    /// Opens or creates the database at `path` for a gateway. Blocks.
    ///
    /// What a killed gateway left without an end is closed as `gateway_error`, [`INTERRUPTED`].
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, was made by a newer version, or another gateway has it open.
    pub fn open(&self, path: &Path) -> Result<Sqlite, RecordError> {
        let lock = lock(path)?;
        let mut db = schema::open(path)?;
        // In pages of 4 KiB. Fewer and larger checkpoints write a page that changes often less often.
        db.pragma_update(None, "wal_autocheckpoint", 4_000).map_err(store)?;
        recover(&mut db).map_err(store)?;
        let queue = Arc::new(Queue::new(self.0));
        let thread = writer::spawn(db, queue.clone(), lock).map_err(|error| RecordError::Store(error.to_string()))?;
        Ok(Sqlite(Arc::new(Inner { path: path.to_owned(), queue: Some(queue), thread: Mutex::new(Some(thread)) })))
    }
}

impl Sqlite {
    /// Opens or creates the database at `path` for a gateway, with the default [`SqliteOptions`]. Blocks.
    ///
    /// # Errors
    ///
    /// See [`SqliteOptions::open`].
    pub fn open(path: &Path) -> Result<Sqlite, RecordError> {
        SqliteOptions::default().open(path)
    }

    /// Writes everything that was recorded before.
    ///
    /// # Errors
    ///
    /// When the database cannot be written; what waits keeps waiting, and is tried again.
    pub async fn flush(&self) -> Result<(), RecordError> {
        let Some(queue) = &self.0.queue else { return Ok(()) };
        let (reply, flushed) = oneshot::channel();
        queue.flush(reply);
        flushed.await.unwrap_or(Err(RecordError::Closed))
    }

    /// Writes everything, moves the WAL into the database and closes it. Other clones are closed too: their starts are
    /// refused, and their records lost and counted.
    ///
    /// # Errors
    ///
    /// When the database could not be written.
    pub async fn close(self) -> Result<(), RecordError> {
        let flushed = self.flush().await;
        if let Some(queue) = &self.0.queue {
            queue.close();
        }
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let left = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(left, Ok(Ok(()))) {
                return Err(RecordError::Store("the writer panicked".into()));
            }
        }
        flushed
    }

    /// Whether the writer runs and its last write succeeded.
    pub fn ready(&self) -> bool {
        self.0.queue.as_ref().is_none_or(|queue| queue.healthy())
    }

    /// How many records were lost since the database was opened: recorded while the queue was full twice over, after it
    /// was closed, or for an interception whose start had failed.
    pub fn lost(&self) -> u64 {
        self.0.queue.as_ref().map_or(0, |queue| queue.lost_total())
    }

    /// How many records, starts and ends included, were written since the database was opened.
    pub fn written(&self) -> u64 {
        self.0.queue.as_ref().map_or(0, |queue| queue.written_total())
    }

    /// How many records wait to be written, and about how many bytes they take.
    pub fn queued(&self) -> (usize, usize) {
        self.0.queue.as_ref().map_or((0, 0), |queue| queue.queued())
    }
}

impl Recorder for Sqlite {
    fn start(&self, start: &Arc<Start>) -> Started {
        let Some(queue) = &self.0.queue else { return Started::ready(Err(RecordError::Closed)) };
        let (reply, started) = oneshot::channel();
        match queue.start(start, reply) {
            Ok(()) => Started::reply(started),
            Err(error) => Started::ready(Err(error)),
        }
    }

    fn record(&self, record: &Arc<Record>) {
        if let Some(queue) = &self.0.queue {
            queue.record(record);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.close();
        }
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.0.path).finish_non_exhaustive()
    }
}

/// Keeps a second gateway away: two would each close the other's running interceptions. The lock goes with the process.
fn lock(path: &Path) -> Result<File, RecordError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |error: std::io::Error| RecordError::Store(format!("{}: {error}", Path::new(&name).display()));
    let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(RecordError::Store(format!("another gateway has {} open", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Turns what a killed gateway left in the outbox into rows, and closes what it left without an end.
fn recover(db: &mut Connection) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let starts = outbox::read(&tx)?;
    if !starts.is_empty() {
        let mut rows = Rows::new(&tx)?;
        for start in &starts {
            rows.start(start, None)?;
        }
    }
    tx.execute("DELETE FROM aibridge_outbox", [])?;
    let closed = tx.execute(
        "UPDATE aibridge_interceptions INDEXED BY aibridge_interceptions_running \
         SET ended_at = ?, outcome = ?, error_type = ? WHERE ended_at IS NULL",
        params![Stamp::new(Utc::now()), Outcome::GatewayError.as_str(), INTERRUPTED],
    )?;
    tx.commit()?;
    if closed > 0 {
        tracing::warn!(interceptions = closed, "closed interceptions that an earlier run left without an end");
    }
    Ok(())
}
