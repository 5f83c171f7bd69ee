//! Opening the database for a gateway.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::Utc;
use rusqlite::{Connection, TransactionBehavior, params};

use super::{
    Sqlite,
    admit::{self, Admission},
    outbox,
    outbox::Outbox,
    queue::{Limits, Queue},
    schema,
    schema::store,
    start::StartRow,
    statements::Statements,
    text::Stamp,
    writer,
};
use crate::{RecordError, record::Outcome};

/// The `error_type` of an interception that a killed gateway left without an end.
pub const INTERRUPTED: &str = "interrupted";

/// How much may wait for the database, and for how long.
#[derive(Clone, Debug)]
pub struct SqliteOptions(Limits);

impl Default for SqliteOptions {
    fn default() -> SqliteOptions {
        SqliteOptions(Limits { bytes: 64 << 20, entries: 100_000, delay: Duration::from_millis(100), batch: 4096 })
    }
}

impl SqliteOptions {
    /// 64 MiB, 100,000 records, 100 ms, batches of 4096.
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

    /// How long what is not urgent may wait to be written with others; at most a second. Default 100 ms.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> SqliteOptions {
        self.0.delay = delay.min(Duration::from_secs(1));
        self
    }

    /// How many records are written at once. Default 4096.
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
        // In pages: 16 MiB. Fewer and larger checkpoints write a page that changes often less often.
        db.pragma_update(None, "wal_autocheckpoint", 2_000).map_err(store)?;
        let number = recover(&mut db, path)?;
        let outbox = Outbox::open(path, number).map_err(io)?;
        let queue = Arc::new(Queue::new(self.0, number));
        let admission = Arc::new(Mutex::new(Admission::new(outbox)));
        let threads = vec![
            writer::spawn(db, queue.clone(), lock).map_err(io)?,
            // When this one cannot be started, the other leaves with the queue.
            admit::spawn(queue.clone(), admission.clone()).inspect_err(|_| queue.drained()).map_err(io)?,
        ];
        Ok(Sqlite::new(path, Some(queue), Some(admission), threads))
    }
}

/// Keeps a second gateway away: two would each close the other's running interceptions. The lock goes with the process.
fn lock(path: &Path) -> Result<File, RecordError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = options().create(true).truncate(false).write(true).open(&name).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(RecordError::Store(format!("another gateway has {} open", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// Turns what a killed gateway left in the outbox into rows, and closes what it left without an end. Returns the
/// outbox's last number.
fn recover(db: &mut Connection, path: &Path) -> Result<u64, RecordError> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store)?;
    let applied: i64 = tx.query_row("SELECT applied FROM aibridge_outbox", [], |row| row.get(0)).map_err(store)?;
    let (groups, number) = outbox::read(path, applied.cast_unsigned()).map_err(io)?;
    let mut statements = Statements::new(&tx).map_err(store)?;
    for group in groups {
        let starts: Vec<StartRow<'static>> =
            serde_json::from_slice(&group).map_err(|error| RecordError::Store(format!("the outbox: {error}")))?;
        for start in &starts {
            statements.start(start, None).map_err(store)?;
        }
    }
    statements.applied(number).map_err(store)?;
    drop(statements);
    let closed = tx
        .execute(
            "UPDATE aibridge_interceptions INDEXED BY aibridge_interceptions_running \
             SET ended_at = ?, outcome = ?, error_type = ? WHERE ended_at IS NULL",
            params![Stamp::new(Utc::now()), Outcome::GatewayError.as_str(), INTERRUPTED],
        )
        .map_err(store)?;
    tx.commit().map_err(store)?;
    if closed > 0 {
        tracing::warn!(interceptions = closed, "closed interceptions that an earlier run left without an end");
    }
    Ok(number)
}

/// Creates a file that only its owner may read, prompts being in it; SQLite makes its other files alike. One that exists
/// stays as it is.
pub(super) fn private(path: &Path) -> std::io::Result<()> {
    options().create(true).append(true).open(path).map(drop)
}

/// How files are created.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

pub(super) fn io(error: std::io::Error) -> RecordError {
    RecordError::Store(error.to_string())
}
