//! What a transcript leads to: on the wire, and in the records.

use aibridge_store::record::Record;
use aibridge_tests::{Endpoint, Reply, Transcript, events};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::fixture::{Recorded, path};

/// The instance that speaks the API of this endpoint.
pub(crate) fn instance_of(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Messages => "anthropic",
        _ => "openai",
    }
}

/// Where a client sends its requests to this endpoint.
pub(crate) fn target(endpoint: Endpoint) -> String {
    path(instance_of(endpoint), endpoint.path())
}

/// A request for this model, streamed or not, in the words of this API.
pub(crate) fn request(endpoint: Endpoint, model: &str, streamed: bool) -> String {
    let input = match endpoint {
        Endpoint::Responses => r#""input": "Hi""#,
        _ => r#""max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]"#,
    };
    format!(r#"{{"model": "{model}", "stream": {streamed}, {input}}}"#)
}

/// Whether the gateway asks for usage on behalf of this client.
pub(crate) fn usage_is_asked_for(transcript: &Transcript) -> bool {
    let request = String::from_utf8_lossy(&transcript.streaming_request);
    transcript.endpoint == Endpoint::Chat && !request.contains("include_usage")
}

/// The body that reaches the provider.
pub(crate) fn upstream_request(transcript: &Transcript, streamed: bool) -> Bytes {
    if !streamed {
        return transcript.request.clone();
    }
    let request = &transcript.streaming_request;
    if !usage_is_asked_for(transcript) {
        return request.clone();
    }
    // Behind the last member, before the blanks in front of the closing brace.
    let close = request.iter().rposition(|byte| *byte == b'}').unwrap();
    let at = request[..close].trim_ascii_end().len();
    [&request[..at], br#","stream_options":{"include_usage":true}"#, &request[at..]].concat().into()
}

/// What the client gets of this stream, whose lines end in LF.
pub(crate) fn client_stream(transcript: &Transcript, stream: &Bytes) -> Bytes {
    if !usage_is_asked_for(transcript) {
        return stream.clone();
    }
    events(stream).into_iter().filter(|event| !is_usage_chunk(event)).collect::<Vec<_>>().concat().into()
}

pub(crate) fn is_usage_chunk(event: &[u8]) -> bool {
    String::from_utf8_lossy(event).contains(r#""choices":[]"#)
}

/// Everything the recorder was told behind the start, in order, in the words of a transcript's `expect`.
pub(crate) fn told(recorded: &Recorded) -> Vec<Value> {
    recorded.records.iter().map(|record| one_told(record)).collect()
}

fn one_told(record: &Record) -> Value {
    match record {
        Record::UserPrompt(prompt) => json!({"prompt": prompt.prompt}),
        Record::ModelThought(thought) => {
            json!({"thought": {"content": thought.content, "source": thought.metadata["source"]}})
        }
        Record::ToolUsage(tool) => {
            assert!(!tool.injected && tool.server_url.is_none() && tool.invocation_error.is_none());
            json!({"tool": {
                "response_id": tool.provider_response_id,
                "id": tool.provider_tool_call_id,
                "item_id": tool.provider_item_id,
                "name": tool.tool,
                "input": tool.input,
                "metadata": tool.metadata,
            }})
        }
        Record::TokenUsage(usage) => json!({"usage": {
            "response_id": usage.provider_response_id,
            "tokens": [
                usage.input_tokens,
                usage.output_tokens,
                usage.cache_read_input_tokens,
                usage.cache_write_input_tokens,
            ],
            "extras": usage.metadata,
            "source": usage.usage_source,
        }}),
        Record::End(end) => json!({"end": {
            "outcome": end.outcome.as_str(),
            "status": end.http_status,
            "error": end.error_type,
        }}),
        other => panic!("unknown record {other:?}"),
    }
}

/// What a transcript says that the recorder is told of this reply to it.
pub(crate) fn expected(transcript: &Transcript, reply: &Reply, content: bool) -> Vec<Value> {
    let expect = &transcript.expect;
    let mut all = Vec::new();
    if content && !expect["prompt"].is_null() {
        all.push(json!({"prompt": expect["prompt"]}));
    }
    let end = json!({"end": {"outcome": expect["outcome"], "status": reply.status, "error": expect["error"]}});
    if reply.status != 200 {
        // The figures are those of the stream.
        all.push(json!({"usage": {"response_id": null, "tokens": [0, 0, 0, 0], "extras": {}, "source": "none"}}));
        all.push(end);
        return all;
    }
    let array = |name: &str| expect[name].as_array().cloned().unwrap_or_default();
    if content {
        for thought in array("thoughts") {
            all.push(json!({"thought": {"content": thought["content"], "source": thought["source"]}}));
        }
        if String::from_utf8_lossy(&reply.body).contains("redacted_thinking") {
            all.push(json!({"thought": {"content": "", "source": "redacted_thinking"}}));
        }
    }
    for tool in array("tools") {
        // The provider's own tools have ids of their own.
        let hosted = tool["id"].as_str().is_some_and(|id| id.starts_with("srvtoolu"));
        let input = if content { &tool["input"] } else { &Value::Null };
        all.push(json!({"tool": {
            "response_id": expect["response_id"],
            "id": tool["id"],
            "item_id": tool["item_id"],
            "name": tool["name"],
            "input": input,
            "metadata": if hosted { json!({"hosted": true}) } else { json!({}) },
        }}));
    }
    let usage = &expect["usage"];
    let figure = |name: &str| usage[name].as_u64().unwrap_or(0);
    let extras = usage["extras"].as_object().cloned().unwrap_or_else(Map::new);
    all.push(json!({"usage": {
        "response_id": expect["response_id"],
        "tokens": [figure("input"), figure("output"), figure("cache_read"), figure("cache_write")],
        "extras": extras,
        "source": usage["source"].as_str().unwrap_or("final"),
    }}));
    all.push(end);
    all
}

/// The one error event, in the words of this API, that ends a stream which broke off.
pub(crate) fn error_event(endpoint: Endpoint) -> Value {
    let message = "aibridge: the provider's answer broke off before its end; try again";
    let openai = json!({"message": message, "type": "server_error", "param": null, "code": "provider_truncated"});
    match endpoint {
        Endpoint::Messages => json!({"type": "error", "error": {"type": "api_error", "message": message}}),
        Endpoint::Chat => json!({"error": openai}),
        Endpoint::Responses => json!({
            "type": "error", "code": "provider_truncated", "message": message, "param": null, "sequence_number": 0,
            "error": openai,
        }),
    }
}

/// Takes the error event off the end of what a client got.
pub(crate) fn without_error_event(endpoint: Endpoint, body: &Bytes) -> Option<Bytes> {
    let name: &[u8] = if endpoint == Endpoint::Chat { b"data: " } else { b"event: error\ndata: " };
    let last = events(body).pop()?;
    let data = last.strip_prefix(name)?.strip_suffix(b"\n\n")?;
    let is_it = serde_json::from_slice::<Value>(data).is_ok_and(|data| data == error_event(endpoint));
    is_it.then(|| body.slice(..body.len() - last.len()))
}
