//! About how much memory a record takes.

use serde_json::{Map, Value};

use crate::record::{Record, Start};

/// The allocation, the entry and the like.
const OVERHEAD: usize = 64;

pub(super) fn start_bytes(start: &Start) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
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
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let held = match record {
        Record::UserPrompt(r) => r.prompt.len() + optional(&r.provider_response_id) + map_bytes(&r.metadata),
        Record::TokenUsage(r) => optional(&r.provider_response_id) + map_bytes(&r.metadata),
        Record::ToolUsage(r) => {
            optional(&r.provider_response_id)
                + optional(&r.provider_tool_call_id)
                + optional(&r.provider_item_id)
                + optional(&r.server_url)
                + r.tool.len()
                + value_bytes(&r.input)
                + optional(&r.invocation_error)
                + map_bytes(&r.metadata)
        }
        Record::ModelThought(r) => r.content.len() + map_bytes(&r.metadata),
        Record::End(r) => {
            optional(&r.error_type) + optional(&r.error_message) + optional(&r.credential_hint) + map_bytes(&r.metadata)
        }
    };
    OVERHEAD + size_of::<Record>() + held
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
