//! Putting hidden calls back into a conversation.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use memchr::memmem;

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
/// them, some would be left without a result.
fn kept(message: Value<'_>, find: &mut dyn FnMut(&str) -> Option<Arc<Kept>>) -> Option<Arc<Kept>> {
    let calls = message.get("tool_calls")?;
    let ids: Option<BTreeSet<_>> = calls.elements().map(|call| call.get("id").and_then(Value::as_str)).collect();
    let ids = ids?;
    let kept = ids.iter().find_map(|id| find(id))?;
    let keys: BTreeSet<_> = kept.keys.iter().map(String::as_str).collect();
    ids.iter().map(|id| &**id).eq(keys).then_some(kept)
}
