//! What the tool source makes of links.

use aibridge_mcp::{Content, Outcome, Tool, ToolSource};
use aibridge_tower::auth::Authenticate;
use serde_json::Map;

use super::{provider::ADA, *};
use crate::mcp::CoderTokens;

async fn tools(gateway: &Gateway, user: Uuid) -> Vec<String> {
    gateway.mcp.tools(user).await.listed.iter().map(|listed| listed.name.clone()).collect()
}

async fn whoami(gateway: &Gateway, user: Uuid) -> Outcome {
    gateway.mcp.call(user, &Tool::new("app", "whoami"), Map::new()).await
}

#[tokio::test]
async fn tools_come_and_go_with_the_link() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, mut browser) = gateway.signed_in("ali").await;
    assert_eq!(tools(&gateway, user).await, [""; 0]);
    assert!(provider.methods().is_empty(), "no connection is tried");
    browser.link("app").await;
    assert_eq!(tools(&gateway, user).await, ["bmcp_app_whoami"]);
    let token = gateway.token(user).await.expect("linked");
    let outcome = whoami(&gateway, user).await;
    assert_eq!((outcome.content, outcome.error), (vec![Content::Text(format!("Bearer {token}"))], None));
    let (other, _) = gateway.user("bea").await;
    assert_eq!(tools(&gateway, other).await, [""; 0]);
    browser.post("/external-auth/app/unlink", &[]).await;
    assert_eq!(tools(&gateway, user).await, [""; 0]);
}

#[tokio::test]
async fn a_call_that_is_refused_is_made_again_with_a_renewed_token() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, _) = gateway.linked().await;
    assert_eq!(tools(&gateway, user).await.len(), 1);
    let before = gateway.stored(user).await.access;
    provider.forget_access();
    let outcome = whoami(&gateway, user).await;
    let after = gateway.token(user).await.expect("renewed");
    assert_ne!(after, before.expose_secret());
    assert_eq!((outcome.content, outcome.error), (vec![Content::Text(format!("Bearer {after}"))], None));
    assert_eq!(provider.grants(), ["authorization_code", "refresh_token"]);
}

#[tokio::test]
async fn a_broken_link_costs_the_tools() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let (user, mut browser) = gateway.linked().await;
    provider.behave(Behaviour::Refusing("invalid_grant"));
    provider.forget_access();
    assert!(whoami(&gateway, user).await.error.is_some());
    assert_eq!(tools(&gateway, user).await, [""; 0]);
    provider.behave(Behaviour::Good);
    browser.link("app").await;
    assert_eq!(tools(&gateway, user).await, ["bmcp_app_whoami"]);
}

#[tokio::test]
async fn a_coder_deployment_s_own_server_is_reached_with_the_token_the_user_came_with() {
    let provider = Provider::start().await;
    let gateway = Gateway::new(&provider).await;
    let mcp = Mcp {
        servers: Vec::new(),
        applications: Vec::new(),
        coder: Some(provider.url("/api/experimental/mcp/http")),
        keys: None,
    };
    let authentication = Authentication { coder_url: Some(provider.url("/")), oidc: None };
    let tokens = CoderTokens::default();
    let identity = identity(&authentication, &gateway.store, Some(&tokens)).expect("set up");
    let mcp = servers(&mcp, aibridge_mcp::Limits::default(), None, Some(tokens)).expect("set up").expect("some");
    assert!(mcp.tools(ADA).await.listed.is_empty(), "nobody came yet");
    let actor = identity.authenticate(&Secret::new("session-of-ada")).await.expect("accepted");
    assert_eq!(actor.id, ADA);
    // A user who only has a key of the gateway's own has no place there.
    let (ali, token) = gateway.user("ali").await;
    identity.authenticate(&Secret::new(token)).await.expect("accepted");
    assert!(mcp.tools(ali).await.listed.is_empty() && provider.methods().is_empty());
    mcp.refresh(ADA);
    assert_eq!(mcp.tools(ADA).await.listed[0].name, "bmcp_coder_whoami");
    let outcome = mcp.call(ADA, &Tool::new("coder", "whoami"), Map::new()).await;
    assert_eq!(outcome.content, [Content::Text("Bearer session-of-ada".to_owned())]);
}
