use serde::Deserialize;

use crate::api::{self, UsageSource, wire::lenient};

/// `usage` of a response.
#[derive(Deserialize)]
pub(super) struct Usage {
    #[serde(default, deserialize_with = "lenient")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    output_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    total_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    input_tokens_details: Option<InputDetails>,
    #[serde(default, deserialize_with = "lenient")]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Default, Deserialize)]
struct InputDetails {
    #[serde(default, deserialize_with = "lenient")]
    cached_tokens: Option<u64>,
    /// Reported by providers that bill cache writes.
    #[serde(default, deserialize_with = "lenient")]
    cache_write_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct OutputDetails {
    #[serde(default, deserialize_with = "lenient")]
    reasoning_tokens: Option<u64>,
}

impl Usage {
    /// Replaces what is known. Figures without tokens are none.
    pub(super) fn apply(self, source: UsageSource, usage: &mut api::Usage) {
        if self.input_tokens.is_none() && self.output_tokens.is_none() {
            return;
        }
        let input = self.input_tokens_details.unwrap_or_default();
        let cache_read = input.cached_tokens.unwrap_or(0);
        let cache_write = input.cache_write_tokens.unwrap_or(0);
        *usage = api::Usage {
            input: self.input_tokens.unwrap_or(0).saturating_sub(cache_read).saturating_sub(cache_write),
            output: self.output_tokens.unwrap_or(0),
            cache_read,
            cache_write,
            source,
            ..api::Usage::default()
        };
        usage.extra("output_reasoning", self.output_tokens_details.and_then(|details| details.reasoning_tokens));
        usage.extra("total_tokens", self.total_tokens);
    }
}
