//! What waits for the writer: bounded, and cheap for those who fill it.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;
use serde_json::{Map, Value};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    RecordError,
    record::{Record, Start},
};

/// Answers a start or a flush.
pub(super) type Reply = oneshot::Sender<Result<(), RecordError>>;

/// Work on the writer's connection.
pub(super) type Job = Box<dyn FnOnce(&Connection) + Send>;

/// One thing that waits.
pub(super) struct Entry {
    /// About what it holds in memory.
    pub(super) bytes: usize,
    pub(super) item: Item,
}

pub(super) enum Item {
    /// A start nobody has answered yet.
    Start(Arc<Start>, Reply),
    /// A start in the outbox, under that number.
    Durable(Arc<Start>, i64),
    Record(Arc<Record>),
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    pub(super) entries: usize,
    /// How long what is not urgent may wait.
    pub(super) delay: Duration,
    /// How many make a batch.
    pub(super) batch: usize,
}

/// Shared by the writer and everyone who records.
pub(super) struct Queue {
    pub(super) limits: Limits,
    state: Mutex<State>,
    wake: Condvar,
    lost: AtomicU64,
    written: AtomicU64,
    healthy: AtomicBool,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    jobs: Vec<Job>,
    flushes: Vec<Reply>,
    /// Of the entries, those that are starts.
    starts: usize,
    /// Everything not yet written, including what the writer has taken.
    queued: usize,
    bytes: usize,
    /// Whether the writer has to be woken, and by what.
    sleep: Sleep,
    closing: bool,
    closed: bool,
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

/// What the writer takes at once.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) jobs: Vec<Job>,
    pub(super) flushes: Vec<Reply>,
    pub(super) closing: bool,
    /// What is not urgent has waited long enough, or is enough.
    pub(super) due: bool,
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Queue {
        Queue {
            limits,
            state: Mutex::default(),
            wake: Condvar::new(),
            lost: AtomicU64::new(0),
            written: AtomicU64::new(0),
            healthy: AtomicBool::new(true),
        }
    }

    /// Queues a start, which wakes the writer.
    pub(super) fn start(&self, start: &Arc<Start>, reply: Reply) -> Result<(), RecordError> {
        let bytes = start_bytes(start);
        let mut state = self.lock();
        if state.closing {
            return Err(RecordError::Closed);
        }
        if state.queued >= self.limits.entries || state.bytes.saturating_add(bytes) > self.limits.bytes {
            return Err(RecordError::Full);
        }
        state.push(bytes, Item::Start(start.clone(), reply));
        state.starts += 1;
        self.rouse(state, Sleep::Timer);
        Ok(())
    }

    /// Queues a record, for which the writer is not woken while its timer runs.
    pub(super) fn record(&self, record: &Arc<Record>) {
        let bytes = record_bytes(record);
        let mut state = self.lock();
        // The interception was admitted, and what belongs to it is worth more than a new one: twice the room.
        let full = state.queued >= self.limits.entries.saturating_mul(2)
            || state.bytes.saturating_add(bytes) > self.limits.bytes.saturating_mul(2);
        if full || state.closed {
            drop(state);
            self.lose(1);
            return;
        }
        state.push(bytes, Item::Record(record.clone()));
        let enough = state.entries.len() == self.limits.batch;
        self.rouse(state, if enough { Sleep::Timer } else { Sleep::Idle });
    }

    /// Has the writer do something. False once it is closing.
    pub(super) fn job(&self, job: Job) -> bool {
        let mut state = self.lock();
        if state.closing {
            return false;
        }
        state.jobs.push(job);
        self.rouse(state, Sleep::Timer);
        true
    }

    /// Asks for everything queued so far to be written now.
    pub(super) fn flush(&self, reply: Reply) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.flushes.push(reply);
        self.rouse(state, Sleep::Timer);
    }

    /// Asks the writer to write everything and leave. Records are taken until it has.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closing = true;
        self.rouse(state, Sleep::Timer);
    }

    /// The writer has left: whatever still waits is lost, and whoever waits learns so.
    pub(super) fn closed(&self) {
        let mut state = self.lock();
        state.closing = true;
        state.closed = true;
        let left = std::mem::take(&mut state.entries);
        state.jobs.clear();
        state.flushes.clear();
        drop(state);
        self.healthy.store(false, Ordering::Relaxed);
        if !left.is_empty() {
            self.lose(left.len() as u64);
        }
    }

    /// Waits until something is urgent, or `due` has come, and moves everything to the end of `backlog`.
    pub(super) fn take(&self, backlog: &mut Vec<Entry>, due: Option<Duration>) -> Taken {
        let mut state = self.lock();
        let mut due = due;
        let mut timed_out = false;
        while !state.urgent() {
            timed_out |= due.is_some_and(|due| due.is_zero()) || state.entries.len() >= self.limits.batch;
            if timed_out {
                break;
            }
            // Entries that nobody was woken for are as old as the writer's last look, at most.
            if due.is_none() && !state.entries.is_empty() {
                due = Some(self.limits.delay);
            }
            state = match due {
                None => {
                    state.sleep = Sleep::Idle;
                    self.wake.wait(state).unwrap_or_else(PoisonError::into_inner)
                }
                Some(time) => {
                    state.sleep = Sleep::Timer;
                    let (guard, timeout) = self.wake.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner);
                    timed_out = timeout.timed_out();
                    if timed_out {
                        due = Some(Duration::ZERO);
                    }
                    guard
                }
            };
        }
        state.sleep = Sleep::Awake;
        state.starts = 0;
        backlog.append(&mut state.entries);
        Taken {
            jobs: std::mem::take(&mut state.jobs),
            flushes: std::mem::take(&mut state.flushes),
            closing: state.closing,
            due: timed_out,
        }
    }

    /// Makes room for what was written, or given up.
    pub(super) fn release(&self, entries: usize, bytes: usize) {
        let mut state = self.lock();
        state.queued = state.queued.saturating_sub(entries);
        state.bytes = state.bytes.saturating_sub(bytes);
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

    pub(super) fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::Relaxed);
    }

    pub(super) fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    pub(super) fn lost_total(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn written_total(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Entries and bytes not yet written.
    pub(super) fn queued(&self) -> (usize, usize) {
        let state = self.lock();
        (state.queued, state.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the writer if it sleeps at least as lightly as `sleep`: a wake is a system call, and half of a start's cost.
    fn rouse(&self, mut state: MutexGuard<'_, State>, lightest: Sleep) {
        let wake = match state.sleep {
            Sleep::Awake => false,
            Sleep::Timer => lightest == Sleep::Timer,
            Sleep::Idle => true,
        };
        if wake {
            state.sleep = Sleep::Awake;
            drop(state);
            self.wake.notify_one();
        }
    }
}

impl State {
    fn push(&mut self, bytes: usize, item: Item) {
        self.entries.push(Entry { bytes, item });
        self.queued += 1;
        self.bytes += bytes;
    }

    fn urgent(&self) -> bool {
        self.starts > 0 || !self.jobs.is_empty() || !self.flushes.is_empty() || self.closing
    }
}

/// The allocation, the entry and the like.
const OVERHEAD: usize = 64;

fn start_bytes(start: &Start) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    OVERHEAD
        + size_of::<Start>()
        + start.provider.len()
        + start.provider_name.len()
        + start.model.len()
        + start.requested_model.len()
        + start.credential_hint.len()
        + optional(&start.api_key_id)
        + optional(&start.user_agent)
        + optional(&start.client_session_id)
        + optional(&start.agent_id)
        + optional(&start.parent_agent_id)
        + optional(&start.correlating_tool_call_id)
        + map_bytes(&start.metadata)
}

fn record_bytes(record: &Record) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let held = match record {
        Record::UserPrompt(r) => r.prompt.len() + optional(&r.provider_response_id) + map_bytes(&r.metadata),
        Record::TokenUsage(r) => optional(&r.provider_response_id) + map_bytes(&r.metadata),
        Record::ToolUsage(r) => {
            optional(&r.provider_response_id)
                + optional(&r.provider_tool_call_id)
                + optional(&r.provider_item_id)
                + optional(&r.server_url)
                + r.tool.len()
                + value_bytes(&r.input)
                + optional(&r.invocation_error)
                + map_bytes(&r.metadata)
        }
        Record::ModelThought(r) => r.content.len() + map_bytes(&r.metadata),
        Record::End(r) => {
            optional(&r.error_type) + optional(&r.error_message) + optional(&r.credential_hint) + map_bytes(&r.metadata)
        }
    };
    OVERHEAD + size_of::<Record>() + held
}

fn map_bytes(map: &Map<String, Value>) -> usize {
    map.iter().map(|(key, value)| OVERHEAD + key.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(value_bytes).sum(),
            Value::Object(map) => map_bytes(map),
            _ => 0,
        }
}
