//! Memory per open stream: what the resident set grows by when many streams wait for their second event.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::{sleep, timeout};

use crate::call::Call;
use crate::http1::Connection;
use crate::loads::Load;
use crate::subject::{Environment, Subject};

/// Without huge pages, which mimalloc asks for: with them the resident set grows by two MiB for the first byte that is
/// written in them, and shows how the allocator lays things out instead of what a stream needs.
pub(crate) const ENVIRONMENT: Environment = &[("MIMALLOC_ALLOW_THP", "0")];

/// Opened and closed first, so that what is allocated once is not counted.
const WARM_UP: usize = 50;

/// KiB per open stream. The subject should have done nothing before: memory that it has freed would be used again.
///
/// # Errors
///
/// When a stream does not open.
pub(crate) async fn per_stream(subject: &Subject, load: &Load) -> anyhow::Result<f64> {
    let call = Call::new(&subject.endpoint, load.fields, &load.body, load.expected);
    drop(open(subject, &call, WARM_UP).await?);
    sleep(Duration::from_millis(500)).await;
    let before = subject.process.rss()?;
    let streams = open(subject, &call, load.callers).await?;
    sleep(Duration::from_millis(500)).await;
    let after = subject.process.rss()?;
    Ok(after.saturating_sub(before) as f64 / streams.len() as f64)
}

async fn open(subject: &Subject, call: &Call, count: usize) -> anyhow::Result<Vec<Connection>> {
    let mut streams = Vec::with_capacity(count);
    for number in 0..count {
        let mut connection = Connection::connect(subject.endpoint.address).await?;
        let opened = timeout(Duration::from_secs(10), call.open(&mut connection)).await.context("no event comes");
        opened.and_then(|opened| opened).with_context(|| format!("stream {number} does not open"))?;
        streams.push(connection);
    }
    Ok(streams)
}

/// Fails when a process may not have as many files open as `streams` need.
///
/// # Errors
///
/// With what to do about it.
pub(crate) fn check_open_files(streams: usize) -> anyhow::Result<()> {
    // A socket on either side of the subject, and some for itself.
    let needed = streams * 2 + 200;
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("no limit is stated")?;
    let soft = line.split_whitespace().next().unwrap_or_default();
    let enough = soft == "unlimited" || soft.parse::<usize>().is_ok_and(|soft| soft >= needed);
    ensure!(
        enough,
        "{streams} open streams need {needed} open files per process and the limit is {soft}: \
         run `ulimit -n {needed}` first, or choose other loads with --only"
    );
    Ok(())
}
