use std::time::Duration;

use aibridge_store::record::{MAX_ERROR_MESSAGE, ToolUsage};
use chrono::Utc;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::interception::shorten;

/// A call of an injected tool, for the record.
pub(crate) struct InjectedCall<'a> {
    /// The provider's id of the reply.
    pub(crate) reply_id: Option<&'a str>,
    /// The provider's id of the call.
    pub(crate) call_id: &'a str,
    /// The provider's id of the output item.
    pub(crate) item_id: Option<&'a str>,
    /// The server, if there is one for the tool.
    pub(crate) server_url: Option<&'a str>,
    /// The tool's own name.
    pub(crate) tool: &'a str,
    /// The arguments, or what there is of them.
    pub(crate) input: Value,
    /// The arguments are not whole.
    pub(crate) truncated: bool,
    /// Why the call failed.
    pub(crate) error: Option<&'a str>,
    /// How long it took.
    pub(crate) duration: Duration,
}

impl InjectedCall<'_> {
    /// Its record. Without `content` neither the input stays nor the text of an error, which a tool may have written.
    pub(super) fn usage(self, interception_id: Uuid, content: bool) -> ToolUsage {
        let millis = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX);
        let mut metadata = Map::from_iter([("duration_ms".to_owned(), json!(millis))]);
        if self.truncated {
            metadata.insert("truncated".to_owned(), Value::Bool(true));
        }
        let error =
            |error: &str| if content { shorten(error.to_owned(), MAX_ERROR_MESSAGE) } else { "failed".to_owned() };
        ToolUsage {
            id: Uuid::now_v7(),
            interception_id,
            provider_response_id: self.reply_id.map(str::to_owned),
            provider_tool_call_id: Some(self.call_id.to_owned()).filter(|id| !id.is_empty()),
            provider_item_id: self.item_id.map(str::to_owned),
            server_url: self.server_url.map(str::to_owned),
            tool: self.tool.to_owned(),
            input: if content { self.input } else { Value::Null },
            injected: true,
            invocation_error: self.error.map(error),
            metadata,
            created_at: Utc::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> InjectedCall<'static> {
        InjectedCall {
            reply_id: Some("msg_1"),
            call_id: "toolu_1",
            item_id: None,
            server_url: Some("https://wiki.example/mcp"),
            tool: "search",
            input: json!({"query": "the secret"}),
            truncated: true,
            error: Some("no page about the secret"),
            duration: Duration::from_millis(1500),
        }
    }

    #[test]
    fn a_call_is_recorded_with_the_servers_name_for_the_tool_and_what_came_of_it() {
        let usage = failed().usage(Uuid::from_u128(7), true);
        assert_eq!((usage.interception_id, usage.tool.as_str(), usage.injected), (Uuid::from_u128(7), "search", true));
        assert_eq!(usage.server_url.as_deref(), Some("https://wiki.example/mcp"));
        assert_eq!(usage.provider_tool_call_id.as_deref(), Some("toolu_1"));
        assert_eq!(usage.provider_response_id.as_deref(), Some("msg_1"));
        assert_eq!(usage.input, json!({"query": "the secret"}));
        assert_eq!(usage.invocation_error.as_deref(), Some("no page about the secret"));
        assert_eq!(Value::Object(usage.metadata), json!({"duration_ms": 1500, "truncated": true}));
    }

    #[test]
    fn without_content_it_is_recorded_that_it_failed_and_not_with_what_or_why() {
        let usage = failed().usage(Uuid::nil(), false);
        assert_eq!((&usage.input, usage.invocation_error.as_deref()), (&Value::Null, Some("failed")));
        assert!(!format!("{usage:?}").contains("secret"));
        let succeeded = InjectedCall { error: None, call_id: "", ..failed() }.usage(Uuid::nil(), false);
        assert_eq!((succeeded.invocation_error, succeeded.provider_tool_call_id), (None, None));
    }
}
