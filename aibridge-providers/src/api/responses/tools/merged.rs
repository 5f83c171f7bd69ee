//! One response out of those of all rounds.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value as Json;

use super::{
    item::{Item, Output, filled},
    list,
};
use crate::json::{Edits, Value};

/// What the rounds' responses come to together.
#[derive(Debug, Default)]
pub(super) struct Merged {
    rounds: usize,
    /// The first round's.
    id: Option<String>,
    created_at: Option<Bytes>,
    /// The items that the client is shown.
    output: Vec<Bytes>,
    usage: Option<Json>,
    output_text: String,
}

impl Merged {
    /// Takes note of what a response is known by, from wherever it is seen first.
    pub(super) fn identify(&mut self, response: Value<'_>) {
        if self.rounds == 0 && self.id.is_none() {
            self.id = filled(response.get("id")).map(Into::into);
            self.created_at = response.get("created_at").map(|at| Bytes::copy_from_slice(at.text()));
        }
    }

    /// The id that the client is shown.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// How many output items the client is shown.
    pub(super) fn shown(&self) -> usize {
        self.output.len()
    }

    /// Takes a round's whole response with the items that it came to.
    pub(super) fn take(&mut self, response: Value<'_>, items: &[Output]) {
        self.identify(response);
        self.rounds += 1;
        let shown = items.iter().filter(|item| !item.ours);
        self.output.extend(shown.map(|item| item.document.bytes().clone()));
        if let Some(usage) = response.get("usage").filter(|usage| usage.is_object()) {
            match &mut self.usage {
                Some(sum) => add(sum, usage.to_value()),
                none => *none = Some(usage.to_value()),
            }
        }
        if let Some(text) = filled(response.get("output_text")) {
            self.output_text.push_str(&text);
        }
    }

    /// Puts the first round's id into whatever names a response.
    pub(super) fn rename(&self, holder: Value<'_>, key: &str, edits: &mut Edits<'_>) {
        let Some(id) = &self.id else { return };
        if let Some(other) = holder.get(key).filter(|other| other.as_str().is_some_and(|other| other != *id)) {
            edits.replace(other, Json::from(id.as_str()).to_string());
        }
    }

    /// Edits the last round's response to be that of all rounds. Of a single one, only what the client must not see
    /// goes. A provider that leaves the items to the stream, `bare`, does so for all of them.
    pub(super) fn close(&self, response: Value<'_>, names: &BTreeSet<String>, bare: bool, edits: &mut Edits<'_>) {
        forget_tools(response, names, edits);
        if self.rounds < 2 {
            if let Some(output) = response.get("output")
                && let Some(shown) = list::without(output, |item| Item::of(item).is_ours(names))
            {
                edits.replace(output, shown);
            }
            return;
        }
        self.rename(response, "id", edits);
        if let (Some(at), Some(first)) = (response.get("created_at"), &self.created_at) {
            edits.replace(at, first.to_vec());
        }
        if !bare {
            edits.set(response, "output", list::array(&self.output));
        }
        if let Some(usage) = &self.usage {
            edits.set(response, "usage", usage.to_string());
        }
        if let Some(text) = response.get("output_text").filter(|text| text.is_string()) {
            edits.replace(text, Json::from(self.output_text.as_str()).to_string());
        }
    }
}

/// Takes the injected tools out of those that a response says it was given.
pub(super) fn forget_tools(response: Value<'_>, names: &BTreeSet<String>, edits: &mut Edits<'_>) {
    if let Some(tools) = response.get("tools")
        && let Some(own) = list::without(tools, |tool| Item::of(tool).is_ours(names))
    {
        edits.replace(tools, own);
    }
}

/// Adds numbers to numbers, member by member.
fn add(sum: &mut Json, more: Json) {
    match (sum, more) {
        (Json::Object(sum), Json::Object(more)) => {
            for (key, more) in more {
                match sum.get_mut(&key) {
                    Some(part) => add(part, more),
                    None => _ = sum.insert(key, more),
                }
            }
        }
        (Json::Number(sum), Json::Number(more)) => {
            let whole = sum.as_u64().zip(more.as_u64()).map(|(sum, more)| sum.saturating_add(more).into());
            let real = || serde_json::Number::from_f64(sum.as_f64()? + more.as_f64()?);
            if let Some(total) = whole.or_else(real) {
                *sum = total;
            }
        }
        (sum @ Json::Null, more) => *sum = more,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_add_up_at_any_depth() {
        let mut sum = json!({"input_tokens": 3, "details": {"a": 1, "b": null}, "cost": 0.5, "tier": "x"});
        add(
            &mut sum,
            json!({"input_tokens": 4, "details": {"a": 2, "b": 5, "c": 6}, "cost": 1, "tier": "y", "new": 1}),
        );
        let expected =
            json!({"input_tokens": 7, "details": {"a": 3, "b": 5, "c": 6}, "cost": 1.5, "tier": "x", "new": 1});
        assert_eq!(sum, expected);
    }
}
