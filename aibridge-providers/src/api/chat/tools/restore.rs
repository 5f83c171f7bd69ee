//! Putting hidden calls back into a conversation.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use memchr::memmem;
use serde_json::{Map, Value as Tree};

use crate::{
    api::tools::Kept,
    json::{Document, Value},
};

/// Puts kept rounds back in the place of the message that the client knows of them. The results of its own calls, which
/// follow it, answer the calls of the last of these rounds, like the hidden results that now come before them.
pub(in crate::api) fn restore(document: &Document, find: &mut dyn FnMut(&str) -> Option<Arc<Kept>>) -> Option<Bytes> {
    let bytes = document.bytes();
    memmem::find(bytes, b"\"tool_calls\"")?;
    let mut restored: Option<Vec<u8>> = None;
    let mut copied = 0;
    for message in document.get("messages")?.elements() {
        let Some(kept) = kept(message, find) else { continue };
        let span = document.span(message);
        let restored = restored.get_or_insert_with(|| Vec::with_capacity(bytes.len() + kept.hidden.len()));
        restored.extend_from_slice(&bytes[copied..span.start]);
        restored.extend_from_slice(&kept.hidden);
        copied = span.end;
    }
    let mut restored = restored?;
    restored.extend_from_slice(&bytes[copied..]);
    Some(restored.into())
}

/// What was kept of the message: it must have exactly the calls that the client was given. With others, or without some of
/// them, some would be left without a result; and there are providers that use ids again.
fn kept(message: Value<'_>, find: &mut dyn FnMut(&str) -> Option<Arc<Kept>>) -> Option<Arc<Kept>> {
    let calls: Vec<_> = message.get("tool_calls")?.elements().collect();
    let kept = calls.iter().find_map(|call| find(&id(*call)?))?;
    let ids: Option<BTreeSet<_>> = calls.iter().map(|call| id(*call)).collect();
    if !ids?.iter().map(|id| &**id).eq(kept.keys.iter().map(String::as_str).collect::<BTreeSet<_>>()) {
        return None;
    }
    let hidden = [b"[", &kept.hidden[..], b"]"].concat();
    let known = Value::of(&hidden)?.elements().rev().find_map(|message| message.get("tool_calls"))?;
    calls.iter().all(|call| known.elements().any(|known| is_same(known, *call))).then_some(kept)
}

/// Whether two calls are the same, however their arguments are spelled.
fn is_same(a: Value<'_>, b: Value<'_>) -> bool {
    let function = |call: Value<'_>, key: &str, input: &str| {
        let function = call.get(key)?;
        let name = function.get("name")?.as_str()?.into_owned();
        let text = function.get(input).filter(|value| !value.is_null());
        let arguments = match &*text.map_or(Some("".into()), Value::as_str)? {
            // As providers are sent it.
            "" if input == "arguments" => Tree::Object(Map::new()),
            text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        };
        Some((name, arguments))
    };
    let read = |call| function(call, "function", "arguments").or_else(|| function(call, "custom", "input"));
    id(a) == id(b) && read(a) == read(b)
}

fn id(call: Value<'_>) -> Option<Cow<'_, str>> {
    call.get("id").and_then(Value::as_str)
}
