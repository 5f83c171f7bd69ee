use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::field::DisplayValue;
use uuid::Uuid;

use crate::{
    Recorder, Started,
    record::{End, ModelThought, Record, Start, TokenUsage, ToolUsage, UserPrompt},
};

/// Writes one line per record through `tracing`, at info: message `interception log`, target `aibridge::interception`.
///
/// Each line has a `record_type` (`interception_start`, `interception_end`, `token_usage`, `prompt_usage`,
/// `tool_usage`, `model_thought`), the `interception_id`, and the record's fields under their own names. What is absent
/// or empty is left out. Objects are JSON text, times RFC 3339, durations whole milliseconds.
///
/// What a background response came to is a `token_usage` with its `tool_usage`s and `model_thought`s each time a client
/// sees it finished. They have no `interception_id`; the `provider_response_id` is that of the interception's first
/// `token_usage`.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct StructuredLog {}

impl Recorder for StructuredLog {
    fn start(&self, start: &Arc<Start>) -> Started {
        log_start(start);
        Started::ready(Ok(()))
    }

    fn record(&self, record: &Arc<Record>) {
        match &**record {
            Record::UserPrompt(record) => log_prompt(record),
            Record::TokenUsage(record) => log_usage(record),
            Record::ToolUsage(record) => log_tool(record),
            Record::ModelThought(record) => log_thought(record),
            Record::End(record) => log_end(record),
            Record::Settled(record) => {
                log_usage(&record.usage);
                record.tools.iter().for_each(log_tool);
                record.thoughts.iter().for_each(log_thought);
            }
        }
    }
}

/// An event of this log.
macro_rules! line {
    ($($fields:tt)*) => {
        tracing::info!(target: "aibridge::interception", $($fields)*, "interception log")
    };
}

fn log_start(start: &Start) {
    line!(
        record_type = "interception_start",
        interception_id = %start.id,
        initiator_id = %start.initiator_id,
        provider = start.provider,
        model = start.model,
        client = start.client,
        started_at = time(start.started_at),
        api_key_id = start.api_key_id,
        provider_name = start.provider_name,
        requested_model = start.requested_model,
        api = start.api,
        streaming = start.streaming,
        user_agent = start.user_agent,
        client_session_id = start.client_session_id,
        agent_id = start.agent_id,
        parent_agent_id = start.parent_agent_id,
        correlating_tool_call_id = start.correlating_tool_call_id,
        credential_kind = start.credential_kind,
        credential_hint = start.credential_hint,
        metadata = object(&start.metadata),
        request_bytes = start.request_bytes
    );
}

fn log_end(end: &End) {
    line!(
        record_type = "interception_end",
        interception_id = %end.id,
        ended_at = time(end.ended_at),
        outcome = end.outcome.as_str(),
        http_status = end.http_status,
        error_type = end.error_type,
        error_message = end.error_message,
        ttfb_ms = end.ttfb.map(millis),
        duration_ms = millis(end.duration),
        response_bytes = end.response_bytes,
        credential_hint = end.credential_hint,
        metadata = object(&end.metadata)
    );
}

fn log_usage(usage: &TokenUsage) {
    line!(
        record_type = "token_usage",
        interception_id = known(usage.interception_id),
        input_tokens = usage.input_tokens,
        output_tokens = usage.output_tokens,
        created_at = time(usage.created_at),
        id = %usage.id,
        provider_response_id = usage.provider_response_id,
        cache_read_input_tokens = usage.cache_read_input_tokens,
        cache_write_input_tokens = usage.cache_write_input_tokens,
        metadata = object(&usage.metadata),
        usage_source = usage.usage_source
    );
}

fn log_prompt(prompt: &UserPrompt) {
    line!(
        record_type = "prompt_usage",
        interception_id = %prompt.interception_id,
        prompt = prompt.prompt,
        created_at = time(prompt.created_at),
        id = %prompt.id,
        provider_response_id = prompt.provider_response_id,
        metadata = object(&prompt.metadata)
    );
}

fn log_tool(tool: &ToolUsage) {
    line!(
        record_type = "tool_usage",
        interception_id = known(tool.interception_id),
        tool = tool.tool,
        input = %tool.input_text(),
        server_url = tool.server_url,
        injected = tool.injected,
        created_at = time(tool.created_at),
        id = %tool.id,
        provider_response_id = tool.provider_response_id,
        provider_tool_call_id = tool.provider_tool_call_id,
        provider_item_id = tool.provider_item_id,
        invocation_error = tool.invocation_error,
        metadata = object(&tool.metadata)
    );
}

fn log_thought(thought: &ModelThought) {
    line!(
        record_type = "model_thought",
        interception_id = known(thought.interception_id),
        content = thought.content,
        created_at = time(thought.created_at),
        id = %thought.id,
        metadata = object(&thought.metadata)
    );
}

fn known(id: Uuid) -> Option<DisplayValue<Uuid>> {
    (!id.is_nil()).then(|| tracing::field::display(id))
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn object(map: &Map<String, Value>) -> Option<String> {
    (!map.is_empty()).then(|| serde_json::to_string(map).expect("keys are strings"))
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::{
        fmt::{Debug, Write},
        sync::Mutex,
    };

    use serde_json::json;
    use tracing::{
        Event, Metadata, Subscriber,
        field::{Field, Visit},
        span::{Attributes, Id},
    };

    use super::*;
    use crate::{
        record::{Outcome, Settled},
        sqlite::tests::{at, end, ended, object, prompt, start, thought, tool, usage},
    };

    /// The events' targets and fields, one line each.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            write!(self.0, " {}={value:?}", field.name()).unwrap();
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut line = Line(format!("{} {}", event.metadata().level(), event.metadata().target()));
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn every_record_is_one_line_with_its_keys() {
        let lines = Lines::default();
        let started = tracing::subscriber::with_default(lines.clone(), || {
            let log = StructuredLog::default();
            let started = log.start(&Arc::new(start(1)));
            for record in [prompt(1), usage(1), thought(1)] {
                log.record(&record);
            }
            let Record::ToolUsage(tool) = &*tool(1, "toolu_1") else { unreachable!() };
            log.record(&Arc::new(Record::ToolUsage(ToolUsage { id: start(5).id, created_at: at(0), ..tool.clone() })));
            log.record(&ended(End {
                outcome: Outcome::ProviderError,
                error_type: Some("overloaded_error".into()),
                metadata: object(json!({"rounds": 2})),
                ..end(1)
            }));
            started
        });
        drop(started);
        let one = "interception_id=01950000-0000-7000-8000-000000000001";
        let noon = "\"2026-03-01T12:00:00.000042Z\"";
        let expected = [
            format!(
                "message=interception log record_type=\"interception_start\" {one} \
                 initiator_id=01950000-0000-7000-8000-00000000000a provider=\"anthropic\" model=\"claude-sonnet-4-5\" \
                 client=\"Claude Code\" started_at={noon} api_key_id=\"abcdefghij\" provider_name=\"main\" \
                 requested_model=\"sonnet\" api=\"messages\" streaming=true user_agent=\"claude-cli/2.0\" \
                 credential_kind=\"centralized\" credential_hint=\"sk-a...wxyz\" \
                 metadata=\"{{\\\"route\\\":\\\"/v1/messages\\\"}}\" request_bytes=1234"
            ),
            format!(
                "message=interception log record_type=\"prompt_usage\" {one} prompt=\"why is the sky blue\" \
                 created_at={noon} id=01950000-0000-7000-8000-000000001001 provider_response_id=\"msg_1\""
            ),
            format!(
                "message=interception log record_type=\"token_usage\" {one} input_tokens=10 output_tokens=20 \
                 created_at={noon} id=01950000-0000-7000-8000-000000002001 provider_response_id=\"msg_1\" \
                 cache_read_input_tokens=30 cache_write_input_tokens=40 \
                 metadata=\"{{\\\"web_search_requests\\\":1}}\" usage_source=\"final\""
            ),
            format!(
                "message=interception log record_type=\"model_thought\" {one} content=\"light scatters\" \
                 created_at={noon} id=01950000-0000-7000-8000-000000004001 \
                 metadata=\"{{\\\"source\\\":\\\"thinking\\\"}}\""
            ),
            format!(
                "message=interception log record_type=\"tool_usage\" {one} tool=\"search\" input={{\"q\":\"sky\"}} \
                 server_url=\"https://mcp.example/\" injected=true created_at={noon} \
                 id=01950000-0000-7000-8000-000000000005 provider_response_id=\"msg_1\" \
                 provider_tool_call_id=\"toolu_1\" invocation_error=\"timed out\""
            ),
            format!(
                "message=interception log record_type=\"interception_end\" {one} \
                 ended_at=\"2026-03-01T13:00:00.000042Z\" outcome=\"provider_error\" http_status=200 \
                 error_type=\"overloaded_error\" ttfb_ms=1 duration_ms=250 response_bytes=4321 \
                 metadata=\"{{\\\"rounds\\\":2}}\""
            ),
        ]
        .map(|line| format!("INFO aibridge::interception {line}"));
        assert_eq!(*lines.0.lock().unwrap(), expected);
    }

    #[test]
    fn what_a_background_response_came_to_is_lines_without_an_interception() {
        let lines = Lines::default();
        tracing::subscriber::with_default(lines.clone(), || {
            let Record::TokenUsage(usage) = &*usage(1) else { unreachable!() };
            let Record::ModelThought(thought) = &*thought(1) else { unreachable!() };
            let Record::ToolUsage(tool) = &*tool(1, "call_1") else { unreachable!() };
            let interception_id = Uuid::nil();
            StructuredLog::default().record(&Arc::new(Record::Settled(Settled {
                initiator_id: start(1).initiator_id,
                provider_name: "main".to_owned(),
                provider_response_id: "msg_1".to_owned(),
                usage: TokenUsage { interception_id, ..usage.clone() },
                tools: vec![ToolUsage { interception_id, ..tool.clone() }],
                thoughts: vec![ModelThought { interception_id, ..thought.clone() }],
            })));
        });
        let lines = lines.0.lock().unwrap();
        for (line, record) in lines.iter().zip(["token_usage", "tool_usage", "model_thought"]) {
            assert!(line.contains(&format!("record_type=\"{record}\"")) && !line.contains("interception_id"), "{line}");
        }
        assert_eq!(lines.len(), 3);
        assert!(lines[0].contains("output_tokens=20") && lines[0].contains("provider_response_id=\"msg_1\""));
    }
}
