use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Spanned};

use super::{Given, Level, at_line};
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
    match error.without_snippet() {
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

    /// Reads a value. Null counts as not given.
    fn scalar(&mut self, found: Found, spelling: String, node: &Spanned<Node>) {
        let kind = found.slot.definition.kind;
        let text = match &node.value {
            Node::Null => return,
            Node::List(elements) if kind == Kind::Keys || elements.len() == 1 => elements
                .iter()
                .map(|element| element.value.text(kind))
                .collect::<Result<Vec<_>, _>>()
                .map(|texts| texts.join(",")),
            other => other.text(kind),
        };
        let line = Some(node.referenced.line());
        match text {
            Ok(text) => self.given.push(Given { found, level: Level::Yaml, spelling, line, text }),
            Err(problem) => self.report.error(at_line(&spelling, line), problem),
        }
    }
}

/// Whether there are options below `path`.
fn is_group(path: &str) -> bool {
    let below = |option: &str| option.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    OPTIONS.iter().any(|option| {
        option.yaml_paths().iter().any(|known| below(known)) || option.also.iter().any(|&also| below(also))
    })
}

/// Any YAML.
enum Node {
    Null,
    Switch(bool),
    Number(String),
    Text(String),
    List(Vec<Spanned<Node>>),
    Map(Vec<(String, Spanned<Node>)>),
}

impl Node {
    /// The text of a scalar that is given for an option of this kind.
    fn text(&self, kind: Kind) -> Result<String, &'static str> {
        match self {
            Node::Text(text) => Ok(text.clone()),
            Node::Number(number) if matches!(kind, Kind::Duration | Kind::Bytes | Kind::Count(..) | Kind::Switch) => {
                Ok(number.clone())
            }
            Node::Switch(switch) if kind == Kind::Switch => Ok(switch.to_string()),
            // As a number it would have lost leading zeros and the like.
            Node::Number(_) => Err("reads as a number in YAML; put it in quotes"),
            Node::Switch(_) => Err("reads as true or false in YAML; put it in quotes"),
            Node::Null | Node::List(_) | Node::Map(_) => Err("must be a single value"),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        struct AnyNode;

        impl<'de> Visitor<'de> for AnyNode {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("YAML")
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
                deserializer.deserialize_any(AnyNode)
            }

            fn visit_bool<E>(self, switch: bool) -> Result<Node, E> {
                Ok(Node::Switch(switch))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
                Ok(Node::Number(number.to_string()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
                Ok(Node::Number(number.to_string()))
            }

            fn visit_i128<E>(self, number: i128) -> Result<Node, E> {
                Ok(Node::Number(number.to_string()))
            }

            fn visit_u128<E>(self, number: u128) -> Result<Node, E> {
                Ok(Node::Number(number.to_string()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
                Ok(Node::Number(number.to_string()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Node::List(elements))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    entries.push((key, map.next_value()?));
                }
                Ok(Node::Map(entries))
            }
        }

        deserializer.deserialize_any(AnyNode)
    }
}
