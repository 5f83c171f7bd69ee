mod accept;
mod edit;
mod navigate;

use proptest::prelude::*;
use serde_json::Value as Tree;

/// JSON text with odd whitespace, escapes, duplicate keys and number spellings.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        prop::sample::select(vec!["0", "-0", "1.50", "1e3", "-2.5E-2", "18446744073709551615", "1E+2"])
            .prop_map(str::to_owned),
        string_text(),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            (prop::collection::vec((space(), inner.clone(), space()), 0..6), space()).prop_map(|(elements, blank)| {
                let elements: Vec<_> = elements.into_iter().map(|(a, value, b)| format!("{a}{value}{b}")).collect();
                if elements.is_empty() { format!("[{blank}]") } else { format!("[{}]", elements.join(",")) }
            }),
            object_of(inner),
        ]
    })
}

/// An object whose keys are often the same.
fn object_text() -> impl Strategy<Value = String> {
    (space(), object_of(json_text()), space()).prop_map(|(a, object, b)| format!("{a}{object}{b}"))
}

fn object_of(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (prop::collection::vec((space(), key_text(), space(), space(), value, space()), 0..6), space()).prop_map(
        |(members, blank)| {
            let members: Vec<_> =
                members.into_iter().map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}")).collect();
            if members.is_empty() { format!("{{{blank}}}") } else { format!("{{{}}}", members.join(",")) }
        },
    )
}

fn key_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![r#""a""#, r#""b""#, r#""c""#, r#""\u0061""#, r#""""#, r#""\\""#, r#""é\n""#])
            .prop_map(str::to_owned),
        1 => string_text(),
    ]
}

fn string_text() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![
            4 => "[a-z ,:{}\\[\\]]{1,20}",
            1 => "[é€😀]{1,3}",
            1 => prop::sample::select(vec![r#"\""#, r"\\", r"\/", r"\b", r"\f", r"\n", r"\r", r"\t", r"\u00e9", r"\ud83d\ude00"])
                .prop_map(str::to_owned),
        ],
        0..8,
    )
    .prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just(""), 1 => prop::sample::select(vec![" ", "\n  ", "\t", "\r\n"])]
}

fn tree(text: &[u8]) -> Tree {
    serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}
