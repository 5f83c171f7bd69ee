//! From edits of objects and arrays to spans of bytes, so that commas come out right.

use std::ops::Range;

use super::{Document, Value, iter::unquoted, string};

/// A span and the bytes that take its place.
#[derive(Clone, Debug)]
pub(super) struct Splice {
    pub(super) span: Range<usize>,
    pub(super) text: Vec<u8>,
}

/// Members that come and go.
#[derive(Clone, Debug)]
pub(super) struct ObjectEdit {
    pub(super) span: Range<usize>,
    pub(super) removed: Vec<String>,
    pub(super) inserted: Vec<(String, Vec<u8>)>,
}

/// Elements that are added.
#[derive(Clone, Debug)]
pub(super) struct ArrayEdit {
    pub(super) span: Range<usize>,
    pub(super) before: Vec<Vec<u8>>,
    pub(super) after: Vec<Vec<u8>>,
}

impl ObjectEdit {
    pub(super) fn splices(&self, document: &Document, splices: &mut Vec<Splice>) {
        let bytes = document.bytes();
        // What of the object's inside is kept ends here; the new members follow it, and what is removed at the end.
        let mut tail = last_byte(bytes, &self.span)..last_byte(bytes, &self.span);
        let mut kept_any = !is_blank(bytes, &self.span);
        if !self.removed.is_empty() {
            let members = document.members_of(Value::valid(&bytes[self.span.clone()]));
            tail.start = members.first().map_or(tail.start, |first| first.key.start);
            kept_any = false;
            // Where a run of members to remove began.
            let mut run = None;
            for member in &members {
                let key = unquoted(&bytes[member.key.clone()]);
                if self.removed.iter().any(|removed| string::means(key, removed)) {
                    run.get_or_insert(member.key.start);
                } else {
                    // Up to the next member, thus with the comma after each.
                    if let Some(start) = run.take() {
                        splices.push(Splice { span: start..member.key.start, text: Vec::new() });
                    }
                    kept_any = true;
                    tail.start = member.value.end;
                }
            }
        }
        let mut text = Vec::new();
        for (key, json) in &self.inserted {
            if kept_any {
                text.push(b',');
            }
            kept_any = true;
            text.extend_from_slice(serde_json::Value::from(key.as_str()).to_string().as_bytes());
            text.push(b':');
            text.extend_from_slice(json);
        }
        if !(tail.is_empty() && text.is_empty()) {
            splices.push(Splice { span: tail, text });
        }
    }
}

impl ArrayEdit {
    pub(super) fn splices(self, document: &Document, splices: &mut Vec<Splice>) {
        let bytes = document.bytes();
        let end = last_byte(bytes, &self.span);
        if is_blank(bytes, &self.span) {
            let all: Vec<_> = self.before.into_iter().chain(self.after).collect();
            splices.push(Splice { span: end..end, text: all.join(&b',') });
            return;
        }
        let inside = &bytes[self.span.start + 1..];
        let start = self.span.start + 1 + (inside.len() - inside.trim_ascii_start().len());
        for mut text in self.before {
            text.push(b',');
            splices.push(Splice { span: start..start, text });
        }
        for mut text in self.after {
            text.insert(0, b',');
            splices.push(Splice { span: end..end, text });
        }
    }
}

/// Whether a container has nothing in it.
fn is_blank(bytes: &[u8], span: &Range<usize>) -> bool {
    unquoted(&bytes[span.clone()]).trim_ascii().is_empty()
}

/// Where the last member or element of a container ends; in an empty one, after the opening bracket.
fn last_byte(bytes: &[u8], span: &Range<usize>) -> usize {
    span.start + 1 + unquoted(&bytes[span.clone()]).trim_ascii_end().len()
}
