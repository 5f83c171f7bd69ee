//! The event that is being read.

use super::{
    Event,
    line::{self, Field},
};

/// Names are short (`response.web_search_call.in_progress`); a longer one makes the event oversize.
const NAME_LIMIT: usize = 1 << 10;

/// A larger buffer is not kept for the next event.
const KEPT_CAPACITY: usize = 64 << 10;

/// What is known of the event being read: in buffers what earlier chunks brought, borrowed what lies in this one.
#[derive(Debug)]
pub(super) struct Open {
    limit: usize,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    oversize: bool,
    /// The rest of the current name is passed over.
    name_oversize: bool,
}

/// Fields that lie wholly in the current chunk. While one is set, its buffer in [`Open`] is empty.
#[derive(Debug, Default)]
pub(super) struct Borrowed<'a> {
    name: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
}

impl Open {
    pub(super) fn new(limit: usize) -> Open {
        Open { limit, name: Vec::new(), data: Vec::new(), has_data: false, oversize: false, name_oversize: false }
    }

    /// Takes a line that lies wholly in the current chunk.
    #[inline]
    pub(super) fn line<'a>(&mut self, line: &'a [u8], borrowed: &mut Borrowed<'a>) -> Field {
        let (field, value) = line::field(line);
        match field {
            Field::Data if !self.has_data && value.len() <= self.limit => {
                self.has_data = true;
                borrowed.data = Some(value);
            }
            Field::Name if value.len() <= NAME_LIMIT => {
                self.name.clear();
                borrowed.name = Some(value);
            }
            _ => {
                self.begin(field, borrowed);
                self.extend(field, value);
            }
        }
        field
    }

    /// Begins a field whose value follows in pieces.
    pub(super) fn begin(&mut self, field: Field, borrowed: &mut Borrowed<'_>) {
        self.keep(borrowed);
        match field {
            Field::Data if self.has_data => self.extend(field, b"\n"),
            Field::Data => self.has_data = true,
            Field::Name => {
                self.name.clear();
                self.name_oversize = false;
            }
            Field::Other | Field::Comment => {}
        }
    }

    /// Takes a piece of the value of the field begun last.
    pub(super) fn extend(&mut self, field: Field, piece: &[u8]) {
        let (buffer, limit) = match field {
            Field::Data if self.oversize => return,
            Field::Data => (&mut self.data, self.limit),
            Field::Name if self.name_oversize => return,
            Field::Name => (&mut self.name, NAME_LIMIT),
            Field::Other | Field::Comment => return,
        };
        let length = buffer.len() + piece.len();
        if length > limit {
            self.oversize = true;
            self.name_oversize = field == Field::Name;
            *buffer = Vec::new();
            self.data = Vec::new();
            return;
        }
        if length > buffer.capacity() {
            // Twice as much, as `Vec` would, but never beyond the limit.
            let capacity = length.max(buffer.capacity() * 2).min(limit);
            buffer.reserve_exact(capacity - buffer.len());
        }
        buffer.extend_from_slice(piece);
    }

    /// Copies what lies in the current chunk, for when the chunk is gone.
    #[inline]
    pub(super) fn keep(&mut self, borrowed: &mut Borrowed<'_>) {
        if let Some(name) = borrowed.name.take() {
            self.extend(Field::Name, name);
        }
        if let Some(data) = borrowed.data.take() {
            self.extend(Field::Data, data);
        }
    }

    /// Reports the event, unless it has no data (which the standard says is none), and makes room for the next.
    #[inline]
    pub(super) fn end(&mut self, borrowed: &mut Borrowed<'_>, on_event: &mut dyn FnMut(Event<'_>)) {
        if self.has_data {
            let name = borrowed.name.unwrap_or(&self.name);
            let data = if self.oversize { &[] } else { borrowed.data.unwrap_or(&self.data) };
            on_event(Event { name, data, oversize: self.oversize });
        }
        *borrowed = Borrowed::default();
        self.name.clear();
        self.data.clear();
        if self.data.capacity() > KEPT_CAPACITY {
            self.data = Vec::new();
        }
        self.has_data = false;
        self.oversize = false;
    }

    /// The bytes of memory in use.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.name.capacity() + self.data.capacity()
    }
}
