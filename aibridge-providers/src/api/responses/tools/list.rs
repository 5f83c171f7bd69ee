//! Elements of an array that go or come, with every other byte of it left as it is.

use std::ops::Range;

use crate::json::Value;

/// The text of `array` without the elements that are to go, each with one comma; `None` if none is.
pub(super) fn without(array: Value<'_>, goes: impl Fn(Value<'_>) -> bool) -> Option<Vec<u8>> {
    let text = array.text();
    let mut kept = Vec::with_capacity(text.len());
    let mut copied = 0;
    // Where a run of elements to remove began, and where the last one that stays ends.
    let mut run = None;
    let mut last_kept = None;
    let mut end = 0;
    for element in array.elements() {
        let span = span(array, element);
        end = span.end;
        if goes(element) {
            run.get_or_insert(span.start);
            continue;
        }
        if let Some(start) = run.take() {
            kept.extend_from_slice(&text[copied..start]);
            copied = span.start;
        }
        last_kept = Some(span.end);
    }
    match (run, last_kept) {
        (None, _) if copied == 0 => return None,
        (None, _) => {}
        (Some(_), None) => return Some(b"[]".to_vec()),
        (Some(_), Some(last)) => {
            kept.extend_from_slice(&text[copied..last]);
            copied = end;
        }
    }
    kept.extend_from_slice(&text[copied..]);
    Some(kept)
}

/// The text of `array` with elements added, each before the element of the index given with it, or behind the last. The
/// indexes ascend.
pub(super) fn with(array: Value<'_>, added: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let text = array.text();
    let mut grown = Vec::with_capacity(text.len() + added.iter().map(|(_, json)| json.len() + 1).sum::<usize>());
    let mut copied = 0;
    let mut added = added.iter().peekable();
    let mut end = 1;
    for (index, element) in array.elements().enumerate() {
        let span = span(array, element);
        end = span.end;
        while let Some((_, json)) = added.next_if(|(before, _)| *before <= index) {
            grown.extend_from_slice(&text[copied..span.start]);
            copied = span.start;
            grown.extend_from_slice(json);
            grown.push(b',');
        }
    }
    grown.extend_from_slice(&text[copied..end]);
    let mut blank = end == 1;
    for (_, json) in added {
        if !blank {
            grown.push(b',');
        }
        blank = false;
        grown.extend_from_slice(json);
    }
    grown.extend_from_slice(&text[end..]);
    grown
}

/// An array of these.
pub(super) fn array<T: AsRef<[u8]>>(elements: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut text = vec![b'['];
    for element in elements {
        if text.len() > 1 {
            text.push(b',');
        }
        text.extend_from_slice(element.as_ref());
    }
    text.push(b']');
    text
}

/// Where an element lies in the text of its array.
pub(super) fn span(array: Value<'_>, element: Value<'_>) -> Range<usize> {
    let start = element.text().as_ptr().addr() - array.text().as_ptr().addr();
    start..start + element.text().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_go_with_one_comma_each() {
        for (text, expected) in [
            ("[]", None),
            ("[1, 2]", None),
            ("[0]", Some("[]")),
            ("[ 0, 0 ]", Some("[]")),
            ("[ 0, 1 ]", Some("[ 1 ]")),
            ("[ 1, 0 ]", Some("[ 1 ]")),
            ("[0,1,0,0,2,0]", Some("[1,2]")),
            ("[\n  1,\n  0,\n  2,\n  0\n]", Some("[\n  1,\n  2\n]")),
        ] {
            let array = Value::of(text.as_bytes()).unwrap();
            let kept = without(array, |element| element.text() == b"0");
            assert_eq!(kept.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn elements_come_where_they_are_wanted() {
        for (text, at, expected) in [
            ("[]", vec![0, 0], "[0,1]"),
            ("[ ]", vec![0], "[0 ]"),
            ("[ 7 ]", vec![0], "[ 0,7 ]"),
            ("[ 7 ]", vec![1, 1], "[ 7,0,1 ]"),
            ("[7, 8, 9]", vec![0, 1, 1, 3], "[0,7, 1,2,8, 9,3]"),
        ] {
            let added: Vec<_> = at.iter().enumerate().map(|(n, at)| (*at, n.to_string().into_bytes())).collect();
            let grown = with(Value::of(text.as_bytes()).unwrap(), &added);
            assert_eq!(String::from_utf8(grown).unwrap(), expected);
        }
    }
}
