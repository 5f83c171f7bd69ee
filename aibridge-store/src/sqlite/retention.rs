//! Removing what is older than it may be kept.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::{Sqlite, text::Stamp};
use crate::RecordError;

/// Interceptions removed at once. With what belongs to them a few thousand rows, and a few milliseconds of the writer.
const SLICE: u32 = 200;

/// What the writer is left alone for between two slices.
const PAUSE: Duration = Duration::from_millis(20);

/// What a purge removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Purged {
    /// Interceptions.
    pub interceptions: u64,
    /// Rows in all, theirs included.
    pub rows: u64,
}

impl Sqlite {
    /// Removes interceptions that started before a moment, and everything that belongs to them: in small batches with a
    /// pause between them, so that recording is never slowed by more than one. Those that still run are left for later.
    ///
    /// # Errors
    ///
    /// When the database cannot be written. What was removed until then stays so.
    pub async fn purge(&self, before: DateTime<Utc>) -> Result<Purged, RecordError> {
        let mut total = Purged::default();
        loop {
            let slice = self.write(move |db| remove(db, before)).await?;
            total.interceptions += slice.interceptions;
            total.rows += slice.rows;
            if slice.interceptions < u64::from(SLICE) {
                return Ok(total);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn remove(db: &Connection, before: DateTime<Utc>) -> rusqlite::Result<Purged> {
    let ids: Vec<(i64, String)> = db
        // What runs is about to be written to: its records would be left behind, and its number may be given away.
        .prepare_cached(
            "SELECT seq, id FROM aibridge_interceptions WHERE started_at < ? AND ended_at IS NOT NULL \
             ORDER BY started_at LIMIT ?",
        )?
        .query_map(params![Stamp::new(before), SLICE], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut rows = 0;
    for table in ["aibridge_token_usages", "aibridge_user_prompts", "aibridge_tool_usages", "aibridge_model_thoughts"] {
        let mut delete = db.prepare_cached(&format!("DELETE FROM {table} WHERE interception_id = ?"))?;
        for (_, id) in &ids {
            rows += delete.execute([id])? as u64;
        }
    }
    let mut delete = db.prepare_cached("DELETE FROM aibridge_interceptions WHERE seq = ?")?;
    for (seq, _) in &ids {
        rows += delete.execute([seq])? as u64;
    }
    Ok(Purged { interceptions: ids.len() as u64, rows })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        Recorder,
        record::Start,
        sqlite::tests::{Place, at, end, ended, prompt, start, thought, tool, usage},
    };

    #[tokio::test]
    async fn what_began_before_goes_with_everything_that_belongs_to_it() {
        let place = Place::new();
        let store = place.open();
        let old = 2 * u128::from(SLICE) + 1;
        for n in 0..old + 3 {
            let started_at = if n < old { at(-1) } else { at(0) };
            store.start(&Arc::new(Start { started_at, ..start(n) })).await.unwrap();
            for record in [prompt(n), usage(n), tool(n, "call"), thought(n), ended(end(n))] {
                store.record(&record);
            }
        }
        store.flush().await.unwrap();
        let purged = store.purge(at(0)).await.unwrap();
        assert_eq!((u128::from(purged.interceptions), u128::from(purged.rows)), (old, old * 5));
        for table in ["interceptions", "token_usages", "user_prompts", "tool_usages", "model_thoughts"] {
            assert_eq!(place.count(&format!("aibridge_{table}")), 3, "{table}");
        }
        assert_eq!(store.purge(at(0)).await, Ok(Purged::default()));
    }

    #[tokio::test]
    async fn what_still_runs_is_kept_until_it_has_ended() {
        let place = Place::new();
        let store = place.open();
        store.start(&Arc::new(Start { started_at: at(-1), ..start(1) })).await.unwrap();
        store.flush().await.unwrap();
        assert_eq!(store.purge(at(0)).await, Ok(Purged::default()));
        store.record(&usage(1));
        store.record(&ended(end(1)));
        store.flush().await.unwrap();
        assert_eq!(store.purge(at(0)).await, Ok(Purged { interceptions: 1, rows: 2 }));
    }
}
