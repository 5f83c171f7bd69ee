//! What the items of a response's output are.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use crate::{
    api::tools::Call,
    json::{Document, Edits, Value},
};

/// The members of an item, or of a tool's definition, that say what it is; found in one pass.
pub(super) struct Item<'a> {
    kind: Option<Value<'a>>,
    id: Option<Value<'a>>,
    call_id: Option<Value<'a>>,
    name: Option<Value<'a>>,
    namespace: Option<Value<'a>>,
    role: Option<Value<'a>>,
    content: Option<Value<'a>>,
    encrypted_content: Option<Value<'a>>,
}

impl<'a> Item<'a> {
    pub(super) fn of(value: Value<'a>) -> Item<'a> {
        let mut item = Item {
            kind: None,
            id: None,
            call_id: None,
            name: None,
            namespace: None,
            role: None,
            content: None,
            encrypted_content: None,
        };
        for (key, value) in value.members() {
            let member = match &*key {
                "type" => &mut item.kind,
                "id" => &mut item.id,
                "call_id" => &mut item.call_id,
                "name" => &mut item.name,
                "namespace" => &mut item.namespace,
                "role" => &mut item.role,
                "content" => &mut item.content,
                "encrypted_content" => &mut item.encrypted_content,
                _ => continue,
            };
            *member = Some(value);
        }
        item
    }

    pub(super) fn kind(&self) -> Cow<'a, str> {
        filled(self.kind).unwrap_or_default()
    }

    pub(super) fn id(&self) -> Option<Cow<'a, str>> {
        filled(self.id)
    }

    /// Whether it calls an injected tool, or is its definition. What has a namespace is the client's.
    pub(super) fn is_ours(&self, names: &BTreeSet<String>) -> bool {
        matches!(&*self.kind(), "function_call" | "function")
            && filled(self.name).is_some_and(|name| names.contains(&*name))
            && filled(self.namespace).is_none()
    }

    /// Whether it is what a call came to.
    pub(super) fn is_output(&self) -> bool {
        self.kind().ends_with("_output")
    }

    /// Whether the model wrote it.
    pub(super) fn is_models(&self) -> bool {
        !self.is_output() && !matches!(&*filled(self.role).unwrap_or_default(), "user" | "system" | "developer")
    }

    /// By what the item is known again when the client sends it: the id that its answer names, its own, and for clients
    /// that leave that out a digest of its encrypted content.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let encrypted = filled(self.encrypted_content).map(|content| format!("encrypted:{}", digest(&content)));
        [self.call_id, self.id].into_iter().filter_map(filled).map(Cow::into_owned).chain(encrypted)
    }

    /// A digest of what the message says, if it is one of the model's.
    pub(super) fn said(&self) -> Option<String> {
        let content = self.content.filter(|_| filled(self.role).is_some_and(|role| role == "assistant"))?;
        if let Some(text) = content.as_str() {
            return Some(digest(&text));
        }
        let texts: Vec<_> = content.elements().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
        Some(digest(&texts.concat()))
    }
}

fn digest(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// A text that is not empty.
pub(super) fn filled(value: Option<Value<'_>>) -> Option<Cow<'_, str>> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// An item of a reply.
#[derive(Clone, Debug)]
pub(super) struct Output {
    pub(super) document: Document,
    /// It calls an injected tool.
    pub(super) ours: bool,
}

impl Output {
    /// A copy of an item, because it outlives what it came in.
    pub(super) fn read(item: Value<'_>, names: &BTreeSet<String>) -> Option<Output> {
        let document = Document::parse(Bytes::copy_from_slice(item.text())).ok()?;
        Some(Output { ours: Item::of(document.root()).is_ours(names), document })
    }

    pub(super) fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        filled(self.document.get(key))
    }

    /// What a provider is sent in the place of the call's arguments, as JSON, if it could not read those.
    fn mended(&self) -> Option<String> {
        let arguments = match self.call(None).arguments {
            Ok(known) if known.is_empty() && self.text("arguments").is_none_or(|text| text.trim_ascii().is_empty()) => {
                json!({})
            }
            Ok(_) => return None,
            Err(text) => json!({"INVALID_JSON": text}),
        };
        Some(Json::from(arguments.to_string()).to_string())
    }

    /// The call that it is.
    pub(super) fn call(&self, reply_id: Option<&str>) -> Call {
        let owned = |key| self.text(key).map(Cow::into_owned);
        let cut = matches!(self.text("status").as_deref(), Some("incomplete" | "in_progress"));
        let arguments = self.document.get("arguments");
        Call {
            id: owned("call_id").or_else(|| owned("id")).unwrap_or_default(),
            item_id: owned("id"),
            reply_id: reply_id.map(str::to_owned),
            name: owned("name").unwrap_or_default(),
            arguments: match arguments.and_then(object) {
                Some(object) => Ok(object),
                None => self::arguments(&arguments.and_then(Value::as_str).unwrap_or_default(), cut),
            },
        }
    }
}

/// The arguments that the model wrote, all of them unless the text was cut.
pub(super) fn arguments(text: &str, cut: bool) -> Result<Map<String, Json>, String> {
    if text.trim_ascii().is_empty() && !cut {
        return Ok(Map::new());
    }
    Value::of(text.as_bytes()).and_then(object).ok_or_else(|| text.to_owned())
}

fn object(value: Value<'_>) -> Option<Map<String, Json>> {
    match value.is_object().then(|| value.to_value()) {
        Some(Json::Object(object)) => Some(object),
        _ => None,
    }
}

/// Whether one of the items waits for an answer of the client's.
///
/// Those are the calls that have a `call_id` and no output beside them; what the provider runs itself has no such id, or
/// comes with its output.
pub(super) fn await_client(items: &[Output]) -> bool {
    let clients: Vec<_> = items.iter().filter(|item| !item.ours).map(|item| Item::of(item.document.root())).collect();
    clients.iter().any(|item| {
        let kind = item.kind();
        let Some(id) = filled(item.call_id) else { return kind == "mcp_approval_request" };
        let answered = |other: &Item<'_>| other.is_output() && filled(other.call_id).is_some_and(|other| other == id);
        kind.ends_with("_call") && !clients.iter().any(answered)
    })
}

/// What an `image_generation_call` has that only comes out.
const OF_PICTURES: [&str; 6] = ["action", "background", "output_format", "quality", "revised_prompt", "size"];

/// The items of a round as the input of the next.
///
/// The API refuses what it only puts out: `status` of reasoning, how a picture was made, the provenance of items. Other
/// providers parse the arguments of calls, and refuse those that are no object: what the model wrote wrongly is put into one.
/// Reasoning that nobody stored and that is not encrypted is unknown to the API; what followed it then loses the id by which
/// it would ask for it.
pub(super) fn replayed<'o>(items: impl IntoIterator<Item = &'o Output>, stored: bool) -> Vec<Bytes> {
    let mut bare = false;
    let mut replayed = Vec::new();
    for item in items {
        let document = &item.document;
        let kind = item.text("type").unwrap_or_default();
        let mut edits = Edits::new(document);
        if kind == "reasoning" {
            bare = !stored && item.text("encrypted_content").is_none();
            if bare {
                continue;
            }
            edits.remove(document.root(), "status");
        }
        if bare && matches!(&*kind, "function_call" | "message") {
            edits.remove(document.root(), "id");
        }
        if kind == "image_generation_call" {
            OF_PICTURES.iter().for_each(|key| edits.remove(document.root(), key));
        }
        edits.remove(document.root(), "created_by");
        edits.remove(document.root(), "parsed_arguments");
        if item.ours
            && let Some(arguments) = item.mended()
        {
            edits.set(document.root(), "arguments", arguments);
        }
        replayed.push(edits.apply());
    }
    replayed
}

/// The item without its id.
pub(super) fn anonymous(item: &Document) -> Vec<u8> {
    let mut edits = Edits::new(item);
    edits.remove(item.root(), "id");
    edits.apply().into()
}
