//! Rounds of a closed loop: every caller sends its next request when it has the reply to the last.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::call::{Call, Timing};
use crate::http1::Connection;
use crate::loads::Load;
use crate::subject::Subject;

/// What is left to do after the last reply (records to write) still counts; it is given this long.
const SETTLE: Duration = Duration::from_millis(250);

/// What was measured of one subject under one load.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    timings: Vec<Timing>,
    elapsed: Duration,
    cpu: Duration,
    /// In KiB, after the last round.
    pub(crate) rss: u64,
}

impl Samples {
    /// Runs one more round. All requests that are begun in it are finished and counted, and nothing else runs in
    /// the subject meanwhile, so CPU time and requests belong together exactly.
    ///
    /// # Errors
    ///
    /// When a single call fails, or a reply does not come.
    pub(crate) async fn round(
        &mut self,
        subject: &Subject,
        load: &Load,
        length: Duration,
        warm_up: Duration,
    ) -> anyhow::Result<()> {
        let call = Arc::new(Call::new(&subject.endpoint, load.fields, &load.body, load.expected));
        let mut connections = Vec::with_capacity(load.callers);
        for _ in 0..load.callers {
            connections.push(Connection::connect(subject.endpoint.address).await?);
        }
        let (connections, _) = phase(connections, &call, warm_up, load.stagger).await?;
        sleep(SETTLE).await;

        let (began, before) = (Instant::now(), subject.process.cpu()?);
        let (_connections, timings) = phase(connections, &call, length, load.stagger).await?;
        self.elapsed += began.elapsed();
        sleep(SETTLE).await;
        self.cpu += subject.process.cpu()?.since(&before);
        self.rss = subject.process.rss()?;
        self.timings.extend(timings);
        Ok(())
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        self.timings.len() as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn cpu_micros_per_request(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.timings.len() as f64
    }

    /// The time that this many percent of the requests do not exceed, in milliseconds.
    pub(crate) fn percentile(&self, percent: usize, time: fn(&Timing) -> Duration) -> f64 {
        let mut times: Vec<Duration> = self.timings.iter().map(time).collect();
        times.sort_unstable();
        let rank = (times.len() * percent).div_ceil(100);
        times.get(rank.saturating_sub(1)).copied().unwrap_or_default().as_secs_f64() * 1e3
    }
}

/// Lets every caller begin requests for `length`, and waits for the replies to all of them.
async fn phase(
    connections: Vec<Connection>,
    call: &Arc<Call>,
    length: Duration,
    stagger: Duration,
) -> anyhow::Result<(Vec<Connection>, Vec<Timing>)> {
    let (began, callers) = (Instant::now(), connections.len());
    let mut tasks = JoinSet::new();
    for (number, mut connection) in (0..).zip(connections) {
        let (call, delay) = (Arc::clone(call), stagger.mul_f64(f64::from(number) / callers as f64));
        tasks.spawn(async move {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            let mut timings = Vec::new();
            while began.elapsed() < length {
                timings.push(call.perform(&mut connection).await?);
            }
            anyhow::Ok((connection, timings))
        });
    }
    let (mut connections, mut timings, mut failures) = (Vec::with_capacity(callers), Vec::new(), Vec::new());
    let join = async {
        while let Some(caller) = tasks.join_next().await {
            match caller.map_err(anyhow::Error::from).and_then(|result| result) {
                Ok((connection, more)) => {
                    connections.push(connection);
                    timings.extend(more);
                }
                Err(error) => failures.push(error),
            }
        }
    };
    timeout(length + Duration::from_secs(30), join).await.context("replies are missing after 30 seconds")?;
    match failures.first() {
        Some(first) => Err(anyhow!("{} of {callers} callers failed; the first: {first:#}", failures.len())),
        None => Ok((connections, timings)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let timing = |millis| Timing { first_byte: Duration::ZERO, latency: Duration::from_millis(millis) };
        let samples = Samples { timings: (1..=200).rev().map(timing).collect(), ..Samples::default() };
        let percentile = |percent| samples.percentile(percent, |timing| timing.latency);
        assert_eq!([percentile(50), percentile(99), percentile(100)], [100.0, 198.0, 200.0]);
        assert_eq!(Samples::default().percentile(50, |timing| timing.latency), 0.0);
    }
}
