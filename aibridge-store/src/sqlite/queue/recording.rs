//! The queue as those see it who record, and those who ask about it.

use std::sync::{Arc, atomic::Ordering};

use super::{Entry, Item, Job, Phase, Queue, Reply, Waiting};
use crate::{
    RecordError,
    record::{Record, Start},
    sqlite::size::{record_bytes, start_bytes},
};

impl Queue {
    /// Queues a start, for whoever admits next.
    pub(in crate::sqlite) fn start(&self, start: &Arc<Start>, reply: Reply) -> Result<(), RecordError> {
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
        Ok(())
    }

    /// Whether starts wait to be admitted.
    pub(in crate::sqlite) fn has_starts(&self) -> bool {
        !self.lock().starts.is_empty()
    }

    /// Moves the starts that wait into `starts`, which is empty.
    pub(in crate::sqlite) fn take_starts(&self, starts: &mut Vec<Waiting>) {
        // The two vectors take turns, so that neither is allocated again.
        std::mem::swap(&mut self.lock().starts, starts);
    }

    /// Has the outbox thread admit the starts that wait.
    pub(in crate::sqlite) fn hand_over(&self) {
        self.rouse_outbox(self.lock());
    }

    /// Queues a record.
    pub(in crate::sqlite) fn record(&self, record: &Arc<Record>) {
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
    pub(in crate::sqlite) fn job(&self, job: Job) -> bool {
        let mut state = self.lock();
        if state.phase >= Phase::Closing {
            return false;
        }
        state.jobs.push(job);
        self.rouse_writer(state, true);
        true
    }

    /// Asks for everything queued so far to be written now.
    pub(in crate::sqlite) fn flush(&self, reply: Reply) {
        let mut state = self.lock();
        if state.phase < Phase::Closing {
            state.barriers.push(reply);
            self.rouse_outbox(state);
        }
    }

    /// Asks the threads to write everything and leave. Records are taken until they have.
    pub(in crate::sqlite) fn close(&self) {
        let mut state = self.lock();
        state.phase = if state.phase < Phase::Closing { Phase::Closing } else { state.phase };
        self.rouse_outbox(state);
    }

    /// Why starts are refused at present, if they are.
    pub(in crate::sqlite) fn trouble(&self) -> Option<RecordError> {
        let state = self.lock();
        if state.phase >= Phase::Closing { Some(RecordError::Closed) } else { state.failure.clone() }
    }

    /// Entries and bytes not yet written.
    pub(in crate::sqlite) fn queued(&self) -> (usize, usize) {
        let state = self.lock();
        (state.queued, state.bytes)
    }

    pub(in crate::sqlite) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(in crate::sqlite) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}
