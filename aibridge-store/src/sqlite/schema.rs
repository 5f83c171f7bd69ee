//! The schema and its migrations.
//!
//! Tables and columns carry the names of the original, so that dashboards and SQL written for it keep working. Ids are
//! text, timestamps RFC 3339 in UTC with six decimals (they sort as text), durations whole milliseconds, objects JSON.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::open::{io, private};
use crate::RecordError;

/// One script each; never edited once released, only added to. `user_version` counts those applied.
const MIGRATIONS: [&str; 2] = [
    include_str!("../../migrations/sqlite/0001_records.sql"),
    include_str!("../../migrations/sqlite/0002_external_auth_links.sql"),
];

/// How long a connection waits for another one's write.
const BUSY: Duration = Duration::from_secs(5);

/// Opens or creates the database for writing and brings its schema up to date.
pub(super) fn open(path: &Path) -> Result<Connection, RecordError> {
    private(path).map_err(io)?;
    let mut db = connect(path)?;
    migrate(&mut db)?;
    Ok(db)
}

/// Opens an existing database for queries only.
pub(super) fn open_query_only(path: &Path) -> Result<Connection, RecordError> {
    // Opened for writing all the same: a reader may have to recover the WAL that a killed gateway left.
    let db = connect(path)?;
    db.pragma_update(None, "query_only", true).map_err(store)?;
    Ok(db)
}

fn connect(path: &Path) -> Result<Connection, RecordError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(store)?;
    db.busy_timeout(BUSY).map_err(store)?;
    db.set_prepared_statement_cache_capacity(32);
    // Counts for a new database only. Half as many writes as with 4 KiB, and few tables to waste room in.
    db.pragma_update(None, "page_size", 8192).map_err(store)?;
    db.pragma_update(None, "journal_mode", "wal").map_err(store)?;
    // A killed process loses nothing that was committed: the WAL is in the page cache. FULL would add a disk flush to
    // every start to also survive a power failure.
    db.pragma_update(None, "synchronous", "normal").map_err(store)?;
    db.pragma_update(None, "foreign_keys", false).map_err(store)?;
    db.pragma_update(None, "temp_store", "memory").map_err(store)?;
    // KiB, when negative.
    db.pragma_update(None, "cache_size", -16 * 1024).map_err(store)?;
    Ok(db)
}

fn migrate(db: &mut Connection) -> Result<(), RecordError> {
    // Looked at first without a lock, so that opening beside a busy gateway does not wait for it.
    if version(db)? == MIGRATIONS.len() {
        return Ok(());
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store)?;
    let applied = version(&tx)?;
    let Some(missing) = MIGRATIONS.get(applied..) else {
        return Err(RecordError::Store(format!("the database has schema {applied}, newer than this program knows")));
    };
    for script in missing {
        tx.execute_batch(script).map_err(store)?;
    }
    tx.pragma_update(None, "user_version", MIGRATIONS.len() as i64).map_err(store)?;
    tx.commit().map_err(store)
}

fn version(db: &Connection) -> Result<usize, RecordError> {
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(store)?;
    usize::try_from(version).map_err(|_| RecordError::Store(format!("the database has schema {version}")))
}

/// The store's own error for SQLite's.
pub(super) fn store(error: rusqlite::Error) -> RecordError {
    RecordError::Store(error.to_string())
}
