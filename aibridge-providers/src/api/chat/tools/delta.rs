//! The elements of a delta's `tool_calls`.

use std::{borrow::Cow, collections::BTreeSet, ops::Bound};

use serde_json::Value as Tree;

use crate::json::Value;

/// Whether a delta begins, or may begin, a call of one of `names`.
pub(super) fn begins(delta: Value<'_>, names: &BTreeSet<String>) -> bool {
    let name = delta.get("function").and_then(|function| function.get("name")).and_then(Value::as_str);
    name.is_some_and(|name| is_begun(names, &name))
}

/// Whether `name` is one of `names`, or may be the beginning of one.
pub(super) fn is_begun(names: &BTreeSet<String>, name: &str) -> bool {
    names.range::<str, _>((Bound::Included(name), Bound::Unbounded)).next().is_some_and(|next| next.starts_with(name))
}

pub(super) fn function(delta: Value<'_>) -> Option<Value<'_>> {
    delta.get("function").or_else(|| delta.get("custom"))
}

/// A string that is not empty.
pub(super) fn text(value: Option<Value<'_>>) -> Option<Cow<'_, str>> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The delta with another index; `None` if it has that one, or none at all.
pub(super) fn renumbered(delta: Value<'_>, index: Option<u64>) -> Option<Vec<u8>> {
    let (known, index) = (delta.get("index")?, index?.to_string());
    if known.text() == index.as_bytes() {
        return None;
    }
    let text = delta.text();
    let start = known.text().as_ptr().addr() - text.as_ptr().addr();
    Some([&text[..start], index.as_bytes(), &text[start + known.text().len()..]].concat())
}

/// The deltas of a chunk, one for each index: not every accumulator takes more.
pub(super) fn merged(deltas: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let index = |delta: &[u8]| Value::of(delta)?.get("index")?.as_u64();
    let mut merged: Vec<Vec<u8>> = Vec::with_capacity(deltas.len());
    for delta in deltas {
        let own = index(&delta);
        match merged.iter_mut().find(|known| own.is_some() && index(known) == own) {
            Some(known) => *known = joined(&[std::mem::take(known), delta], own),
            None => merged.push(delta),
        }
    }
    merged
}

/// One delta that says what several say.
pub(super) fn joined(deltas: &[Vec<u8>], index: Option<u64>) -> Vec<u8> {
    let mut whole = Tree::Null;
    for delta in deltas.iter().filter_map(|delta| Value::of(delta)) {
        join(&mut whole, delta.to_value());
    }
    if let (Some(known), Some(index)) = (whole.get_mut("index"), index) {
        *known = index.into();
    }
    whole.to_string().into_bytes()
}

fn join(known: &mut Tree, delta: Tree) {
    match (known, delta) {
        (_, Tree::Null) => {}
        (Tree::Object(known), Tree::Object(delta)) => {
            for (key, value) in delta {
                match (known.get_mut(&key), value) {
                    (Some(Tree::String(text)), Tree::String(more)) if key == "name" || key == "arguments" => {
                        text.push_str(&more);
                    }
                    (Some(known), value) => join(known, value),
                    (None, value) => drop(known.insert(key, value)),
                }
            }
        }
        (known, delta) => *known = delta,
    }
}
