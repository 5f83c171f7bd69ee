//! What a client makes of a reply. Whatever an SDK's accumulator would trip over, panics.

use aibridge_tests::{Endpoint, events};
use bytes::Bytes;
use serde_json::{Value, json};

/// A reply as a client understands it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Read {
    pub(super) id: String,
    /// The text of all its parts.
    pub(super) text: String,
    /// Id, name and arguments of each call.
    pub(super) calls: Vec<(String, String, String)>,
    pub(super) stop: String,
    /// Input and output tokens.
    pub(super) tokens: (u64, u64),
    /// The message of an error event.
    pub(super) error: Option<String>,
}

pub(super) fn read(endpoint: Endpoint, streamed: bool, body: &Bytes) -> Read {
    match (endpoint, streamed) {
        (Endpoint::Messages, false) => whole_message(&json_of(body)),
        (Endpoint::Chat, false) => whole_chat(&json_of(body)),
        (Endpoint::Responses, false) => whole_response(&json_of(body)),
        (Endpoint::Messages, true) => messages(body),
        (Endpoint::Chat, true) => chat(body),
        (Endpoint::Responses, true) => responses(body),
    }
}

pub(super) fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What went in and what came out, which is the total.
fn tokens(usage: &Value, names: [&str; 2]) -> (u64, u64) {
    let [input, output] = names.map(|name| usage[name].as_u64().unwrap());
    assert_eq!(usage["total_tokens"].as_u64().unwrap(), input + output);
    (input, output)
}

/// The data of each event; the event's name is its type.
fn data_of(body: &Bytes) -> Vec<Value> {
    let mut all = Vec::new();
    for event in events(body) {
        let event = String::from_utf8(event.to_vec()).unwrap();
        let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) else { continue };
        if data == "[DONE]" {
            all.push(json!("[DONE]"));
            continue;
        }
        let data = json_of(data.as_bytes());
        if let Some(name) = event.lines().find_map(|line| line.strip_prefix("event: ")) {
            assert_eq!(data["type"], name);
        }
        all.push(data);
    }
    all
}

fn whole_message(message: &Value) -> Read {
    let mut read = Read { id: text(&message["id"]), stop: text(&message["stop_reason"]), ..Read::default() };
    for block in message["content"].as_array().unwrap() {
        match block["type"].as_str().unwrap() {
            "text" => read.text += block["text"].as_str().unwrap(),
            "tool_use" => read.calls.push((text(&block["id"]), text(&block["name"]), block["input"].to_string())),
            other => panic!("{other}"),
        }
    }
    let usage = &message["usage"];
    read.tokens = (usage["input_tokens"].as_u64().unwrap(), usage["output_tokens"].as_u64().unwrap());
    read
}

/// As `anthropic`'s `accumulate_event` does.
fn messages(body: &Bytes) -> Read {
    let mut message = Value::Null;
    let mut partial: Vec<String> = Vec::new();
    let mut open = None;
    let mut stopped = false;
    let mut error = None;
    for event in data_of(body) {
        assert!(!stopped, "nothing follows the end: {event}");
        match event["type"].as_str().unwrap() {
            "ping" => {}
            "message_start" => {
                assert!(message.is_null(), "one message");
                message = event["message"].clone();
            }
            "content_block_start" => {
                assert_eq!(open, None, "one block at a time");
                let content = message["content"].as_array_mut().unwrap();
                assert_eq!(event["index"], content.len(), "indexes without gaps");
                open = event["index"].as_u64();
                content.push(event["content_block"].clone());
                partial.push(String::new());
            }
            "content_block_delta" => {
                let index = event["index"].as_u64();
                assert_eq!(open, index);
                let at = usize::try_from(index.unwrap()).unwrap();
                let delta = &event["delta"];
                match delta["type"].as_str().unwrap() {
                    "text_delta" => {
                        let block = &mut message["content"][at];
                        block["text"] = (text(&block["text"]) + delta["text"].as_str().unwrap()).into();
                    }
                    "input_json_delta" => partial[at] += delta["partial_json"].as_str().unwrap(),
                    other => panic!("{other}"),
                }
            }
            "content_block_stop" => {
                assert_eq!(open.take(), event["index"].as_u64());
            }
            "message_delta" => {
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                for (key, figure) in event["usage"].as_object().unwrap() {
                    message["usage"][key] = figure.clone();
                }
            }
            "message_stop" => stopped = true,
            "error" => {
                error = Some(text(&event["error"]["message"]));
                stopped = true;
            }
            other => panic!("{other}"),
        }
    }
    assert!(stopped, "message_stop or an error comes");
    if error.is_some() {
        let begun = if message.is_null() { Read::default() } else { whole_message(&message) };
        return Read { error, ..begun };
    }
    for (block, partial) in message["content"].as_array_mut().unwrap().iter_mut().zip(partial) {
        if block["type"] == "tool_use" && !partial.is_empty() {
            block["input"] = json_of(partial.as_bytes());
        }
    }
    whole_message(&message)
}

fn whole_chat(completion: &Value) -> Read {
    let choice = &completion["choices"][0];
    let message = &choice["message"];
    let mut read = Read { id: text(&completion["id"]), stop: text(&choice["finish_reason"]), ..Read::default() };
    read.text = text(&message["content"]);
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        read.calls.push((text(&call["id"]), text(&function["name"]), text(&function["arguments"])));
    }
    read.tokens = tokens(&completion["usage"], ["prompt_tokens", "completion_tokens"]);
    read
}

fn chat(body: &Bytes) -> Read {
    let mut read = Read::default();
    let (mut done, mut role) = (false, false);
    for chunk in data_of(body) {
        assert!(!done, "nothing follows the end: {chunk}");
        if chunk == "[DONE]" {
            done = true;
            continue;
        }
        if !chunk["error"].is_null() {
            read.error = Some(text(&chunk["error"]["message"]));
            done = true;
            continue;
        }
        let id = text(&chunk["id"]);
        assert!(read.id.is_empty() || read.id == id, "one completion: {id}");
        read.id = id;
        if chunk["usage"].is_object() {
            assert_eq!(read.tokens, (0, 0), "usage comes once");
            read.tokens = tokens(&chunk["usage"], ["prompt_tokens", "completion_tokens"]);
        }
        let Some(choice) = chunk["choices"].get(0) else { continue };
        assert!(read.stop.is_empty(), "nothing follows the finish reason");
        let delta = &choice["delta"];
        assert!(delta["role"].is_null() || !std::mem::replace(&mut role, true), "the role comes once");
        read.text += delta["content"].as_str().unwrap_or_default();
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            let function = &call["function"];
            if !call["id"].is_null() {
                assert_eq!(index, read.calls.len(), "indexes without gaps");
                read.calls.push((text(&call["id"]), text(&function["name"]), String::new()));
            }
            read.calls[index].2 += function["arguments"].as_str().unwrap_or_default();
        }
        read.stop = text(&choice["finish_reason"]);
    }
    assert!(done, "[DONE] or an error comes");
    read
}

fn whole_response(response: &Value) -> Read {
    let mut read = Read { id: text(&response["id"]), stop: text(&response["status"]), ..Read::default() };
    for item in response["output"].as_array().unwrap() {
        match item["type"].as_str().unwrap() {
            "message" => read.text += &text(&item["content"][0]["text"]),
            "function_call" => read.calls.push((text(&item["call_id"]), text(&item["name"]), text(&item["arguments"]))),
            other => panic!("{other}"),
        }
    }
    read.tokens = tokens(&response["usage"], ["input_tokens", "output_tokens"]);
    read
}

/// As `openai`'s `ResponseStreamState` does.
fn responses(body: &Bytes) -> Read {
    let mut output: Vec<Value> = Vec::new();
    let mut id = String::new();
    let mut end = None;
    let mut error = None;
    for (number, event) in data_of(body).into_iter().enumerate() {
        assert!(end.is_none() && error.is_none(), "nothing follows the end: {event}");
        assert_eq!(event["sequence_number"], number, "{event}");
        let at = event["output_index"].as_u64().map(|index| usize::try_from(index).unwrap());
        match event["type"].as_str().unwrap() {
            "response.created" => {
                assert_eq!(number, 0, "one response");
                id = text(&event["response"]["id"]);
            }
            "response.in_progress" => assert_eq!(number, 1),
            "response.output_item.added" => {
                assert_eq!(at, Some(output.len()), "indexes without gaps");
                output.push(event["item"].clone());
            }
            "response.content_part.added" => {
                assert_eq!(event["item_id"], output[at.unwrap()]["id"]);
                output[at.unwrap()]["content"] = json!([event["part"]]);
            }
            "response.output_text.delta" => {
                let part = &mut output[at.unwrap()]["content"][0];
                part["text"] = (text(&part["text"]) + event["delta"].as_str().unwrap()).into();
            }
            "response.output_text.done" | "response.content_part.done" | "response.function_call_arguments.done" => {
                assert_eq!(event["item_id"], output[at.unwrap()]["id"]);
            }
            "response.function_call_arguments.delta" => {
                let item = &mut output[at.unwrap()];
                item["arguments"] = (text(&item["arguments"]) + event["delta"].as_str().unwrap()).into();
            }
            "response.output_item.done" => {
                let item = &mut output[at.unwrap()];
                assert_eq!(event["item"]["id"], item["id"]);
                item["status"] = event["item"]["status"].clone();
            }
            "response.completed" | "response.incomplete" | "response.failed" => end = Some(event["response"].clone()),
            "error" => error = Some(text(&event["message"])),
            other => panic!("{other}"),
        }
    }
    if error.is_some() {
        let begun =
            json!({"id": id, "output": output, "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}});
        return Read { error, ..whole_response(&begun) };
    }
    let end = end.expect("the terminal event comes");
    assert_eq!(end["id"], id.as_str());
    assert_eq!(end["output"], Value::from(output), "what was streamed is what the end holds");
    whole_response(&end)
}
