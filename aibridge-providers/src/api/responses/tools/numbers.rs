//! The numbers of a stream that is sewn together.

use crate::json::{Edits, Value};

use super::event::Event;

/// Makes sequence numbers and output indexes run on without gap or repeat, over all rounds, whatever is taken out.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// What a sequence number of this round differs by from the one that is shown.
    shift: u64,
    /// The sequence number that comes next. Unknown as long as no event was read; nothing has been changed then.
    next: Option<u64>,
    /// The sequence number that the last event came with; more than any before the first of a round.
    last: u64,
    /// How many output items the rounds before have shown.
    base: u64,
    /// The output indexes that this round's hidden items have.
    hidden: Vec<u64>,
}

impl Numbers {
    /// Begins another round, after `shown` output items.
    pub(super) fn begin_round(&mut self, shown: usize) {
        self.base = shown as u64;
        self.last = u64::MAX;
        self.hidden.clear();
    }

    /// The item of that index is not shown.
    pub(super) fn hide_item(&mut self, index: u64) {
        if !self.hidden.contains(&index) {
            self.hidden.push(index);
        }
    }

    /// The sequence number that comes next.
    pub(super) fn next(&self) -> u64 {
        self.next.unwrap_or(0)
    }

    /// Takes note of an event that is not shown.
    pub(super) fn pass_over(&mut self, event: &Event) {
        if let Some(given) = sequence_number(event) {
            self.next = Some(self.sequence(given));
            self.shift = self.shift.wrapping_sub(1);
        }
    }

    /// Gives an event that is shown its numbers.
    pub(super) fn show(&mut self, event: &Event, edits: &mut Edits<'_>) {
        if let Some(given) = sequence_number(event) {
            let number = self.sequence(given);
            self.next = Some(number.wrapping_add(1));
            set(edits, event, "sequence_number", number);
        }
        if let Some(given) = event.get("output_index").and_then(Value::as_u64) {
            set(edits, event, "output_index", self.index(given));
        }
    }

    /// Gives the event the next number, although what came before it has been taken out since it was read.
    pub(super) fn show_late(&self, event: &Event, edits: &mut Edits<'_>) {
        set(edits, event, "sequence_number", self.next());
    }

    fn sequence(&mut self, given: u64) -> u64 {
        // They begin again in every round, and the gateway's own error, which may follow any event, says 0.
        if given <= self.last
            && let Some(next) = self.next
        {
            self.shift = next.wrapping_sub(given);
        }
        self.last = given;
        given.wrapping_add(self.shift)
    }

    fn index(&self, given: u64) -> u64 {
        let before = self.hidden.iter().filter(|hidden| **hidden < given).count();
        self.base.wrapping_add(given).wrapping_sub(before as u64)
    }
}

fn sequence_number(event: &Event) -> Option<u64> {
    event.get("sequence_number").and_then(Value::as_u64)
}

/// Changes a number that is there.
fn set(edits: &mut Edits<'_>, event: &Event, key: &str, number: u64) {
    if let Some(value) = event.get(key).filter(|value| value.as_u64() != Some(number)) {
        edits.replace(value, number.to_string());
    }
}
