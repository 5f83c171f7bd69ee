//! What is logged: a line for each request, and on demand a line for each record.

use std::{collections::HashSet, fs};

use aibridge_tests::{Provider, RawClient, Scripted, Transcript};
use serde_json::{Value, json};

use crate::{
    home::{Home, KEY},
    process::{Ended, Gateway, path},
};

/// A home with a user's token, and a provider that plays transcripts.
struct Logged {
    home: Home,
    token: String,
    provider: Provider,
}

impl Logged {
    async fn new() -> Logged {
        let home = Home::new();
        let token = home.token("ali").await;
        let scripted = Scripted::load().unwrap().key(KEY);
        let provider = Provider::replying(move |request| scripted.script(request)).await.unwrap();
        Logged { home, token, provider }
    }

    /// A gateway that logs as JSON too, with these options.
    async fn gateway(&self, options: &[(&str, &str)]) -> Gateway {
        let setup = self.home.server().provider(&self.provider).env("CODER_LOGGING_JSON", self.home.path("log"));
        options.iter().fold(setup, |setup, (name, value)| setup.env(name, value)).start().await
    }

    /// Asks what this transcript asks.
    async fn ask(&self, gateway: &Gateway, transcript: &Transcript, streamed: bool) {
        let (request, reply) = match streamed {
            true => (&transcript.streaming_request, &transcript.streams[0]),
            false => (&transcript.request, &transcript.blocking[0]),
        };
        let (head, body) = gateway.post(&path("anthropic", "/v1/messages"), &self.token, request).await;
        assert_eq!((head.status(), &body), (200, &reply.body));
    }

    /// The lines of the log with this message.
    fn lines(&self, message: &str) -> Vec<Value> {
        let log = fs::read_to_string(self.home.path("log")).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not json: {line}")));
        lines.filter(|line: &Value| line["message"] == message).collect()
    }

    /// Nothing of the transcript and no secret is in what the gateway said or logged.
    fn check_silence(&self, ended: &Ended, said: &[&str]) {
        let log = fs::read_to_string(self.home.path("log")).unwrap();
        for text in [&ended.stdout, &ended.stderr, &log] {
            for what in said.iter().copied().chain([KEY, &self.token[11..]]) {
                assert!(!text.contains(what), "{what} in {text}");
            }
        }
    }
}

fn keys(line: &Value) -> HashSet<&str> {
    line.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn each_request_is_one_line_without_content() {
    let logged = Logged::new().await;
    let gateway = logged.gateway(&[]).await;
    let transcript = Transcript::load("messages-plain").unwrap();
    logged.ask(&gateway, &transcript, true).await;
    logged.ask(&gateway, &transcript, false).await;
    let models = path("anthropic", "/v1/models?limit=1");
    assert_eq!(gateway.request("GET", &models, Some(&logged.token), "").await.0.status(), 200);
    assert_eq!(gateway.post(&path("openai", "/v1/responses"), "nonsense", "{}").await.0.status(), 401);
    assert_eq!(gateway.post(&path("unknown", "/v1/messages"), &logged.token, "{}").await.0.status(), 404);
    let ended = gateway.stop().await;
    logged.check_silence(&ended, &["low water", "Büsum", "harbour", "B\\u00fcsum", "nonsense", "limit=1"]);

    let lines = logged.lines("request");
    assert_eq!(lines.len(), 5, "{lines:#?}");
    let recorded = logged.home.interceptions().await;
    let everything = HashSet::from([
        "timestamp",
        "level",
        "message",
        "target",
        "method",
        "route",
        "provider",
        "model",
        "status",
        "outcome",
        "duration_ms",
        "ttfb_ms",
        "input_tokens",
        "output_tokens",
        "interception_id",
        "actor",
    ]);
    for (line, one) in lines[..2].iter().zip(recorded.iter().rev()) {
        assert_eq!(keys(line), everything);
        for (name, value) in [
            ("level", json!("INFO")),
            ("method", json!("POST")),
            ("route", json!("/v1/messages")),
            ("provider", json!("anthropic")),
            ("model", json!("claude-test-plain")),
            ("status", json!(200)),
            ("outcome", json!("completed")),
            ("actor", json!("ali")),
            ("interception_id", one["id"].clone()),
            ("output_tokens", one["token_usages"][0]["output_tokens"].clone()),
        ] {
            assert_eq!(line[name], value, "{name}");
        }
        let usage = &one["token_usages"][0];
        let input = ["input_tokens", "cache_read_input_tokens", "cache_write_input_tokens"];
        let input: u64 = input.iter().map(|name| usage[*name].as_u64().unwrap()).sum();
        assert_eq!(line["input_tokens"], input);
        let (ttfb, duration) = (line["ttfb_ms"].as_f64().unwrap(), line["duration_ms"].as_f64().unwrap());
        assert!(0.0 < ttfb && ttfb <= duration, "{ttfb} {duration}");
    }
    for (line, route, status, outcome) in [
        (&lines[2], "/v1/models", 200, "proxied"),
        (&lines[3], "/api/v2/aibridge/openai/v1/responses", 401, "unauthenticated"),
        (&lines[4], "/api/v2/aibridge/unknown/v1/messages", 404, "unknown_provider"),
    ] {
        assert_eq!(
            (&line["route"], &line["status"], &line["outcome"]),
            (&json!(route), &json!(status), &json!(outcome))
        );
        assert!(line.get("interception_id").is_none() && line.get("model").is_none(), "{line}");
    }
    // For people, the same line.
    let id = recorded[0]["id"].as_str().unwrap();
    let line = ended.stderr.lines().find(|line| line.contains(id)).unwrap();
    for part in ["aibridge::access: request", "method=POST", "outcome=\"completed\"", "status=200", "actor=\"ali\""] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_in_the_log() {
    let logged = Logged::new().await;
    let mut gateway = logged.gateway(&[]).await;
    let mut client: RawClient = gateway.client().await;
    let bearer = format!("Bearer {}", logged.token);
    let body = r#"{"model":"claude-test-slow","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    client.post(&path("anthropic", "/v1/messages"), &[("Authorization", &bearer)], body).await.unwrap();
    client.head().await.unwrap();
    client.at_least(1).await.unwrap();
    drop(client);
    let line = gateway.stderr.line("aibridge::access: request").await;
    assert!(line.contains("outcome=\"client_gone\"") && line.contains("status=200"), "{line}");
    gateway.stop().await;
    assert_eq!(logged.home.ended().await["outcome"], "client_gone");
}

/// The keys of each type of record, which is the contract of this log.
const RECORDS: [(&str, &[&str]); 6] = [
    ("interception_start", &["interception_id", "initiator_id", "provider", "model", "client", "started_at"]),
    ("prompt_usage", &["interception_id", "prompt", "created_at"]),
    ("model_thought", &["interception_id", "content", "created_at"]),
    ("tool_usage", &["interception_id", "tool", "input", "injected", "created_at"]),
    ("token_usage", &["interception_id", "input_tokens", "output_tokens", "created_at"]),
    ("interception_end", &["interception_id", "ended_at"]),
];

#[tokio::test]
async fn structured_log_has_a_line_with_its_keys_for_each_record() {
    let logged = Logged::new().await;
    let gateway = logged.gateway(&[("CODER_AIBRIDGE_STRUCTURED_LOGGING", "true")]).await;
    let transcript = Transcript::load("messages-tools").unwrap();
    logged.ask(&gateway, &transcript, true).await;
    let ended = gateway.stop().await;

    let lines = logged.lines("interception log");
    let id = &logged.home.interceptions().await[0]["id"];
    for (record, needed) in RECORDS {
        let line = lines.iter().find(|line| line["record_type"] == record).unwrap_or_else(|| panic!("no {record}"));
        for key in needed {
            assert!(line.get(key).is_some_and(|value| !value.is_null()), "{key} of {record}: {line}");
        }
    }
    assert!(lines.iter().all(|line| &line["interception_id"] == id && line["level"] == "INFO"));
    let order: Vec<_> = lines.iter().map(|line| line["record_type"].as_str().unwrap()).collect();
    assert_eq!((order[0], order[order.len() - 1]), ("interception_start", "interception_end"));
    let of = |record: &str| lines.iter().filter(|line| line["record_type"] == record).collect::<Vec<_>>();
    assert_eq!(of("prompt_usage")[0]["prompt"], transcript.expect["prompt"]);
    let tools = transcript.expect["tools"].as_array().unwrap();
    assert_eq!(of("tool_usage").len(), tools.len());
    for (line, tool) in of("tool_usage").iter().zip(tools) {
        assert_eq!((&line["tool"], &line["injected"]), (&tool["name"], &json!(false)));
        assert!(line["input"].is_string(), "{line}");
    }
    assert_eq!(ended.stderr.matches("interception log").count(), lines.len(), "to all sinks");
}

#[tokio::test]
async fn without_content_recording_no_content_is_recorded_or_logged() {
    let logged = Logged::new().await;
    let options = [("CODER_AIBRIDGE_STRUCTURED_LOGGING", "true"), ("CODER_AIBRIDGE_DISABLE_CONTENT_RECORDING", "true")];
    let gateway = logged.gateway(&options).await;
    let transcript = Transcript::load("messages-tools").unwrap();
    for streamed in [true, false] {
        logged.ask(&gateway, &transcript, streamed).await;
    }
    let ended = gateway.stop().await;
    let prompt = transcript.expect["prompt"].as_str().unwrap();
    let thought = transcript.expect["thoughts"][0]["content"].as_str().unwrap();
    let input = transcript.expect["tools"][0]["input"].as_object().unwrap().values().next().unwrap();
    // With a quote, because ids of calls hold the same word.
    let input = input.to_string();
    let input = input.trim_end_matches('"');
    logged.check_silence(&ended, &[prompt, thought, input]);
    let types: HashSet<_> =
        logged.lines("interception log").iter().map(|line| line["record_type"].as_str().unwrap().to_owned()).collect();
    let left = ["interception_start", "tool_usage", "token_usage", "interception_end"];
    assert_eq!(types, left.map(str::to_owned).into());

    for one in logged.home.interceptions().await {
        let id = one["id"].as_str().unwrap();
        let one = logged.home.run(&format!("interceptions show {id} --json")).await;
        for what in [prompt, thought, input] {
            assert!(!one.contains(what), "{what} in {one}");
        }
        let one: Value = serde_json::from_str(&one).unwrap();
        assert_eq!((&one["user_prompts"], &one["model_thoughts"]), (&json!([]), &json!([])));
        assert_eq!(one["tool_usages"].as_array().unwrap().len(), transcript.expect["tools"].as_array().unwrap().len());
        assert_eq!(one["token_usages"][0]["usage_source"], "final");
    }
    for file in fs::read_dir(logged.home.data()).unwrap() {
        let (path, bytes) = file.map(|file| (file.path(), fs::read(file.path()).unwrap())).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(![prompt, thought, input].iter().any(|what| text.contains(what)), "{}", path.display());
    }
}
