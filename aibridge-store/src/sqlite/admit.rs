//! Making starts durable: by whoever starts if nobody else is at it, otherwise by a thread that waits for nothing but
//! the outbox.
//!
//! An append goes to the operating system's cache and takes a few microseconds, less than waking a thread and being
//! woken by it. When appends turn out to be slow, for a disk that is behind, the thread does all of them for a while, so
//! that no caller is held up.

use std::sync::{Arc, Mutex, PoisonError, TryLockError, atomic::Ordering};

use tokio::time::{Duration, Instant};

use super::{
    outbox::Outbox,
    queue::{Queue, Waiting},
    start::encode,
};
use crate::RecordError;

/// An append that takes longer is slow.
const SLOW: Duration = Duration::from_millis(2);
/// How long callers leave appending to the thread after a slow one.
const REST: Duration = Duration::from_secs(1);

/// The outbox, and what admits starts to it.
pub(super) struct Admission {
    outbox: Outbox,
    starts: Vec<Waiting>,
    errors: Errors,
    slow_until: Option<Instant>,
}

impl Admission {
    pub(super) fn new(outbox: Outbox) -> Admission {
        Admission { outbox, starts: Vec::new(), errors: Errors::default(), slow_until: None }
    }

    /// Makes all of `starts` durable by one write and answers them.
    fn admit(&mut self, queue: &Queue, starts: &mut Vec<Waiting>) {
        if starts.is_empty() {
            return;
        }
        let begun = Instant::now();
        let applied = queue.applied.load(Ordering::Acquire);
        let written =
            self.outbox.append(applied, |buffer| encode(buffer, starts.iter().map(|waiting| &*waiting.start)));
        self.slow_until = (begun.elapsed() > SLOW).then(|| begun + REST).or(self.slow_until);
        match written {
            Ok(number) => {
                queue.admit(starts, number);
                for waiting in starts.drain(..) {
                    waiting.reply.send(Ok(())).ok();
                }
            }
            Err(error) => {
                self.errors.note(&error);
                let refusal = RecordError::Store(error.to_string());
                queue.release(starts.len(), starts.iter().map(|waiting| waiting.bytes).sum(), None);
                for waiting in starts.drain(..) {
                    waiting.reply.send(Err(refusal.clone())).ok();
                }
            }
        }
    }

    /// Whether a caller would be held up.
    fn is_slow(&self) -> bool {
        self.slow_until.is_some_and(|until| Instant::now() < until)
    }
}

/// Admits the starts that wait in `queue`, or leaves them to whoever is at it, or to the thread.
pub(super) fn admit(queue: &Queue, admission: &Mutex<Admission>) {
    // Whoever appends looks again when it is done, and sees what was queued before its lock was found taken.
    while queue.has_starts() {
        let mut admission = match admission.try_lock() {
            Ok(admission) => admission,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if admission.is_slow() {
            return queue.hand_over();
        }
        let mut starts = std::mem::take(&mut admission.starts);
        queue.take_starts(&mut starts);
        admission.admit(queue, &mut starts);
        admission.starts = starts;
    }
}

/// Runs until the queue is closing.
fn run(queue: &Queue, admission: &Mutex<Admission>) {
    let drained = Drained(queue);
    let mut starts = Vec::new();
    loop {
        let urgent = queue.take_urgent(&mut starts);
        // Also without starts: a flush waits for those that a caller is admitting.
        admission.lock().unwrap_or_else(PoisonError::into_inner).admit(queue, &mut starts);
        if !urgent.barriers.is_empty() {
            queue.pass(urgent.barriers);
        }
        if urgent.closing {
            break;
        }
    }
    drop(drained);
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
pub(super) fn spawn(
    queue: Arc<Queue>,
    admission: Arc<Mutex<Admission>>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("aibridge-outbox".into()).spawn(move || run(&queue, &admission))
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

    #[test]
    fn starts_that_wait_together_share_a_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let admission = Mutex::new(Admission::new(Outbox::open(&path, 0).unwrap()));
        let (queue, replies) = queued(10);
        admit(&queue, &admission);
        for mut reply in replies {
            assert_eq!(reply.try_recv(), Ok(Ok(())));
        }
        assert_eq!(outbox::read(&path, 0).unwrap().0.len(), 1);
        assert_eq!(queue.queued().0, 10);
    }

    #[test]
    fn starts_are_left_to_others_while_another_appends_or_the_disk_is_slow() {
        let dir = tempfile::tempdir().unwrap();
        let admission = Mutex::new(Admission::new(Outbox::open(&dir.path().join("db"), 0).unwrap()));
        let (queue, mut replies) = queued(1);
        let busy = admission.lock().unwrap();
        admit(&queue, &admission);
        assert!(replies[0].try_recv().is_err(), "it waits for whoever is at it");
        drop(busy);
        admission.lock().unwrap().slow_until = Some(Instant::now() + REST);
        admit(&queue, &admission);
        assert!(replies[0].try_recv().is_err(), "it waits for the thread");
        admission.lock().unwrap().slow_until = None;
        admit(&queue, &admission);
        assert_eq!(replies[0].try_recv(), Ok(Ok(())));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn starts_that_could_not_be_made_durable_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        // A device that takes no byte.
        std::os::unix::fs::symlink("/dev/full", dir.path().join("db-outbox0")).unwrap();
        let admission = Mutex::new(Admission::new(Outbox::open(&path, 0).unwrap()));
        let (queue, replies) = queued(2);
        admit(&queue, &admission);
        for mut reply in replies {
            let reply = reply.try_recv().unwrap();
            assert!(matches!(reply, Err(RecordError::Store(_))), "{reply:?}");
        }
        assert_eq!(queue.queued(), (0, 0));
    }
}
