//! The embedded store: a SQLite database in WAL mode with one writer, and an outbox.
//!
//! A start is durable once it is appended to the outbox, a file, together with all others that wait. A thread of its own
//! does that, so that a start waits for nothing else. Everything later is queued in memory, and a second thread writes it
//! to the database in batches, the starts' rows included: at least every 100 ms.
//!
//! | file | holds |
//! | --- | --- |
//! | `<path>` | the database; its schema is that of the original |
//! | `<path>-wal`, `<path>-shm` | what SQLite has not yet moved into it; part of it |
//! | `<path>-outbox0`, `-outbox1` | starts whose rows may not be written yet; part of it |
//! | `<path>.lock` | nothing: the gateway that has the database open holds a lock on it |
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
mod access;
mod accounts;
mod admit;
mod external_auth;
mod interceptions;
mod open;
mod outbox;
mod queue;
mod retention;
mod rows;
mod schema;
mod settle;
mod size;
mod start;
mod statements;
mod text;
mod writer;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use tokio::sync::oneshot;

use self::{access::Readers, accounts::Touched, admit::Admission, queue::Queue};
pub use self::{
    open::{INTERRUPTED, SqliteOptions},
    retention::Purged,
};
use crate::{
    RecordError, Recorder, Started,
    record::{Record, Start},
};

#[cfg(test)]
pub(crate) mod tests;

/// A SQLite database and its one writer. Cheap to clone.
///
/// A start is durable when its future resolves, everything later within about 100 ms: written to the operating system,
/// so that it survives the process being killed. [`close`](Sqlite::close) before the process leaves. Dropping the last
/// clone also has everything written, but nobody waits for it.
#[derive(Clone)]
pub struct Sqlite(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// `None` when another process does the recording.
    queue: Option<Arc<Queue>>,
    /// There with the queue.
    admission: Option<Arc<Mutex<Admission>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    readers: Readers,
    touched: Mutex<Touched>,
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

    /// Opens or creates the database at `path` beside a gateway that may be running: to read what was recorded, and to
    /// manage accounts. It records nothing: starts are refused, records ignored. Blocks.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened or was made by a newer version.
    pub fn open_reader(path: &Path) -> Result<Sqlite, RecordError> {
        drop(schema::open(path)?);
        Ok(Sqlite::new(path, None, None, Vec::new()))
    }

    fn new(
        path: &Path,
        queue: Option<Arc<Queue>>,
        admission: Option<Arc<Mutex<Admission>>>,
        threads: Vec<JoinHandle<()>>,
    ) -> Sqlite {
        Sqlite(Arc::new(Inner {
            path: path.to_owned(),
            queue,
            admission,
            threads: Mutex::new(threads),
            readers: Readers::new(path.to_owned()),
            touched: Mutex::default(),
        }))
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
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let left = tokio::task::spawn_blocking(|| threads.into_iter().try_for_each(JoinHandle::join)).await;
        if !matches!(left, Ok(Ok(()))) {
            return Err(RecordError::Store("a thread of the store panicked".into()));
        }
        flushed
    }

    /// Whether the writer runs and its last write succeeded.
    pub fn ready(&self) -> bool {
        self.0.queue.as_ref().is_none_or(|queue| queue.trouble().is_none())
    }

    /// How many records were lost since the database was opened: recorded while the queue was full twice over, after it
    /// was closed, or for an interception whose start had failed.
    pub fn lost(&self) -> u64 {
        self.0.queue.as_ref().map_or(0, |queue| queue.lost())
    }

    /// How many records, starts and ends included, were written since the database was opened.
    pub fn written(&self) -> u64 {
        self.0.queue.as_ref().map_or(0, |queue| queue.written())
    }

    /// How many records wait to be written, and about how many bytes they take.
    pub fn queued(&self) -> (usize, usize) {
        self.0.queue.as_ref().map_or((0, 0), |queue| queue.queued())
    }
}

impl Recorder for Sqlite {
    fn start(&self, start: &Arc<Start>) -> Started {
        let Some((queue, admission)) = self.0.queue.as_ref().zip(self.0.admission.as_ref()) else {
            return Started::ready(Err(RecordError::Closed));
        };
        let (reply, started) = oneshot::channel();
        match queue.start(start, reply) {
            Ok(()) => {
                admit::admit(queue, admission);
                Started::reply(started)
            }
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
