//! What waits to be written: bounded, and cheap for those who fill it.
//!
//! Two lanes under one lock. Starts wait for the [`outbox`](super::outbox) thread, which is woken for them. Everything
//! else waits for the [`writer`](super::writer) thread, which comes by its timer: a wake is a system call, and would
//! cost a record more than writing it.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;
use tokio::{sync::oneshot, time::Instant};

use super::size::{record_bytes, start_bytes};
use crate::{
    RecordError,
    record::{Record, Start},
};

/// Answers a start or a flush.
pub(super) type Reply = oneshot::Sender<Result<(), RecordError>>;

/// Work on the writer's connection.
pub(super) type Job = Box<dyn FnOnce(&Connection) + Send>;

/// A start that waits for the outbox.
pub(super) struct Waiting {
    pub(super) start: Arc<Start>,
    pub(super) bytes: usize,
    pub(super) reply: Reply,
}

/// Something that waits for the writer.
pub(super) struct Entry {
    /// About what it holds in memory.
    pub(super) bytes: usize,
    pub(super) item: Item,
}

pub(super) enum Item {
    /// A start in the outbox, under that number.
    Start(Arc<Start>, u64),
    Record(Arc<Record>),
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    pub(super) entries: usize,
    /// How long records may wait for others.
    pub(super) delay: Duration,
    /// How many make a batch.
    pub(super) batch: usize,
}

/// Shared by the two threads and everyone who records.
pub(super) struct Queue {
    pub(super) limits: Limits,
    state: Mutex<State>,
    urgent: Condvar,
    writer: Condvar,
    /// Up to which number the outbox has become rows.
    pub(super) applied: AtomicU64,
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
pub(super) struct Urgent {
    pub(super) barriers: Vec<Reply>,
    pub(super) closing: bool,
}

/// What the writer takes at once, besides entries.
pub(super) struct Taken {
    pub(super) jobs: Vec<Job>,
    pub(super) flushes: Vec<Reply>,
    pub(super) closing: bool,
    /// Entries have waited long enough, or are enough.
    pub(super) due: bool,
}

/// For those who record.
impl Queue {
    pub(super) fn new(limits: Limits, applied: u64) -> Queue {
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

    /// Queues a start, and wakes the outbox thread.
    pub(super) fn start(&self, start: &Arc<Start>, reply: Reply) -> Result<(), RecordError> {
        let bytes = start_bytes(start);
        let mut state = self.lock();
        if state.phase >= Phase::Closing {
            return Err(RecordError::Closed);
        }
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        if state.queued >= self.limits.entries || state.bytes.saturating_add(bytes) > self.limits.bytes {
            return Err(RecordError::Full);
        }
        state.queued += 1;
        state.bytes += bytes;
        state.starts.push(Waiting { start: start.clone(), bytes, reply });
        self.rouse_outbox(state);
        Ok(())
    }

    /// Queues a record.
    pub(super) fn record(&self, record: &Arc<Record>) {
        let bytes = record_bytes(record);
        let mut state = self.lock();
        // The interception was admitted, and what belongs to it is worth more than a new one: twice the room.
        let full = state.queued >= self.limits.entries.saturating_mul(2)
            || state.bytes.saturating_add(bytes) > self.limits.bytes.saturating_mul(2);
        if full || state.phase == Phase::Closed {
            drop(state);
            self.lose(1);
            return;
        }
        state.queued += 1;
        state.bytes += bytes;
        state.entries.push(Entry { bytes, item: Item::Record(record.clone()) });
        let enough = state.entries.len() == self.limits.batch;
        self.rouse_writer(state, enough);
    }

    /// Has the writer do something. False once it is closing.
    pub(super) fn job(&self, job: Job) -> bool {
        let mut state = self.lock();
        if state.phase >= Phase::Closing {
            return false;
        }
        state.jobs.push(job);
        self.rouse_writer(state, true);
        true
    }

    /// Asks for everything queued so far to be written now.
    pub(super) fn flush(&self, reply: Reply) {
        let mut state = self.lock();
        if state.phase < Phase::Closing {
            state.barriers.push(reply);
            self.rouse_outbox(state);
        }
    }

    /// Asks the threads to write everything and leave. Records are taken until they have.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.phase = if state.phase < Phase::Closing { Phase::Closing } else { state.phase };
        self.rouse_outbox(state);
    }

    /// Why starts are refused at present, if they are.
    pub(super) fn trouble(&self) -> Option<RecordError> {
        let state = self.lock();
        if state.phase >= Phase::Closing { Some(RecordError::Closed) } else { state.failure.clone() }
    }

    /// Entries and bytes not yet written.
    pub(super) fn queued(&self) -> (usize, usize) {
        let state = self.lock();
        (state.queued, state.bytes)
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

/// For the outbox thread.
impl Queue {
    /// Waits for something urgent, and moves the starts into `starts`, which is empty.
    pub(super) fn take_urgent(&self, starts: &mut Vec<Waiting>) -> Urgent {
        let mut state = self.lock();
        while state.starts.is_empty() && state.barriers.is_empty() && state.phase == Phase::Open {
            state.outbox_sleeps = true;
            state = self.urgent.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.outbox_sleeps = false;
        // The two vectors take turns, so that neither is allocated again.
        std::mem::swap(&mut state.starts, starts);
        Urgent { barriers: std::mem::take(&mut state.barriers), closing: state.phase >= Phase::Closing }
    }

    /// Passes durable starts on to the writer. The records of one come only after it was answered: they are behind it.
    pub(super) fn admit(&self, starts: &[Waiting], number: u64) {
        let mut state = self.lock();
        let durable =
            |waiting: &Waiting| Entry { bytes: waiting.bytes, item: Item::Start(waiting.start.clone(), number) };
        state.entries.extend(starts.iter().map(durable));
        let enough = state.entries.len() >= self.limits.batch;
        self.rouse_writer(state, enough);
    }

    /// Passes flushes on to the writer.
    pub(super) fn pass(&self, flushes: Vec<Reply>) {
        let mut state = self.lock();
        state.flushes.extend(flushes);
        self.rouse_writer(state, true);
    }

    /// The outbox thread has left.
    pub(super) fn drained(&self) {
        let mut state = self.lock();
        state.phase = if state.phase < Phase::Drained { Phase::Drained } else { state.phase };
        state.starts.clear();
        state.barriers.clear();
        self.rouse_writer(state, true);
    }
}

/// For the writer.
impl Queue {
    /// Waits until something is due, and moves all entries to the end of `backlog`. `due` is when those that are there
    /// already are.
    pub(super) fn take(&self, backlog: &mut Vec<Entry>, mut due: Option<Duration>) -> Taken {
        let mut state = self.lock();
        let mut timed_out = false;
        while state.jobs.is_empty() && state.flushes.is_empty() && state.phase < Phase::Drained {
            timed_out |= due.is_some_and(|due| due.is_zero()) || state.entries.len() >= self.limits.batch;
            if timed_out {
                break;
            }
            if due.is_none() && !state.entries.is_empty() {
                due = Some(self.limits.delay);
            }
            state = match due {
                None => {
                    state.writer_sleeps = Sleep::Idle;
                    self.writer.wait(state).unwrap_or_else(PoisonError::into_inner)
                }
                Some(time) => {
                    state.writer_sleeps = Sleep::Timer;
                    let (guard, timeout) =
                        self.writer.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner);
                    timed_out = timeout.timed_out();
                    guard
                }
            };
        }
        state.writer_sleeps = Sleep::Awake;
        if backlog.is_empty() {
            std::mem::swap(&mut state.entries, backlog);
        } else {
            backlog.append(&mut state.entries);
        }
        Taken {
            jobs: std::mem::take(&mut state.jobs),
            flushes: std::mem::take(&mut state.flushes),
            closing: state.phase >= Phase::Drained,
            due: timed_out,
        }
    }

    /// The writer has left: whatever still waits is lost, and whoever waits learns so.
    pub(super) fn closed(&self) {
        let mut state = self.lock();
        state.phase = Phase::Closed;
        let left = std::mem::take(&mut state.entries);
        state.jobs.clear();
        state.flushes.clear();
        self.rouse_outbox(state);
        if !left.is_empty() {
            self.lose(left.len() as u64);
        }
    }
}

/// For both threads.
impl Queue {
    /// Makes room for what was written or given up, and notes how that went.
    pub(super) fn release(&self, entries: usize, bytes: usize, failure: Option<RecordError>) {
        let mut state = self.lock();
        state.queued = state.queued.saturating_sub(entries);
        state.bytes = state.bytes.saturating_sub(bytes);
        state.failure = failure;
    }

    /// Counts records that were written.
    pub(super) fn wrote(&self, records: u64) {
        self.written.fetch_add(records, Ordering::Relaxed);
    }

    /// Counts records that will never be written, and says so once a minute.
    pub(super) fn lose(&self, records: u64) {
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
