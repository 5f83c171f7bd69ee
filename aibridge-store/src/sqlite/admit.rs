//! The thread that makes starts durable: it waits for nothing but its own file.

use std::sync::{Arc, atomic::Ordering};

use tokio::time::{Duration, Instant};

use super::{
    outbox::Outbox,
    queue::{Queue, Waiting},
    start::encode,
};
use crate::RecordError;

/// Runs until the queue is closing.
fn run(queue: &Queue, mut outbox: Outbox) {
    let drained = Drained(queue);
    let mut starts = Vec::new();
    let mut errors = Errors::default();
    loop {
        let urgent = queue.take_urgent(&mut starts);
        if !starts.is_empty() {
            admit(queue, &mut outbox, &mut starts, &mut errors);
        }
        if !urgent.barriers.is_empty() {
            queue.pass(urgent.barriers);
        }
        if urgent.closing {
            break;
        }
    }
    drop(drained);
}

/// Makes all of `starts` durable by one write and answers them.
fn admit(queue: &Queue, outbox: &mut Outbox, starts: &mut Vec<Waiting>, errors: &mut Errors) {
    let applied = queue.applied.load(Ordering::Acquire);
    let written = outbox.append(applied, |buffer| encode(buffer, starts.iter().map(|waiting| &*waiting.start)));
    match written {
        Ok(number) => {
            queue.admit(starts, number);
            for waiting in starts.drain(..) {
                waiting.reply.send(Ok(())).ok();
            }
        }
        Err(error) => {
            errors.note(&error);
            let refusal = RecordError::Store(error.to_string());
            queue.release(starts.len(), starts.iter().map(|waiting| waiting.bytes).sum(), None);
            for waiting in starts.drain(..) {
                waiting.reply.send(Err(refusal.clone())).ok();
            }
        }
    }
}

/// Also when the thread panics: whoever waits must learn that nobody is coming.
struct Drained<'a>(&'a Queue);

impl Drop for Drained<'_> {
    fn drop(&mut self) {
        self.0.drained();
    }
}

/// Logs errors once a minute.
#[derive(Default)]
pub(super) struct Errors(Option<Instant>);

impl Errors {
    pub(super) fn note(&mut self, error: &dyn std::error::Error) {
        let now = Instant::now();
        if self.0.is_none_or(|at| now.duration_since(at) >= Duration::from_secs(60)) {
            self.0 = Some(now);
            tracing::error!(%error, "the record store failed");
        }
    }
}

/// Starts the thread.
pub(super) fn spawn(queue: Arc<Queue>, outbox: Outbox) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("aibridge-outbox".into()).spawn(move || run(&queue, outbox))
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::sqlite::{outbox, queue::Limits, tests::start};

    fn queued(starts: u128) -> (Queue, Vec<oneshot::Receiver<Result<(), RecordError>>>) {
        let limits = Limits { bytes: 1 << 20, entries: 100, delay: Duration::ZERO, batch: 100 };
        let queue = Queue::new(limits, 0);
        let one = |n| {
            let (reply, started) = oneshot::channel();
            queue.start(&Arc::new(start(n)), reply).unwrap();
            started
        };
        let replies = (0..starts).map(one).collect();
        (queue, replies)
    }

    fn admit_all(queue: &Queue, outbox: &mut Outbox) {
        let mut starts = Vec::new();
        queue.take_urgent(&mut starts);
        admit(queue, outbox, &mut starts, &mut Errors::default());
    }

    #[test]
    fn starts_that_wait_together_share_a_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let mut outbox = Outbox::open(&path, 0).unwrap();
        let (queue, replies) = queued(10);
        admit_all(&queue, &mut outbox);
        for mut reply in replies {
            assert_eq!(reply.try_recv(), Ok(Ok(())));
        }
        assert_eq!(outbox::read(&path, 0).unwrap().0.len(), 1);
        assert_eq!(queue.queued().0, 10);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn starts_that_could_not_be_made_durable_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        // A device that takes no byte.
        std::os::unix::fs::symlink("/dev/full", dir.path().join("db-outbox0")).unwrap();
        let mut outbox = Outbox::open(&path, 0).unwrap();
        let (queue, replies) = queued(2);
        admit_all(&queue, &mut outbox);
        for mut reply in replies {
            let reply = reply.try_recv().unwrap();
            assert!(matches!(reply, Err(RecordError::Store(_))), "{reply:?}");
        }
        assert_eq!(queue.queued(), (0, 0));
    }
}
