//! What the items of a response's output are.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde_json::{Map, Value as Json};

use crate::{
    api::{tools::Call, turn::has},
    json::{Document, Edits, Value},
};

pub(super) fn kind(item: Value<'_>) -> Cow<'_, str> {
    item.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// A text that is not empty.
pub(super) fn text<'a>(item: Value<'a>, key: &str) -> Option<Cow<'a, str>> {
    item.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Whether the item calls an injected tool, or is its definition. What has a namespace is the client's.
pub(super) fn is_ours(item: Value<'_>, names: &BTreeSet<String>) -> bool {
    matches!(&*kind(item), "function_call" | "function")
        && text(item, "name").is_some_and(|name| names.contains(&*name))
        && text(item, "namespace").is_none()
}

/// Whether one of the items waits for an answer of the client's.
///
/// Those are the calls that have a `call_id` and no output beside them; what the provider runs itself has no such id, or
/// comes with its output.
pub(super) fn await_client(items: &[Document], names: &BTreeSet<String>) -> bool {
    let items = || items.iter().map(Document::root);
    items().any(|item| {
        let kind = kind(item);
        if kind == "mcp_approval_request" {
            return true;
        }
        let Some(id) = text(item, "call_id") else { return false };
        let answered = |other: Value<'_>| {
            self::kind(other).ends_with("_output") && text(other, "call_id").is_some_and(|other| other == id)
        };
        kind.ends_with("_call") && !is_ours(item, names) && !items().any(answered)
    })
}

/// The call that an item is.
pub(super) fn call(item: Value<'_>, reply_id: Option<&str>) -> Call {
    let owned = |key| text(item, key).map(Cow::into_owned);
    let cut = has(item, "status", "incomplete") || has(item, "status", "in_progress");
    let arguments = item.get("arguments");
    Call {
        id: owned("call_id").or_else(|| owned("id")).unwrap_or_default(),
        item_id: owned("id"),
        reply_id: reply_id.map(str::to_owned),
        name: owned("name").unwrap_or_default(),
        arguments: match arguments.filter(|arguments| arguments.is_object()) {
            Some(object) => object_of(object).ok_or_else(String::new),
            None => self::arguments(&arguments.and_then(Value::as_str).unwrap_or_default(), cut),
        },
    }
}

/// The arguments that the model wrote, all of them unless the text was cut.
pub(super) fn arguments(text: &str, cut: bool) -> Result<Map<String, Json>, String> {
    if text.trim_ascii().is_empty() && !cut {
        return Ok(Map::new());
    }
    Value::of(text.as_bytes()).and_then(object_of).ok_or_else(|| text.to_owned())
}

fn object_of(value: Value<'_>) -> Option<Map<String, Json>> {
    match value.to_value() {
        Json::Object(object) => Some(object),
        _ => None,
    }
}

/// By what an item is known again when the client sends it: the id that its answer names, its own, and for clients that
/// leave that out a digest of its encrypted content.
pub(super) fn names(item: Value<'_>) -> Vec<String> {
    let encrypted = text(item, "encrypted_content").map(|content| format!("encrypted:{}", digest(&content)));
    let ids = ["call_id", "id"].into_iter().filter_map(|key| text(item, key).map(Cow::into_owned));
    ids.chain(encrypted).collect()
}

/// A digest of what a message says; `None` if the item is not a message of the model's.
pub(super) fn said(item: Value<'_>) -> Option<String> {
    let content = item.get("content").filter(|_| has(item, "role", "assistant"))?;
    if let Some(text) = content.as_str() {
        return Some(digest(&text));
    }
    let texts: Vec<_> = content.elements().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
    Some(digest(&texts.concat()))
}

fn digest(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The items of a round as the input of the next.
///
/// The API refuses what it only puts out: `status` of reasoning and the provenance of items. Reasoning that nobody stored
/// and that is not encrypted is unknown to it; what followed it then loses the id by which the API would ask for it.
pub(super) fn replayed(items: &[Document], stored: bool) -> Vec<Vec<u8>> {
    let mut bare = false;
    let mut replayed = Vec::with_capacity(items.len());
    for item in items {
        let root = item.root();
        let kind = kind(root);
        let mut edits = Edits::new(item);
        if kind == "reasoning" {
            bare = !stored && text(root, "encrypted_content").is_none();
            if bare {
                continue;
            }
            edits.remove(root, "status");
        }
        if bare && matches!(&*kind, "function_call" | "message") {
            edits.remove(root, "id");
        }
        edits.remove(root, "created_by");
        edits.remove(root, "parsed_arguments");
        replayed.push(edits.apply().trim_ascii().to_vec());
    }
    replayed
}

/// The item without its id.
pub(super) fn anonymous(item: &Document) -> Vec<u8> {
    let mut edits = Edits::new(item);
    edits.remove(item.root(), "id");
    edits.apply().to_vec()
}
