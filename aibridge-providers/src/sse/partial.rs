//! A line that is split across chunks.

use super::{
    line::{self, BOM, Field},
    open::{Borrowed, Open},
};

/// So many bytes of a line decide its field and where the value begins: `event: ` has seven.
const HEAD: usize = 7;

/// A line that is not complete. Its value goes to the event as it comes, whatever decides its field is kept here.
#[derive(Debug, Default)]
pub(super) struct Partial {
    head: [u8; BOM.len() + HEAD],
    length: usize,
    field: Option<Field>,
}

impl Partial {
    /// Whether there is such a line.
    pub(super) fn is_open(&self) -> bool {
        self.length > 0
    }

    /// Takes the next piece of the line.
    pub(super) fn extend(&mut self, mut piece: &[u8], first_line: bool, event: &mut Open) {
        if self.field.is_none() {
            let needed = if first_line { BOM.len() + HEAD } else { HEAD };
            let (head, rest) = piece.split_at(piece.len().min(needed - self.length));
            self.head[self.length..][..head.len()].copy_from_slice(head);
            self.length += head.len();
            if self.length < needed {
                return;
            }
            self.begin(first_line, event);
            piece = rest;
        }
        if let Some(field) = self.field {
            event.extend(field, piece);
        }
    }

    /// Ends the line; `None` when it is blank.
    pub(super) fn end(&mut self, first_line: bool, event: &mut Open) -> Option<Field> {
        if self.field.is_none() {
            self.begin(first_line, event);
        }
        self.length = 0;
        self.field.take()
    }

    /// Settles the field, unless the line is blank so far.
    fn begin(&mut self, first_line: bool, event: &mut Open) {
        let head = &self.head[..self.length];
        let head = if first_line { head.strip_prefix(BOM).unwrap_or(head) } else { head };
        if !head.is_empty() {
            let (field, value) = line::field(head);
            event.begin(field, &mut Borrowed::default());
            event.extend(field, value);
            self.field = Some(field);
        }
    }
}
