//! What edits leave behind, case by case and against the same edit of a tree.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::Index};
use serde_json::{Map, Value as Tree};

use super::{object_text, tree};
use crate::json::{Document, Edits, Value};

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
    let mut edits = Edits::new(&document);
    edits.remove(document.root(), "absent");
    assert!(edits.is_empty());
    assert_eq!(edits.apply().as_ptr(), document.bytes().as_ptr());
}

#[test]
fn a_member_is_set_in_place_or_added_as_the_last() {
    for (text, expected) in [
        ("{}", r#"{"a":1}"#),
        (" { } ", r#" {"a":1 } "#),
        (r#"{"b":2}"#, r#"{"b":2,"a":1}"#),
        ("{\n  \"b\": 2\n}\n", "{\n  \"b\": 2,\"a\":1\n}\n"),
        (r#"{"a" : [0] , "b":2}"#, r#"{"a" : 1 , "b":2}"#),
        (r#"{"a":5,"\u0061":6,"b":7}"#, r#"{"a":5,"\u0061":1,"b":7}"#),
        (r#"{"b":{"a":2}}"#, r#"{"b":{"a":2},"a":1}"#),
    ] {
        assert_eq!(edited(text, |document, edits| edits.set(document.root(), "a", "1")), expected);
    }
}

#[test]
fn a_key_is_written_as_json() {
    assert_eq!(edited("{}", |document, edits| edits.set(document.root(), "a\"\n\\é", "1")), r#"{"a\"\n\\é":1}"#);
}

#[test]
fn a_member_goes_with_one_comma_and_with_its_duplicates() {
    for (text, expected) in [
        (r#"{"a":1}"#, "{}"),
        (r#"{ "a" : 1 }"#, "{  }"),
        (r#"{"a":1, "b":2}"#, r#"{"b":2}"#),
        (r#"{"b":2, "a":1 }"#, r#"{"b":2 }"#),
        (r#"{"b":2 , "a":1 , "c":3}"#, r#"{"b":2 , "c":3}"#),
        (r#"{"a":1,"a":2}"#, "{}"),
        (r#"{"a":1,"b":2,"a":[3,","],"\u0061":4}"#, r#"{"b":2}"#),
        (r#"{"b":{"a":1}}"#, r#"{"b":{"a":1}}"#),
    ] {
        assert_eq!(edited(text, |document, edits| edits.remove(document.root(), "a")), expected);
    }
}

#[test]
fn elements_are_added_at_both_ends() {
    for (text, expected) in [
        (r#"{"t":[]}"#, r#"{"t":[1,2,8,9]}"#),
        (r#"{"t":[ ]}"#, r#"{"t":[1,2,8,9 ]}"#),
        (r#"{"t":[5]}"#, r#"{"t":[1,2,5,8,9]}"#),
        (r#"{"t":[ 5, [6] ] }"#, r#"{"t":[ 1,2,5, [6],8,9 ] }"#),
    ] {
        let edit = |document: &Document, edits: &mut Edits<'_>| {
            let array = document.get("t").expect("the array");
            edits.append(array, "8");
            edits.prepend(array, "1");
            edits.append(array, "9");
            edits.prepend(array, "2");
        };
        assert_eq!(edited(text, edit), expected);
    }
}

#[test]
fn edits_of_one_object_share_its_commas() {
    let text = r#"{"a":1,"b":2,"c":3}"#;
    let all = |document: &Document, edits: &mut Edits<'_>| {
        for key in ["b", "a", "c"] {
            edits.remove(document.root(), key);
        }
    };
    assert_eq!(edited(text, all), "{}");
    let exchanged = |document: &Document, edits: &mut Edits<'_>| {
        all(document, edits);
        edits.set(document.root(), "d", "4");
        edits.set(document.root(), "e", "5");
        edits.set(document.root(), "b", "6");
    };
    assert_eq!(edited(text, exchanged), r#"{"b":6,"d":4,"e":5}"#);
}

#[test]
fn of_two_edits_of_one_thing_the_later_counts() {
    let text = r#"{"a":1}"#;
    let root = |edit: fn(&mut Edits<'_>, Value<'_>)| edited(text, |document, edits| edit(edits, document.root()));
    assert_eq!(root(|edits, root| (edits.set(root, "a", "2"), edits.set(root, "a", "3")).1), r#"{"a":3}"#);
    assert_eq!(root(|edits, root| (edits.set(root, "b", "2"), edits.set(root, "b", "3")).1), r#"{"a":1,"b":3}"#);
    assert_eq!(root(|edits, root| (edits.set(root, "b", "2"), edits.remove(root, "b")).1), r#"{"a":1}"#);
    assert_eq!(root(|edits, root| (edits.set(root, "a", "2"), edits.remove(root, "a")).1), "{}");
    assert_eq!(root(|edits, root| (edits.remove(root, "a"), edits.set(root, "a", "2")).1), r#"{"a":2}"#);
}

#[test]
fn edits_inside_what_is_replaced_or_removed_have_no_effect() {
    let text = r#"{"a":{"b":[1]},"c":2}"#;
    let inner = |document: &Document, edits: &mut Edits<'_>| {
        let object = document.get("a").expect("the object");
        edits.set(object, "d", "3");
        edits.append(object.get("b").expect("the array"), "4");
    };
    let replaced = |document: &Document, edits: &mut Edits<'_>| {
        inner(document, edits);
        edits.replace(document.get("a").expect("the object"), "null");
    };
    assert_eq!(edited(text, inner), r#"{"a":{"b":[1,4],"d":3},"c":2}"#);
    assert_eq!(edited(text, replaced), r#"{"a":null,"c":2}"#);
    let removed = |document: &Document, edits: &mut Edits<'_>| {
        inner(document, edits);
        edits.remove(document.root(), "a");
    };
    assert_eq!(edited(text, removed), r#"{"c":2}"#);
}

#[test]
fn edits_of_the_wrong_kind_of_value_do_nothing() {
    let text = r#"{"a":[1],"b":{},"c":""}"#;
    let edit = |document: &Document, edits: &mut Edits<'_>| {
        for key in ["a", "c"] {
            edits.set(document.get(key).expect("a member"), "k", "1");
            edits.remove(document.get(key).expect("a member"), "k");
        }
        for key in ["b", "c"] {
            edits.append(document.get(key).expect("a member"), "1");
            edits.prepend(document.get(key).expect("a member"), "1");
        }
        assert!(edits.is_empty());
    };
    assert_eq!(edited(text, edit), text);
}

#[test]
#[should_panic(expected = "a value of this document")]
fn a_value_of_another_document_is_a_mistake() {
    let (one, other) = (document("{}"), document("{}"));
    one.span(other.root());
}

#[derive(Clone, Debug)]
enum Op {
    Replace,
    Set(String),
    Remove(String),
    Append,
    Prepend,
}

fn op() -> impl Strategy<Value = Op> {
    let key = || prop::sample::select(vec!["a", "b", "c", "", "\\", "é\n", "new"]).prop_map(str::to_owned);
    prop_oneof![
        1 => Just(Op::Replace),
        3 => key().prop_map(Op::Set),
        3 => key().prop_map(Op::Remove),
        2 => Just(Op::Append),
        2 => Just(Op::Prepend),
    ]
}

/// A step to a member or an element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    Index(usize),
}

type Path = Vec<Step>;

fn key_step(path: &Path, key: &str) -> Path {
    path.iter().cloned().chain([Step::Key(key.to_owned())]).collect()
}

/// `value` and everything in it that a reader can see, which leaves out all but the last of duplicates.
fn reachable<'a>(path: Path, value: Value<'a>, found: &mut Vec<(Path, Value<'a>)>) {
    found.push((path.clone(), value));
    let keys: BTreeSet<_> = value.members().map(|(key, _)| key).collect();
    for key in keys {
        reachable(key_step(&path, &key), value.get(&key).expect("a member"), found);
    }
    for (index, element) in value.elements().enumerate() {
        let path = path.iter().cloned().chain([Step::Index(index)]).collect();
        reachable(path, element, found);
    }
}

/// The edits as they should come out, by the path of what they change.
#[derive(Default)]
struct Model {
    replaced: BTreeMap<Path, Tree>,
    removed: BTreeSet<Path>,
    inserted: BTreeMap<Path, Vec<(String, Tree)>>,
    before: BTreeMap<Path, Vec<Tree>>,
    after: BTreeMap<Path, Vec<Tree>>,
}

impl Model {
    fn note(&mut self, path: &Path, value: Value<'_>, op: &Op, new: &Tree) {
        match op {
            Op::Replace => drop(self.replaced.insert(path.clone(), new.clone())),
            Op::Set(key) if value.is_object() => {
                self.removed.remove(&key_step(path, key));
                if value.get(key).is_some() {
                    self.replaced.insert(key_step(path, key), new.clone());
                } else {
                    let inserted = self.inserted.entry(path.clone()).or_default();
                    inserted.retain(|(earlier, _)| earlier != key);
                    inserted.push((key.clone(), new.clone()));
                }
            }
            Op::Remove(key) if value.is_object() => {
                if let Some(inserted) = self.inserted.get_mut(path) {
                    inserted.retain(|(earlier, _)| earlier != key);
                }
                self.removed.insert(key_step(path, key));
            }
            Op::Append if value.is_array() => self.after.entry(path.clone()).or_default().push(new.clone()),
            Op::Prepend if value.is_array() => self.before.entry(path.clone()).or_default().push(new.clone()),
            _ => {}
        }
    }

    fn expected(&self, path: &Path, value: Value<'_>) -> Tree {
        if let Some(new) = self.replaced.get(path) {
            return new.clone();
        }
        if value.is_object() {
            let mut members = Map::new();
            for (key, _) in value.members() {
                let path = key_step(path, &key);
                if !self.removed.contains(&path) {
                    members.insert(key.to_string(), self.expected(&path, value.get(&key).expect("a member")));
                }
            }
            members.extend(self.inserted.get(path).cloned().unwrap_or_default());
            return Tree::Object(members);
        }
        if value.is_array() {
            let mut elements = self.before.get(path).cloned().unwrap_or_default();
            for (index, element) in value.elements().enumerate() {
                let path = path.iter().cloned().chain([Step::Index(index)]).collect();
                elements.push(self.expected(&path, element));
            }
            elements.extend(self.after.get(path).cloned().unwrap_or_default());
            return Tree::Array(elements);
        }
        value.to_value()
    }

    /// Whether something at `path`, above it or below it changes.
    fn touches(&self, path: &Path) -> bool {
        let changed = (self.replaced.keys())
            .chain(&self.removed)
            .chain(self.inserted.keys())
            .chain(self.before.keys())
            .chain(self.after.keys());
        changed.into_iter().any(|changed| changed.starts_with(path))
            || (self.replaced.keys()).chain(&self.removed).any(|changed| path.starts_with(changed))
    }

    /// Where `path` leads once elements have been put before others.
    fn moved(&self, path: &Path) -> Path {
        let mut moved = path.clone();
        for (at, step) in moved.iter_mut().enumerate() {
            if let Step::Index(index) = step {
                *index += self.before.get(&path[..at]).map_or(0, Vec::len);
            }
        }
        moved
    }
}

fn walk<'a>(root: Value<'a>, path: &Path) -> Value<'a> {
    path.iter().fold(root, |value, step| match step {
        Step::Key(key) => value.get(key).expect("the member"),
        Step::Index(index) => value.elements().nth(*index).expect("the element"),
    })
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

proptest! {
    #[test]
    fn edits_mean_what_the_same_edits_of_a_tree_mean(
        text in object_text(),
        ops in prop::collection::vec((any::<Index>(), op()), 1..8),
    ) {
        let document = document(&text);
        let mut values = Vec::new();
        reachable(Vec::new(), document.root(), &mut values);
        let mut edits = Edits::new(&document);
        let mut model = Model::default();
        for (number, (at, op)) in ops.iter().enumerate() {
            let (path, value) = &values[at.index(values.len())];
            let new = format!("[ \"new\" ,{number}]");
            model.note(path, *value, op, &tree(new.as_bytes()));
            match op {
                Op::Replace => edits.replace(*value, new),
                Op::Set(key) => edits.set(*value, key, new),
                Op::Remove(key) => edits.remove(*value, key),
                Op::Append => edits.append(*value, new),
                Op::Prepend => edits.prepend(*value, new),
            }
        }
        let result = edits.apply();
        prop_assert_eq!(tree(&result), model.expected(&Vec::new(), document.root()));
        let edited = Value::of(&result).expect("valid");
        for (path, value) in &values {
            if !model.touches(path) {
                prop_assert_eq!(walk(edited, &model.moved(path)).text(), value.text());
            }
        }
    }

    #[test]
    fn one_edit_changes_one_span(text in object_text(), at in any::<Index>(), op in op()) {
        let document = document(&text);
        let mut values = Vec::new();
        reachable(Vec::new(), document.root(), &mut values);
        let (_, value) = values[at.index(values.len())].clone();
        let before = text.as_bytes();
        let mut edits = Edits::new(&document);
        let splice = |value: Value<'_>| {
            let span = document.span(value);
            [&before[..span.start], b"0", &before[span.end..]].concat()
        };
        match &op {
            Op::Replace => edits.replace(value, "0"),
            Op::Set(key) => edits.set(value, key, "0"),
            Op::Remove(key) => edits.remove(value, key),
            Op::Append => edits.append(value, "0"),
            Op::Prepend => edits.prepend(value, "0"),
        }
        if edits.is_empty() {
            return Ok(());
        }
        let after = edits.apply();
        match &op {
            Op::Replace => prop_assert_eq!(&after[..], splice(value)),
            Op::Set(key) if value.get(key).is_some() => {
                prop_assert_eq!(&after[..], splice(value.get(key).expect("the member")));
            }
            Op::Remove(key) => {
                // Duplicates lie apart.
                if value.members().filter(|(other, _)| other == key).count() == 1 {
                    prop_assert!(common_prefix(before, &after) + common_suffix(before, &after) >= after.len());
                }
            }
            Op::Set(_) | Op::Append | Op::Prepend => {
                prop_assert!(common_prefix(before, &after) + common_suffix(before, &after) >= before.len());
            }
        }
    }
}
