//! SIGHUP.

use std::{fs, sync::Arc};

use aibridge_tests::{Aws, Endpoint, Provider, Script, Transcript};
use tokio::sync::watch;

use crate::{
    home::Home,
    process::{Gateway, path},
};

/// A configuration with one instance.
fn file(base_url: &str) -> String {
    format!("ai_gateway:\n  providers:\n    - type: anthropic\n      key: sk-central\n      base_url: {base_url}\n")
}

async fn provider() -> Provider {
    let reply = Transcript::load("messages-plain").unwrap().blocking[0].clone();
    Provider::replying(move |_| reply.script()).await.unwrap()
}

struct Reloading {
    home: Home,
    token: String,
    gateway: Arc<Gateway>,
    request: bytes::Bytes,
}

impl Reloading {
    async fn start(provider: &Provider) -> Reloading {
        let home = Home::new();
        let token = home.token("ali").await;
        fs::write(home.path("gateway.yaml"), file(&provider.url())).unwrap();
        let gateway = Arc::new(home.server().arg("--config").arg(home.path("gateway.yaml")).start().await);
        let request = Transcript::load("messages-plain").unwrap().request;
        Reloading { home, token, gateway, request }
    }

    async fn ask(&self) -> u16 {
        let target = path("anthropic", Endpoint::Messages.path());
        self.gateway.post(&target, &self.token, &self.request).await.0.status()
    }
}

#[tokio::test]
async fn under_load_no_request_fails_and_new_ones_go_where_the_new_file_says() {
    let (before, after) = (provider().await, provider().await);
    let reloading = Arc::new(Reloading::start(&before).await);
    let (stop, stopped) = watch::channel(false);
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (reloading, stopped) = (reloading.clone(), stopped.clone());
            tokio::spawn(async move {
                let mut statuses = Vec::new();
                while !*stopped.borrow() {
                    statuses.push(reloading.ask().await);
                }
                statuses
            })
        })
        .collect();
    before.next_request().await;
    fs::write(reloading.home.path("gateway.yaml"), file(&after.url())).unwrap();
    let mut stderr = reloading.gateway.stderr.clone();
    reloading.gateway.signal("HUP").await;
    stderr.line("the providers were reloaded").await;
    after.next_request().await;
    let asked = before.requests().len();
    // Those that ran when the file was taken over may still come.
    assert_eq!(reloading.ask().await, 200);
    stop.send_replace(true);
    for asking in load {
        let statuses = asking.await.unwrap();
        assert!(!statuses.is_empty() && statuses.iter().all(|status| *status == 200), "{statuses:?}");
    }
    assert!(before.requests().len() <= asked + 8, "new requests go to the new provider");
}

#[tokio::test]
async fn a_bad_file_leaves_the_old_providers_and_says_why() {
    let provider = provider().await;
    let reloading = Reloading::start(&provider).await;
    let bad = file(&provider.url()).replace("type: anthropic", "type: anthropc");
    fs::write(reloading.home.path("gateway.yaml"), bad).unwrap();
    let mut stderr = reloading.gateway.stderr.clone();
    reloading.gateway.signal("HUP").await;
    stderr.line("anthropc").await;
    stderr.line("the providers stay as they were").await;
    assert_eq!(reloading.ask().await, 200);
    provider.next_request().await;
}

#[tokio::test]
async fn a_key_that_cools_down_still_does_after_a_reload_and_new_keys_serve() {
    let (home, reply) = (Home::new(), Transcript::load("messages-plain").unwrap());
    let token = home.token("ali").await;
    let provider = Provider::replying({
        let reply = reply.clone();
        move |request| match request.head.get("x-api-key") {
            Some("sk-limited") => Script::json(429, "{}").field("retry-after", "600"),
            Some("sk-refused") => Script::json(401, "{}"),
            _ => reply.blocking[0].script(),
        }
    });
    let provider = provider.await.unwrap();
    let config = |keys: &str| {
        let file = file(&provider.url()).replace("key: sk-central", &format!("keys: [{keys}]"));
        fs::write(home.path("gateway.yaml"), file).unwrap();
    };
    config("sk-limited, sk-refused, sk-first");
    let gateway = home.server().arg("--config").arg(home.path("gateway.yaml")).start().await;
    let asked = async || {
        let before = provider.requests().len();
        let target = path("anthropic", Endpoint::Messages.path());
        assert_eq!(gateway.post(&target, &token, &reply.request).await.0.status(), 200);
        let key = |request: &aibridge_tests::ReceivedRequest| request.head.get("x-api-key").unwrap().to_owned();
        provider.requests()[before..].iter().map(key).collect::<Vec<_>>()
    };
    assert_eq!(asked().await, ["sk-limited", "sk-refused", "sk-first"]);
    config("sk-refused, sk-limited, sk-second, sk-first");
    gateway.signal("HUP").await;
    gateway.stderr.clone().line("the providers were reloaded").await;
    assert_eq!(asked().await, ["sk-second"], "those that were not to be asked stay so");
    gateway.stop().await;
}

#[tokio::test]
async fn bedrocks_settings_and_the_models_change_with_a_reload() {
    let (home, reply) = (Home::new(), Transcript::load("messages-plain").unwrap());
    let token = home.token("ali").await;
    let provider = Provider::replying({
        let reply = reply.clone();
        let west = Aws::new("eu-west-1").key("AKIABEFORE", "secret-before");
        let east = Aws::new("us-east-1").key("AKIAAFTER", "secret-after");
        move |request| match (west.verify(request, "bedrock"), east.verify(request, "bedrock")) {
            (Err(_), Err(refusal)) => refusal,
            _ => reply.blocking[0].script(),
        }
    });
    let provider = provider.await.unwrap();
    let config = |region: &str, key: (&str, &str), model: &str, more: &str| {
        let (id, secret) = key;
        let file = format!(
            "ai_gateway:\n  providers:\n    - type: bedrock\n      bedrock_base_url: {}\n      bedrock_region: {region}\n      \
             bedrock_access_key: {id}\n      bedrock_access_key_secret: {secret}\n      bedrock_model: {model}\n{more}",
            provider.url()
        );
        fs::write(home.path("gateway.yaml"), file).unwrap();
    };
    config("eu-west-1", ("AKIABEFORE", "secret-before"), "anthropic.claude-before", "");
    let gateway = home.server().arg("--config").arg(home.path("gateway.yaml")).start().await;
    let ask = async |model: &str| {
        let body = format!(r#"{{"model": "{model}", "max_tokens": 9, "messages": []}}"#);
        gateway.post(&path("bedrock", "/v1/messages"), &token, body).await.0.status()
    };
    assert_eq!(ask("claude-opus-4-5").await, 200);
    assert_eq!(provider.next_request().await.head.target(), "/model/anthropic.claude-before/invoke");
    let deny = "      models_deny: opus\n";
    config("us-east-1", ("AKIAAFTER", "secret-after"), "anthropic.claude-after", deny);
    gateway.signal("HUP").await;
    gateway.stderr.clone().line("the providers were reloaded").await;
    assert_eq!(ask("claude-sonnet-4-5").await, 200);
    let request = provider.next_request().await;
    assert_eq!(request.head.target(), "/model/anthropic.claude-after/invoke");
    assert!(request.head.get("authorization").unwrap().contains("Credential=AKIAAFTER/"));
    assert_eq!(ask("claude-opus-4-5").await, 403);
    gateway.stop().await;
}
