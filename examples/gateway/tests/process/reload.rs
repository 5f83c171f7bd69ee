//! SIGHUP.

use std::{fs, sync::Arc};

use aibridge_tests::{Endpoint, Provider, Transcript};
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
