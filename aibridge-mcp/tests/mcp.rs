//! `Mcp` against servers on loopback.

mod servers;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use aibridge_mcp::{
    BoxFuture, Content, Credentials, CredentialsError, Limits, Mcp, Outcome, Server, Token, Tool, ToolRules,
    ToolSource, Toolbox, Transport,
};
use http::{HeaderValue, header::AUTHORIZATION};
use serde_json::{Map, Value, json};
use servers::{Fake, Instead, sse::SseFake};
use tokio::{net::TcpListener, time::timeout};
use uuid::Uuid;

const ANN: Uuid = Uuid::from_u128(1);
const BOB: Uuid = Uuid::from_u128(2);

/// More than anything here takes.
const LONG: Duration = Duration::from_secs(20);

fn mcp(servers: impl IntoIterator<Item = Server>) -> Mcp {
    limited(servers, |_| {})
}

fn limited(servers: impl IntoIterator<Item = Server>, set: impl FnOnce(&mut Limits)) -> Mcp {
    let mut limits = Limits::default();
    set(&mut limits);
    servers.into_iter().fold(Mcp::builder().limits(limits), |mcp, server| mcp.server(server)).build().unwrap()
}

fn names(toolbox: &Toolbox) -> Vec<&str> {
    toolbox.listed.iter().map(|listed| &*listed.name).collect()
}

async fn call(mcp: &Mcp, actor: Uuid, server: &str, tool: &str) -> Outcome {
    call_with(mcp, actor, server, tool, json!({})).await
}

async fn call_with(mcp: &Mcp, actor: Uuid, server: &str, tool: &str, arguments: Value) -> Outcome {
    let Value::Object(arguments) = arguments else { panic!("an object") };
    timeout(LONG, mcp.call(actor, &Tool::new(server, tool), arguments)).await.expect("an answer")
}

/// The text of a result without error.
fn text(outcome: &Outcome) -> &str {
    assert_eq!(outcome.error, None, "{:?}", outcome.content);
    let [Content::Text(text)] = &outcome.content[..] else { panic!("one text: {outcome:?}") };
    text
}

/// Tokens by actor, and what refreshing gets.
#[derive(Clone, Default)]
struct Tokens {
    tokens: Arc<Mutex<HashMap<Uuid, String>>>,
    fresh: Arc<Mutex<Vec<String>>>,
    refreshed: Arc<Mutex<Vec<String>>>,
}

impl Tokens {
    fn of(tokens: &[(Uuid, &str)]) -> Tokens {
        let of = Tokens::default();
        tokens.iter().for_each(|(actor, token)| of.set(*actor, token));
        of
    }

    fn set(&self, actor: Uuid, token: &str) {
        self.tokens.lock().unwrap().insert(actor, token.to_owned());
    }

    fn unlink(&self, actor: Uuid) {
        self.tokens.lock().unwrap().remove(&actor);
    }

    fn refreshed(&self) -> Vec<String> {
        self.refreshed.lock().unwrap().clone()
    }
}

impl Credentials for Tokens {
    fn token(&self, actor: Uuid, _: &str) -> BoxFuture<Result<Option<Token>, CredentialsError>> {
        let token = self.tokens.lock().unwrap().get(&actor).map(Token::new);
        Box::pin(async { Ok(token) })
    }

    fn refresh(&self, actor: Uuid, _: &str, used: &Token) -> BoxFuture<Result<Option<Token>, CredentialsError>> {
        self.refreshed.lock().unwrap().push(used.expose().to_owned());
        let fresh = self.fresh.lock().unwrap().pop();
        if let Some(fresh) = &fresh {
            self.set(actor, fresh);
        }
        Box::pin(async { Ok(fresh.map(Token::new)) })
    }
}

fn linked(id: &str, fake: &Fake, tokens: &Tokens) -> Server {
    Server::new(id, fake.url.clone()).credentials(Arc::new(tokens.clone()))
}

#[tokio::test]
async fn tools_of_old_and_new_servers_are_listed_and_called() {
    for fake in [Fake::legacy(&["whoami", "echo"]).await, Fake::modern(&["whoami", "echo"]).await] {
        let header = HeaderValue::from_static("Bearer fixed");
        fake.accept_only(&["fixed"]);
        let mcp = mcp([Server::new("s", fake.url.clone()).header(AUTHORIZATION, header)]);
        let toolbox = mcp.tools(ANN).await;
        assert_eq!(names(&toolbox), ["bmcp_s_echo", "bmcp_s_whoami"]);
        assert_eq!(toolbox.listed[0].description.as_deref(), Some("does echo"));
        assert_eq!(toolbox.listed[0].server_url, fake.url.as_str());
        assert_eq!(toolbox.listed[0].input_schema["properties"]["text"], json!({"type": "string"}));

        assert!(Arc::ptr_eq(&toolbox, &mcp.known(ANN).unwrap()));
        assert_eq!(text(&call(&mcp, ANN, "s", "whoami").await), "fixed");
        let echoed = call_with(&mcp, ANN, "s", "echo", json!({"text": "é", "n": 1})).await;
        assert_eq!(text(&echoed), r#"{"text":"é","n":1}"#);
        assert_eq!(fake.count("POST tools/list"), 1);
    }
}

#[tokio::test]
async fn requests_that_come_together_connect_once() {
    let fake = Fake::legacy(&["echo"]).await;
    let mcp = mcp([Server::new("s", fake.url.clone())]);
    assert!(mcp.known(ANN).is_none());
    let all = futures::future::join_all((0..10).map(|_| mcp.tools(ANN))).await;
    assert!(all.iter().all(|toolbox| toolbox.listed.len() == 1));
    call(&mcp, ANN, "s", "echo").await;
    assert_eq!(fake.count("POST initialize"), 1);
}

#[tokio::test]
async fn actors_have_sessions_and_tokens_of_their_own() {
    let fake = Fake::legacy(&["whoami"]).await;
    fake.accept_only(&["a", "b"]);
    let mcp = mcp([linked("s", &fake, &Tokens::of(&[(ANN, "a"), (BOB, "b")]))]);
    let calls = (0..40).map(|n| {
        let (actor, token) = if n % 2 == 0 { (ANN, "a") } else { (BOB, "b") };
        let mcp = mcp.clone();
        async move {
            mcp.tools(actor).await;
            assert_eq!(text(&call(&mcp, actor, "s", "whoami").await), token);
        }
    });
    futures::future::join_all(calls).await;
    assert_eq!(fake.count("POST initialize"), 2);
    let mut owners: HashMap<String, String> = HashMap::new();
    for seen in fake.seen() {
        if let (Some(session), Some(token)) = (seen.session, seen.token) {
            assert_eq!(*owners.entry(session).or_insert(token.clone()), token);
        }
    }
    assert_eq!(owners.len(), 2);
}

#[tokio::test]
async fn who_has_linked_no_account_gets_no_tools_and_no_connection_is_tried() {
    let fake = Fake::legacy(&["echo"]).await;
    let tokens = Tokens::default();
    let mcp = limited([linked("s", &fake, &tokens)], |limits| limits.credentials = Duration::from_secs(1000));
    assert!(mcp.tools(ANN).await.listed.is_empty());
    assert!(mcp.known(ANN).is_some());
    let outcome = call(&mcp, ANN, "s", "echo").await;
    assert_eq!(outcome.error.as_deref(), Some("the user has not linked an account for the server"));
    assert_eq!(fake.seen(), []);

    tokens.set(ANN, "a");
    mcp.refresh(ANN);
    assert_eq!(mcp.tools(ANN).await.listed.len(), 1);
}

#[tokio::test]
async fn a_new_token_is_a_new_session_and_no_token_is_none() {
    let fake = Fake::legacy(&["whoami"]).await;
    let tokens = Tokens::of(&[(ANN, "one")]);
    let mcp = limited([linked("s", &fake, &tokens)], |limits| limits.credentials = Duration::ZERO);
    mcp.tools(ANN).await;
    assert_eq!(text(&call(&mcp, ANN, "s", "whoami").await), "one");
    tokens.set(ANN, "two");
    assert_eq!(text(&call(&mcp, ANN, "s", "whoami").await), "two");
    fake.sees("DELETE", 1).await;
    tokens.unlink(ANN);
    assert!(call(&mcp, ANN, "s", "whoami").await.error.is_some());
    fake.sees("DELETE", 2).await;
    assert!(mcp.tools(ANN).await.listed.is_empty());
    let deleted: Vec<_> = fake.seen().into_iter().filter(|seen| seen.what == "DELETE").collect();
    assert_eq!(deleted.iter().map(|seen| seen.token.as_deref().unwrap()).collect::<Vec<_>>(), ["one", "two"]);
}

#[tokio::test]
async fn a_401_is_answered_with_a_refresh_and_the_call_is_repeated_unseen() {
    for challenge in [true, false] {
        let fake = Fake::legacy(&["whoami"]).await;
        *fake.inner.challenge.lock().unwrap() = challenge;
        let tokens = Tokens::of(&[(ANN, "old")]);
        let mcp = mcp([linked("s", &fake, &tokens)]);
        mcp.tools(ANN).await;
        fake.accept_only(&["new"]);
        tokens.fresh.lock().unwrap().push("new".to_owned());
        let calls = futures::future::join_all((0..4).map(|_| call(&mcp, ANN, "s", "whoami"))).await;
        assert_eq!(calls.iter().map(text).collect::<Vec<_>>(), ["new"; 4]);
        assert_eq!(tokens.refreshed(), ["old"]);
    }
}

#[tokio::test]
async fn after_a_second_401_the_tools_stay_away_until_the_credential_changes() {
    for (tools_first, fresh) in [(true, Some("bad")), (false, Some("bad")), (true, None)] {
        let fake = Fake::modern(&["whoami"]).await;
        let tokens = Tokens::of(&[(ANN, "old")]);
        let mcp = limited([linked("s", &fake, &tokens)], |limits| limits.credentials = Duration::ZERO);
        if tools_first {
            assert_eq!(mcp.tools(ANN).await.listed.len(), 1);
        }
        fake.accept_only(&["good"]);
        tokens.fresh.lock().unwrap().extend(fresh.map(str::to_owned));
        let outcome = call(&mcp, ANN, "s", "whoami").await;
        assert_eq!(outcome.error.as_deref(), Some("the server did not accept the credentials"));
        assert_eq!(tokens.refreshed(), ["old"]);

        let tried = fake.seen().len();
        assert!(mcp.tools(ANN).await.listed.is_empty());
        assert!(call(&mcp, ANN, "s", "whoami").await.error.is_some());
        assert_eq!((tokens.refreshed().len(), fake.seen().len()), (1, tried));

        tokens.set(ANN, "good");
        assert_eq!(mcp.tools(ANN).await.listed.len(), 1);
        assert_eq!(text(&call(&mcp, ANN, "s", "whoami").await), "good");
    }
}

#[tokio::test]
async fn a_session_that_the_server_forgot_is_opened_again_unseen() {
    let fake = Fake::legacy(&["echo"]).await;
    let mcp = mcp([Server::new("s", fake.url.clone())]);
    mcp.tools(ANN).await;
    fake.forget_sessions();
    fake.set_tools(&["echo", "more"]);
    assert_eq!(text(&call_with(&mcp, ANN, "s", "echo", json!({"text": "again"})).await), r#"{"text":"again"}"#);
    assert_eq!(fake.count("POST initialize"), 2);
    // It was restarted, so it is asked for its tools again.
    fake.sees("POST tools/list", 2).await;
    while mcp.known(ANN).unwrap().listed.len() < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn tools_change_when_the_server_says_so_and_not_before() {
    for fake in [Fake::legacy(&["one"]).await, Fake::modern(&["one"]).await] {
        let mcp = mcp([Server::new("s", fake.url.clone())]);
        let before = mcp.tools(ANN).await;
        if fake.count("POST initialize") == 0 {
            fake.happens("subscribed").await;
        } else {
            fake.sees("GET", 1).await;
        }
        fake.set_tools(&["two"]);
        assert!(Arc::ptr_eq(&before, &mcp.tools(ANN).await));
        fake.say_tools_changed().await;
        timeout(LONG, fake.sees("POST tools/list", 2)).await.unwrap();
        let after = loop {
            let after = mcp.known(ANN).unwrap();
            if names(&after) == ["bmcp_s_two"] {
                break after;
            }
            tokio::task::yield_now().await;
        };
        assert_ne!(before.fingerprint, after.fingerprint);
    }
}

#[tokio::test]
async fn all_pages_are_read_and_the_rules_hold_for_lists_and_calls() {
    let fake = Fake::modern(&["a", "b", "c", "secret", "echo"]).await;
    *fake.inner.page.lock().unwrap() = 2;
    let rules = ToolRules::new().deny("secret|echo".parse().unwrap());
    let mcp = mcp([Server::new("s", fake.url.clone()).rules(rules)]);
    assert_eq!(names(&*mcp.tools(ANN).await), ["bmcp_s_a", "bmcp_s_b", "bmcp_s_c"]);
    assert_eq!(fake.count("POST tools/list"), 3);
    for (server, tool) in [("s", "echo"), ("t", "a")] {
        assert_eq!(call(&mcp, ANN, server, tool).await.error.as_deref(), Some("there is no such tool"));
    }
    assert_eq!(fake.count("POST tools/call"), 0);
}

#[tokio::test]
async fn a_server_that_lists_forever_gives_what_fits() {
    let fake = Fake::modern(&[]).await;
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.max_pages = 7);
    assert_eq!(mcp.tools(ANN).await.listed.len(), 7);
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.max_tools = 5);
    assert_eq!(mcp.tools(ANN).await.listed.len(), 5);
}

#[tokio::test]
async fn results_become_text_and_images() {
    let fake = Fake::modern(&["many"]).await;
    let mcp = mcp([Server::new("s", fake.url.clone())]);
    let outcome = call(&mcp, ANN, "s", "many").await;
    let text = |text: &str| Content::Text(text.to_owned());
    let image = |media: &str, base64: &str| Content::Image { media_type: media.to_owned(), base64: base64.to_owned() };
    assert_eq!(
        outcome.content,
        [
            text("here:"),
            image("image/png", "aW1hZ2U="),
            text("[audio, audio/wav: cannot be shown]"),
            text("file:///a\nembedded"),
            text("file:///b"),
            image("image/gif", "YmxvYg=="),
            text("file:///c\n[resource, application/zip, 8 bytes of base64: cannot be shown]"),
            text("d: https://example.com/d\nmore"),
        ]
    );
    assert_eq!(outcome.error, None);
    assert_eq!(call(&mcp, ANN, "s", "structured").await.content, [text(r#"{"n":1}"#)]);

    let failed = call(&mcp, ANN, "s", "fail").await;
    assert_eq!((&failed.content[..], failed.error.as_deref()), (&[text("no such issue")][..], Some("no such issue")));
    let unknown = call(&mcp, ANN, "s", "nothing").await;
    assert_eq!(unknown.error.as_deref(), Some("the server answered: unknown tool (error -32602)"));
    assert_eq!(unknown.content, [text("The tool call failed: the server answered: unknown tool (error -32602).")]);
}

#[tokio::test]
async fn a_result_that_is_too_large_is_cut_and_the_model_is_told() {
    let fake = Fake::modern(&["big", "big_image"]).await;
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.max_result = 1001);
    let outcome = call(&mcp, ANN, "s", "big").await;
    assert_eq!(text(&outcome), format!("{}\n[cut: the result is larger than 1001 bytes]", "é".repeat(500)));
    let outcome = call(&mcp, ANN, "s", "big_image").await;
    let note = "[image, image/png: left out, the result is larger than 1001 bytes]";
    assert_eq!(outcome.content, [Content::Text(note.to_owned()), Content::Text("small".to_owned())]);
}

#[tokio::test]
async fn dropping_a_call_cancels_it_at_the_server() {
    for fake in [Fake::legacy(&["hang"]).await, Fake::modern(&["hang"]).await] {
        let mcp = mcp([Server::new("s", fake.url.clone())]);
        mcp.tools(ANN).await;
        let hanging = mcp.call(ANN, &Tool::new("s", "hang"), Map::new());
        tokio::select! {
            _ = hanging => panic!("it hangs"),
            () = fake.happens("hanging") => {}
        }
        timeout(LONG, fake.happens("cancelled")).await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_cancelled_and_the_model_is_told() {
    let fake = Fake::legacy(&["hang"]).await;
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.call = Duration::from_millis(200));
    mcp.tools(ANN).await;
    let outcome = call(&mcp, ANN, "s", "hang").await;
    assert_eq!(outcome.error.as_deref(), Some("the server did not answer in time"));
    assert!(outcome.duration >= Duration::from_millis(200));
    timeout(LONG, fake.happens("cancelled")).await.unwrap();
    fake.sees("POST notifications/cancelled", 1).await;
}

/// A port where nobody listens.
async fn dead() -> url::Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap()
}

#[tokio::test]
async fn a_dead_server_costs_its_tools_and_nobody_waits_for_it() {
    let alive = Fake::modern(&["echo"]).await;
    let mcp = mcp([Server::new("dead", dead().await), Server::new("alive", alive.url.clone())]);
    assert_eq!(names(&*mcp.tools(ANN).await), ["bmcp_alive_echo"]);
    assert!(mcp.known(ANN).is_some());
    let outcome = call(&mcp, ANN, "dead", "echo").await;
    assert_eq!(outcome.error.as_deref(), Some("the server cannot be reached"));
    // Nor does another actor.
    mcp.known(BOB);
    assert_eq!(mcp.tools(BOB).await.listed.len(), 1);
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_first_request_the_cold_start_and_others_nothing() {
    let (slow, fast) = (Fake::modern(&["a"]).await, Fake::modern(&["b"]).await);
    slow.instead("*", Instead::Hang);
    let mcp = limited([Server::new("slow", slow.url.clone()), Server::new("fast", fast.url.clone())], |limits| {
        limits.cold_start = Duration::from_millis(300);
    });
    let toolbox = timeout(LONG, mcp.tools(ANN)).await.unwrap();
    assert_eq!(names(&toolbox), ["bmcp_fast_b"]);
    assert!(mcp.known(ANN).is_some());
    mcp.known(BOB);
    mcp.tools(BOB).await;
    assert!(mcp.known(BOB).is_some());
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_in_the_background() {
    let fake = Fake::modern(&["a"]).await;
    fake.instead("*", Instead::Status(503));
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| {
        limits.retry_first = Duration::from_millis(10);
        limits.retry_longest = Duration::from_millis(20);
    });
    assert!(mcp.tools(ANN).await.listed.is_empty());
    let failed = fake.seen().len();
    // Tried again, but not by a request that waits.
    while fake.seen().len() == failed {
        assert!(mcp.known(ANN).is_some());
        tokio::task::yield_now().await;
    }
    fake.as_ever();
    while mcp.known(ANN).unwrap().listed.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn servers_that_do_not_know_how_to_refuse_a_new_protocol_are_spoken_to_in_the_old() {
    for instead in [Instead::Status(500), Instead::Status(404), Instead::Hang] {
        let fake = Fake::legacy(&["echo"]).await;
        fake.instead("server/discover", instead);
        let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.cold_start = Duration::from_secs(4));
        assert_eq!(mcp.tools(ANN).await.listed.len(), 1);
        // The next actor's session knows.
        mcp.tools(BOB).await;
        assert_eq!((fake.count("POST server/discover"), fake.count("POST initialize")), (1, 2));
    }
}

#[tokio::test]
async fn redirects_are_followed_within_the_origin_only() {
    let (fake, other) = (Fake::legacy(&["echo"]).await, Fake::legacy(&["stolen"]).await);
    fake.instead("initialize", Instead::Redirect(307, other.url.to_string()));
    let header = HeaderValue::from_static("Bearer secret");
    let mcp = mcp([Server::new("s", fake.url.clone()).header(AUTHORIZATION, header)]);
    assert!(mcp.tools(ANN).await.listed.is_empty());
    assert_eq!(other.seen(), []);
}

#[tokio::test]
async fn sessions_are_closed_when_the_actor_is_idle_and_when_the_host_ends() {
    let fake = Fake::legacy(&["echo"]).await;
    let mcp = mcp([Server::new("s", fake.url.clone())]);
    mcp.tools(ANN).await;
    mcp.tools(BOB).await;
    fake.sees("GET", 2).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(14 * 60)).await;
    assert!(mcp.known(ANN).is_some());
    tokio::time::advance(Duration::from_secs(2 * 60)).await;
    tokio::time::resume();
    timeout(LONG, fake.sees("DELETE", 1)).await.unwrap();
    assert!(mcp.known(ANN).is_some());
    assert!(mcp.known(BOB).is_none());
    mcp.tools(BOB).await;
    mcp.close().await;
    assert_eq!(fake.count("DELETE"), 3);
}

#[tokio::test]
async fn the_number_of_actors_is_bounded() {
    let fake = Fake::legacy(&["echo"]).await;
    let mcp = limited([Server::new("s", fake.url.clone())], |limits| limits.max_actors = 3);
    for actor in 1..=5 {
        mcp.tools(Uuid::from_u128(actor)).await;
    }
    fake.sees("DELETE", 2).await;
    assert_eq!((fake.count("POST initialize"), fake.count("DELETE")), (5, 2));
}

#[test]
fn sessions_outlive_the_runtimes_that_ask() {
    let home = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = home.block_on(Fake::legacy(&["echo"]));
    let mcp = Mcp::builder().runtime(home.handle().clone()).server(Server::new("s", fake.url.clone())).build().unwrap();
    for _ in 0..3 {
        let guest = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        guest.block_on(async {
            assert_eq!(mcp.tools(ANN).await.listed.len(), 1);
            assert_eq!(text(&call(&mcp, ANN, "s", "echo").await), "{}");
        });
    }
    assert_eq!(fake.count("POST initialize"), 1);
    drop(home);
    let guest = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    guest.block_on(async {
        assert!(call(&mcp, ANN, "s", "echo").await.error.is_some());
        timeout(LONG, mcp.tools(BOB)).await.unwrap();
    });
}

fn old(fake: &SseFake) -> Server {
    let tokens = Tokens::of(&[(ANN, "sesame"), (BOB, "wrong")]);
    Server::new("old", fake.url.clone()).transport(Transport::Sse).credentials(Arc::new(tokens))
}

#[tokio::test]
async fn servers_of_2024_are_spoken_to_over_sse() {
    let fake = SseFake::start().await;
    let mcp = mcp([old(&fake)]);
    assert_eq!(names(&*mcp.tools(ANN).await), ["bmcp_old_echo"]);
    assert_eq!(text(&call_with(&mcp, ANN, "old", "echo", json!({"text": "é"})).await), r#"{"text":"é"}"#);
    assert!(mcp.tools(BOB).await.listed.is_empty());

    let hanging = mcp.call(ANN, &Tool::new("old", "hang"), Map::new());
    tokio::select! {
        _ = hanging => panic!("it hangs"),
        () = fake.happens("hanging") => {}
    }
    timeout(LONG, fake.happens("notifications/cancelled")).await.unwrap();
    mcp.close().await;
    timeout(LONG, fake.happens("stream closed")).await.unwrap();
}

#[tokio::test]
async fn sse_sessions_that_are_lost_or_forgotten_are_opened_again_unseen() {
    let fake = SseFake::start().await;
    let mcp = mcp([old(&fake)]);
    mcp.tools(ANN).await;
    fake.forget_sessions();
    assert_eq!(text(&call(&mcp, ANN, "old", "echo").await), "{}");
    assert_eq!(fake.opened(), 2);
    fake.restart();
    fake.happens("stream closed").await;
    assert_eq!(mcp.known(ANN).unwrap().listed.len(), 1);
    let again = loop {
        let outcome = call(&mcp, ANN, "old", "echo").await;
        // It may not have been noticed yet, in which case the call may have been made.
        if outcome.error.is_none() {
            break outcome;
        }
    };
    assert_eq!(text(&again), "{}");
    assert!(fake.opened() >= 3);
}

#[tokio::test]
async fn an_sse_endpoint_of_another_origin_is_not_posted_to() {
    let (fake, other) = (SseFake::start().await, Fake::legacy(&[]).await);
    fake.say_endpoint(other.url.as_str());
    let mcp = mcp([old(&fake)]);
    assert!(mcp.tools(ANN).await.listed.is_empty());
    assert_eq!(other.seen(), []);
}
