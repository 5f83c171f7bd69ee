//! Amazon Bedrock with the credentials of the process: the AWS default chain, which reads its environment.

use std::{fs, time::Duration};

use aibridge_tests::{Aws, Provider, Script, frames};
use bytes::Bytes;

use crate::{
    home::{Home, Setup},
    process::{Gateway, path},
};

const KEY: (&str, &str, &str) = ("ASIAENVIRONMENT0", "environment-secret-0123456789", "environment-token-0123456789");
const ROLE: &str = "arn:aws:iam::123456789012:role/bedrock";
const ASK: &str = r#"{"model": "claude-sonnet-4-5", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}]}"#;
const STREAM: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"id":"msg_bdrk_1","usage":{"input_tokens":3,"output_tokens":1}}}"#,
    "\n\nevent: message_delta\n",
    r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#,
    "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

/// Bedrock and STS.
async fn aws() -> Provider {
    let aws = Aws::new("eu-west-1").temporary_key(KEY.0, KEY.1, KEY.2).key("AKIAPROFILE00000", "profile-secret-0123");
    let aws = aws.role(ROLE, Some("external-1"), Duration::from_secs(3600));
    let provider = Provider::replying(move |request| match request.head.target() {
        "/" => aws.sts(request),
        _ => match aws.verify(request, "bedrock") {
            Err(refusal) => refusal,
            Ok(_) => Script::chunked(200)
                .field("Content-Type", "application/vnd.amazon.eventstream")
                .writes(frames(&Bytes::from_static(STREAM.as_bytes()))),
        },
    });
    provider.await.unwrap()
}

fn on_bedrock(home: &Home, provider: &Provider) -> Setup {
    home.server()
        .env("CODER_AIBRIDGE_PROVIDER_0_TYPE", "bedrock")
        .env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_REGION", "eu-west-1")
        .env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_BASE_URL", provider.url())
        .env("AWS_EC2_METADATA_DISABLED", "true")
}

fn with_environment(setup: Setup) -> Setup {
    setup.env("AWS_ACCESS_KEY_ID", KEY.0).env("AWS_SECRET_ACCESS_KEY", KEY.1).env("AWS_SESSION_TOKEN", KEY.2)
}

async fn ask(gateway: &Gateway, token: &str) -> (u16, String) {
    let (head, body) = gateway.post(&path("bedrock", "/v1/messages"), token, ASK).await;
    (head.status(), String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn credentials_of_the_environment_sign_and_the_request_is_recorded() {
    let (home, provider) = (Home::new(), aws().await);
    let token = home.token("ali").await;
    let gateway = with_environment(on_bedrock(&home, &provider)).start().await;
    assert_eq!(ask(&gateway, &token).await, (200, STREAM.to_owned()));
    let request = provider.next_request().await;
    assert_eq!(request.head.get("x-amz-security-token"), Some(KEY.2));
    let recorded = home.ended().await;
    assert_eq!(recorded["model"], "global.anthropic.claude-sonnet-4-5-20250929-v1:0");
    assert_eq!((&recorded["provider"], &recorded["provider_name"]), (&"bedrock".into(), &"bedrock".into()));
    gateway.stop().await;
}

#[tokio::test]
async fn credentials_of_a_profile_sign() {
    let (home, provider) = (Home::new(), aws().await);
    let token = home.token("ali").await;
    fs::write(home.path("config"), "[profile corp]\nregion = us-west-2\n").unwrap();
    let keys = "[corp]\naws_access_key_id = AKIAPROFILE00000\naws_secret_access_key = profile-secret-0123\n";
    fs::write(home.path("credentials"), keys).unwrap();
    let gateway = on_bedrock(&home, &provider)
        .env("AWS_PROFILE", "corp")
        .env("AWS_CONFIG_FILE", home.path("config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", home.path("credentials"))
        .start()
        .await;
    assert_eq!(ask(&gateway, &token).await, (200, STREAM.to_owned()));
    let request = provider.next_request().await;
    assert!(request.head.get("authorization").unwrap().contains("Credential=AKIAPROFILE00000/"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_role_is_assumed_when_it_is_needed_and_no_secret_is_logged() {
    let (home, provider) = (Home::new(), aws().await);
    let token = home.token("ali").await;
    let gateway = with_environment(on_bedrock(&home, &provider))
        .env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_ROLE_ARN", ROLE)
        .env("CODER_AIBRIDGE_PROVIDER_0_BEDROCK_EXTERNAL_ID", "external-1")
        .env("AWS_ENDPOINT_URL_STS", provider.url())
        .env("CODER_LOG_FILTER", "trace")
        .start()
        .await;
    assert!(provider.requests().is_empty(), "a gateway that nobody asks asks nobody");
    for _ in 0..3 {
        assert_eq!(ask(&gateway, &token).await, (200, STREAM.to_owned()));
    }
    let requests = provider.requests();
    assert_eq!(requests.iter().filter(|request| request.head.target() == "/").count(), 1);
    assert!(requests[1].head.get("authorization").unwrap().contains("Credential=ASIA1/"));
    let ended = gateway.stop().await;
    for secret in [KEY.1, KEY.2, "assumed-secret-1", "assumed-token-1"] {
        let said = ended.stderr.lines().chain(ended.stdout.lines()).find(|line| line.contains(secret));
        assert_eq!(said, None, "{secret} is logged");
    }
}

#[tokio::test]
async fn without_credentials_the_client_is_told_which_provider_has_none_and_the_log_why() {
    let (home, provider) = (Home::new(), aws().await);
    let token = home.token("ali").await;
    let mut gateway = on_bedrock(&home, &provider).start().await;
    let (status, text) = ask(&gateway, &token).await;
    assert_eq!(status, 502);
    assert!(text.contains("provider \\\"bedrock\\\" has no valid AWS credentials"), "{text}");
    let line = gateway.stderr.line("AWS credentials could not be resolved").await;
    assert!(line.contains("bedrock") && line.contains("WARN"), "{line}");
    assert!(provider.requests().is_empty());
    gateway.stop().await;
}
