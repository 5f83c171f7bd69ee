use bytes::Bytes;

/// Whole events on their way to the client: the same bytes, uncopied, up to the first change.
#[derive(Debug)]
pub(super) struct Rewrite<'a> {
    whole: &'a Bytes,
    /// So many bytes at the beginning have been kept, as long as nothing was changed.
    kept: usize,
    changed: Option<Vec<u8>>,
}

impl<'a> Rewrite<'a> {
    pub(super) fn of(whole: &'a Bytes) -> Rewrite<'a> {
        Rewrite { whole, kept: 0, changed: None }
    }

    /// The next event stays as it is.
    pub(super) fn keep(&mut self, event: &[u8]) {
        match &mut self.changed {
            Some(changed) => changed.extend_from_slice(event),
            None => self.kept += event.len(),
        }
    }

    /// The next event makes place for `bytes`, or for nothing.
    pub(super) fn replace(&mut self, bytes: &[u8]) {
        self.changed.get_or_insert_with(|| self.whole[..self.kept].to_vec()).extend_from_slice(bytes);
    }

    pub(super) fn finish(self) -> Bytes {
        self.changed.map_or_else(|| self.whole.clone(), Bytes::from)
    }
}
