//! About how much memory a record takes.

use serde_json::{Map, Value};

use crate::record::{ModelThought, Record, Start, TokenUsage, ToolUsage};

/// The allocation, the entry and the like.
const OVERHEAD: usize = 64;

pub(super) fn start_bytes(start: &Start) -> usize {
    OVERHEAD
        + size_of::<Start>()
        + start.provider.len()
        + start.provider_name.len()
        + start.model.len()
        + start.requested_model.len()
        + start.credential_hint.len()
        + optional(&start.api_key_id)
        + optional(&start.user_agent)
        + optional(&start.client_session_id)
        + optional(&start.agent_id)
        + optional(&start.parent_agent_id)
        + optional(&start.correlating_tool_call_id)
        + map_bytes(&start.metadata)
}

pub(super) fn record_bytes(record: &Record) -> usize {
    let held = match record {
        Record::UserPrompt(r) => r.prompt.len() + optional(&r.provider_response_id) + map_bytes(&r.metadata),
        Record::TokenUsage(r) => usage_bytes(r),
        Record::ToolUsage(r) => tool_bytes(r),
        Record::ModelThought(r) => thought_bytes(r),
        Record::End(r) => {
            optional(&r.error_type) + optional(&r.error_message) + optional(&r.credential_hint) + map_bytes(&r.metadata)
        }
        Record::Settled(r) => {
            r.provider_name.len()
                + r.provider_response_id.len()
                + usage_bytes(&r.usage)
                + r.tools.iter().map(|tool| size_of::<ToolUsage>() + tool_bytes(tool)).sum::<usize>()
                + r.thoughts.iter().map(|thought| size_of::<ModelThought>() + thought_bytes(thought)).sum::<usize>()
        }
    };
    OVERHEAD + size_of::<Record>() + held
}

fn usage_bytes(usage: &TokenUsage) -> usize {
    optional(&usage.provider_response_id) + map_bytes(&usage.metadata)
}

fn tool_bytes(tool: &ToolUsage) -> usize {
    optional(&tool.provider_response_id)
        + optional(&tool.provider_tool_call_id)
        + optional(&tool.provider_item_id)
        + optional(&tool.server_url)
        + tool.tool.len()
        + value_bytes(&tool.input)
        + optional(&tool.invocation_error)
        + map_bytes(&tool.metadata)
}

fn thought_bytes(thought: &ModelThought) -> usize {
    thought.content.len() + map_bytes(&thought.metadata)
}

fn optional(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

fn map_bytes(map: &Map<String, Value>) -> usize {
    map.iter().map(|(key, value)| OVERHEAD + key.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(value_bytes).sum(),
            Value::Object(map) => map_bytes(map),
            _ => 0,
        }
}
