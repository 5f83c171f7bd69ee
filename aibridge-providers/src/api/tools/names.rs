use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, LazyLock, OnceLock},
};

use memchr::{memchr, memmem::Finder};

/// The names of the tools that a request was given, exactly as the model knows them. Cheap to clone.
#[derive(Clone)]
pub struct Names(Arc<Known>);

struct Known {
    all: Arc<BTreeSet<String>>,
    /// What they all begin with.
    common: Finder<'static>,
    /// How a provider has written their definitions, one behind the other.
    repeated: OnceLock<Box<[u8]>>,
}

/// How an escaped character of a name begins: names are ASCII (RFC 8259, section 7).
static ESCAPED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br"\u00"));

impl Names {
    /// Whether `name` is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.all.contains(name)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.all.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.all.len()
    }

    pub(in crate::api) fn all(&self) -> &Arc<BTreeSet<String>> {
        &self.0.all
    }

    /// Where the first of them may be in `json`, unless it is written with escapes.
    pub(in crate::api) fn find(&self, json: &[u8]) -> Option<usize> {
        self.0.common.find(json)
    }

    /// How a provider has written their definitions before, one behind the other.
    pub(in crate::api) fn repeated(&self) -> Option<&[u8]> {
        self.0.repeated.get().map(|definitions| &**definitions)
    }

    /// A provider writes their definitions like this. The first time counts.
    pub(in crate::api) fn repeat(&self, definitions: &[u8]) {
        self.0.repeated.get_or_init(|| definitions.into());
    }

    /// Whether one of them may be in `json`, as a string or a part of one. A quick look, without reading: `false` is
    /// certain.
    pub(in crate::api) fn may_occur(&self, json: &[u8]) -> bool {
        self.find(json).is_some() || has_escapes(json)
    }
}

impl FromIterator<String> for Names {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Names {
        let all = BTreeSet::from_iter(names);
        let common = Finder::new(prefix(&all)).into_owned();
        Names(Arc::new(Known { all: Arc::new(all), common, repeated: OnceLock::new() }))
    }
}

impl Default for Names {
    fn default() -> Names {
        Names::from_iter([])
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.all.fmt(f)
    }
}

/// Whether a printable ASCII character is written with an escape.
pub(in crate::api) fn has_escapes(json: &[u8]) -> bool {
    let is_printable = |at| matches!(json.get(at + 4), Some(b'2'..=b'7'));
    // Most text has no backslash at all, which is found out faster.
    memchr(b'\\', json).is_some_and(|from| ESCAPED.find_iter(&json[from..]).any(|at| is_printable(from + at)))
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
        let names: Names = ["bmcp_a_one", "bmcp_a_two"].map(str::to_owned).into_iter().collect();
        for (json, expected) in [
            (r#"{"name":"bmcp_a_two"}"#, true),
            (r#"{"name":"\u0062mcp_a_two"}"#, true),
            (r#"{"name":"bmcp\u005Fa_one"}"#, true),
            (r#"{"name":"bmcp_a","text":"\u2013 \u00e9 \u000a \\n \u00"}"#, false),
            ("", false),
        ] {
            assert_eq!(names.may_occur(json.as_bytes()), expected, "{json}");
        }
        let unlike: Names = ["a", "b"].map(str::to_owned).into_iter().collect();
        assert!(unlike.may_occur(b"{}"), "names with nothing in common may be anywhere");
    }
}
