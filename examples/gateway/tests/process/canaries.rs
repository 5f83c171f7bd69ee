//! Secrets on their way: through pools, to Bedrock, brought by users, with dumps and actor headers on, and in files that
//! are read again.

use std::fs;

use aibridge_tests::{Aws, Provider, ReceivedRequest, Script, Transcript, frames};
use http::HeaderValue;

use crate::{
    home::{Home, Setup, eventually},
    process::{Gateway, path},
    secrets::{CANARY, check_silence, secret},
};

const MODEL: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const ASK: &str = r#"{"model": "claude-sonnet-4-5", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}]}"#;
const NATIVE: &str = r#"{"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": []}"#;

/// Everything that is asked: `limited` keys are, `refused` ones too, Bedrock knows its own, an MCP server nobody.
async fn provider() -> Provider {
    let aws = Aws::new("us-east-1").key(&secret("access2"), &secret("awssecret2"));
    let aws = aws.key(&secret("legacyaccess"), &secret("legacysecret"));
    let plain = Transcript::load("messages-plain").unwrap();
    Provider::replying(move |request| answer(request, &aws, &plain).field("Set-Cookie", secret("set"))).await.unwrap()
}

fn answer(request: &ReceivedRequest, aws: &Aws, plain: &Transcript) -> Script {
    let head = &request.head;
    let credential = head.get("authorization").or(head.get("x-api-key")).unwrap_or_default();
    if head.target().starts_with("/mcp") {
        let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{credential}\"");
        return Script::json(401, format!(r#"{{"error":"who is {credential}"}}"#)).field("WWW-Authenticate", challenge);
    }
    if head.target().starts_with("/model/") {
        let signed = if credential.starts_with("Bearer ") { Ok(()) } else { aws.verify(request, "bedrock").map(drop) };
        return match signed {
            Err(refusal) => refusal,
            Ok(()) if head.target().ends_with("/invoke") => plain.blocking[0].script(),
            Ok(()) => Script::chunked(200)
                .field("Content-Type", "application/vnd.amazon.eventstream")
                .writes(frames(&plain.streams[0].body)),
        };
    }
    match credential {
        limited if limited.contains("limited") => {
            Script::json(429, r#"{"error":{"message":"slow"}}"#).field("retry-after", "600")
        }
        refused if refused.contains("refused") => Script::json(401, r#"{"error":{"message":"who"}}"#),
        _ => plain.streams[0].script(),
    }
}

/// The instances as YAML.
fn yaml(home: &Home, url: &str) -> String {
    let key = |name| secret(name);
    let file = home.path("given-key").display().to_string();
    format!(
        "aibridge:\n  providers:\n\
         \x20   - {{type: anthropic, name: pool, base_url: '{url}', keys: ['{}', '{}', '{}']}}\n\
         \x20   - {{type: anthropic, name: nobody, base_url: '{url}', keys: ['{}', '{}']}}\n\
         \x20   - {{type: anthropic, name: slow, base_url: '{url}', key: '{}'}}\n\
         \x20   - {{type: openai, base_url: '{url}/v1/', key_file: '{file}'}}\n\
         \x20   - {{type: azure, base_url: '{url}/v1/', key: '{}'}}\n\
         \x20   - {{type: copilot, base_url: '{url}'}}\n\
         \x20   - type: bedrock\n\
         \x20     bedrock_base_url: '{url}'\n\
         \x20     bedrock_region: us-east-1\n\
         \x20     bedrock_access_keys: ['{}', '{}']\n\
         \x20     bedrock_access_key_secrets: ['{}', '{}']\n",
        key("limited"),
        key("refused"),
        key("good"),
        key("refused1"),
        key("refused2"),
        key("limited1"),
        key("azure"),
        key("access1"),
        key("access2"),
        key("awssecret1"),
        key("awssecret2"),
    )
}

fn loaded(setup: Setup, home: &Home, provider: &Provider) -> Setup {
    let url = provider.url();
    fs::write(home.path("given.yaml"), yaml(home, &url)).unwrap();
    fs::write(home.path("given-key"), secret("file")).unwrap();
    fs::write(home.path("given-header"), format!("X-Auth: {}", secret("mcpfile"))).unwrap();
    fs::write(home.path("given-secret"), secret("legacysecret")).unwrap();
    let path = |name| home.path(name).display().to_string();
    [
        ("CODER_LOG_FILTER", "trace"),
        ("CODER_LOGGING_JSON", &path("log")),
        ("CODER_CONFIG_PATH", &path("given.yaml")),
        ("CODER_AIBRIDGE_DUMP_DIR", &path("dumps")),
        ("CODER_AIBRIDGE_STRUCTURED_LOGGING", "true"),
        ("CODER_AIBRIDGE_SEND_ACTOR_HEADERS", "true"),
        // Makes `anthropic` an instance of Bedrock.
        ("CODER_AIBRIDGE_BEDROCK_BASE_URL", &url),
        ("CODER_AIBRIDGE_BEDROCK_REGION", "us-east-1"),
        ("CODER_AIBRIDGE_BEDROCK_ACCESS_KEY", &secret("legacyaccess")),
        ("CODER_AIBRIDGE_BEDROCK_ACCESS_KEY_SECRET_FILE", &path("given-secret")),
        ("CODER_AIBRIDGE_MCP_0_NAME", "asks"),
        ("CODER_AIBRIDGE_MCP_0_URL", &format!("{url}/mcp?key={}&x={}", secret("mcpquery"), secret("mcpother"))),
        ("CODER_AIBRIDGE_MCP_0_HEADER", &format!("Authorization: Bearer {}", secret("mcp"))),
        ("CODER_AIBRIDGE_MCP_1_NAME", "gone"),
        ("CODER_AIBRIDGE_MCP_1_URL", &format!("http://127.0.0.1:1/mcp/{}?key={}", "x", secret("mcpgone"))),
        ("CODER_AIBRIDGE_MCP_1_HEADER_FILE", &path("given-header")),
    ]
    .iter()
    .fold(setup, |setup, (name, value)| setup.env(name, value))
}

async fn ask(gateway: &Gateway, method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> u16 {
    let mut client = gateway.client().await;
    client.request(method, target, fields, body).await.unwrap();
    let (head, body) = client.response().await.unwrap();
    let text = format!("{head:?}{}", String::from_utf8_lossy(&body));
    assert!(!text.contains(CANARY), "a secret is told to the client: {text}");
    head.status()
}

#[tokio::test]
async fn no_secret_is_left_on_the_way() {
    let (home, provider) = (Home::new(), provider().await);
    let token = home.token("ali").await;
    let checked = loaded(home.program("check"), &home, &provider).succeed().await;
    let help = loaded(home.program("server"), &home, &provider).arg("--help").succeed().await;
    let gateway = loaded(home.server(), &home, &provider).start().await;

    let bearer = format!("Bearer {token}");
    let own = secret("own");
    let own_bearer = format!("Bearer {own}");
    let other = secret("other");
    let cookie = format!("session={}", secret("cookie"));
    let basic = format!("Basic {}", secret("proxy"));
    let signature =
        format!("AWS4-HMAC-SHA256 Credential={}/20261121/us-east-1/bedrock/aws4_request, Signature=0", secret("aws"));
    let (session, forged) = (secret("session"), secret("forged"));
    let central = [("Authorization", &*bearer), ("Cookie", &*cookie), ("Proxy-Authorization", &*basic)];
    let governance = ("X-Coder-AI-Governance-Token", &*token);
    let with_bearer = [governance, ("Authorization", &*own_bearer), ("Cookie", &*cookie)];
    let with_key = [governance, ("X-Api-Key", &*own)];
    let with_both = [governance, ("Authorization", &*own_bearer), ("X-Api-Key", &*other)];
    let with_signature = [governance, ("Authorization", &*signature), ("X-Amz-Security-Token", &*session)];
    let with_forged =
        [("Authorization", &*bearer), ("X-AI-Bridge-Actor-ID", &*forged), ("Coder-Session-Token", &*forged)];
    let messages = |name| path(name, "/v1/messages");
    let native = path("bedrock", &format!("/model/{MODEL}/invoke-with-response-stream"));
    let query = format!("?key={0}&api_key={0}&access_token={0}", secret("query"));
    let models = path("openai", &format!("/v1/models{query}"));
    let chat = path("openai", "/v1/chat/completions");
    for (method, target, fields, body, status) in [
        ("POST", messages("pool"), &central[..], ASK, 200),
        ("POST", messages("nobody"), &central, ASK, 502),
        ("POST", messages("slow"), &central, ASK, 429),
        ("POST", messages("slow"), &central, ASK, 429),
        ("POST", messages("bedrock"), &central, ASK, 200),
        ("POST", messages("anthropic"), &central, ASK, 200),
        ("POST", messages("bedrock"), &with_bearer, ASK, 200),
        ("POST", messages("bedrock"), &with_forged, ASK, 200),
        ("POST", native.clone(), &with_signature, NATIVE, 200),
        ("POST", native.clone(), &central, NATIVE, 200),
        ("POST", native.clone(), &with_bearer, NATIVE, 200),
        ("POST", native.clone(), &with_signature[1..], NATIVE, 401),
        ("POST", messages("pool") + &query, &with_bearer, ASK, 200),
        ("POST", messages("pool"), &with_key, ASK, 200),
        ("POST", messages("pool"), &with_both, ASK, 200),
        ("POST", chat.clone(), &central, ASK, 200),
        ("POST", chat, &with_both, ASK, 200),
        ("POST", path("azure", "/v1/responses"), &central, ASK, 200),
        ("POST", path("azure", "/v1/responses"), &with_bearer, ASK, 200),
        ("POST", path("copilot", "/chat/completions"), &with_bearer, ASK, 200),
        ("GET", path("copilot", "/models"), &with_bearer, "", 200),
        ("GET", models.clone(), &central, "", 200),
        ("GET", models, &with_bearer, "", 200),
        ("POST", path("pool", "/v1/messages/count_tokens"), &with_key, ASK, 200),
        ("POST", path("pool", "/v1/messages/count_tokens"), &with_both, ASK, 200),
        ("POST", path("nobody", "/v1/messages/count_tokens"), &central, ASK, 502),
        ("POST", messages("unknown"), &central[1..], ASK, 401),
    ] {
        assert_eq!(ask(&gateway, method, &target, fields, body).await, status, "{target} {fields:?}");
    }

    let said = |what: &'static str, times: usize| {
        let log = gateway.stderr.clone();
        eventually(what, async move || log.so_far().matches(what).count() == times)
    };
    let good = yaml(&home, &provider.url());
    let bad = [
        good.replace("key: '", "key: *"),
        good.replace("key: '", "key: !"),
        good.replace("key: '", "key: \""),
        good.replace("key: '", "key: [{'"),
        good.replace("key: '", "ky: 'x', type: '"),
        good.replace("keys: ['", &format!("keys: ['{0}', '{0}', '", secret("twice"))),
        good.replace(&provider.url(), &format!("http://user:{}@host", secret("userinfo"))),
        good.replace(&provider.url(), &format!("http://host/?key={}", secret("basequery"))),
        good.replace("bedrock_access_keys: [", &format!("bedrock_access_keys: ['{}', ", secret("odd"))),
        format!("{good}{}\n", secret("end")),
    ];
    for (at, bad) in bad.iter().enumerate() {
        fs::write(home.path("given.yaml"), bad).unwrap();
        gateway.signal("HUP").await;
        said("the providers stay as they were", at + 1).await;
    }
    // The key in a file is read again, too.
    fs::write(home.path("given.yaml"), good).unwrap();
    fs::write(home.path("given-key"), secret("newfile")).unwrap();
    gateway.signal("HUP").await;
    said("the providers were reloaded", 1).await;
    assert_eq!(ask(&gateway, "POST", &path("openai", "/v1/responses"), &central, ASK).await, 200);

    let ended = gateway.stop().await;
    let reached = |header: &str, value: &str| {
        let requests = provider.requests();
        requests.iter().any(|request| request.head.get(header).is_some_and(|got| got.contains(value)))
    };
    for (header, name) in [
        ("x-api-key", "limited"),
        ("x-api-key", "refused"),
        ("x-api-key", "good"),
        ("x-api-key", "other"),
        ("api-key", "azure"),
        ("authorization", "file"),
        ("authorization", "newfile"),
        ("authorization", "own"),
        ("authorization", "access1"),
        ("authorization", "access2"),
        ("authorization", "legacyaccess"),
        ("authorization", "mcp"),
    ] {
        assert!(reached(header, &secret(name)), "{name} has been used");
    }
    for gone in [&cookie, &basic, &session, &forged, &token] {
        let sent = provider.requests().iter().any(|request| String::from_utf8_lossy(request.head.raw()).contains(gone));
        assert!(!sent && HeaderValue::from_str(gone).is_ok(), "{gone} is sent to a provider");
    }
    assert!(["TRACE hyper", "WARN"].iter().all(|part| ended.stderr.contains(part)), "the log is talkative");
    assert!(fs::read_dir(home.path("dumps/bedrock")).unwrap().count() > 1, "there are dumps");
    let shown = home.run("interceptions list").await
        + &home.run("interceptions list --json").await
        + &home.run("tokens list --json").await
        + &home.run("users list --json").await;
    check_silence(&home, &[&checked, &help, &ended.stdout, &ended.stderr, &shown], &[CANARY, &token[11..]]);
}
