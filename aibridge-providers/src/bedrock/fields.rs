//! The members that Bedrock refuses.

use memchr::memmem;

use super::{
    rules::{CONTEXT_EDITS, FIELDS, Field, Place},
    translate::{Changes, What},
};
use crate::json::Value;

/// The most members that are removed from within arrays, each costing a look at those before. A request with more is
/// Bedrock's to refuse.
const MAX_NESTED: usize = 4096;

/// Removes what Bedrock does not take. `disabled` says that the model will not think although the client asked for it.
pub(super) fn apply(changes: &mut Changes<'_>, disabled: bool) {
    let document = changes.document;
    let root = document.root();
    for field in FIELDS {
        if field.models.include(changes.model) || changes.has_any(field.flags) {
            continue;
        }
        match field.place {
            Place::Body if document.get(field.name).is_some() => {
                changes.edits.remove(root, field.name);
                changes.report(What::Field, field.name);
            }
            Place::Body => {}
            Place::Message => remove_all(changes, field, "messages.output_config", messages(root)),
            Place::CacheControl => remove_all(changes, field, "cache_control.scope", cache_controls(root)),
        }
    }
    context_edits(changes, disabled);
}

/// Removes `field` from all of `objects`, and reports it as `path`.
fn remove_all<'v, 'd: 'v>(
    changes: &mut Changes<'d>,
    field: &Field,
    path: &'static str,
    objects: impl Iterator<Item = Value<'v>>,
) {
    // A body is passed over once more only if it can have such a member.
    if memmem::find(changes.document.bytes(), field.name.as_bytes()).is_none() {
        return;
    }
    for object in objects.filter(|object| object.get(field.name).is_some()).take(MAX_NESTED) {
        changes.edits.remove(object, field.name);
        changes.report(What::Field, path);
    }
}

fn messages(root: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    root.get("messages").into_iter().flat_map(Value::elements)
}

fn content(value: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    value.get("content").into_iter().flat_map(Value::elements)
}

/// Every `cache_control`: of the body, of tools, and of the blocks of the system prompt, of messages and of tool results.
fn cache_controls(root: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    let member = move |name| root.get(name).into_iter().flat_map(Value::elements);
    let blocks = member("messages").flat_map(content).flat_map(move |block| content(block).chain([block]));
    let holders = blocks.chain(member("system")).chain(member("tools")).chain([root]);
    holders.filter_map(|holder| holder.get("cache_control"))
}

/// Of `context_management`, if it stays, removes the edits whose flag is not in force.
fn context_edits(changes: &mut Changes<'_>, disabled: bool) {
    if CONTEXT_EDITS.iter().all(|rule| !changes.flags.contains(&rule.flag)) {
        return;
    }
    let Some(management) = changes.document.get("context_management") else { return };
    let Some(edits) = management.get("edits").filter(|edits| edits.is_array()) else { return };
    let stays = |edit: &Value<'_>| {
        let kind = edit.get("type").and_then(Value::as_str).unwrap_or_default();
        let rule = CONTEXT_EDITS.iter().find(|rule| kind.starts_with(rule.kind));
        // There are no thoughts to clear, and Bedrock insists that there be.
        rule.is_none_or(|rule| changes.flags.contains(&rule.flag)) && !(disabled && kind.starts_with("clear_thinking_"))
    };
    let kept: Vec<&[u8]> = edits.elements().filter(stays).map(Value::text).collect();
    if kept.len() == edits.elements().count() {
        return;
    }
    if kept.is_empty() {
        changes.edits.remove(changes.document.root(), "context_management");
        changes.report(What::Field, "context_management");
    } else {
        changes.edits.replace(edits, [b"[", &*kept.join(&b','), b"]"].concat());
        changes.report(What::Field, "context_management.edits");
    }
}
