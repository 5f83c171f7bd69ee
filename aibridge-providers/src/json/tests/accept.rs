//! What is accepted, against serde_json's `RawValue`, which checks syntax alone.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::json_text;
use crate::json::{Document, JsonError, Value};

fn parse(text: impl AsRef<[u8]>) -> Result<Document, JsonError> {
    Document::parse(Bytes::copy_from_slice(text.as_ref()))
}

#[track_caller]
fn assert_same_verdict(text: &[u8]) {
    let expected = serde_json::from_slice::<&RawValue>(text);
    let actual = Value::of(text);
    assert_eq!(actual.is_some(), expected.is_ok(), "{:?}", String::from_utf8_lossy(text));
    if let (Some(actual), Ok(expected)) = (actual, expected) {
        assert_eq!(actual.text(), expected.get().as_bytes());
    }
}

#[test]
fn verdicts_on_awkward_texts_are_those_of_serde_json() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "{}",
        " {} ",
        "[]",
        "[,]",
        "[1,]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{1:2}",
        "{\"a\":1]",
        "[1}",
        "[1]]",
        "{}{}",
        "{} x",
        "null",
        "nul",
        "nulll",
        "tru",
        "true",
        "falsE",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "\"\\u00e9\"",
        "\"\\ud83d\"",
        "\"\t\"",
        "\"\u{7f}\"",
        "\"\u{0}\"",
        "0",
        "-",
        "-0",
        "00",
        "01",
        "-01",
        "1.",
        ".5",
        "1.5",
        "1.e1",
        "1e",
        "1e+",
        "1e+1",
        "1E-05",
        "1e999",
        "+1",
        "0x1",
        "1_0",
        "NaN",
        "Infinity",
        "\u{feff}{}",
        "{\"a\" : 1 , \"b\":\n[ ]\r\t}",
        "\u{c}{}",
        "\u{a0}{}",
        "/**/{}",
        "'a'",
        "[[]",
        "[\"\\\\\"]",
        "{\"a\":{\"b\":[{},[],{\"c\":null}]}}",
    ] {
        assert_same_verdict(text.as_bytes());
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_where_they_lie() {
    for bad in [&b"\xff"[..], b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"] {
        for padding in [0, 1, 7, 31, 32, 33, 100] {
            let mut text = b"{\"k\":\"".to_vec();
            text.resize(text.len() + padding, b'a');
            let at = text.len();
            text.extend_from_slice(bad);
            text.extend_from_slice(b"bcdefghijk\"}");
            assert_same_verdict(&text);
            assert_eq!(parse(&text).unwrap_err(), JsonError::Syntax(at));
        }
    }
    assert_eq!(parse(b"{\"a\":\xc3}").unwrap_err(), JsonError::Syntax(5));
}

#[test]
fn errors_say_what_and_where() {
    assert_eq!(parse("{\"a\":1,}").unwrap_err(), JsonError::Syntax(7));
    assert_eq!(parse("{\"a\":tru}").unwrap_err(), JsonError::Syntax(8));
    assert_eq!(parse("{\"a\":\"x\ny\"}").unwrap_err(), JsonError::Syntax(7));
    assert_eq!(parse("{\"a\":1").unwrap_err(), JsonError::Syntax(6));
    assert_eq!(parse("{} {").unwrap_err(), JsonError::Syntax(3));
    assert_eq!(parse("\u{feff}{}").unwrap_err(), JsonError::Syntax(0));
    assert_eq!(parse("[1]").unwrap_err(), JsonError::NotAnObject);
    assert_eq!(parse("\"{}\"").unwrap_err(), JsonError::NotAnObject);
    assert_eq!(parse("[1").unwrap_err(), JsonError::Syntax(2));
}

#[test]
fn nesting_is_limited_to_512_without_using_the_stack() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(parse(nested(512)).is_ok());
    assert_eq!(parse(nested(513)).unwrap_err(), JsonError::TooDeep);
    assert_eq!(parse("[".repeat(100_000)).unwrap_err(), JsonError::TooDeep);
    assert_eq!(parse("{\"a\":".repeat(100_000)).unwrap_err(), JsonError::TooDeep);
    // Depth is not the number of containers.
    assert!(parse(format!("{{\"a\":[{}[]]}}", "[],{\"b\":[]},".repeat(10_000))).is_ok());
}

#[test]
fn objects_and_arrays_are_told_apart_at_every_depth() {
    for depth in 1..200 {
        let open: Vec<_> = (0..depth).map(|level| if level % 3 == 0 { "{\"a\":" } else { "[" }).collect();
        let mut close: Vec<_> = (0..depth).rev().map(|level| if level % 3 == 0 { "}" } else { "]" }).collect();
        assert!(parse(format!("{}1{}", open.concat(), close.concat())).is_ok());
        close[depth / 2] = if close[depth / 2] == "}" { "]" } else { "}" };
        assert!(matches!(parse(format!("{}1{}", open.concat(), close.concat())), Err(JsonError::Syntax(_))));
    }
}

proptest! {
    #[test]
    fn valid_texts_are_accepted(text in json_text()) {
        assert_same_verdict(text.as_bytes());
        prop_assert!(Value::of(text.as_bytes()).is_some());
    }

    #[test]
    fn mutated_texts_get_the_verdict_of_serde_json(
        text in json_text(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4),
        tokens in prop::sample::select(b"{}[]\",:\\ 0e.-u\n\x01\x80\xc3".to_vec()),
    ) {
        let mut text = text.into_bytes();
        for (at, byte, kind) in changes {
            let at = at.index(text.len() + 1);
            match kind {
                0 => text.insert(at, tokens),
                1 if at < text.len() => text[at] = byte,
                2 if at < text.len() => drop(text.remove(at)),
                _ => text.truncate(at),
            }
        }
        assert_same_verdict(&text);
    }

    #[test]
    fn token_soup_gets_the_verdict_of_serde_json(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"\\n\"", "1", "-2.5e1", "true", "null", " ", "\"", "\\", "0",
        ]), 0..12),
    ) {
        assert_same_verdict(tokens.concat().as_bytes());
    }

    #[test]
    fn any_bytes_get_the_verdict_of_serde_json(text in prop::collection::vec(any::<u8>(), 0..40)) {
        assert_same_verdict(&text);
        let mut quoted = vec![b'"'];
        quoted.extend_from_slice(&text);
        quoted.push(b'"');
        assert_same_verdict(&quoted);
    }
}
