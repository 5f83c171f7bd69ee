//! What waits to be written: bounded, and cheap for those who fill it.
//!
//! Two lanes under one lock. Starts wait for the [`outbox`](super::outbox) thread, which is woken for them. Everything
//! else waits for the [`writer`](super::writer) thread, which comes by its timer: a wake is a system call, and would
//! cost a record more than writing it.

mod recording;
mod threads;

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    RecordError,
    record::{Record, Start},
};

/// Answers a start or a flush.
pub(in crate::sqlite) type Reply = oneshot::Sender<Result<(), RecordError>>;

/// Work on the writer's connection.
pub(in crate::sqlite) type Job = Box<dyn FnOnce(&Connection) + Send>;

/// A start that waits for the outbox.
pub(in crate::sqlite) struct Waiting {
    pub(in crate::sqlite) start: Arc<Start>,
    pub(in crate::sqlite) bytes: usize,
    pub(in crate::sqlite) reply: Reply,
}

/// Something that waits for the writer.
pub(in crate::sqlite) struct Entry {
    /// About what it holds in memory.
    pub(in crate::sqlite) bytes: usize,
    pub(in crate::sqlite) item: Item,
}

pub(in crate::sqlite) enum Item {
    /// A start in the outbox, under that number.
    Start(Arc<Start>, u64),
    Record(Arc<Record>),
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(in crate::sqlite) struct Limits {
    pub(in crate::sqlite) bytes: usize,
    pub(in crate::sqlite) entries: usize,
    /// How long records may wait for others.
    pub(in crate::sqlite) delay: Duration,
    /// How many make a batch.
    pub(in crate::sqlite) batch: usize,
}

/// Shared by the two threads and everyone who records.
pub(in crate::sqlite) struct Queue {
    pub(in crate::sqlite) limits: Limits,
    state: Mutex<State>,
    urgent: Condvar,
    writer: Condvar,
    /// Up to which number the outbox has become rows.
    pub(in crate::sqlite) applied: AtomicU64,
    lost: AtomicU64,
    written: AtomicU64,
}

#[derive(Default)]
struct State {
    starts: Vec<Waiting>,
    /// Flushes that the outbox thread has still to pass on, behind the starts before them.
    barriers: Vec<Reply>,
    entries: Vec<Entry>,
    jobs: Vec<Job>,
    flushes: Vec<Reply>,
    /// Everything not yet written, including what the threads have taken.
    queued: usize,
    bytes: usize,
    outbox_sleeps: bool,
    writer_sleeps: Sleep,
    /// What the store's last write said, if it failed.
    failure: Option<RecordError>,
    phase: Phase,
    warned: Option<Instant>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Sleep {
    #[default]
    Awake,
    /// Until something urgent comes, or its timer.
    Timer,
    /// Until anything comes.
    Idle,
}

/// The threads leave one after the other.
#[derive(Clone, Copy, Default, PartialEq, PartialOrd)]
enum Phase {
    #[default]
    Open,
    /// Starts are refused.
    Closing,
    /// The outbox thread has left: the writer may.
    Drained,
    /// Both have left.
    Closed,
}

/// What the outbox thread takes at once.
pub(in crate::sqlite) struct Urgent {
    pub(in crate::sqlite) barriers: Vec<Reply>,
    pub(in crate::sqlite) closing: bool,
}

/// What the writer takes at once, besides entries.
pub(in crate::sqlite) struct Taken {
    pub(in crate::sqlite) jobs: Vec<Job>,
    pub(in crate::sqlite) flushes: Vec<Reply>,
    pub(in crate::sqlite) closing: bool,
    /// Entries have waited long enough, or are enough.
    pub(in crate::sqlite) due: bool,
}

impl Queue {
    pub(in crate::sqlite) fn new(limits: Limits, applied: u64) -> Queue {
        Queue {
            limits,
            state: Mutex::default(),
            urgent: Condvar::new(),
            writer: Condvar::new(),
            applied: AtomicU64::new(applied),
            lost: AtomicU64::new(0),
            written: AtomicU64::new(0),
        }
    }

    /// Makes room for what was written or given up, and notes how that went.
    pub(in crate::sqlite) fn release(&self, entries: usize, bytes: usize, failure: Option<RecordError>) {
        let mut state = self.lock();
        state.queued = state.queued.saturating_sub(entries);
        state.bytes = state.bytes.saturating_sub(bytes);
        state.failure = failure;
    }

    /// Counts records that were written.
    pub(in crate::sqlite) fn wrote(&self, records: u64) {
        self.written.fetch_add(records, Ordering::Relaxed);
    }

    /// Counts records that will never be written, and says so once a minute.
    pub(in crate::sqlite) fn lose(&self, records: u64) {
        let lost = self.lost.fetch_add(records, Ordering::Relaxed) + records;
        let mut state = self.lock();
        let now = Instant::now();
        if state.warned.is_none_or(|at| now.duration_since(at) >= Duration::from_secs(60)) {
            state.warned = Some(now);
            drop(state);
            tracing::warn!(lost, "records are being lost");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rouse_outbox(&self, mut state: MutexGuard<'_, State>) {
        if std::mem::take(&mut state.outbox_sleeps) {
            drop(state);
            self.urgent.notify_one();
        }
    }

    /// Wakes the writer when it sleeps for good, or at all if this is urgent.
    fn rouse_writer(&self, mut state: MutexGuard<'_, State>, urgent: bool) {
        let wake = match state.writer_sleeps {
            Sleep::Awake => false,
            Sleep::Timer => urgent,
            Sleep::Idle => true,
        };
        if wake {
            state.writer_sleeps = Sleep::Awake;
            drop(state);
            self.writer.notify_one();
        }
    }
}
