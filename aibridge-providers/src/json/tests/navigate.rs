use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value as Tree, json};

use super::{json_text, object_text, tree};
use crate::json::{Document, Spliced, Value};

fn document(text: &str) -> Document {
    Document::parse(text.to_owned().into()).expect("valid")
}

fn value(text: &str) -> Value<'_> {
    Value::of(text.as_bytes()).expect("valid")
}

#[test]
fn the_last_of_duplicate_members_counts_however_its_key_is_written() {
    let document = document(r#" {"model":"a","\u006dodel":"b","models":"c"} "#);
    assert_eq!(document.get("model").unwrap().text(), br#""b""#);
    assert_eq!(document.root().get("model").unwrap().text(), br#""b""#);
    assert!(document.get("mode").is_none());
}

#[test]
fn an_object_with_very_many_members_is_searched() {
    let members: Vec<_> = (0..1000).map(|n| format!("\"k{n}\":{n}")).chain(["\"k3\":-1".to_owned()]).collect();
    let document = document(&format!("{{{}}}", members.join(",")));
    assert_eq!(document.get("k999").and_then(Value::as_u64), Some(999));
    assert_eq!(document.get("k3").unwrap().text(), b"-1");
    assert!(document.get("k1000").is_none());
}

#[test]
fn the_elements_of_an_array_are_counted_and_nothing_else() {
    for (text, expected) in [
        (r#"{"a":[1,[2,3],{"a":[4]}," ,"]}"#, 4),
        (r#"{"b":[1,2],"a":[ ],"c":[3]}"#, 0),
        (r#"{"a":[1,2],"\u0061":[3]}"#, 1),
        (r#"{"a":{"b":[1,2]}}"#, 0),
        (r#"{"a":"[1,2]"}"#, 0),
        (r#"{"b":[1]}"#, 0),
    ] {
        assert_eq!(document(text).count("a"), expected, "{text}");
    }
    for (text, expected) in [
        (r#"{"a":[{"b":[1]}]}"#, true),
        (r#"{"a":[{"b":[]},{"c":{"d":[1]}},[1]],"b":[{"b":[1]}]}"#, false),
        (r#"{"a":{"b":[[1]]}}"#, true),
    ] {
        assert_eq!(document(text).may_nest("a"), expected, "{text}");
    }
    for (text, expected) in [
        (r#"{"a":["\u0061"]}"#, true),
        (r#"{"a":[{"\u0061":"\n\"\\u0061"}]}"#, true),
        (r#"{"a":["\\u0061 \\\\u0061 \n\"u0061"]}"#, false),
        (r#"{"b":"\u0061","a":[],"\u0063":"\u0061"}"#, false),
        (r#"{"a":"\u0061","a":[]}"#, false),
    ] {
        assert_eq!(document(text).may_number("a"), expected, "{text}");
    }
    let changed = Spliced::new(&document(r#"{"a":[]}"#)).with_member(&Bytes::from_static(br#","b":"\u0061""#));
    assert!(!changed.document().may_number("a") && changed.document().may_number("b"));
    let members: Vec<_> = (0..1000).map(|n| format!("\"k{n}\":[{n},0]")).collect();
    let document = document(&format!("{{{}}}", members.join(",")));
    assert_eq!((document.count("k999"), document.may_number("k999")), (2, true), "looked for, and not known");
}

#[test]
fn it_is_known_which_values_have_no_numbered_characters() {}

#[test]
fn members_of_nested_objects_are_not_members_of_the_root() {
    let document = document(r#"{"a":{"stream":true},"b":[{"stream":true}],"stream":false}"#);
    assert!(!document.get("stream").unwrap().is_true());
    assert!(document.get("a").unwrap().get("stream").unwrap().is_true());
}

#[test]
fn numbers_are_read_when_they_fit() {
    for (text, expected) in [
        ("0", Some(0)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("-1", None),
        ("1.0", None),
        ("1e3", None),
        ("\"1\"", None),
        ("null", None),
    ] {
        assert_eq!(value(text).as_u64(), expected, "{text}");
    }
}

#[test]
fn kinds_are_told_apart() {
    assert!(value(" true ").is_true() && value("null").is_null() && value("{}").is_object() && value("[]").is_array());
    assert_eq!(value(r#""null""#).as_str().as_deref(), Some("null"));
    assert!(!value(r#""true""#).is_true());
    assert!(value("1").as_str().is_none());
    assert_eq!(value("{}").elements().count() + value("[]").members().count() + value("1").elements().count(), 0);
    assert!(value("[]").get("a").is_none());
}

#[test]
fn elements_are_read_from_both_ends_until_they_meet() {
    let array = value("[ 1 , \"a]\\\"\" ,{\"k\":[\"}\"]}, [ ] ,\n-2.5 ]");
    let texts: Vec<_> = array.elements().map(|element| String::from_utf8_lossy(element.text())).collect();
    assert_eq!(texts, ["1", "\"a]\\\"\"", "{\"k\":[\"}\"]}", "[ ]", "-2.5"]);
    let mut elements = array.elements();
    assert_eq!(elements.next_back().unwrap().text(), b"-2.5");
    assert_eq!(elements.next().unwrap().text(), b"1");
    assert_eq!(elements.next_back().unwrap().text(), b"[ ]");
    assert_eq!(elements.next_back().unwrap().text(), b"{\"k\":[\"}\"]}");
    assert_eq!(elements.next_back().unwrap().text(), b"\"a]\\\"\"");
    assert!(elements.next_back().is_none() && elements.next().is_none());
}

#[test]
fn what_serde_json_refuses_still_becomes_a_tree() {
    assert_eq!(value(r#"["\ud83d", 1e999]"#).to_value(), json!(["\u{fffd}", "1e999"]));
    let deep = format!("{}7{}", "[".repeat(512), "]".repeat(512));
    let mut tree = &value(&deep).to_value();
    for _ in 0..512 {
        tree = &tree[0];
    }
    assert_eq!(tree, 7);
}

fn assert_reads_like(value: Value<'_>, expected: &Tree) {
    match expected {
        Tree::Object(members) => {
            assert!(value.is_object());
            for (key, member) in members {
                assert_reads_like(value.get(key).expect("the member"), member);
            }
            assert!(value.members().all(|(key, _)| members.contains_key(&*key)));
        }
        Tree::Array(elements) => {
            assert!(value.is_array());
            assert_eq!(value.elements().count(), elements.len());
            value.elements().zip(elements).for_each(|(value, element)| assert_reads_like(value, element));
            let backwards: Vec<_> = value.elements().rev().map(Value::text).collect();
            assert!(value.elements().map(Value::text).eq(backwards.into_iter().rev()));
        }
        Tree::String(text) => assert_eq!(value.as_str().as_deref(), Some(text.as_str())),
        Tree::Number(number) => assert_eq!(value.as_u64(), number.as_u64()),
        Tree::Bool(bool) => assert_eq!(value.is_true(), *bool),
        Tree::Null => assert!(value.is_null()),
    }
}

proptest! {
    #[test]
    fn navigation_reads_what_serde_json_reads(text in json_text()) {
        let expected = tree(text.as_bytes());
        let value = value(&text);
        assert_reads_like(value, &expected);
        prop_assert_eq!(value.to_value(), expected);
    }

    #[test]
    fn the_members_of_the_root_are_known(text in object_text()) {
        let document = document(&text);
        let expected = tree(text.as_bytes());
        for (key, member) in expected.as_object().expect("an object") {
            let found = document.get(key).expect("the member");
            assert_reads_like(found, member);
            prop_assert_eq!(&document.bytes()[document.span(found)], found.text());
        }
        prop_assert!(document.get("absent").is_none());
    }
}
