//! Applications that users link, in a running gateway.

use std::fs;

use aibridge_tests::{Head, Provider, Script};
use serde_json::json;

use crate::{
    home::{Home, Setup},
    mcp::{calls, says, server_for},
    process::{Gateway, json, path},
};

/// In everything that nobody may see.
const CANARY: &str = "canary-1a2b3c4d";

/// Issues tokens to whoever asks, and takes them back.
async fn provider() -> Provider {
    let tokens = || json!({"access_token": format!("access-{CANARY}"), "refresh_token": format!("refresh-{CANARY}"), "expires_in": 3600});
    let provider = Provider::replying(move |request| match request.head.target() {
        "/token" => Script::json(200, tokens().to_string()),
        "/revoke" => Script::json(200, "{}"),
        _ => Script::text(404, ""),
    });
    provider.await.unwrap()
}

fn configured(setup: Setup, provider: &Provider) -> Setup {
    let url = |path: &str| format!("{}{path}", provider.url());
    setup
        .env("CODER_EXTERNAL_AUTH_0_TYPE", "tracker")
        .env("CODER_EXTERNAL_AUTH_0_CLIENT_ID", "id")
        .env("CODER_EXTERNAL_AUTH_0_CLIENT_SECRET", format!("secret-{CANARY}"))
        .env("CODER_EXTERNAL_AUTH_0_AUTH_URL", url("/authorize"))
        .env("CODER_EXTERNAL_AUTH_0_TOKEN_URL", url("/token"))
        .env("CODER_EXTERNAL_AUTH_0_REVOKE_URL", url("/revoke"))
        .env("CODER_EXTERNAL_AUTH_0_MCP_URL", url("/mcp"))
}

/// One exchange, as a browser with this cookie.
async fn browse(gateway: &Gateway, method: &str, target: &str, cookie: &str, body: &str) -> (Head, String) {
    let origin = format!("http://{}", gateway.address);
    let fields = [("Cookie", cookie), ("Origin", &origin), ("Content-Type", "application/x-www-form-urlencoded")];
    let mut client = gateway.client().await;
    client.request(method, target, &fields, body).await.unwrap();
    let (head, body) = client.response().await.unwrap();
    (head, String::from_utf8(body.to_vec()).unwrap())
}

/// Signs in and links the application. The session's cookie.
async fn link(gateway: &Gateway, token: &str) -> String {
    let (head, _) = browse(gateway, "POST", "/external-auth/sign-in", "", &format!("token={token}")).await;
    let cookie = head.get("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let (head, _) = browse(gateway, "GET", "/external-auth/tracker/login", &cookie, "").await;
    let location = head.get("location").unwrap();
    let state = location.split(['?', '&']).find_map(|pair| pair.strip_prefix("state=")).unwrap();
    let target = format!("/external-auth/tracker/callback?code=code-{CANARY}&state={state}");
    let (head, body) = browse(gateway, "GET", &target, &cookie, "").await;
    assert_eq!(head.status(), 303, "{body}");
    cookie
}

/// Everything in the data directory, which holds no token.
fn files(home: &Home) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(home.data()).unwrap() {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(CANARY), "{name}");
        names.push(name);
    }
    names
}

#[tokio::test]
async fn a_deployment_without_a_key_links_and_keeps_its_secrets() {
    let home = Home::new();
    let provider = provider().await;
    let token = home.token("ali").await;
    let gateway = configured(home.server().env("CODER_LOG_FILTER", "trace"), &provider).start().await;
    assert_eq!(browse(&gateway, "GET", "/external-auth", "", "").await.0.status(), 200);
    let cookie = link(&gateway, &token).await;
    let (_, page) = browse(&gateway, "GET", "/external-auth", &cookie, "").await;
    assert!(page.contains("tracker is linked.") && page.contains("linked since"), "{page}");
    let asked = provider.next_request().await;
    assert_eq!(asked.head.target(), "/token");
    let form = String::from_utf8_lossy(&asked.body).into_owned();
    assert!(form.contains("code_verifier=") && form.contains(&format!("code=code-{CANARY}")), "{form}");

    // Beside the running gateway.
    let list = home.run("external-auth list --json").await;
    let listed = json(list.as_bytes());
    assert_eq!((&listed[0]["provider_id"], &listed[0]["username"]), (&json!("tracker"), &json!("ali")));
    assert_eq!(listed[0]["failure"], json!(null));
    let applications = configured(home.program("external-auth applications"), &provider).succeed().await;
    for path in ["/external-auth/tracker/login", "/external-auth/tracker/callback"] {
        assert!(applications.contains(path), "{applications}");
    }
    assert!(files(&home).contains(&"external-token.key".to_owned()));
    let ended = gateway.stop().await;
    files(&home);
    let key = fs::read_to_string(home.data().join("external-token.key")).unwrap();
    let (_, session) = cookie.split_once('=').unwrap();
    for secret in [CANARY, key.trim(), session, &token[11..], "code_verifier"] {
        for said in [&ended.stdout, &ended.stderr, &list, &applications] {
            assert!(!said.contains(secret), "{secret} is told: {said}");
        }
    }
    assert!(ended.stderr.contains("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEY"), "the operator is told of the key");

    let unlinked = configured(home.program("external-auth unlink tracker --user ali"), &provider).succeed().await;
    assert_eq!(unlinked, "unlinked tracker of ali\nits token is revoked\n");
    let asked = provider.next_request().await;
    assert_eq!(asked.head.target(), "/revoke");
    assert!(String::from_utf8_lossy(&asked.body).contains(&format!("token=refresh-{CANARY}")));
    assert_eq!(home.run("external-auth list --json").await.trim(), "[]");
    let said = configured(home.program("external-auth unlink tracker --user ali"), &provider).fail().await;
    assert!(said.contains("ali has not linked \"tracker\""), "{said}");
}

#[tokio::test]
async fn who_has_linked_has_the_tools_and_who_has_not_has_none_and_nobody_asks_for_them() {
    const ASK: &str = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;
    let home = Home::new();
    let (oauth, models) = (provider().await, Provider::start().await.unwrap());
    let server = server_for("authorization", format!("Bearer access-{CANARY}"), &["get"]).await;
    let (linked, other) = (home.token("ali").await, home.token("bea").await);
    let setup = configured(home.server(), &oauth).env("CODER_EXTERNAL_AUTH_0_MCP_URL", format!("{}/mcp", server.url()));
    let gateway = setup.provider(&models).start().await;
    link(&gateway, &linked).await;

    models.reply(says("No tools."));
    let (head, _) = gateway.post(&path("anthropic", "/v1/messages"), &other, ASK).await;
    assert_eq!(head.status(), 200);
    assert_eq!(models.next_request().await.body, ASK, "not a byte changes");
    assert!(server.requests().is_empty(), "no connection is tried");

    models.reply(calls(json!([{"type": "tool_use", "id": "toolu_1", "name": "bmcp_tracker_get", "input": {"a": 1}}])));
    models.reply(says("Done."));
    let (_, body) = gateway.post(&path("anthropic", "/v1/messages"), &linked, ASK).await;
    assert_eq!(json(&body)["content"][0]["text"], "Done.");
    assert_eq!(models.next_request().await.json()["tools"][0]["name"], "bmcp_tracker_get");
    let result = models.next_request().await.json()["messages"][2]["content"][0]["content"][0]["text"].clone();
    assert_eq!(result, r#""get" was called with {"a":1}"#);
    gateway.stop().await;
    let recorded = home.interceptions().await;
    let tools: Vec<_> = recorded.iter().flat_map(|it| it["tool_usages"].as_array().unwrap()).collect();
    assert_eq!(tools.len(), 1, "{recorded:?}");
    assert_eq!((&tools[0]["tool"], &tools[0]["injected"]), (&json!("get"), &json!(true)));
}

#[tokio::test]
async fn links_survive_a_change_of_keys() {
    let home = Home::new();
    let provider = provider().await;
    let token = home.token("ali").await;
    let made = configured(home.server(), &provider).start().await;
    let cookie = link(&made, &token).await;
    drop(cookie);
    made.stop().await;
    let old = fs::read_to_string(home.data().join("external-token.key")).unwrap();
    let new = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    for (keys, page) in [(format!("{new},{}", old.trim()), "linked since"), (new.to_owned(), "under another key")] {
        let setup = home.server().env("CODER_EXTERNAL_TOKEN_ENCRYPTION_KEY", &keys);
        let gateway = configured(setup, &provider).start().await;
        let (head, _) = browse(&gateway, "POST", "/external-auth/sign-in", "", &format!("token={token}")).await;
        let cookie = head.get("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let (_, text) = browse(&gateway, "GET", "/external-auth", &cookie, "").await;
        assert!(text.contains(page), "{text}");
        let ended = gateway.stop().await;
        assert!(!ended.stderr.contains("external-token.key"), "{}", ended.stderr);
        assert_eq!(ended.stderr.contains("are not in CODER_EXTERNAL_TOKEN_ENCRYPTION_KEY"), keys == new);
    }
}

#[tokio::test]
async fn without_applications_there_are_no_pages() {
    let home = Home::new();
    let gateway = home.server().start().await;
    for target in ["/external-auth", "/external-auth/github/login"] {
        assert_eq!(gateway.get(target).await.0.status(), 404, "{target}");
    }
    gateway.stop().await;
    assert!(!home.data().join("external-token.key").exists());
}
