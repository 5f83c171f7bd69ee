use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
};

use bytes::Bytes;
use serde_json::{Map, Value as Tree};

use crate::{
    api::{tools::Call, turn::has},
    json::{Document, Edits, Value},
};

/// A content block of a reply, as it goes back to the provider.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) json: Bytes,
    pub(super) part: Part,
}

/// Whose a block is.
#[derive(Debug)]
pub(super) enum Part {
    /// Text, thinking, and whatever calls no tool.
    Content,
    /// A call of a tool that the provider runs, with its id.
    Hosted(String),
    /// A call of the client's tool, with its id.
    Client(String),
    /// A call of an injected tool.
    Ours(Call),
}

impl Block {
    /// Reads the block that `json` holds. `broken` is the text of an input that is no object.
    pub(super) fn read(json: Bytes, broken: Option<String>, names: &BTreeSet<String>, reply: Option<&str>) -> Block {
        let part = Value::of(&json).map_or(Part::Content, |block| Part::of(block, broken, names, reply));
        Block { json, part }
    }

    /// The call, if it is one of an injected tool.
    pub(super) fn call(&self) -> Option<&Call> {
        match &self.part {
            Part::Ours(call) => Some(call),
            _ => None,
        }
    }

    /// The id of the call, if it is one of a tool of the client's.
    pub(super) fn client_call(&self) -> Option<&String> {
        match &self.part {
            Part::Client(id) => Some(id),
            _ => None,
        }
    }

    /// The id of the call, if it is one of a tool that the provider runs.
    pub(super) fn hosted_call(&self) -> Option<&String> {
        match &self.part {
            Part::Hosted(id) => Some(id),
            _ => None,
        }
    }

    /// Whether the provider would refuse the block in a request: a text without text.
    pub(super) fn is_blank(&self) -> bool {
        Value::of(&self.json).is_some_and(is_blank)
    }
}

impl Part {
    fn of(block: Value<'_>, broken: Option<String>, names: &BTreeSet<String>, reply: Option<&str>) -> Part {
        if !calls(block) {
            return Part::Content;
        }
        let id = block.get("id").and_then(Value::as_str).unwrap_or_default().into_owned();
        if !has(block, "type", "tool_use") {
            return Part::Hosted(id);
        }
        let Some(name) = ours(block, names) else { return Part::Client(id) };
        let arguments = match broken {
            Some(text) => Err(text),
            None => arguments(block.get("input")),
        };
        let reply_id = reply.map(str::to_owned);
        Part::Ours(Call { id, item_id: None, reply_id, name: name.into_owned(), arguments })
    }
}

/// Gives those of our calls that have another's id one of their own. There are providers that use an id twice, and refuse
/// it when it comes back so.
pub(super) fn tell_apart(blocks: &mut [Block], round: usize) {
    let mut taken: HashSet<String> = blocks.iter().filter_map(Block::client_call).cloned().collect();
    for (at, block) in blocks.iter_mut().enumerate() {
        let Part::Ours(call) = &mut block.part else { continue };
        if taken.insert(call.id.clone()) {
            continue;
        }
        call.id = format!("{}_{round}_{at}", call.id);
        if let Ok(document) = Document::parse(block.json.clone()) {
            let mut edits = Edits::new(&document);
            edits.set(document.root(), "id", Tree::from(call.id.as_str()).to_string());
            block.json = edits.apply();
        }
    }
}

/// Whether a text block is empty, or nothing but white space.
pub(super) fn is_blank(block: Value<'_>) -> bool {
    has(block, "type", "text")
        && block.get("text").and_then(Value::as_str).is_none_or(|text| text.trim_ascii().is_empty())
}

/// Whether a block calls a tool of whomever: `tool_use`, `server_tool_use`, `mcp_tool_use`.
pub(super) fn calls(block: Value<'_>) -> bool {
    block.get("type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("tool_use"))
}

/// The name of the injected tool that a block calls. `server_tool_use` and the like are the provider's own.
pub(super) fn ours<'b>(block: Value<'b>, names: &BTreeSet<String>) -> Option<Cow<'b, str>> {
    if !has(block, "type", "tool_use") {
        return None;
    }
    block.get("name").and_then(Value::as_str).filter(|name| names.contains(name.as_ref()))
}

fn arguments(input: Option<Value<'_>>) -> Result<Map<String, Tree>, String> {
    let Some(input) = input else { return Ok(Map::new()) };
    match input.to_value() {
        Tree::Object(arguments) => Ok(arguments),
        _ => Err(String::from_utf8_lossy(input.text()).into_owned()),
    }
}
