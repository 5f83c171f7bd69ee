//! How everything but recording gets at the database: reads on connections of their own, writes on the writer's.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{Semaphore, oneshot};

use super::{
    Sqlite,
    schema::{self, store},
};
use crate::RecordError;

/// How many reads may run at once.
const READERS: usize = 4;

/// Connections that only read.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Readers {
        Readers { path, idle: Mutex::default(), permits: Arc::new(Semaphore::new(READERS)) }
    }

    fn run<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, RecordError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let db = match kept {
            Some(db) => db,
            None => schema::open_query_only(&self.path)?,
        };
        // One moment for all statements of the read.
        let result = db.unchecked_transaction().and_then(|tx| read(&tx)).map_err(store);
        // A connection that failed is not used again.
        if result.is_ok() {
            idle().push(db);
        }
        result
    }
}

impl Sqlite {
    /// Reads, off the async threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, RecordError> {
        let permit = self.0.readers.permits.clone().acquire_owned().await.map_err(|_| RecordError::Closed)?;
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let result = store.0.readers.run(read);
            drop(permit);
            result
        });
        done.await.map_err(|error| RecordError::Store(error.to_string()))?
    }

    /// Writes in one transaction: between two batches of the writer, or beside the gateway that has one.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, RecordError> {
        let Some(queue) = &self.0.queue else {
            let path = self.0.path.clone();
            let done = tokio::task::spawn_blocking(move || transaction(&schema::open(&path)?, write));
            return done.await.map_err(|error| RecordError::Store(error.to_string()))?;
        };
        let (reply, written) = oneshot::channel();
        queue.job(Box::new(move |db| {
            reply.send(transaction(db, write)).ok();
        }));
        // A job that was refused has dropped its reply.
        written.await.unwrap_or(Err(RecordError::Closed))
    }
}

fn transaction<T>(db: &Connection, write: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, RecordError> {
    let tx = Transaction::new_unchecked(db, TransactionBehavior::Immediate).map_err(store)?;
    let result = write(&tx).map_err(store)?;
    tx.commit().map_err(store)?;
    Ok(result)
}
