//! A provider that lets the client choose, by the model it asks for, what happens.

mod bedrock;

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{Aws, Endpoint, Gate, ReceivedRequest, Reply, Says, Script, Transcript, events};

/// How often a slow stream says something.
const PACE: Duration = Duration::from_millis(20);

/// Chooses a script by the `model` of the request, which ends in `-test-` and one of these:
///
/// | ending | reply |
/// | --- | --- |
/// | the name of a transcript of this API | that transcript; its next round when the request answers a tool call |
/// | `error-STATUS` | an error of that status in the format of the API |
/// | `slow` | a stream that goes on until the client leaves; without a stream, no reply at all |
/// | `cut`, `reset` | half of the plain reply, then the connection is closed or reset |
/// | `injected` | a call of `bmcp_everything_echo`, which nobody but a gateway can run, and then the answer |
/// | `mixed` | such a call, then another beside one of the client's `tide_table`, and then the answer |
///
/// The Messages transcripts are also what Amazon Bedrock answers: `POST /model/{id}/invoke` and
/// `/model/{id}/invoke-with-response-stream` choose by the id, stream frames, and refuse some of what Bedrock refuses:
/// fields, beta flags and ways of thinking.
///
/// ```
/// use aibridge_tests::{Provider, Scripted};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let scripted = Scripted::load()?;
/// let provider = Provider::replying(move |request| scripted.script(request)).await?;
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Scripted {
    key: Option<String>,
    aws: Aws,
    transcripts: HashMap<String, Transcript>,
}

impl Scripted {
    /// The id of the access key with which requests to Bedrock have to be signed.
    pub const ACCESS_KEY: &str = "AKIASCRIPTEDPROVIDER";

    /// The region they have to be signed for.
    pub const REGION: &str = "us-east-1";

    /// Reads all transcripts.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn load() -> io::Result<Self> {
        let transcripts = Transcript::all()?.into_iter().map(|one| (one.name.clone(), one)).collect();
        Ok(Self { key: None, aws: Aws::new(Self::REGION), transcripts })
    }

    /// Answers 401 to requests without this key, in `X-Api-Key` or as a bearer token, and to those that carry
    /// another one beside it. To Bedrock it is a bearer token, or the secret of [`ACCESS_KEY`](Self::ACCESS_KEY).
    pub fn key(mut self, key: impl Into<String>) -> Self {
        let key = key.into();
        self.aws = self.aws.key(Self::ACCESS_KEY, &key);
        self.key = Some(key);
        self
    }

    /// What to answer.
    pub fn script(&self, request: &ReceivedRequest) -> Script {
        let (method, target) = (request.head.method(), request.head.target());
        let path = target.split('?').next().unwrap_or_default();
        if let Some(call) = bedrock::Call::parse(path).filter(|_| method == "POST") {
            return self.invoke(&call, request);
        }
        let anthropic = path.starts_with("/v1/messages") || request.head.get("anthropic-version").is_some();
        if !self.admits(request) {
            return error(anthropic, 401);
        }
        match (method, path) {
            ("POST", "/v1/messages/count_tokens") => Script::json(200, r#"{"input_tokens":42}"#),
            ("GET", "/v1/models") if anthropic => Script::json(200, ANTHROPIC_MODELS),
            ("GET", "/v1/models") => Script::json(200, OPENAI_MODELS),
            ("POST", _) => match Endpoint::ALL.into_iter().find(|endpoint| endpoint.path() == path) {
                Some(endpoint) => self.reply(endpoint, &request.json()),
                None => error(anthropic, 404),
            },
            _ => error(anthropic, 404),
        }
    }

    fn invoke(&self, call: &bedrock::Call, request: &ReceivedRequest) -> Script {
        let bearer = request.head.get("authorization").is_some_and(|value| value.starts_with("Bearer "));
        match self.aws.verify(request, "bedrock") {
            _ if bearer && self.admits(request) => {}
            Err(refusal) if self.key.is_some() => return refusal,
            _ => {}
        }
        let body = request.json();
        if let Some(objection) = call.objection(&body) {
            return bedrock::error(400, &objection);
        }
        self.chosen(Endpoint::Messages, &call.model, call.streamed, &body, bedrock::WIRE)
            .unwrap_or_else(|status| retried_soon(status, bedrock::error(status, &message(status))))
    }

    fn admits(&self, request: &ReceivedRequest) -> bool {
        let Some(key) = &self.key else { return true };
        let bearer = request.head.all("authorization").into_iter().map(|value| value.trim_start_matches("Bearer "));
        let mut given = bearer.chain(request.head.all("x-api-key")).peekable();
        given.peek().is_some() && given.all(|value| value == key)
    }

    fn reply(&self, endpoint: Endpoint, request: &Value) -> Script {
        let model = request["model"].as_str().unwrap_or_default();
        let streamed = request["stream"] == Value::Bool(true);
        self.chosen(endpoint, model, streamed, request, PLAIN)
            .unwrap_or_else(|status| error(endpoint == Endpoint::Messages, status))
    }

    /// The script for this model, or the status of an error.
    fn chosen(
        &self,
        endpoint: Endpoint,
        model: &str,
        streamed: bool,
        request: &Value,
        wire: Wire,
    ) -> Result<Script, u16> {
        let (_, name) = model.split_once("-test-").ok_or(404_u16)?;
        if let Some(status) = name.strip_prefix("error-") {
            return Err(status.parse().unwrap_or(500));
        }
        if let "injected" | "mixed" = name {
            let says = echoes(name == "mixed", &request.to_string()).ok_or(400_u16)?;
            let body = if streamed { says.stream(endpoint) } else { says.whole(endpoint) };
            let kind = if streamed { "text/event-stream" } else { "application/json" };
            let fields = vec![("Content-Type".to_owned(), kind.to_owned())];
            let reply = Reply { status: 200, fields, body: body.into(), streamed };
            let pieces = if streamed { events(&reply.body) } else { Vec::new() };
            return Ok((wire.head)(&reply).writes(pieces.iter().map(wire.event)));
        }
        let (name, twist) = match name {
            "slow" | "cut" | "reset" => ("plain", name),
            other => (other, ""),
        };
        let transcript = self.transcripts.get(&format!("{}-{name}", endpoint.name())).ok_or(404_u16)?;
        let replies = if streamed { &transcript.streams } else { &transcript.blocking };
        let round = usize::from(replies.len() > 1 && answers_tool(endpoint, request));
        let reply = replies.get(round).ok_or(404_u16)?;
        let mut pieces = if reply.streamed { events(&reply.body) } else { Vec::new() };
        if endpoint == Endpoint::Chat && request["stream_options"]["include_usage"] != Value::Bool(true) {
            pieces.retain(|event| !contains(event, br#""choices":[]"#));
        }
        Ok(match twist {
            "slow" => slow(reply, &pieces, wire),
            "cut" => half(reply, &pieces, wire).cut(),
            "reset" => half(reply, &pieces, wire).reset(),
            _ => (wire.head)(reply).writes(pieces.iter().map(wire.event)),
        })
    }
}

/// How a provider sends a reply.
#[derive(Clone, Copy)]
struct Wire {
    /// The head, with the body unless this is a stream.
    head: fn(&Reply) -> Script,
    /// What it makes of an event.
    event: fn(&Bytes) -> Bytes,
}

const PLAIN: Wire = Wire { head: Reply::head, event: Bytes::clone };

/// What comes next in a conversation with tools of an MCP server called `everything`; nothing if results of calls are
/// missing, as providers refuse it.
fn echoes(mixed: bool, request: &str) -> Option<Says> {
    const ECHO: &str = "bmcp_everything_echo";
    let calls: [(&str, &str, &str); 3] = [
        ("call_echo_1", ECHO, r#"{"message":"low water"}"#),
        ("call_echo_2", ECHO, r#"{"message":"high water"}"#),
        ("call_tide_3", "tide_table", r#"{"harbour":"Husum","day":"2026-11-03"}"#),
    ];
    // With its result, the id of a call is there twice.
    let known: Vec<_> = calls.iter().map(|(id, ..)| request.matches(&format!("\"{id}\"")).count()).collect();
    let echoed = ["Echo: low water", "Echo: high water"].map(|text| request.contains(text));
    match (mixed, &known[..], echoed) {
        (_, [0, 0, 0], _) => Some(Says::calls("reply_1", &calls[..1])),
        (false, [2, 0, 0], [true, _]) => Some(Says::text("reply_2", "Low water it is.")),
        (true, [2, 0, 0], [true, _]) => Some(Says::calls("reply_2", &calls[1..])),
        (true, [2, 2, 2], [true, true]) => Some(Says::text("reply_3", "Both, at 05:31.")),
        _ => None,
    }
}

/// Everything up to the first piece of text, and this piece for ever.
fn slow(reply: &Reply, events: &[Bytes], wire: Wire) -> Script {
    const TEXT: [&[u8]; 3] = [b"text_delta", br#""delta":{"content":"#, b"output_text.delta"];
    let first = events.iter().position(|event| TEXT.iter().any(|mark| contains(event, mark)));
    match first {
        Some(at) => {
            let before = events[..at].iter().map(wire.event);
            (wire.head)(reply).writes(before).repeat((wire.event)(&events[at]), PACE)
        }
        None => (wire.head)(reply).hold(&Gate::new()),
    }
}

fn half(reply: &Reply, events: &[Bytes], wire: Wire) -> Script {
    if reply.streamed {
        return (wire.head)(reply).writes(events[..events.len() / 2].iter().map(wire.event));
    }
    let start =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", reply.body.len());
    Script::raw().write(start).write(reply.body.slice(..reply.body.len() / 2))
}

/// Whether the last thing the client says is what a tool returned.
fn answers_tool(endpoint: Endpoint, request: &Value) -> bool {
    let last = |field: &str| request[field].as_array().and_then(|items| items.last()).cloned().unwrap_or_default();
    match endpoint {
        Endpoint::Messages => last("messages")["content"]
            .as_array()
            .is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "tool_result")),
        Endpoint::Chat => last("messages")["role"] == "tool",
        Endpoint::Responses => last("input")["type"].as_str().is_some_and(|kind| kind.ends_with("_call_output")),
    }
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    crate::http1::find(bytes, what).is_some()
}

fn message(status: u16) -> String {
    format!("scripted error {status}")
}

/// A 429 asks for almost no patience, so that a pool of keys recovers at once.
fn retried_soon(status: u16, script: Script) -> Script {
    if status == 429 { script.field("retry-after-ms", "1") } else { script }
}

/// An error as the provider words it.
fn error(anthropic: bool, status: u16) -> Script {
    let message = message(status);
    let (body, id) = if anthropic {
        let kind = match status {
            400 => "invalid_request_error",
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            529 => "overloaded_error",
            _ => "api_error",
        };
        let error = json!({"type": kind, "message": message});
        (json!({"type": "error", "error": error, "request_id": "req_scripted"}), "request-id")
    } else {
        let (kind, code) = match status {
            401 => ("invalid_request_error", Some("invalid_api_key")),
            404 => ("invalid_request_error", Some("model_not_found")),
            429 => ("requests", Some("rate_limit_exceeded")),
            400..500 => ("invalid_request_error", None),
            _ => ("server_error", None),
        };
        (json!({"error": {"message": message, "type": kind, "param": null, "code": code}}), "x-request-id")
    };
    retried_soon(status, Script::json(status, body.to_string()).field(id, "req_scripted"))
}

const ANTHROPIC_MODELS: &str = r#"{"data":[{"type":"model","id":"claude-test-plain","display_name":"Claude Test","created_at":"2026-11-01T00:00:00Z"}],"has_more":false,"first_id":"claude-test-plain","last_id":"claude-test-plain"}"#;
const OPENAI_MODELS: &str =
    r#"{"object":"list","data":[{"id":"gpt-test-plain","object":"model","created":1793600000,"owned_by":"test"}]}"#;
