//! Records of what a reply contained.

use aibridge_providers::api::{Reply, Thought, ToolCall};
use aibridge_store::record::{ModelThought, TokenUsage, ToolUsage};
use chrono::Utc;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub(super) fn token_usage(interception_id: Uuid, reply: &Reply) -> TokenUsage {
    let usage = &reply.usage;
    TokenUsage {
        id: Uuid::now_v7(),
        interception_id,
        provider_response_id: reply.id.clone(),
        input_tokens: usage.input,
        output_tokens: usage.output,
        cache_read_input_tokens: usage.cache_read,
        cache_write_input_tokens: usage.cache_write,
        metadata: usage.extras.clone(),
        usage_source: usage.source.as_str(),
        created_at: Utc::now(),
    }
}

/// `reply_id` is the provider's id of the reply; without `content` the input stays away.
pub(super) fn tool_usage(interception_id: Uuid, reply_id: Option<&str>, call: ToolCall, content: bool) -> ToolUsage {
    let mut metadata = Map::new();
    if call.truncated {
        metadata.insert("truncated".to_owned(), Value::Bool(true));
    }
    if call.hosted {
        metadata.insert("hosted".to_owned(), Value::Bool(true));
    }
    ToolUsage {
        id: Uuid::now_v7(),
        interception_id,
        provider_response_id: reply_id.map(str::to_owned),
        provider_tool_call_id: call.id,
        provider_item_id: call.item_id,
        server_url: None,
        tool: call.name,
        input: if content { call.input } else { Value::Null },
        injected: false,
        invocation_error: None,
        metadata,
        created_at: Utc::now(),
    }
}

pub(super) fn model_thought(interception_id: Uuid, thought: Thought) -> ModelThought {
    ModelThought {
        id: Uuid::now_v7(),
        interception_id,
        content: thought.content,
        metadata: Map::from_iter([("source".to_owned(), json!(thought.source))]),
        created_at: Utc::now(),
    }
}
