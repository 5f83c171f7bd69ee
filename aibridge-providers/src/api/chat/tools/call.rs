//! A tool call, as far as it has come.

use std::{borrow::Cow, collections::BTreeSet};

use bytes::Bytes;
use serde_json::{Map, Value as Tree, json};

use super::{
    calls::Numbering,
    delta::{function, is_begun, joined, renumbered, text},
};
use crate::{
    api::wire::Budget,
    json::{Document, Edits, Value},
};

/// A tool call, as far as it has come.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) index: u64,
    pub(super) id: Option<String>,
    pub(super) name: String,
    /// The text between the quotes of the arguments' JSON string.
    arguments: Vec<u8>,
    /// A custom tool: its input is text, not JSON.
    pub(super) custom: bool,
    /// Members that only the provider knows, such as signatures: of the call, and of its function.
    others: Vec<(String, Vec<u8>)>,
    function_others: Vec<(String, Vec<u8>)>,
    pub(super) whose: Whose,
}

#[derive(Debug)]
pub(super) enum Whose {
    Ours,
    /// The client's, with its index there, if it has one.
    Clients(Option<u64>),
    /// The name may not be whole: what has come is held back.
    Unknown(Vec<Vec<u8>>),
}

impl Called {
    pub(super) fn new(index: u64) -> Called {
        Called {
            index,
            id: None,
            name: String::new(),
            arguments: Vec::new(),
            custom: false,
            others: Vec::new(),
            function_others: Vec::new(),
            whose: Whose::Unknown(Vec::new()),
        }
    }

    pub(super) fn learn(&mut self, delta: Value<'_>, budget: &mut Budget) {
        self.custom |= delta.get("custom").is_some_and(Value::is_object);
        if !budget.take(delta.text().len()) {
            return;
        }
        for (key, value) in delta.members() {
            match &*key {
                "id" if self.id.is_none() => self.id = text(Some(value)).map(Cow::into_owned),
                "id" | "index" | "type" | "function" | "custom" => {}
                _ => set(&mut self.others, &key, value),
            }
        }
        for (key, value) in function(delta).into_iter().flat_map(Value::members) {
            match &*key {
                // Some send it in pieces, some with every delta.
                "name" => match value.as_str() {
                    Some(piece) if piece != self.name.as_str() && !matches!(self.whose, Whose::Ours) => {
                        self.name.push_str(&piece);
                    }
                    _ => {}
                },
                "arguments" | "input" => match value.text() {
                    [b'"', inner @ .., b'"'] => self.arguments.extend_from_slice(inner),
                    b"null" => {}
                    // Not a string: the arguments themselves.
                    json => {
                        let json = Tree::from(String::from_utf8_lossy(json)).to_string();
                        self.arguments.extend_from_slice(&json.as_bytes()[1..json.len() - 1]);
                    }
                },
                _ => set(&mut self.function_others, &key, value),
            }
        }
    }

    /// What the client gets in the place of a delta that has been learnt; `None` if that is the same.
    pub(super) fn delta(
        &mut self,
        delta: Value<'_>,
        names: &BTreeSet<String>,
        numbering: &mut Numbering,
    ) -> Option<Vec<Vec<u8>>> {
        if let Whose::Unknown(held) = &mut self.whose {
            if !self.custom && names.contains(&self.name) {
                self.whose = Whose::Ours;
                numbering.skip();
            } else if !self.custom && self.arguments.is_empty() && is_begun(names, &self.name) {
                held.push(delta.text().to_vec());
            } else {
                let mut deltas = std::mem::take(held);
                let index = delta.get("index").map(|_| numbering.assign(self.index));
                self.whose = Whose::Clients(index);
                if !deltas.is_empty() {
                    deltas.push(delta.text().to_vec());
                    return Some(vec![joined(&deltas, index)]);
                }
            }
        }
        match &self.whose {
            Whose::Clients(index) => renumbered(delta, *index).map(|delta| vec![delta]),
            Whose::Ours | Whose::Unknown(_) => Some(Vec::new()),
        }
    }

    pub(super) fn arguments(&self) -> Result<Map<String, Tree>, String> {
        let text = self.text();
        if is_nothing(&text) {
            return Ok(Map::new());
        }
        serde_json::from_str(&text).map_err(|_| text)
    }

    /// The arguments as the model wrote them.
    fn text(&self) -> String {
        let quoted = [b"\"", self.arguments.as_slice(), b"\""].concat();
        Value::of(&quoted).and_then(Value::as_str).unwrap_or_default().into_owned()
    }

    /// What a provider is sent in the place of arguments that it could not read, as JSON: many parse them, and refuse the
    /// request if that fails. What the model wrote wrongly is put into an object.
    fn mended(&self) -> Option<Vec<u8>> {
        if self.custom {
            return None;
        }
        let ours = matches!(self.whose, Whose::Ours);
        let arguments = match self.arguments() {
            Ok(_) if self.arguments.is_empty() || (ours && is_nothing(&self.text())) => json!({}),
            Err(text) if ours => json!({"INVALID_JSON": text}),
            _ => return None,
        };
        Some(quote(&arguments.to_string()).into_bytes())
    }

    /// The call as the provider is sent it, if `element` is what it sent itself.
    pub(super) fn write_over(&self, element: Value<'_>) -> Vec<u8> {
        let Ok(document) = Document::parse(Bytes::copy_from_slice(element.text())) else {
            return element.text().to_vec();
        };
        let mut edits = Edits::new(&document);
        let id = self.id.as_deref().unwrap_or_default();
        if text(document.get("id")).is_none_or(|known| known != id) {
            edits.set(document.root(), "id", quote(id));
        }
        if let (Some(function), Some(arguments)) = (document.get("function"), self.mended()) {
            edits.set(function, "arguments", arguments);
        }
        edits.apply().into()
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let (kind, input) = if self.custom { ("custom", "input") } else { ("function", "arguments") };
        let id = quote(self.id.as_deref().unwrap_or_default());
        let name = quote(&self.name);
        let mut json = format!(r#"{{"id":{id},"type":"{kind}","{kind}":{{"name":{name},"{input}":"#).into_bytes();
        json.extend_from_slice(&self.mended().unwrap_or_else(|| [b"\"", &*self.arguments, b"\""].concat()));
        put(&mut json, &self.function_others);
        json.push(b'}');
        put(&mut json, &self.others);
        json.push(b'}');
        json
    }
}

/// Whether arguments are none at all.
fn is_nothing(arguments: &str) -> bool {
    matches!(arguments.trim(), "" | "null")
}

fn quote(text: &str) -> String {
    Tree::from(text).to_string()
}

/// Sets a member of which the last one counts.
fn set(members: &mut Vec<(String, Vec<u8>)>, key: &str, value: Value<'_>) {
    if value.is_null() {
        return;
    }
    match members.iter_mut().find(|(known, _)| known == key) {
        Some((_, known)) => *known = value.text().to_vec(),
        None => members.push((key.to_owned(), value.text().to_vec())),
    }
}

/// Writes further members of an object.
fn put(json: &mut Vec<u8>, members: &[(String, Vec<u8>)]) {
    for (key, value) in members {
        json.push(b',');
        json.extend_from_slice(Tree::from(key.as_str()).to_string().as_bytes());
        json.push(b':');
        json.extend_from_slice(value);
    }
}
