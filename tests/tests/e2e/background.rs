//! Responses that are produced in the background, and asked for later.

use aibridge_store::{record::Outcome, sqlite::Sqlite};
use aibridge_tests::{RawClient, Script};
use serde_json::{Value, json};

use crate::{
    fixture::{BEARER, USER, path},
    line::Line,
};

/// A response in that state, as the provider shows it.
fn response(status: &str) -> Value {
    let finished = status == "completed" || status == "incomplete";
    let usage = json!({"input_tokens": 640, "input_tokens_details": {"cached_tokens": 512}, "output_tokens": 29,
        "output_tokens_details": {"reasoning_tokens": 8}, "total_tokens": 669});
    let output = json!([
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Two bricks."}]},
        {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "stack", "arguments": "{\"n\":2}"},
    ]);
    json!({"id": "resp_bg", "object": "response", "status": status, "background": true, "model": "gpt-5", "error": null,
        "output": if finished { output } else { json!([]) }, "usage": if finished { usage } else { Value::Null }})
}

/// What the client asks first.
async fn ask(line: &mut Line, script: Script) {
    line.provider.reply(script);
    let body = r#"{"model":"gpt-5","background":true,"input":"Stack the bricks"}"#;
    line.client.post(&path("openai", "/v1/responses"), &[BEARER], body).await.unwrap();
    assert_eq!(line.client.response().await.unwrap().0.status(), 200);
    assert_eq!(line.gateway.records.one().await.outcome(), Outcome::Accepted);
}

/// Asks for the response; it arrives as the provider sent it.
async fn get(client: &mut RawClient, query: &str, shown: &[u8]) {
    let target = path("openai", &format!("/v1/responses/resp_bg{query}"));
    client.request("GET", &target, &[BEARER], "").await.unwrap();
    let (head, body) = client.response().await.unwrap();
    assert_eq!((head.status(), &body[..]), (200, shown));
    assert_eq!(head.get("x-ai-bridge-interception-id"), None, "it is only passed through");
}

async fn poll(line: &mut Line, status: &str) {
    let document = response(status).to_string();
    line.provider.reply(Script::json(200, document.clone()));
    get(&mut line.client, "", document.as_bytes()).await;
    assert_eq!(line.provider.requests().last().unwrap().head.target(), "/v1/responses/resp_bg");
}

/// The interception as a store holds it.
async fn stored(line: &Line) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&dir.path().join("records.db")).unwrap();
    line.gateway.records.replay(&store).await;
    store.flush().await.unwrap();
    let id = line.gateway.records.one().await.start.id;
    let found = store.interception(&id.to_string()).await.unwrap().unwrap();
    assert_eq!(store.lost(), 0);
    store.close().await.unwrap();
    serde_json::to_value(found).unwrap()
}

/// Who it was, and the one token usage, the tools and the thoughts.
fn summary(stored: &Value) -> Value {
    assert_eq!(stored["outcome"], "accepted");
    let all = |list: &str, field: &str| -> Vec<Value> {
        stored[list].as_array().unwrap().iter().map(|it| it[field].clone()).collect()
    };
    let usages = stored["token_usages"].as_array().unwrap();
    assert_eq!(usages.len(), 1);
    let figure = |name: &str| usages[0][name].clone();
    json!({
        "tokens": [figure("input_tokens"), figure("output_tokens"), figure("cache_read_input_tokens")],
        "extras": figure("metadata"),
        "source": figure("usage_source"),
        "tools": all("tool_usages", "tool"),
        "thoughts": all("model_thoughts", "content"),
    })
}

fn finished() -> Value {
    json!({"tokens": [128, 29, 512], "extras": {"output_reasoning": 8, "total_tokens": 669}, "source": "final",
        "tools": ["stack"], "thoughts": ["Two bricks."]})
}

#[tokio::test]
async fn usage_is_added_when_the_response_is_seen_to_have_finished() {
    let mut line = Line::new().await;
    ask(&mut line, Script::json(200, response("queued").to_string())).await;
    for status in ["queued", "in_progress", "in_progress"] {
        poll(&mut line, status).await;
    }
    assert!(line.gateway.records.settled().is_empty(), "there is nothing to count yet");
    let open = json!({"tokens": [0, 0, 0], "extras": {}, "source": "none", "tools": [], "thoughts": []});
    assert_eq!(summary(&stored(&line).await), open);
    // However often it is asked for, it was used once.
    for _ in 0..3 {
        poll(&mut line, "completed").await;
    }
    let settled = line.gateway.records.settled();
    assert_eq!(settled.len(), 3);
    assert_eq!(
        (settled[0].initiator_id, &*settled[0].provider_name, &*settled[0].provider_response_id),
        (USER, "openai", "resp_bg")
    );
    assert_eq!(summary(&stored(&line).await), finished());
}

#[tokio::test]
async fn a_stream_that_is_taken_up_again_shows_it_too() {
    let mut line = Line::new().await;
    let created = format!(
        "event: response.created\ndata: {}\n\n",
        json!({"type": "response.created", "sequence_number": 0, "response": response("queued")})
    );
    // The first stream breaks off; the rest is asked for by itself.
    line.provider.reply(Script::sse().write(created).cut());
    let body = r#"{"model":"gpt-5","background":true,"stream":true,"input":"Stack the bricks"}"#;
    line.client.post(&path("openai", "/v1/responses"), &[BEARER], body).await.unwrap();
    drop(line.client.response().await.unwrap());
    assert_eq!(line.gateway.records.one().await.outcome(), Outcome::Accepted);

    let item = json!({"type": "response.output_item.done", "sequence_number": 7, "output_index": 0,
        "item": response("completed")["output"][0]});
    let end = json!({"type": "response.incomplete", "sequence_number": 8, "response": response("incomplete")});
    let rest = format!(
        "event: {}\ndata: {item}\n\nevent: {}\ndata: {end}\n\n",
        "response.output_item.done", "response.incomplete"
    );
    let (first, second) = rest.split_at(rest.len() / 2);
    line.provider.reply(Script::sse().writes([first.to_owned(), second.to_owned()]));
    get(&mut line.client, "?stream=true&starting_after=6", rest.as_bytes()).await;
    assert_eq!(line.gateway.records.settled().len(), 1);
    assert_eq!(summary(&stored(&line).await), finished());
}

#[tokio::test]
async fn what_is_asked_for_and_not_found_or_not_a_response_changes_nothing() {
    let mut line = Line::new().await;
    ask(&mut line, Script::json(200, response("queued").to_string())).await;
    let missing = r#"{"error":{"message":"no such response","type":"invalid_request_error","param":null,"code":null}}"#;
    line.provider.reply(Script::json(404, missing));
    line.client.request("GET", &path("openai", "/v1/responses/resp_bg"), &[BEARER], "").await.unwrap();
    let (head, body) = line.client.response().await.unwrap();
    assert_eq!((head.status(), &body[..]), (404, missing.as_bytes()));
    line.provider.reply(Script::text(200, "<html>"));
    get(&mut line.client, "", b"<html>").await;
    let items = response("completed").to_string();
    line.provider.reply(Script::json(200, items.clone()));
    get(&mut line.client, "/input_items", items.as_bytes()).await;
    // Another response, which this gateway has no interception of.
    let mut other = response("completed");
    other["id"] = json!("resp_other");
    line.provider.reply(Script::json(200, other.to_string()));
    get(&mut line.client, "", other.to_string().as_bytes()).await;
    assert_eq!(line.gateway.records.settled().len(), 1);
    assert_eq!(summary(&stored(&line).await)["source"], "none");
}
