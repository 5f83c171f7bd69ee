use bytes::Bytes;

use super::{
    Document, Value,
    splice::{ArrayEdit, ObjectEdit, Splice},
};

/// Changes to a [`Document`], applied together in one copy. Bytes outside the changed spans stay identical.
///
/// All values given are read from the document as it was parsed; edits do not see each other's results, except that
///
/// * of two edits of one value or member, the later one counts;
/// * an edit inside a value that is itself replaced or removed has no effect.
///
/// The JSON text given for new values is inserted as it is and must be valid.
#[derive(Clone, Debug)]
pub struct Edits<'d> {
    document: &'d Document,
    replaced: Vec<Splice>,
    objects: Vec<ObjectEdit>,
    arrays: Vec<ArrayEdit>,
}

impl<'d> Edits<'d> {
    /// No edits yet.
    pub fn new(document: &'d Document) -> Edits<'d> {
        Edits { document, replaced: Vec::new(), objects: Vec::new(), arrays: Vec::new() }
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty()
            && self.objects.iter().all(|object| object.removed.is_empty() && object.inserted.is_empty())
            && self.arrays.is_empty()
    }

    /// Puts `json` in the place of `value`.
    pub fn replace(&mut self, value: Value<'_>, json: impl Into<Vec<u8>>) {
        let splice = Splice { span: self.document.span(value), text: valid(json) };
        match self.replaced.iter_mut().find(|earlier| earlier.span == splice.span) {
            Some(earlier) => *earlier = splice,
            None => self.replaced.push(splice),
        }
    }

    /// Sets the member `key` of `object`: in place when there is one (the last of duplicates), else as the last member.
    ///
    /// Nothing happens when `object` is not an object.
    pub fn set(&mut self, object: Value<'_>, key: &str, json: impl Into<Vec<u8>>) {
        if !object.is_object() {
            return;
        }
        let present = self.member(object, key);
        let edit = self.object(object);
        edit.removed.retain(|removed| removed != key);
        if let Some(value) = present {
            return self.replace(value, json);
        }
        let json = valid(json);
        match edit.inserted.iter_mut().find(|(inserted, _)| inserted == key) {
            Some((_, earlier)) => *earlier = json,
            None => edit.inserted.push((key.to_owned(), json)),
        }
    }

    /// Removes the member `key` of `object`, duplicates included, each with one comma.
    ///
    /// Nothing happens when there is none, or `object` is not an object.
    pub fn remove(&mut self, object: Value<'_>, key: &str) {
        if !object.is_object() {
            return;
        }
        let present = self.member(object, key).is_some();
        let edit = self.object(object);
        edit.inserted.retain(|(inserted, _)| inserted != key);
        if present && !edit.removed.iter().any(|removed| removed == key) {
            edit.removed.push(key.to_owned());
        }
    }

    /// Adds an element at the end of `array`, after those appended before.
    ///
    /// Nothing happens when `array` is not an array.
    pub fn append(&mut self, array: Value<'_>, json: impl Into<Vec<u8>>) {
        if array.is_array() {
            self.array(array).after.push(valid(json));
        }
    }

    /// Adds an element before the first one of `array`, after those prepended before.
    ///
    /// Nothing happens when `array` is not an array.
    pub fn prepend(&mut self, array: Value<'_>, json: impl Into<Vec<u8>>) {
        if array.is_array() {
            self.array(array).before.push(valid(json));
        }
    }

    /// The document with the edits applied; the document's own bytes, uncopied, when there are none.
    pub fn apply(self) -> Bytes {
        if self.is_empty() {
            return self.document.bytes().clone();
        }
        let bytes = self.document.bytes();
        let splices = self.splices();
        let added: usize = splices.iter().map(|splice| splice.text.len()).sum();
        let mut edited = Vec::with_capacity(bytes.len() + added);
        let mut copied = 0;
        for Splice { span, text } in splices {
            // Inside of what has been replaced or removed.
            if span.start < copied {
                continue;
            }
            edited.extend_from_slice(&bytes[copied..span.start]);
            edited.extend_from_slice(&text);
            copied = span.end;
        }
        edited.extend_from_slice(&bytes[copied..]);
        edited.into()
    }

    /// The changed spans in order. At one position, an insertion comes before what is there.
    fn splices(self) -> Vec<Splice> {
        let mut splices = self.replaced;
        for object in &self.objects {
            object.splices(self.document, &mut splices);
        }
        for array in self.arrays {
            array.splices(self.document, &mut splices);
        }
        splices.sort_by_key(|splice| (splice.span.start, splice.span.end));
        splices
    }

    fn member<'v>(&self, object: Value<'v>, key: &str) -> Option<Value<'v>>
    where
        'd: 'v,
    {
        // The document knows the members of its root.
        if self.document.span(object) == self.document.span(self.document.root()) {
            self.document.get(key)
        } else {
            object.get(key)
        }
    }

    fn object(&mut self, object: Value<'_>) -> &mut ObjectEdit {
        let span = self.document.span(object);
        let at = self.objects.iter().position(|edit| edit.span == span).unwrap_or_else(|| {
            self.objects.push(ObjectEdit { span, removed: Vec::new(), inserted: Vec::new() });
            self.objects.len() - 1
        });
        &mut self.objects[at]
    }

    fn array(&mut self, array: Value<'_>) -> &mut ArrayEdit {
        let span = self.document.span(array);
        let at = self.arrays.iter().position(|edit| edit.span == span).unwrap_or_else(|| {
            self.arrays.push(ArrayEdit { span, before: Vec::new(), after: Vec::new() });
            self.arrays.len() - 1
        });
        &mut self.arrays[at]
    }
}

/// The JSON text of a new value.
fn valid(json: impl Into<Vec<u8>>) -> Vec<u8> {
    let json = json.into();
    debug_assert!(Value::of(&json).is_some(), "an edit must insert valid JSON");
    json
}
