//! How a request asks the model to think.

use super::{
    rules::{ADAPTIVE, ADAPTIVE_ONLY, DEFAULT_SHARE, MIN_BUDGET, SHARES},
    translate::{Changes, What},
};
use crate::json::{Document, Value};

/// Asks in the way that the model knows. Returns whether the model will not think although the client asked for it.
pub(super) fn apply(changes: &mut Changes<'_>) -> bool {
    let document = changes.document;
    let Some((thinking, model)) = document.get("thinking").zip(changes.model) else { return false };
    match thinking.get("type").and_then(Value::as_str).as_deref() {
        Some("adaptive") if !ADAPTIVE.include(Some(model)) => {
            changes.report(What::Thinking, "adaptive");
            let budget = budget(document);
            // Whole, because what else can be asked of adaptive thinking is not known to these models.
            let instead = match budget {
                Some(tokens) => format!(r#"{{"type":"enabled","budget_tokens":{tokens}}}"#),
                None => r#"{"type":"disabled"}"#.to_owned(),
            };
            changes.edits.replace(thinking, instead);
            budget.is_none()
        }
        Some("enabled") if ADAPTIVE_ONLY.include(Some(model)) => {
            changes.report(What::Thinking, "enabled");
            changes.edits.set(thinking, "type", r#""adaptive""#);
            changes.edits.remove(thinking, "budget_tokens");
            false
        }
        _ => false,
    }
}

/// The tokens to think with, if they are enough.
fn budget(document: &Document) -> Option<u64> {
    let max_tokens = document.get("max_tokens").and_then(Value::as_u64)?;
    let effort = document.get("output_config").and_then(|config| config.get("effort")).and_then(Value::as_str);
    let share =
        SHARES.iter().find(|(name, _)| effort.as_deref() == Some(*name)).map_or(DEFAULT_SHARE, |(_, share)| *share);
    // Without the overflow that `max_tokens * share` may have: a hundred of them make `share`, and the rest its part.
    let budget = max_tokens / 100 * share + max_tokens % 100 * share / 100;
    (budget >= MIN_BUDGET).then_some(budget)
}
