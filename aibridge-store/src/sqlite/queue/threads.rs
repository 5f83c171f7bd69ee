//! The queue as its two threads see it.

use std::{sync::PoisonError, time::Duration};

use super::{Entry, Item, Phase, Queue, Reply, Sleep, Taken, Urgent, Waiting};

/// For the outbox thread.
impl Queue {
    /// Waits for something urgent, and moves the starts into `starts`, which is empty.
    pub(in crate::sqlite) fn take_urgent(&self, starts: &mut Vec<Waiting>) -> Urgent {
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
    pub(in crate::sqlite) fn admit(&self, starts: &[Waiting], number: u64) {
        let mut state = self.lock();
        let durable =
            |waiting: &Waiting| Entry { bytes: waiting.bytes, item: Item::Start(waiting.start.clone(), number) };
        state.entries.extend(starts.iter().map(durable));
        let enough = state.entries.len() >= self.limits.batch;
        self.rouse_writer(state, enough);
    }

    /// Passes flushes on to the writer.
    pub(in crate::sqlite) fn pass(&self, flushes: Vec<Reply>) {
        let mut state = self.lock();
        state.flushes.extend(flushes);
        self.rouse_writer(state, true);
    }

    /// The outbox thread has left.
    pub(in crate::sqlite) fn drained(&self) {
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
    pub(in crate::sqlite) fn take(&self, backlog: &mut Vec<Entry>, mut due: Option<Duration>) -> Taken {
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
    pub(in crate::sqlite) fn closed(&self) {
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
