//! The beta flags of a request.

use std::borrow::Cow;

use http::HeaderMap;

use super::{
    rules::{ALIASES, BETAS, REFUSED},
    translate::{Changes, What},
};
use crate::json::{Document, Value};

/// Puts the flags that Bedrock takes for the model into the body, in the order in which they were first asked for.
pub(super) fn apply(changes: &mut Changes<'_>, headers: &HeaderMap) {
    let document = changes.document;
    asked(document, headers, |flag| {
        let alias = ALIASES.iter().find(|alias| alias.flag == flag);
        let names = alias.map_or(std::slice::from_ref(&flag), |alias| alias.becomes);
        let mut taken = false;
        for beta in names.iter().filter_map(|name| BETAS.iter().find(|beta| beta.flag == *name)) {
            if beta.models.include(changes.model) {
                taken = true;
                if !changes.flags.contains(&beta.flag) {
                    changes.flags.push(beta.flag);
                }
            }
        }
        if !taken {
            changes.report(What::Beta, known(flag));
        }
    });
    let root = document.root();
    changes.edits.remove(root, "betas");
    if changes.flags.is_empty() {
        changes.edits.remove(root, "anthropic_beta");
    } else if !document.get("anthropic_beta").is_some_and(|sent| says(sent, &changes.flags)) {
        changes.edits.set(root, "anthropic_beta", serde_json::json!(changes.flags).to_string());
    }
}

/// Hands every flag to `each`: those of the header, then those of the body.
fn asked(document: &Document, headers: &HeaderMap, mut each: impl FnMut(&str)) {
    let mut split = |list: &str| list.split(',').map(str::trim).filter(|flag| !flag.is_empty()).for_each(&mut each);
    for line in headers.get_all("anthropic-beta") {
        split(&String::from_utf8_lossy(line.as_bytes()));
    }
    for member in ["betas", "anthropic_beta"].iter().filter_map(|name| document.get(name)) {
        // One string with commas is what some clients make of several flags.
        member.as_str().iter().for_each(|list| split(list));
        member.elements().filter_map(Value::as_str).for_each(|list: Cow<'_, str>| split(&list));
    }
}

/// Whether `sent` is already the array of `flags`.
fn says(sent: Value<'_>, flags: &[&str]) -> bool {
    sent.is_array() && sent.elements().map(Value::as_str).eq(flags.iter().map(|flag| Some(Cow::Borrowed(*flag))))
}

/// The name of a flag in metrics.
fn known(flag: &str) -> &'static str {
    let names = BETAS.iter().map(|beta| beta.flag).chain(ALIASES.iter().map(|alias| alias.flag));
    names.chain(REFUSED.iter().copied()).find(|name| *name == flag).unwrap_or("other")
}
