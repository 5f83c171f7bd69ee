use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::config::definition::Kind;

/// Any YAML.
pub(super) enum Node {
    Null,
    Switch(bool),
    Number(String),
    Text(String),
    List(Vec<Spanned<Node>>),
    Map(Vec<(String, Spanned<Node>)>),
}

impl Node {
    /// The text of a scalar that is given for an option of this kind.
    pub(super) fn text(&self, kind: Kind) -> Result<String, &'static str> {
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
