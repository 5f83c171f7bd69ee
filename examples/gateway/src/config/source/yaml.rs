use serde_saphyr::{Error, Spanned};

use super::{Given, Level, at_line, node::Node};
use crate::config::{
    definition::{Family, Kind},
    names::{self, Found},
    report::Report,
    table::OPTIONS,
};

/// Picks the options out of the YAML file at `path`, whose content is `text`.
pub(in crate::config) fn read(path: &str, text: &str, report: &mut Report) -> Vec<Given> {
    // The parser's own messages quote the lines around a mistake, and there may be secrets in them.
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        reject_unsupported_tags: true
    };
    let mut reader = Reader { given: Vec::new(), report };
    match serde_saphyr::from_str_with_options::<Option<Spanned<Node>>>(text, options) {
        Ok(None) => {}
        Ok(Some(root)) => reader.group("", &root),
        Err(error) => {
            let place = error
                .location()
                .map_or_else(|| path.to_owned(), |at| format!("{path} (line {}, column {})", at.line(), at.column()));
            reader.report.error(place, format!("is not valid YAML: {}", explain(&error)));
        }
    }
    reader.given
}

/// What is wrong, without a word of the file except the names of keys.
fn explain(error: &Error) -> String {
    match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("the key `{key}` is there twice; remove one"),
        Error::DuplicateMappingKey { .. } => "a key is there twice; remove one".to_owned(),
        Error::UnknownAnchor { .. } => "a value that begins with * must be in quotes".to_owned(),
        Error::UnsupportedTag { .. } => "a value that begins with ! must be in quotes".to_owned(),
        Error::MultipleDocuments { .. } => "it holds several documents; keep one".to_owned(),
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } => "it is too large".to_owned(),
        _ => "check the indentation, the colons and the quotes there".to_owned(),
    }
}

struct Reader<'a> {
    given: Vec<Given>,
    report: &'a mut Report,
}

impl Reader<'_> {
    /// Reads a mapping whose keys are options, groups of options, or lists of members of families.
    fn group(&mut self, prefix: &str, node: &Spanned<Node>) {
        let Node::Map(entries) = &node.value else {
            if !matches!(node.value, Node::Null) {
                let name = if prefix.is_empty() { "the file" } else { prefix.trim_end_matches('.') };
                let name = at_line(name, Some(node.referenced.line()));
                self.report.error(name, "must be a mapping; write `name: value` in each line");
            }
            return;
        };
        for (key, value) in entries {
            let line = Some(value.referenced.line());
            let path = format!("{prefix}{}", key.replace('-', "_"));
            let spelling = format!("{prefix}{key}");
            if let Some(family) = names::list(&path) {
                self.list(family, &spelling, value);
            } else if let Some(found) = names::yaml(&path) {
                self.scalar(found, spelling, value);
            } else if is_group(&path) {
                self.group(&format!("{path}."), value);
            } else {
                let near =
                    names::nearest_yaml(&path).map_or_else(String::new, |near| format!("; did you mean {near}?"));
                self.report.warn(at_line(&spelling, line), format!("is not known and has no effect{near}"));
            }
        }
    }

    /// Reads a list of members of `family`.
    fn list(&mut self, family: &'static Family, path: &str, node: &Spanned<Node>) {
        let elements = match &node.value {
            Node::List(elements) => elements.as_slice(),
            Node::Null => &[],
            _ => {
                let name = at_line(path, Some(node.referenced.line()));
                self.report.error(name, "must be a list; begin each element with a hyphen");
                return;
            }
        };
        for (index, element) in (0..).zip(elements) {
            let path = format!("{path}[{index}]");
            let before = self.given.len();
            let Node::Map(fields) = &element.value else {
                let name = at_line(&path, Some(element.referenced.line()));
                self.report.error(name, "must be a mapping; give it its fields, or remove it");
                continue;
            };
            for (key, value) in fields {
                let spelling = format!("{path}.{key}");
                match names::field(family, index, &key.replace('-', "_")) {
                    Ok(found) => self.scalar(found, spelling, value),
                    Err(near) => {
                        let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                        let name = at_line(&spelling, Some(value.referenced.line()));
                        self.report.warn(name, format!("is not known and has no effect{near}"));
                    }
                }
            }
            if self.given.len() == before {
                let name = at_line(&path, Some(element.referenced.line()));
                self.report.error(name, "is empty; give it its fields, or remove it");
            }
        }
    }

    /// Reads a value. Null and an empty list count as not given.
    fn scalar(&mut self, found: Found, spelling: String, node: &Spanned<Node>) {
        let kind = found.slot.definition.kind;
        let text = match &node.value {
            Node::Null => return,
            Node::List(elements) if elements.is_empty() => return,
            Node::List(elements) if between(kind).is_some() || elements.len() == 1 => elements
                .iter()
                .map(|element| element.value.text(kind))
                .collect::<Result<Vec<_>, _>>()
                .map(|texts| texts.join(between(kind).unwrap_or_default().encode_utf8(&mut [0; 4]))),
            other => other.text(kind),
        };
        let line = Some(node.referenced.line());
        match text {
            Ok(text) => self.given.push(Given { found, level: Level::Yaml, spelling, line, text }),
            Err(problem) => self.report.error(at_line(&spelling, line), problem),
        }
    }
}

/// What separates the elements of a list when they are written as one text.
fn between(kind: Kind) -> Option<char> {
    match kind {
        Kind::Keys => Some(','),
        Kind::Words(between) => Some(between),
        _ => None,
    }
}

/// Whether there are options below `path`.
fn is_group(path: &str) -> bool {
    let below = |option: &str| option.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    OPTIONS.iter().any(|option| {
        option.yaml_paths().iter().any(|known| below(known)) || option.also.iter().any(|&also| below(also))
    })
}
