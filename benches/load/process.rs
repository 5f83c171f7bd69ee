//! A child process and what it costs, from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// A child that is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    id: u32,
}

impl Process {
    /// Starts the command; it is given nothing to read.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{:?} does not start", command.as_std().get_program()))?;
        let id = child.id().context("the child has already ended")?;
        Ok(Self { child, id })
    }

    /// Waits until the address accepts connections, for at most 20 seconds.
    pub(crate) async fn ready(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("the child ended instead of listening on {address}: {status}");
            }
            if TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        bail!("the child does not listen on {address} after 20 seconds")
    }

    /// Stops the child and waits for its end.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    /// The CPU time spent so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        let mut threads = HashMap::new();
        for entry in fs::read_dir(format!("/proc/{}/task", self.id))? {
            let path = entry?.path();
            // A thread may end between the listing and the reading.
            if let Ok(text) = fs::read_to_string(path.join("schedstat")) {
                threads.insert(path, number(&text, 0)?);
            }
        }
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id))?;
        // The name, in parentheses, may hold spaces; user and system time are 11 and 12 fields behind it.
        let (_, fields) = stat.rsplit_once(") ").context("stat is not understood")?;
        Ok(Cpu { threads, ticks: number(fields, 11)? + number(fields, 12)? })
    }

    /// Resident memory in KiB.
    pub(crate) fn rss(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("status has no VmRSS")?;
        number(line, 0)
    }
}

fn number(text: &str, field: usize) -> anyhow::Result<u64> {
    text.split_whitespace().nth(field).context("a field is missing")?.parse().context("a field is not a number")
}

/// CPU time of a process at one moment.
#[derive(Debug)]
pub(crate) struct Cpu {
    /// Nanoseconds of each living thread, exact.
    threads: HashMap<std::path::PathBuf, u64>,
    /// Of the whole process with the threads that have ended, in ticks of ten milliseconds.
    ticks: u64,
}

impl Cpu {
    /// What was spent since `earlier`. Exact, unless threads have ended in between: then it is in whole ticks.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let spent = |(thread, now): (_, &u64)| now.saturating_sub(earlier.threads.get(thread).copied().unwrap_or(0));
        let exact = Duration::from_nanos(self.threads.iter().map(spent).sum());
        let ticked = Duration::from_millis(self.ticks.saturating_sub(earlier.ticks) * 10);
        if ticked > exact + Duration::from_millis(20) { ticked } else { exact }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(threads: &[(&str, u64)], ticks: u64) -> Cpu {
        Cpu { threads: threads.iter().map(|&(name, spent)| (name.into(), spent)).collect(), ticks }
    }

    #[test]
    fn cpu_is_exact_while_threads_live() {
        let before = cpu(&[("1", 5_000_000), ("2", 1_000_000)], 1);
        let after = cpu(&[("1", 9_000_000), ("2", 1_500_000), ("3", 250_000)], 2);
        assert_eq!(after.since(&before), Duration::from_micros(4_750));
    }

    #[test]
    fn time_of_threads_that_ended_is_counted_in_ticks() {
        let before = cpu(&[("1", 5_000_000), ("2", 900_000_000)], 91);
        let after = cpu(&[("1", 9_000_000)], 141);
        assert_eq!(after.since(&before), Duration::from_millis(500));
    }

    #[tokio::test]
    async fn own_process_has_memory_and_time() {
        let child = Process::start(Command::new("sleep").arg("60")).expect("sleep is everywhere");
        assert!(child.rss().expect("status is readable") > 0);
        let (first, second) = (child.cpu().expect("readable"), child.cpu().expect("readable"));
        assert!(second.since(&first) < Duration::from_secs(1));
        child.stop().await.expect("it can be killed");
    }
}
