//! Tokens, summed over the rounds.

use serde_json::{Map, Value};

use crate::json::{self, Document, Edits};

/// A `usage` object: of one round, or of several. Counts that nobody has heard of yet are summed as well.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage(Map<String, Value>);

impl Usage {
    /// Takes what a round says later. Its figures are cumulative: they take the place of those before.
    pub(super) fn update(&mut self, usage: Option<json::Value<'_>>) {
        for (key, value) in usage.into_iter().flat_map(json::Value::members) {
            if !value.is_null() {
                self.0.insert(key.into_owned(), value.to_value());
            }
        }
    }

    /// Adds the usage of another round.
    pub(super) fn add(&mut self, round: &Usage) {
        add_members(&mut self.0, &round.0);
    }

    /// Writes the counts into the `usage` of `document`, a `message_delta` or a whole message. Whatever else is in it
    /// stays: names of tiers and regions are no sums.
    pub(super) fn write(&self, document: &Document, edits: &mut Edits<'_>) {
        let Some(usage) = document.get("usage").filter(|usage| usage.is_object()) else {
            return edits.set(document.root(), "usage", self.to_json());
        };
        for (key, count) in self.counts() {
            let count = count.to_string();
            if usage.get(key).is_none_or(|known| known.text() != count.as_bytes()) {
                edits.set(usage, key, count);
            }
        }
    }

    /// The counts as an object of their own.
    pub(super) fn to_json(&self) -> String {
        let counts: Map<_, _> = self.counts().map(|(key, count)| (key.clone(), count.clone())).collect();
        Value::Object(counts).to_string()
    }

    fn counts(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter().filter(|(_, value)| value.is_number() || value.is_object() || value.is_array())
    }
}

fn add_members(sums: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (key, value) in more {
        match sums.get_mut(key) {
            Some(sum) => add(sum, value),
            None => {
                sums.insert(key.clone(), value.clone());
            }
        }
    }
}

fn add(sum: &mut Value, more: &Value) {
    match (&mut *sum, more) {
        (Value::Object(sums), Value::Object(more)) => add_members(sums, more),
        // `iterations`: one entry per sampling.
        (Value::Array(all), Value::Array(more)) => all.extend_from_slice(more),
        (_, Value::Null) => {}
        _ => match (sum.as_u64(), more.as_u64()) {
            (Some(known), Some(more)) => *sum = known.saturating_add(more).into(),
            _ => *sum = more.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_at_any_depth_are_summed_and_the_rest_stays() {
        let mut sums = Usage::default();
        for (start, delta) in [
            (
                r#"{"input_tokens":10,"cache_creation_input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":3,
                    "ephemeral_1h_input_tokens":0},"output_tokens":1,"service_tier":"standard","server_tool_use":null}"#,
                r#"{"output_tokens":20,"iterations":[{"a":1}]}"#,
            ),
            (
                r#"{"input_tokens":100,"cache_read_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":1},
                    "output_tokens":2,"service_tier":"batch"}"#,
                r#"{"input_tokens":101,"output_tokens":30,"server_tool_use":{"web_search_requests":2},
                    "iterations":[{"a":2}]}"#,
            ),
        ] {
            let mut round = Usage::default();
            round.update(json::Value::of(start.as_bytes()));
            round.update(json::Value::of(delta.as_bytes()));
            sums.add(&round);
        }
        let document = Document::parse(r#"{"usage": {"output_tokens": 30, "service_tier":"batch", "x":1.50}}"#.into());
        let document = document.unwrap();
        let mut edits = Edits::new(&document);
        sums.write(&document, &mut edits);
        assert_eq!(
            edits.apply(),
            concat!(
                r#"{"usage": {"output_tokens": 50, "service_tier":"batch", "x":1.50,"input_tokens":111,"#,
                r#""cache_creation_input_tokens":3,"#,
                r#""cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":0},"#,
                r#""iterations":[{"a":1},{"a":2}],"cache_read_input_tokens":7,"#,
                r#""server_tool_use":{"web_search_requests":2}}}"#,
            )
        );
    }
}
