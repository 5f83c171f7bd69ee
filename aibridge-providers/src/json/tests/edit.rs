use crate::json::{Document, Edits};

fn document(text: &str) -> Document {
    Document::parse(text.to_owned().into()).expect("valid")
}

/// The document `text` after `edit`.
fn edited(text: &str, edit: impl FnOnce(&Document, &mut Edits<'_>)) -> String {
    let document = document(text);
    let mut edits = Edits::new(&document);
    edit(&document, &mut edits);
    String::from_utf8(edits.apply().to_vec()).expect("UTF-8")
}

#[test]
fn without_edits_the_bytes_are_shared() {
    let document = document("{ }");
    let edits = Edits::new(&document);
    assert!(edits.is_empty());
    assert_eq!(edits.apply().as_ptr(), document.bytes().as_ptr());
}
