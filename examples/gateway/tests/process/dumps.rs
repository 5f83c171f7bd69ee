//! What reaches a provider: the headers that say who asks, and the files that show it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use aibridge_tests::{Aws, Provider, Script, Transcript, frames};

use crate::{
    home::{Home, Setup},
    process::{Gateway, path},
};

const KEY: (&str, &str, &str) = ("ASIATEMPORARY000", "temporary-secret-0123456789", "session-token-0123456789");
const MODEL: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const ASK: &str = r#"{"model": "claude-sonnet-4-5", "max_tokens": 9, "metadata": {"user_id": "u"}, "messages": [{"role": "user", "content": "hi"}]}"#;

/// Bedrock for signed requests, and Anthropic, whose first two keys it does not like.
async fn provider() -> Provider {
    let aws = Aws::new("eu-west-1").temporary_key(KEY.0, KEY.1, KEY.2);
    let plain = Transcript::load("messages-plain").unwrap();
    let provider = Provider::replying(move |request| {
        if !request.head.target().starts_with("/model/") {
            return match request.head.get("x-api-key") {
                Some("sk-limited-0123456789abcdef") => {
                    Script::json(429, r#"{"error":{"message":"slow"}}"#).field("retry-after", "600")
                }
                Some("sk-refused-0123456789abcdef") => Script::json(401, r#"{"error":{"message":"who"}}"#),
                _ => plain.blocking[0].script().field("Set-Cookie", "of=the-provider"),
            };
        }
        match aws.verify(request, "bedrock") {
            Err(refusal) => refusal,
            Ok(_) if request.head.target().ends_with("/invoke") => plain.blocking[0].script(),
            Ok(_) => Script::chunked(200)
                .field("Content-Type", "application/vnd.amazon.eventstream")
                .writes(frames(&plain.streams[0].body)),
        }
    });
    provider.await.unwrap()
}

fn setup(home: &Home, provider: &Provider) -> Setup {
    let anthropic = "sk-limited-0123456789abcdef,sk-refused-0123456789abcdef,sk-good-0123456789abcdef";
    [
        ("CODER_AIBRIDGE_SEND_ACTOR_HEADERS", "true"),
        ("CODER_AIBRIDGE_ACTOR_HEADER_USERNAME", "X-Who"),
        ("CODER_AIBRIDGE_PROVIDER_0_TYPE", "bedrock"),
        ("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_REGION", "eu-west-1"),
        ("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_BASE_URL", &provider.url()),
        ("CODER_AIBRIDGE_PROVIDER_1_TYPE", "anthropic"),
        ("CODER_AIBRIDGE_PROVIDER_1_BASE_URL", &provider.url()),
        ("CODER_AIBRIDGE_PROVIDER_1_KEYS", anthropic),
        ("CODER_AIBRIDGE_DUMP_DIR", &home.path("dumps").display().to_string()),
        ("AWS_ACCESS_KEY_ID", KEY.0),
        ("AWS_SECRET_ACCESS_KEY", KEY.1),
        ("AWS_SESSION_TOKEN", KEY.2),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
    .iter()
    .fold(home.server(), |setup, (name, value)| setup.env(name, value))
}

/// Asks as a client that would like to be somebody else.
async fn ask(gateway: &Gateway, token: &str, target: &str, body: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let fields = [
        ("Authorization", &*bearer),
        ("X-AI-Bridge-Actor-ID", "forged"),
        ("X-AI-Bridge-Actor-Metadata-Username", "forged"),
        ("x-who", "forged"),
        ("X-Who", "forged again"),
        ("X-Amz-Security-Token", "of-the-client"),
    ];
    let mut client = gateway.client().await;
    client.post(target, &fields, body).await.unwrap();
    client.response().await.unwrap().0.status()
}

/// The files below a folder, with what is in them, by name.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{}", path.display());
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn who_asks_is_signed_on_bedrock_and_told_on_intercepted_routes_alone() {
    let (home, provider) = (Home::new(), provider().await);
    let token = home.token("ali").await;
    let gateway = setup(&home, &provider).start().await;
    let native = format!("/model/{MODEL}/invoke-with-response-stream");
    let native_ask = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[]}"#;
    let mut ids = Vec::new();
    for (target, body) in [
        (path("bedrock", "/v1/messages"), ASK),
        (path("bedrock", &native), native_ask),
        (path("anthropic", "/v1/messages"), ASK),
    ] {
        assert_eq!(ask(&gateway, &token, &target, body).await, 200, "{target}");
        let request = loop {
            let request = provider.next_request().await;
            // The first two keys of the pool are not liked.
            if request.head.get("x-api-key").is_none_or(|key| key.contains("good")) {
                break request;
            }
        };
        assert_eq!(request.head.all("x-who"), ["ali"], "{target}");
        assert_eq!(request.head.get("x-ai-bridge-actor-metadata-username"), None);
        let [id] = request.head.all("x-ai-bridge-actor-id")[..] else { panic!("{target}: {:?}", request.head) };
        ids.push(id.to_owned());
        if let Some(authorization) = request.head.get("authorization") {
            let (_, signed) = authorization.split_once("SignedHeaders=").unwrap();
            let signed: Vec<_> = signed.split(',').next().unwrap().split(';').collect();
            assert!(["x-ai-bridge-actor-id", "x-who"].iter().all(|name| signed.contains(name)), "{signed:?}");
        }
    }
    assert!(ids.iter().all(|id| id.len() == 36 && *id == ids[0]), "{ids:?}");
    // Passed through, with the key that is liked.
    assert_eq!(ask(&gateway, &token, &path("anthropic", "/v1/messages/count_tokens"), "{}").await, 200);
    let request = provider.next_request().await;
    for name in ["x-who", "x-ai-bridge-actor-id", "x-ai-bridge-actor-metadata-username"] {
        assert_eq!(request.head.get(name), None, "{name}");
    }
    gateway.stop().await;
    let proxied = files(&home.path("dumps/anthropic/passthrough"));
    assert!(proxied.iter().all(|(_, text)| !text.contains("x-ai-bridge")), "{proxied:?}");
    let dumped = files(&home.path("dumps/bedrock"));
    let requests: Vec<_> = dumped.iter().filter(|(path, _)| path.to_string_lossy().ends_with(".req.txt")).collect();
    assert_eq!(requests.len(), 2);
    for (_, text) in requests {
        assert!(text.contains("x-who: ali\r\n") && text.contains(&format!("x-ai-bridge-actor-id: {}\r\n", ids[0])));
        assert!(!text.contains("forged"), "{text}");
    }
}

#[tokio::test]
async fn where_nobody_is_told_who_asks_a_client_cannot_tell_either() {
    let (home, provider) = (Home::new(), provider().await);
    let token = home.token("ali").await;
    let gateway = setup(&home, &provider).env("CODER_AIBRIDGE_SEND_ACTOR_HEADERS", "false").start().await;
    assert_eq!(ask(&gateway, &token, &path("bedrock", "/v1/messages"), ASK).await, 200);
    let request = provider.next_request().await;
    for name in ["x-who", "x-ai-bridge-actor-id", "x-ai-bridge-actor-metadata-username"] {
        assert_eq!(request.head.get(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_dump_of_bedrock_shows_what_bedrock_was_asked_and_no_credential() {
    let (home, provider) = (Home::new(), provider().await);
    let token = home.token("ali").await;
    let gateway = setup(&home, &provider).start().await;
    assert_eq!(ask(&gateway, &token, &path("bedrock", "/v1/messages"), ASK).await, 200);
    gateway.stop().await;
    let dumped = files(&home.path("dumps"));
    let [(name, request), (_, reply)] = &dumped[..] else { panic!("{dumped:?}") };
    let folder = name.parent().unwrap().file_name().unwrap().to_str().unwrap();
    assert_eq!(folder, "claude-sonnet-4-5", "what the client asked for");
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST http://127.0.0.1:") && head.contains("/model/global.anthropic."), "{head}");
    for name in ["authorization", "x-amz-security-token"] {
        assert!(
            head.contains(&format!("{name}: ********\r\n")) || head.ends_with(&format!("{name}: ********")),
            "{head}"
        );
    }
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["anthropic_version"], "bedrock-2023-05-31");
    assert!(["model", "stream", "metadata"].iter().all(|gone| body.get(gone).is_none()), "{body}");
    let plain = Transcript::load("messages-plain").unwrap();
    assert!(reply.ends_with(&*String::from_utf8_lossy(&plain.blocking[0].body)), "{reply}");
    for secret in [KEY.0, KEY.1, KEY.2, "of-the-client", &*token, "Signature="] {
        assert!(!request.contains(secret) && !reply.contains(secret), "{secret} is in a dump");
    }
}

#[tokio::test]
async fn a_failover_leaves_a_pair_for_each_key() {
    let (home, provider) = (Home::new(), provider().await);
    let token = home.token("ali").await;
    let gateway = setup(&home, &provider).start().await;
    assert_eq!(ask(&gateway, &token, &path("anthropic", "/v1/messages"), ASK).await, 200);
    gateway.stop().await;
    let dumped = files(&home.path("dumps/anthropic"));
    let ends = |end| dumped.iter().filter(move |(path, _)| path.to_string_lossy().ends_with(end)).map(|(_, text)| text);
    let statuses: Vec<_> = ends(".resp.txt").map(|text| text[9..12].to_owned()).collect();
    assert_eq!(statuses, ["429", "401", "200"]);
    assert!(ends(".req.txt").count() == 3 && ends(".req.txt").all(|text| text.ends_with(ASK)));
    assert!(dumped.iter().all(|(_, text)| !text.contains("0123456789abcdef") && !text.contains("the-provider")));
    // One interception, one round.
    let id = home.ended().await["id"].as_str().unwrap().to_owned();
    assert!(dumped.iter().all(|(path, _)| path.to_string_lossy().contains(&format!("{id}.1."))), "{dumped:?}");
}
