//! Everything a recorder is told of an exchange, and what it is not.

use aibridge_store::record::{Outcome, Record};
use aibridge_tests::{Endpoint, Provider, Reply, Script, Transcript};
use serde_json::json;

use crate::{
    expect::{expected, instance_of, request, target, told},
    fixture::{BEARER, Gateway, Recorded, Setup, USER, path},
    line::Line,
};

impl Line {
    /// What is recorded of this request, replied to like this.
    async fn record(&mut self, target: &str, fields: &[(&str, &str)], body: &[u8], script: Script) -> Recorded {
        self.provider.reply(script);
        let mut all = vec![BEARER];
        all.extend_from_slice(fields);
        self.client.post(target, &all, body).await.unwrap();
        self.client.response().await.unwrap();
        self.gateway.records.take().await
    }
}

/// A transcript's requests and the replies to them.
fn exchanges(transcript: &Transcript) -> [(bool, &[u8], &Reply); 2] {
    [
        (false, &transcript.request, &transcript.blocking[0]),
        (true, &transcript.streaming_request, &transcript.streams[0]),
    ]
}

#[tokio::test]
async fn recorder_is_told_what_the_transcript_says_and_nothing_else() {
    for content in [true, false] {
        let mut line = Line::with(Setup { content, ..Setup::default() }).await;
        for transcript in Transcript::all().unwrap() {
            for (streamed, body, reply) in exchanges(&transcript) {
                let before = chrono::Utc::now();
                let recorded = line.record(&target(transcript.endpoint), &[], body, reply.script()).await;
                let after = chrono::Utc::now();
                let context = format!("{}, streamed: {streamed}, content: {content}", transcript.name);
                assert_eq!(told(&recorded), expected(&transcript, reply, content), "{context}");

                let (start, end) = (&recorded.start, recorded.end());
                let instance = instance_of(transcript.endpoint);
                let api = match transcript.endpoint {
                    Endpoint::Messages => "messages",
                    Endpoint::Chat => "chat_completions",
                    Endpoint::Responses => "responses",
                };
                assert_eq!((start.api, start.streaming), (api, streamed), "{context}");
                assert_eq!((&*start.provider, &*start.provider_name), (instance, instance), "{context}");
                assert_eq!((start.initiator_id, start.api_key_id.as_deref()), (USER, Some("gatewaytok")), "{context}");
                assert_eq!(json!(start.model), transcript.expect["model"], "{context}");
                assert_eq!(start.model, start.requested_model, "{context}");
                assert_eq!(json!(start.correlating_tool_call_id), transcript.expect["answers"], "{context}");
                assert_eq!((start.client, &start.user_agent), ("Unknown", &None), "{context}");
                assert_eq!(start.request_bytes, body.len() as u64, "{context}");
                assert_eq!(end.response_bytes, reply.body.len() as u64, "{context}");
                assert!(before <= start.started_at && start.started_at <= end.ended_at && end.ended_at <= after);
                assert!(end.ttfb.is_some_and(|ttfb| ttfb <= end.duration), "{context}");
                // A whole reply is read at its end; there is no first content before it.
                assert_eq!(end.metadata.get("first_content_ms").is_some(), reply.streamed, "{context}");
                assert_eq!(end.metadata.get("unobserved_events"), None, "{context}");
                assert_eq!(end.credential_hint, None, "{context}");
            }
        }
    }
}

#[tokio::test]
async fn generated_text_is_never_recorded() {
    let mut line = Line::new().await;
    for (name, text) in [("messages-plain", "Büsum"), ("chat-plain", "Flut"), ("responses-failed", "The fairway")] {
        let transcript = Transcript::load(name).unwrap();
        for (_, body, reply) in exchanges(&transcript) {
            let mut recorded = line.record(&target(transcript.endpoint), &[], body, reply.script()).await;
            // What the person wrote may hold the same words.
            recorded.records.retain(|record| !format!("{record:?}").starts_with("UserPrompt"));
            assert!(!format!("{recorded:?}").contains(text), "{name}");
        }
    }
}

#[tokio::test]
async fn without_content_nothing_that_was_said_is_recorded() {
    let mut line = Line::with(Setup { content: false, ..Setup::default() }).await;
    for (name, said) in [
        ("messages-tools", &["Husum", "thinking", "2026-11-03"][..]),
        ("chat-tools", &["Husum", "sum"]),
        ("chat-reasoning", &["shallow", "must I leave"]),
        ("responses-tools", &["Husum", "Looking up"]),
        ("responses-custom", &["Patch", "note the tide"]),
    ] {
        let transcript = Transcript::load(name).unwrap();
        for (_, body, reply) in exchanges(&transcript) {
            let recorded = line.record(&target(transcript.endpoint), &[], body, reply.script()).await;
            // The ids and names of tools hold words of the transcripts; their input is checked to be gone.
            let all = recorded.records.iter().filter(|record| !is_call(record)).map(|one| format!("{one:?}"));
            let all = all.collect::<String>();
            for word in said {
                assert!(!all.contains(word), "{name}: {word} in {all}");
            }
            assert_eq!(recorded.prompts().len() + recorded.thoughts().len(), 0, "{name}");
            let names: Vec<_> = transcript.expect["tools"].as_array().into_iter().flatten().collect();
            let names: Vec<_> = names.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
            assert_eq!(recorded.tools(), names, "{name}");
            assert_eq!(recorded.usage().usage_source, "final", "{name}");
        }
    }
}

/// A tool record without its input.
fn is_call(record: &Record) -> bool {
    matches!(record, Record::ToolUsage(tool) if tool.input.is_null())
}

/// A caller: its fields, and the client, session, agent and parent agent that it is.
type Caller = (&'static [(&'static str, &'static str)], [&'static str; 4]);

/// The table of the record's documentation, a row or more for each client; "" is none.
const CALLERS: &[Caller] = &[
    (&[], ["Unknown", "", "", ""]),
    (&[("User-Agent", "curl/8.5.0"), ("session-id", "s")], ["Unknown", "", "", ""]),
    (&[("User-Agent", "mux/1.0"), ("X-Mux-Workspace-Id", "w")], ["Mux", "w", "", ""]),
    (&[("User-Agent", "Xum/2"), ("X-Mux-Workspace-Id", " w ")], ["Mux", "w", "", ""]),
    (
        &[
            ("User-Agent", "claude-cli/2.1.0 (external, cli)"),
            ("X-Claude-Code-Session-Id", "s"),
            ("X-Claude-Code-Agent-Id", "a"),
            ("X-Claude-Code-Parent-Agent-Id", "p"),
        ],
        ["Claude Code", "s", "a", "p"],
    ),
    (&[("User-Agent", "CLAUDE-cli/2"), ("X-Claude-Code-Session-Id", "  ")], ["Claude Code", "", "", ""]),
    (
        &[("User-Agent", "codex_cli_rs/0.169.0"), ("session-id", "s"), ("session_id", "t"), ("thread-id", "a")],
        ["Codex", "s", "a", ""],
    ),
    (&[("User-Agent", "codex-tui/0.1"), ("session_id", "t"), ("thread-id", "t")], ["Codex", "t", "", ""]),
    (&[("User-Agent", "Zed/0.200")], ["Zed", "", "", ""]),
    (&[("User-Agent", "GitHubCopilotChat/0.30"), ("x-interaction-id", "i")], ["GitHub Copilot (VS Code)", "i", "", ""]),
    (&[("User-Agent", "copilot/1.0"), ("X-Client-Session-Id", "c")], ["GitHub Copilot (CLI)", "c", "", ""]),
    (&[("User-Agent", "Kilo-Code/4.1"), ("X-KILOCODE-TASKID", "k")], ["Kilo Code", "k", "", ""]),
    (&[("originator", "kilo-code"), ("X-KiloCode-TaskId", "k")], ["Kilo Code", "k", "", ""]),
    (&[("User-Agent", "Roo-Code/3")], ["Roo Code", "", "", ""]),
    (&[("User-Agent", "node"), ("originator", "roo-code")], ["Roo Code", "", "", ""]),
    (&[("User-Agent", "coder-agents/1"), ("X-Other", "x")], ["Coder Agents", "", "", ""]),
    (&[("User-Agent", "Charm Crush/1")], ["Charm Crush", "", "", ""]),
    (&[("User-Agent", "charm-crush/1")], ["Charm Crush", "", "", ""]),
    (&[("X-Cursor-Client-Version", "1.7")], ["Cursor", "", "", ""]),
    (&[("User-Agent", "opencode/1.18"), ("x-session-affinity", "b")], ["OpenCode", "b", "", ""]),
    (
        &[("User-Agent", "opencode/1.18"), ("x-session-affinity", "b"), ("X-OpenCode-Session", "a")],
        ["OpenCode", "a", "", ""],
    ),
    (&[("User-Agent", "Junie:1")], ["Junie", "", "", ""]),
    (&[("User-Agent", "Cline/3")], ["Cline", "", "", ""]),
    (&[("User-Agent", "Goose/1")], ["Goose", "", "", ""]),
    (&[("User-Agent", "factory-cli/1")], ["Factory", "", "", ""]),
    (&[("User-Agent", "aider/0.8")], ["Aider", "", "", ""]),
    (&[("User-Agent", "GeminiCLI/0.1")], ["Gemini CLI", "", "", ""]),
    (&[("User-Agent", "my claude"), ("X-Claude-Code-Session-Id", "s")], ["Unknown", "", "", ""]),
];

#[tokio::test]
async fn callers_are_known_by_their_headers() {
    let mut line = Line::new().await;
    for endpoint in Endpoint::ALL {
        for (fields, caller) in CALLERS {
            let body = request(endpoint, "m", false);
            let recorded = line.record(&target(endpoint), fields, body.as_bytes(), Script::json(200, "{}")).await;
            let start = &recorded.start;
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            let got = [
                start.client.to_owned(),
                text(&start.client_session_id),
                text(&start.agent_id),
                text(&start.parent_agent_id),
            ];
            assert_eq!(got, *caller, "{endpoint:?} {fields:?}");
            let user_agent = fields.iter().find(|(name, _)| *name == "User-Agent").map(|(_, value)| *value);
            assert_eq!(start.user_agent.as_deref(), user_agent);
        }
    }
}

#[tokio::test]
async fn coder_chat_is_the_session_of_coder_agents() {
    let mut line = Line::new().await;
    let fields = [("User-Agent", "coder-agents/1"), ("X-Coder-Chat-Id", "chat")];
    let body = request(Endpoint::Messages, "m", false);
    let recorded = line.record(&target(Endpoint::Messages), &fields, body.as_bytes(), Script::json(200, "{}")).await;
    assert_eq!(recorded.start.client_session_id.as_deref(), Some("chat"));
    // It is read here and does not go on.
    assert_eq!(line.provider.next_request().await.head.get("x-coder-chat-id"), None);
}

#[tokio::test]
async fn session_of_claude_code_may_be_in_its_body() {
    let mut line = Line::new().await;
    for (user_id, header, session) in [
        (r#""{\"device_id\":\"d\",\"session_id\":\"json\"}""#, None, Some("json")),
        (r#""user_abc_account__session_old""#, None, Some("old")),
        (r#""user_abc_account__session_old""#, Some("header"), Some("header")),
        (r#""nobody""#, None, None),
        (r#""{\"session_id\":7}""#, None, None),
        ("7", None, None),
    ] {
        let body = request(Endpoint::Messages, "m", false);
        let body = body.replacen('{', &format!(r#"{{"metadata": {{"user_id": {user_id}}}, "#), 1);
        let mut fields = vec![("User-Agent", "claude-cli/2.1.0")];
        fields.extend(header.map(|value| ("X-Claude-Code-Session-Id", value)));
        let script = Script::json(200, "{}");
        let recorded = line.record(&target(Endpoint::Messages), &fields, body.as_bytes(), script).await;
        assert_eq!(recorded.start.client_session_id.as_deref(), session, "{user_id}");
    }
}

#[tokio::test]
async fn long_values_are_cut_and_odd_ones_do_not_harm() {
    let mut line = Line::new().await;
    let long = "ü".repeat(200);
    let agent = format!("codex {long}");
    let fields = [("User-Agent", &*agent), ("session-id", &*long), ("thread-id", "\t \t")];
    let body = request(Endpoint::Responses, "m", false);
    let recorded = line.record(&target(Endpoint::Responses), &fields, body.as_bytes(), Script::json(200, "{}")).await;
    assert_eq!(recorded.start.client_session_id.as_deref(), Some(&*"ü".repeat(128)));
    assert_eq!(recorded.start.user_agent.as_ref().map(String::len), Some(256));
    assert_eq!(recorded.start.agent_id, None);
}

#[tokio::test]
async fn fields_of_odd_types_cost_a_record_field_not_the_request() {
    let mut line = Line::new().await;
    for endpoint in Endpoint::ALL {
        for (body, model, streaming) in [
            ("{}", "", false),
            (r#"{"model": 7, "stream": "true", "messages": 7, "input": 7}"#, "", false),
            (r#"{"model": null, "stream": 1, "messages": [null, 7, []], "input": [null]}"#, "", false),
            (
                r#"{"model": "a", "model": "b", "stream": false, "stream": true, "messages": [], "input": []}"#,
                "b",
                true,
            ),
            (
                r#"{"model": "m", "messages": [{"role": "unheard-of", "content": {}}], "input": [{"type": "new"}]}"#,
                "m",
                false,
            ),
        ] {
            for reply in
                [r#"{"id": 7, "usage": "none", "content": 7, "choices": {}, "output": null}"#, "[]", "7", "text", ""]
            {
                let recorded = line.record(&target(endpoint), &[], body.as_bytes(), Script::json(200, reply)).await;
                assert_eq!(
                    (&*recorded.start.model, recorded.start.streaming),
                    (model, streaming),
                    "{endpoint:?} {body}"
                );
                assert_eq!(recorded.prompts().len(), 0, "{body}");
                assert_eq!(
                    (recorded.outcome(), recorded.usage().usage_source),
                    (Outcome::Completed, "none"),
                    "{reply}"
                );
            }
        }
    }
}

#[tokio::test]
async fn compaction_is_recorded_like_a_response() {
    let mut line = Line::new().await;
    let transcript = Transcript::load("responses-plain").unwrap();
    let target = path("openai", "/v1/responses/compact");
    let reply = &transcript.blocking[0];
    let recorded = line.record(&target, &[], &transcript.request, reply.script()).await;
    assert_eq!(told(&recorded), expected(&transcript, reply, true));
    assert_eq!(line.provider.next_request().await.head.target(), "/v1/responses/compact");
}

#[tokio::test]
async fn exchanges_at_the_same_time_are_told_apart() {
    let provider = Provider::replying(|request| {
        let name = request.json()["model"].as_str().unwrap().to_owned();
        Script::json(200, json!({"id": name, "usage": {"input_tokens": 1, "output_tokens": 2}}).to_string())
    })
    .await
    .unwrap();
    let gateway = Gateway::start(&provider.url()).await;
    let asking = (0..32).map(async |one| {
        let mut client = gateway.client().await;
        for round in 0..8 {
            let body = request(Endpoint::Messages, &format!("{one}-{round}"), false);
            client.post(&target(Endpoint::Messages), &[BEARER], body).await.unwrap();
            let (head, _) = client.response().await.unwrap();
            assert_eq!(head.status(), 200);
        }
    });
    futures::future::join_all(asking).await;
    let all = gateway.records.ended(32 * 8).await;
    assert_eq!(all.len(), 32 * 8);
    for recorded in &all {
        assert_eq!(recorded.usage().provider_response_id.as_deref(), Some(&*recorded.start.model));
        assert_eq!(recorded.records.len(), 3, "prompt, usage, end");
    }
    let mut ids: Vec<_> = all.iter().map(|recorded| recorded.start.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 32 * 8);
}
