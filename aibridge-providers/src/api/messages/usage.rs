use serde::Deserialize;

use crate::api::{
    self,
    wire::{Text, lenient},
};

/// `usage` of `message_start`, of `message_delta`, or of a whole message.
#[derive(Deserialize)]
pub(super) struct Usage<'a> {
    #[serde(default, deserialize_with = "lenient")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    output_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    cache_creation: Option<CacheCreation>,
    #[serde(default, deserialize_with = "lenient")]
    server_tool_use: Option<ServerToolUse>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    service_tier: Option<Text<'a>>,
}

/// The cache writes, by how long they live.
#[derive(Default, Deserialize)]
struct CacheCreation {
    #[serde(default, deserialize_with = "lenient")]
    ephemeral_5m_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct ServerToolUse {
    #[serde(default, deserialize_with = "lenient")]
    web_search_requests: Option<u64>,
}

impl Usage<'_> {
    /// Overrides, field by field, what is known: the figures of a stream are cumulative.
    pub(super) fn apply(self, usage: &mut api::Usage) {
        let created = self.cache_creation.unwrap_or_default();
        let written = self.cache_creation_input_tokens.or_else(|| {
            match (created.ephemeral_5m_input_tokens, created.ephemeral_1h_input_tokens) {
                (None, None) => None,
                (short, long) => Some(short.unwrap_or(0).saturating_add(long.unwrap_or(0))),
            }
        });
        for (known, given) in [
            (&mut usage.input, self.input_tokens),
            (&mut usage.output, self.output_tokens),
            (&mut usage.cache_read, self.cache_read_input_tokens),
            (&mut usage.cache_write, written),
        ] {
            *known = given.unwrap_or(*known);
        }
        usage.extra("cache_ephemeral_5m_input", created.ephemeral_5m_input_tokens);
        usage.extra("cache_ephemeral_1h_input", created.ephemeral_1h_input_tokens);
        usage.extra("web_search_requests", self.server_tool_use.and_then(|tools| tools.web_search_requests));
        if let Some(tier) = self.service_tier {
            usage.extras.insert("service_tier".to_owned(), tier.into_string().into());
        }
    }
}
