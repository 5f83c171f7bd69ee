//! The tool calls of a reply: whose they are, and under which index the client knows its own.

use std::{borrow::Cow, collections::BTreeSet, ops::Bound};

use serde_json::{Map, Value as Tree};

use crate::{
    api::{tools::Call, wire::Budget},
    json::Value,
};

/// The tool calls of one reply.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Called>,
}

/// The indexes of the client's calls, over all rounds.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// The highest that the client has seen.
    last: Option<u64>,
    /// An injected tool has been called, so that the provider's indexes have gaps for the client.
    gaps: bool,
}

/// A tool call, as far as it has come.
#[derive(Debug)]
struct Called {
    index: u64,
    id: Option<String>,
    name: String,
    /// The text between the quotes of the arguments' JSON string.
    arguments: Vec<u8>,
    /// A custom tool: its input is text, not JSON.
    custom: bool,
    /// Members that only the provider knows, such as signatures: of the call, and of its function.
    others: Vec<(String, Vec<u8>)>,
    function_others: Vec<(String, Vec<u8>)>,
    whose: Whose,
}

#[derive(Debug)]
enum Whose {
    Ours,
    /// The client's, with its index there, if it has one.
    Clients(Option<u64>),
    /// The name may not be whole: what has come is held back.
    Unknown(Vec<Vec<u8>>),
}

impl Numbering {
    /// The index for the client of a call that the provider gave the index `provider`.
    fn assign(&mut self, provider: u64) -> u64 {
        let index = match self.gaps {
            true => self.last.map_or(0, |last| last.saturating_add(1)),
            false => provider,
        };
        self.last = self.last.max(Some(index));
        index
    }
}

impl Calls {
    /// Takes an element of a delta's `tool_calls`. Gives what the client gets in its place; `None` if that is the same.
    pub(super) fn delta(
        &mut self,
        delta: Value<'_>,
        names: &BTreeSet<String>,
        numbering: &mut Numbering,
        budget: &mut Budget,
    ) -> Option<Vec<Vec<u8>>> {
        let index = delta.get("index").and_then(Value::as_u64);
        let at = match self.find(delta, index) {
            Some(at) => at,
            None if budget.take(size_of::<Called>()) => {
                // Without an index the calls stay in order.
                let next = self.calls.last().map_or(0, |call| call.index.saturating_add(1));
                self.calls.push(Called::new(index.unwrap_or(next)));
                self.calls.len() - 1
            }
            None => return None,
        };
        let call = &mut self.calls[at];
        call.learn(delta, budget);
        if let Whose::Unknown(held) = &mut call.whose {
            let own = !call.custom && names.contains(&call.name);
            if own {
                call.whose = Whose::Ours;
                numbering.gaps = true;
            } else if !call.custom && call.arguments.is_empty() && is_begun(names, &call.name) {
                held.push(delta.text().to_vec());
                return Some(Vec::new());
            } else {
                let mut deltas = std::mem::take(held);
                let index = index.map(|index| numbering.assign(index));
                call.whose = Whose::Clients(index);
                if deltas.is_empty() {
                    return renumbered(delta, index).map(|delta| vec![delta]);
                }
                deltas.push(delta.text().to_vec());
                return Some(vec![joined(&deltas, index)]);
            }
        }
        match &call.whose {
            Whose::Clients(index) => renumbered(delta, *index).map(|delta| vec![delta]),
            Whose::Ours | Whose::Unknown(_) => Some(Vec::new()),
        }
    }

    /// The model has finished: names are whole. Gives what the client gets of calls that turn out to be its own.
    pub(super) fn settle(&mut self, numbering: &mut Numbering) -> Vec<Vec<u8>> {
        let mut released = Vec::new();
        for call in &mut self.calls {
            if let Whose::Unknown(held) = &mut call.whose {
                let index = Some(numbering.assign(call.index));
                released.push(joined(held, index));
                call.whose = Whose::Clients(index);
            }
        }
        released
    }

    /// Takes an element of a whole message's `tool_calls`. Says whether it is ours.
    pub(super) fn whole(&mut self, element: Value<'_>, names: &BTreeSet<String>, budget: &mut Budget) -> bool {
        let mut call = Called::new(self.calls.len() as u64);
        call.learn(element, budget);
        let own = !call.custom && names.contains(&call.name);
        call.whose = if own { Whose::Ours } else { Whose::Clients(None) };
        self.calls.push(call);
        own
    }

    /// The reply is over: puts the calls in order, and gives an id to those without one.
    pub(super) fn close(&mut self, round: usize) {
        self.calls.sort_by_key(|call| call.index);
        for (at, call) in self.calls.iter_mut().enumerate() {
            call.id.get_or_insert_with(|| format!("call_{round}_{at}"));
        }
    }

    /// Our calls.
    pub(super) fn ours(&self, reply_id: Option<&str>) -> Vec<Call> {
        let ours = self.calls.iter().filter(|call| matches!(call.whose, Whose::Ours));
        ours.map(|call| Call {
            id: call.id.clone().unwrap_or_default(),
            item_id: None,
            reply_id: reply_id.map(str::to_owned),
            name: call.name.clone(),
            arguments: call.arguments(),
        })
        .collect()
    }

    /// For each call, whether it is ours.
    pub(super) fn whole_ours(&self) -> impl Iterator<Item = bool> {
        self.calls.iter().map(|call| matches!(call.whose, Whose::Ours))
    }

    /// Whether one of ours is among them.
    pub(super) fn has_ours(&self) -> bool {
        self.calls.iter().any(|call| matches!(call.whose, Whose::Ours))
    }

    /// Whether one of the client's is among them.
    pub(super) fn has_clients(&self) -> bool {
        self.calls.iter().any(|call| matches!(call.whose, Whose::Clients(_)))
    }

    /// The ids of the client's calls.
    pub(super) fn clients(&self) -> Vec<String> {
        let clients = self.calls.iter().filter(|call| matches!(call.whose, Whose::Clients(_)));
        clients.filter_map(|call| call.id.clone()).collect()
    }

    /// The elements of `tool_calls` of a message with these calls.
    pub(super) fn elements(&self) -> Vec<Vec<u8>> {
        self.calls.iter().map(Called::write).collect()
    }

    /// Which call a delta continues.
    fn find(&self, delta: Value<'_>, index: Option<u64>) -> Option<usize> {
        let id = text(delta.get("id"));
        let named = text(function(delta).and_then(|function| function.get("name"))).is_some();
        self.calls.iter().rposition(|call| match (index, &id) {
            // Some give every call the index 0; one that has a name and another id is another call.
            (Some(index), Some(id)) => {
                call.index == index && (!named || call.id.as_deref().is_none_or(|known| known == id))
            }
            (Some(index), None) => call.index == index,
            (None, Some(id)) => call.id.as_deref() == Some(id),
            // Without either it can only be the last one.
            (None, None) => !named,
        })
    }
}

impl Called {
    fn new(index: u64) -> Called {
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

    fn learn(&mut self, delta: Value<'_>, budget: &mut Budget) {
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

    fn arguments(&self) -> Result<Map<String, Tree>, String> {
        let quoted = [b"\"", self.arguments.as_slice(), b"\""].concat();
        let text = Value::of(&quoted).and_then(Value::as_str).unwrap_or_default();
        if matches!(text.trim(), "" | "null") {
            return Ok(Map::new());
        }
        serde_json::from_str(&text).map_err(|_| text.into_owned())
    }

    fn write(&self) -> Vec<u8> {
        let quote = |text: &str| Tree::from(text).to_string();
        let (kind, input) = if self.custom { ("custom", "input") } else { ("function", "arguments") };
        // Providers parse the arguments of what they are sent.
        let arguments = if self.arguments.is_empty() && !self.custom { b"{}" } else { self.arguments.as_slice() };
        let id = quote(self.id.as_deref().unwrap_or_default());
        let name = quote(&self.name);
        let mut json = format!(r#"{{"id":{id},"type":"{kind}","{kind}":{{"name":{name},"{input}":""#).into_bytes();
        json.extend_from_slice(arguments);
        json.push(b'"');
        put(&mut json, &self.function_others);
        json.push(b'}');
        put(&mut json, &self.others);
        json.push(b'}');
        json
    }
}

/// Whether a delta begins, or may begin, a call of one of `names`.
pub(super) fn begins(delta: Value<'_>, names: &BTreeSet<String>) -> bool {
    let name = delta.get("function").and_then(|function| function.get("name")).and_then(Value::as_str);
    name.is_some_and(|name| is_begun(names, &name))
}

/// Whether `name` is one of `names`, or may be the beginning of one.
fn is_begun(names: &BTreeSet<String>, name: &str) -> bool {
    names.range::<str, _>((Bound::Included(name), Bound::Unbounded)).next().is_some_and(|next| next.starts_with(name))
}

fn function(delta: Value<'_>) -> Option<Value<'_>> {
    delta.get("function").or_else(|| delta.get("custom"))
}

/// A string that is not empty.
fn text(value: Option<Value<'_>>) -> Option<Cow<'_, str>> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The delta with another index; `None` if it has that one, or none at all.
fn renumbered(delta: Value<'_>, index: Option<u64>) -> Option<Vec<u8>> {
    let (known, index) = (delta.get("index")?, index?.to_string());
    if known.text() == index.as_bytes() {
        return None;
    }
    let text = delta.text();
    let start = known.text().as_ptr().addr() - text.as_ptr().addr();
    Some([&text[..start], index.as_bytes(), &text[start + known.text().len()..]].concat())
}

/// One delta with what several say: an accumulator may not take two of one index in a chunk.
fn joined(deltas: &[Vec<u8>], index: Option<u64>) -> Vec<u8> {
    let mut whole = Tree::Null;
    for delta in deltas.iter().filter_map(|delta| Value::of(delta)) {
        join(&mut whole, delta.to_value());
    }
    if let (Some(known), Some(index)) = (whole.get_mut("index"), index) {
        *known = index.into();
    }
    whole.to_string().into_bytes()
}

fn join(known: &mut Tree, delta: Tree) {
    match (known, delta) {
        (_, Tree::Null) => {}
        (Tree::Object(known), Tree::Object(delta)) => {
            for (key, value) in delta {
                match (known.get_mut(&key), value) {
                    (Some(Tree::String(text)), Tree::String(more)) if key == "name" || key == "arguments" => {
                        text.push_str(&more);
                    }
                    (Some(known), value) => join(known, value),
                    (None, value) => drop(known.insert(key, value)),
                }
            }
        }
        (known, delta) => *known = delta,
    }
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
