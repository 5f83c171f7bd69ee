//! Users and tokens, managed beside a running gateway.

use aibridge_tests::{Provider, Scripted};
use serde_json::{Value, json};

use crate::{
    home::Home,
    process::{Gateway, json, path},
};

/// A running gateway and its provider.
async fn start(home: &Home) -> (Gateway, Provider) {
    let scripted = Scripted::load().unwrap();
    let provider = Provider::replying(move |request| scripted.script(request)).await.unwrap();
    let gateway = home.server().provider(&provider).start().await;
    (gateway, provider)
}

/// What asking with this token is answered.
async fn ask(gateway: &Gateway, token: &str) -> u16 {
    let body = r#"{"model":"claude-test-plain","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;
    let (head, body) = gateway.post(&path("anthropic", "/v1/messages"), token, body).await;
    if head.status() == 401 {
        // Which reason it was is nobody's business.
        assert_eq!((head.get("www-authenticate"), head.get("x-should-retry")), (Some("Bearer"), Some("false")));
        assert_eq!(json(&body)["error"]["type"], "authentication_error");
        assert!(!["revoked", "expired", "suspended"].iter().any(|why| String::from_utf8_lossy(&body).contains(why)));
    }
    head.status()
}

async fn list(home: &Home, what: &str) -> Vec<Value> {
    json(home.run(&format!("{what} list --json")).await.as_bytes()).as_array().unwrap().clone()
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked_beside_a_running_gateway() {
    let home = Home::new();
    let (gateway, provider) = start(&home).await;
    let created = home.run("users create ali --name Ali --email ali@example.com").await;
    assert!(created.starts_with("created ali ("), "{created}");

    let output = home.program("tokens create --user ALI --name laptop").output().await;
    let token = String::from_utf8(output.stdout).unwrap();
    let (id, secret) = token.trim_end().split_once('-').unwrap();
    assert_eq!((id.len(), secret.len()), (10, 22), "{token}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, format!("token {id} of ali; it is shown this once:\n"), "so that it can be piped");
    assert_eq!(ask(&gateway, token.trim_end()).await, 200);

    let unused = home.run("tokens create --user ali --name unused").await;
    let unused = unused.trim_end();
    let revoked = home.run(&format!("tokens revoke {}", &unused[..10])).await;
    assert!(revoked.starts_with(&format!("revoked {}", &unused[..10])), "{revoked}");
    assert_eq!(ask(&gateway, unused).await, 401);

    // A token is an id and a secret, and only the id is listed.
    let tokens = list(&home, "tokens").await;
    let table = home.run("tokens list --user ali").await;
    for token in [&*token, unused] {
        assert!(table.contains(&token[..10]), "{table}");
        assert!(!table.contains(&token[11..]) && !json!(tokens).to_string().contains(&token[11..]));
    }
    let state = |name: &str| {
        let line = table.lines().find(|line| line.contains(name)).unwrap();
        ["valid", "revoked"].map(|state| line.contains(state))
    };
    assert_eq!((state("laptop"), state("unused")), ([true, false], [false, true]), "{table}");
    let named = |name: &str| tokens.iter().find(|token| token["name"] == name).unwrap();
    assert!(!named("unused")["revoked_at"].is_null() && named("unused")["last_used_at"].is_null());
    assert!(named("laptop")["revoked_at"].is_null() && named("laptop")["expires_at"].is_null());
    assert_eq!((&named("laptop")["id"], &named("laptop")["username"]), (&id.into(), &"ali".into()));

    // Answers are kept for a minute at most, and not beyond the process. The whole token may be given.
    home.run(&format!("tokens revoke {token}")).await;
    gateway.stop().await;
    let gateway = home.server().provider(&provider).start().await;
    assert_eq!(ask(&gateway, token.trim_end()).await, 401);
    gateway.stop().await;
    assert_eq!(provider.requests().len(), 1);
    let recorded = home.interceptions().await;
    assert_eq!(recorded.len(), 1, "who is refused at the door is not recorded");
    assert_eq!((&recorded[0]["api_key_id"], &recorded[0]["initiator"]["username"]), (&id.into(), &"ali".into()));
}

#[tokio::test]
async fn tokens_of_suspended_users_are_refused_until_they_are_active_again() {
    let home = Home::new();
    let (gateway, provider) = start(&home).await;
    let token = home.token("ali").await;
    let other = home.token("bea").await;
    home.run("users suspend ali").await;
    assert_eq!(ask(&gateway, &token).await, 401);
    assert_eq!(ask(&gateway, &other).await, 200, "nobody else is");
    let status = |users: &[Value]| users.iter().find(|user| user["username"] == "ali").unwrap()["status"].clone();
    assert_eq!(status(&list(&home, "users").await), "suspended");
    assert!(home.run("users list").await.contains("suspended"));
    home.run("users activate ali").await;
    assert_eq!(status(&list(&home, "users").await), "active");
    // Another one, because a refusal is remembered for a few seconds.
    let another = home.run("tokens create --user ali").await;
    assert_eq!(ask(&gateway, another.trim_end()).await, 200);
    gateway.stop().await;
    assert_eq!(provider.requests().len(), 2);
}

#[tokio::test]
async fn tokens_end_with_their_lifetime() {
    let home = Home::new();
    let (gateway, _provider) = start(&home).await;
    home.run("users create ali").await;
    let short = home.run("tokens create --user ali --lifetime 1ms --name short").await;
    let long = home.run("tokens create --user ali --lifetime 90d --name long").await;
    assert_eq!(ask(&gateway, short.trim_end()).await, 401);
    assert_eq!(ask(&gateway, long.trim_end()).await, 200);
    let table = home.run("tokens list").await;
    let line = |name: &str| table.lines().find(|line| line.contains(name)).unwrap();
    assert!(line("short").contains("expired") && line("long").contains("until 20"), "{table}");
    gateway.stop().await;
}

#[tokio::test]
async fn unknown_and_malformed_tokens_are_refused() {
    let home = Home::new();
    let (gateway, provider) = start(&home).await;
    let token = home.token("ali").await;
    let forged = format!("{}-{}", &token[..10], "A".repeat(22));
    let unknown = format!("AAAAAAAAAA-{}", &token[11..]);
    for wrong in [&*forged, &unknown, &token[..token.len() - 1], "nothing", "-", "' OR 1=1 --"] {
        assert_eq!(ask(&gateway, wrong).await, 401, "{wrong}");
    }
    let (head, _) = gateway.request("POST", &path("anthropic", "/v1/messages"), None, "{}").await;
    assert_eq!(head.status(), 401);
    gateway.stop().await;
    assert!(provider.requests().is_empty() && home.interceptions().await.is_empty());
}

#[tokio::test]
async fn commands_that_cannot_be_done_say_what_to_do() {
    let home = Home::new();
    home.run("users create ali").await;
    for (command, complaint) in [
        ("users create ALI", "ali"),
        ("tokens create --user bea", "users create bea"),
        ("tokens revoke nothing", "tokens list"),
        ("users suspend bea", "users list"),
        ("interceptions show 0190", "interceptions list"),
        ("interceptions list --initiator bea", "bea"),
        ("interceptions list --after 01950000-0000-7000-8000-000000000001", "01950000"),
    ] {
        let said = home.program(command).fail().await;
        assert!(said.starts_with("aibridge-gateway: ") && said.to_lowercase().contains(complaint), "{command}: {said}");
    }
    for (command, complaint) in [
        ("tokens", "Usage: aibridge-gateway tokens"),
        ("tokens create", "--user"),
        ("users rename ali", "rename"),
        ("interceptions list --limit 0", "1..=1000"),
    ] {
        let output = home.program(command).output().await;
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(complaint), "{command}: {output:?}");
    }
    assert!(home.run("tokens create --help").await.contains("--lifetime"));
}
