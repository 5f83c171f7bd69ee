//! Errors that the provider reports, and replies that it puts off.

use aibridge_store::record::Outcome;
use aibridge_tests::{Endpoint, Script, Transcript, events};
use bytes::Bytes;
use serde_json::json;

use super::{end, start};
use crate::{
    expect::{request, target, told, without_error_event},
    fixture::{BEARER, GOVERNANCE, OWN},
};

#[tokio::test]
async fn error_of_the_provider_passes_as_it_came() {
    const ANTHROPIC: &str =
        r#"{"type":"error", "error":{"type":"overloaded_error","message":"Overl\u006faded"},"request_id":"req_1"}"#;
    const OPENAI: &str = r#"{ "error": {"message":"No.","type":"invalid_request_error","param":null,"code":"x"}}"#;
    const HTML: &str = "<html><body>502 Bad Gateway</body></html>\n";
    let zstd = zstd::encode_all(ANTHROPIC.as_bytes(), 0).unwrap();
    let (provider, gateway) = start().await;
    let mut client = gateway.client().await;
    for endpoint in Endpoint::ALL {
        for streamed in [false, true] {
            for (status, kind, coding, body, error, message) in [
                (400, "application/json", None, OPENAI.as_bytes(), "invalid_request_error", Some("No.")),
                (401, "application/json", None, OPENAI.as_bytes(), "invalid_request_error", Some("No.")),
                (
                    429,
                    "application/json; charset=utf-8",
                    None,
                    ANTHROPIC.as_bytes(),
                    "overloaded_error",
                    Some("Overloaded"),
                ),
                (529, "application/json", Some("zstd"), &zstd[..], "overloaded_error", Some("Overloaded")),
                (502, "text/html", None, HTML.as_bytes(), "http_502", Some(HTML.trim_ascii_end())),
                (500, "text/event-stream", None, b"data: odd\n\n", "http_500", Some("data: odd")),
                (503, "text/plain", None, b"", "http_503", Some("")),
                (302, "text/plain", None, b"elsewhere", "http_302", Some("elsewhere")),
            ] {
                let mut script = Script::whole(status, body.to_vec())
                    .field("Content-Type", kind)
                    .field("Retry-After", "7")
                    .field("x-should-retry", "true")
                    .field("Location", "https://elsewhere.example/");
                if let Some(coding) = coding {
                    script = script.field("Content-Encoding", coding);
                }
                provider.reply(script);
                // What is said of the organisation's keys is for the gateway.
                let fields = if [401, 429].contains(&status) { vec![GOVERNANCE, OWN] } else { vec![BEARER] };
                client.post(&target(endpoint), &fields, request(endpoint, "m", streamed)).await.unwrap();
                let (head, got) = client.response().await.unwrap();
                let context = format!("{endpoint:?}, {status}");
                assert_eq!(head.status(), status, "{context}");
                assert_eq!(got, body, "{context}");
                assert_eq!(head.get("content-type"), Some(kind), "{context}");
                assert_eq!(head.get("content-encoding"), coding, "{context}");
                assert_eq!((head.get("retry-after"), head.get("x-should-retry")), (Some("7"), Some("true")));
                assert_eq!(head.get("content-length").unwrap(), body.len().to_string(), "{context}");
                let recorded = gateway.records.take().await;
                let all = told(&recorded);
                assert_eq!(all.len(), 3, "{context}: prompt, usage, end");
                assert_eq!(all[2], end(Outcome::ProviderError, status, error), "{context}");
                assert_eq!(recorded.end().error_message.as_deref(), message, "{context}");
                assert_eq!(recorded.usage().usage_source, "none", "{context}");
            }
        }
    }
}

#[tokio::test]
async fn error_event_of_the_provider_passes_and_is_recorded() {
    let (provider, gateway) = start().await;
    let mut client = gateway.client().await;
    let chat = Transcript::load("chat-plain").unwrap();
    let mut begun = events(&chat.streams[0].body)[..2].to_vec();
    begun.push(Bytes::from_static(
        b"data: {\"error\": {\"message\": \"gone\", \"type\": \"server_error\", \"param\": null, \"code\": 500}}\n\n",
    ));
    let overload = Transcript::load("messages-overload").unwrap();
    let failed = Transcript::load("responses-failed").unwrap();
    for (transcript, all, error) in [
        (&overload, events(&overload.streams[0].body), "overloaded_error"),
        (&failed, events(&failed.streams[0].body), "server_error"),
        (&chat, begun, "server_error"),
    ] {
        for cut in [false, true] {
            let script = transcript.streams[0].head().writes(all.clone());
            provider.reply(if cut { script.cut() } else { script });
            client.post(&target(transcript.endpoint), &[BEARER], &transcript.streaming_request).await.unwrap();
            let (_, body) = client.response().await.unwrap();
            assert_eq!(body, all.concat(), "{}: nothing of the gateway's own", transcript.name);
            let recorded = gateway.records.take().await;
            assert_eq!(told(&recorded).last().unwrap(), &end(Outcome::ProviderError, 200, error));
            // One token record, whatever it knows.
            recorded.usage();
        }
    }
}

#[tokio::test]
async fn background_response_is_accepted_and_its_stream_still_ends_truthfully() {
    const QUEUED: &str = r#"{"id":"resp_bg","object":"response","status":"queued","background":true,"output":[]}"#;
    const CREATED: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":\
        {\"id\":\"resp_bg\",\"status\":\"queued\",\"background\":true}}\n\n";
    let (provider, gateway) = start().await;
    let mut client = gateway.client().await;
    let usage = json!({"usage": {"response_id": "resp_bg", "tokens": [0, 0, 0, 0], "extras": {}, "source": "none"}});
    let expected = [json!({"prompt": "Hi"}), usage, end(Outcome::Accepted, 200, None)];
    for script in [Script::json(200, QUEUED), Script::sse().write(CREATED).cut(), Script::sse().write(CREATED)] {
        provider.reply(script);
        client.post(&target(Endpoint::Responses), &[BEARER], request(Endpoint::Responses, "m", true)).await.unwrap();
        let (_, body) = client.response().await.unwrap();
        if body != QUEUED {
            assert_eq!(without_error_event(Endpoint::Responses, &body).unwrap(), CREATED);
        }
        assert_eq!(told(&gateway.records.take().await), expected);
    }
}
