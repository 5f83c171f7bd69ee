//! Secrets stay where they belong: not in what is printed, logged or stored.

use std::{fs, path::Path};

use aibridge_tests::{Provider, RawClient, Script};
use http::Request;
use http_body_util::Full;
use hyper::{body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;

use crate::{
    home::{Home, Setup},
    process::{Gateway, path},
};

/// In the middle of every secret, so that hints may show both ends.
pub(crate) const CANARY: &str = "canary-9f8e7d6c";

/// 32 bytes, among them no canary.
const ENCRYPTION_KEY: &str = "dGhlIGVuY3J5cHRpb24ga2V5IG9mIGEgdGVzdCEhISE=";

pub(crate) fn secret(name: &str) -> String {
    format!("sk-{name}-{CANARY}-{name}-end")
}

/// Every option that takes a secret, each with one, and the log as talkative as can be.
fn loaded(setup: Setup, home: &Home, provider: &Provider) -> Setup {
    let (openai, anthropic) = (format!("{}/v1/", provider.url()), provider.url());
    fs::write(home.path("given"), secret("file")).unwrap();
    let mut setup = setup.env("CODER_LOGGING_JSON", home.path("log")).env("CODER_LOG_FILTER", "trace");
    for (name, value) in [
        ("CODER_AIBRIDGE_OPENAI_BASE_URL", &*openai),
        ("CODER_AIBRIDGE_OPENAI_KEY", &secret("openai")),
        ("CODER_AIBRIDGE_ANTHROPIC_BASE_URL", &anthropic),
        ("CODER_AIBRIDGE_ANTHROPIC_KEY_FILE", &home.path("given").display().to_string()),
        ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "google"),
        ("CODER_AIBRIDGE_PROVIDER_0_KEYS", &format!("{},{}", secret("pool1"), secret("pool2"))),
        ("CODER_AIBRIDGE_PROVIDER_1_TYPE", "bedrock"),
        ("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_REGION", "us-east-1"),
        ("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_BASE_URL", &anthropic),
        ("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_ACCESS_KEY", &secret("access")),
        ("CODER_AIBRIDGE_PROVIDER_1_BEDROCK_ACCESS_KEY_SECRET", &secret("awssecret")),
        ("CODER_AIBRIDGE_PROVIDER_2_TYPE", "openai-compat"),
        ("CODER_AIBRIDGE_PROVIDER_2_NAME", "nowhere"),
        ("CODER_AIBRIDGE_PROVIDER_2_BASE_URL", "http://127.0.0.1:1/"),
        ("CODER_AIBRIDGE_PROVIDER_2_KEY", &secret("nowhere")),
        ("CODER_AIBRIDGE_MCP_0_NAME", "tools"),
        ("CODER_AIBRIDGE_MCP_0_URL", "http://127.0.0.1:1/"),
        ("CODER_AIBRIDGE_MCP_0_HEADER", &format!("Authorization: Bearer {}", secret("mcp"))),
        ("CODER_EXTERNAL_AUTH_0_TYPE", "github"),
        ("CODER_EXTERNAL_AUTH_0_CLIENT_ID", "id"),
        ("CODER_EXTERNAL_AUTH_0_CLIENT_SECRET", &secret("oauth")),
        ("CODER_EXTERNAL_AUTH_0_MCP_URL", &format!("http://127.0.0.1:1/?key={}", secret("query"))),
        ("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEY", ENCRYPTION_KEY),
        ("CODER_OIDC_ISSUER_URL", "https://issuer.example"),
        ("CODER_OIDC_CLIENT_ID", "aibridge"),
        ("CODER_OIDC_HMAC_SECRET", &secret("hmac").repeat(2)),
    ] {
        setup = setup.env(name, value);
    }
    setup
}

/// None of these words is in this text or in any file below this folder but those with which the secrets are `given`.
pub(crate) fn check_silence(home: &Home, said: &[&str], words: &[&str]) {
    let mut files = Vec::new();
    read(&home.path(""), &mut files);
    assert!(files.iter().any(|(name, _)| name.ends_with("aibridge.sqlite")) && files.len() > 2);
    files.extend(said.iter().map(|text| ("what was printed".to_owned(), text.as_bytes().to_vec())));
    for (name, bytes) in files {
        let text = String::from_utf8_lossy(&bytes);
        for word in words {
            if let Some(at) = text.find(word) {
                let around: String = text[..at].chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
                panic!("{word} is in {name}, behind {around}");
            }
        }
    }
}

fn read(folder: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, files);
        } else if !path.file_name().unwrap().to_string_lossy().starts_with("given") {
            files.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

/// Posts with these fields, in whatever way it ends.
async fn post(gateway: &Gateway, target: &str, fields: &[(&str, &str)], body: &str) -> u16 {
    let mut client: RawClient = gateway.client().await;
    client.post(target, fields, body).await.unwrap();
    let (head, body) = client.response().await.unwrap();
    let text = format!("{head:?}{}", String::from_utf8_lossy(&body));
    assert!(!text.contains(CANARY) || text.contains("said"), "a secret is told to the client: {text}");
    head.status()
}

#[tokio::test]
async fn no_secret_is_printed_logged_or_stored() {
    let home = Home::new();
    let token = home.token("ali").await;
    // The provider repeats what it should not, in a reply, in a header and in an error.
    let provider = Provider::replying(|request| {
        let (key, text) = (secret("reply"), format!("said-{CANARY}"));
        let reply = json!({"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "text", "text": text}],
            "usage": {"input_tokens": 1, "output_tokens": 2}});
        let script = match request.json()["model"].as_str() {
            Some("refused") => {
                Script::json(401, r#"{"type":"error","error":{"type":"authentication_error","message":"no"}}"#)
            }
            Some("echoed") => {
                let message = format!("Incorrect key provided: {}", request.head.get("x-api-key").unwrap());
                let error = json!({"type": "error", "error": {"type": "authentication_error", "message": message}});
                Script::json(401, error.to_string())
            }
            _ => Script::json(200, reply.to_string()),
        };
        script.field("Set-Cookie", key)
    });
    let provider = provider.await.unwrap();
    let checked = loaded(home.program("check"), &home, &provider).succeed().await;
    let gateway = loaded(home.server(), &home, &provider).start().await;

    let (bearer, own) = (format!("Bearer {token}"), secret("byok"));
    let byok = format!("Bearer {own}");
    let cookie = format!("session={}", secret("cookie"));
    let (wrong, jwt) = (format!("Bearer {}", secret("wrong")), format!("Bearer eyJhbGciOiJIUzI1NiJ9.e30.{CANARY}"));
    let gateways = ("X-Coder-AI-Governance-Token", &*token);
    let messages = path("anthropic", "/v1/messages");
    let body = r#"{"model":"m","messages":[{"role":"user","content":"what-was-asked"}]}"#;
    for (fields, target, body, status) in [
        (&[("Authorization", &*bearer), ("Cookie", &cookie)][..], &*messages, body, 200),
        (&[gateways, ("Authorization", &byok)], &path("openai", "/v1/chat/completions"), body, 200),
        (&[gateways, ("X-Api-Key", &own)], &messages, r#"{"model":"refused"}"#, 401),
        (&[("X-Api-Key", &token)], &path("nowhere", "/v1/responses"), body, 502),
        (&[("Authorization", &wrong)], &messages, body, 401),
        (&[("Authorization", &jwt)], &messages, body, 401),
        (&[("X-Api-Key", &own), ("Authorization", &bearer)], &messages, body, 400),
        (&[("Authorization", &bearer)], &format!("{messages}?key={}", secret("query")), body, 200),
        (&[("Authorization", &bearer)], &path("bedrock", "/v1/messages"), body, 200),
        (&[("Authorization", &bearer)], &messages, r#"{"model": "canary-9f8e7d6c"#, 400),
        // Leaves the instance without a key.
        (&[("Authorization", &bearer)], &messages, r#"{"model":"echoed"}"#, 502),
        (&[("Authorization", &bearer)], &messages, body, 502),
    ] {
        assert_eq!(post(&gateway, target, fields, body).await, status, "{target} {body} {fields:?}");
    }
    let stream = TokioIo::new(TcpStream::connect(gateway.address).await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("http://{}{messages}", gateway.address))
        .header("x-coder-ai-governance-token", &token)
        .header("authorization", &byok)
        .body(Full::<Bytes>::from(body));
    assert_eq!(client.send_request(request.unwrap()).await.unwrap().status(), 200);
    drop(client);
    let ended = gateway.stop().await;
    assert!(["TRACE hyper", "TRACE h2"].iter().all(|part| ended.stderr.contains(part)), "the log is talkative");
    assert!(ended.stderr.contains("Incorrect key provided: [key]"), "the provider's words are logged");
    let listed = home.run("interceptions list").await;
    let shown = home.run("interceptions list --json").await + &home.run("tokens list --json").await;
    check_silence(
        &home,
        &[&checked, &ended.stdout, &ended.stderr, &listed, &shown],
        &[CANARY, ENCRYPTION_KEY, &token[11..]],
    );
    for text in [&ended.stdout, &ended.stderr, &fs::read_to_string(home.path("log")).unwrap()] {
        assert!(!text.contains("what-was-asked"), "prompts are not for the log");
    }
    assert!(shown.contains("what-was-asked") && shown.contains("sk-b...-end"), "{shown}");
}

#[tokio::test]
async fn a_refused_configuration_quotes_no_secret() {
    let home = Home::new();
    let provider = Provider::start().await.unwrap();
    for (name, value) in [
        ("CODER_PG_CONNECTION_URL", format!("postgres://aibridge:{CANARY}@localhost/aibridge")),
        ("CODER_AIBRIDGE_OPENAI_BASE_URL", format!("https://user:{CANARY}@example.com/v1")),
        ("CODER_AIBRIDGE_ANTHROPIC_KEY", secret("twice")),
        ("CODER_AIBRIDGE_PROVIDER_0_KEY", secret("beside")),
        ("CODER_AIBRIDGE_PROVIDER_2_KEYS", format!("{0},{0},", secret("repeated"))),
    ] {
        for command in ["server", "check"] {
            let said = loaded(home.program(command), &home, &provider).env(name, &value).fail().await;
            assert!(said.contains(name) && !said.contains(CANARY), "{name}: {said}");
        }
    }
    let flags = [format!("--aibridge-openai-kye={}", secret("typo")), secret("argument")];
    for flag in flags {
        let said = home.program("server").arg(flag).fail().await;
        assert!(!said.contains(CANARY), "{said}");
    }
}
