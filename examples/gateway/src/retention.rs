//! Removes records that are older than they may be kept.

use std::time::Duration;

use aibridge_store::sqlite::Sqlite;
use chrono::{TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

/// How often old records are looked for.
const EVERY: Duration = Duration::from_secs(600);

/// Removes, until `stop`, what began longer ago than `keep`.
pub(crate) async fn run(store: Sqlite, keep: Duration, stop: CancellationToken) {
    let keep = TimeDelta::from_std(keep).unwrap_or(TimeDelta::MAX);
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let Some(before) = Utc::now().checked_sub_signed(keep) else { return };
        match store.purge(before).await {
            Ok(purged) if purged.interceptions > 0 => {
                tracing::info!(interceptions = purged.interceptions, "records past their retention were removed");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "records past their retention could not be removed"),
        }
    }
}
