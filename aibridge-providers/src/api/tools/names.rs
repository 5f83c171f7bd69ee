//! The names of injected tools, in JSON of somebody else's.

use std::collections::BTreeSet;

use memchr::memmem;

/// Whether one of `names` may be in `json`, as a string or a part of one. A quick look, without reading: `false` is
/// certain.
///
/// Names are ASCII, so that whoever escapes a character of one writes it as `\u00..` (RFC 8259, section 7).
pub(super) fn may_occur(names: &BTreeSet<String>, json: &[u8]) -> bool {
    memmem::find(json, prefix(names).as_bytes()).is_some() || memmem::find(json, br"\u00").is_some()
}

/// What all names begin with.
fn prefix(names: &BTreeSet<String>) -> &str {
    let (Some(first), Some(last)) = (names.first(), names.last()) else { return "" };
    // Of sorted names, the first and the last have the least in common; they are ASCII.
    let common = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
    &first[..common]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_not_to_occur_does_not() {
        let names: BTreeSet<_> = ["bmcp_a_one", "bmcp_a_two"].map(str::to_owned).into();
        for (json, expected) in [
            (r#"{"name":"bmcp_a_two"}"#, true),
            (r#"{"name":"\u0062mcp_a_two"}"#, true),
            (r#"{"name":"bmcp\u005Fa_one"}"#, true),
            (r#"{"name":"bmcp_a","text":"\u2013 \\n"}"#, false),
            ("", false),
        ] {
            assert_eq!(may_occur(&names, json.as_bytes()), expected, "{json}");
        }
        let unlike = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert!(may_occur(&unlike, b"{}"), "names with nothing in common may be anywhere");
        assert_eq!(prefix(&names), "bmcp_a_");
    }
}
