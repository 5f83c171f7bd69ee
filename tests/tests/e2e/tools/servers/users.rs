//! Whose tools, sessions and results are whose.

use std::collections::HashMap;

use aibridge_tests::{Endpoint, ReceivedRequest, Script};
use futures::future::join_all;

use super::{
    super::{asked, read},
    *,
};
use crate::fixture::{BEARER, Gateway, OTHER_BEARER, OTHER_USER, Setup, USER};

/// Who asks, with which header and token. The server has a tool for each, which the other does not see.
const PEOPLE: [(&str, (&str, &str), &str); 2] = [("ali", BEARER, "token-of-ali"), ("bo", OTHER_BEARER, "token-of-bo")];

fn endpoint(request: &ReceivedRequest) -> Endpoint {
    let path = request.head.target();
    Endpoint::ALL.into_iter().find(|endpoint| path.starts_with(endpoint.path())).unwrap()
}

/// Calls the one tool there is with what it was asked, and then says the result.
fn answer(request: &ReceivedRequest) -> Script {
    let way = Way { endpoint: endpoint(request), streamed: request.json()["stream"] == true };
    let Asked { tools, talk } = asked(way.endpoint, request);
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let says = match talk.last().unwrap().strip_prefix("result c1 ") {
        Some(result) => Says::text("r2", leak(result.to_owned())),
        None => {
            let arguments = format!(r#"{{"text":"{}"}}"#, talk[0]);
            Says::calls("r1", &[("c1", leak(tools.concat()), leak(arguments))])
        }
    };
    way.script(&says)
}

#[tokio::test]
async fn a_hundred_requests_of_two_users_never_meet() {
    for fake in [Fake::legacy(&[]).await, Fake::modern(&[]).await] {
        for (name, _, token) in PEOPLE {
            fake.inner.own.lock().unwrap().insert(token.to_owned(), vec![format!("of_{name}")]);
        }
        fake.accept_only(&["token-of-ali", "token-of-bo"]);
        let tokens = Tokens::of(&[(USER, "token-of-ali"), (OTHER_USER, "token-of-bo")]);
        let mcp = Mcp::builder().server(server("srv", &fake).credentials(tokens)).build().unwrap();
        let provider = Provider::replying(answer).await.unwrap();
        let setup = Setup { tools: aibridge_tower::tools::ToolsLayer::new(mcp.clone()), ..Setup::default() };
        let gateway = Gateway::with(&provider.url(), setup).await;
        let rig = Rig { provider, gateway, source: mcp };

        let requests = ways().cycle().take(50).enumerate().flat_map(|(n, way)| PEOPLE.map(|person| (n, way, person)));
        join_all(requests.map(async |(n, way, (name, bearer, token))| {
            let (status, body) = rig.post_as(bearer, way, &way.request(&[("user", &format!("{name} {n}"))])).await;
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
            let seen = read(way.endpoint, way.streamed, &body);
            let said = format!(r#"Let me see. of_{name} of {token}: {{"text":"user: {name} {n}"}}"#);
            assert_eq!((seen.text, seen.calls), (said, vec![]), "{way:?}");
        }))
        .await;

        let requests = rig.provider.requests();
        assert_eq!(requests.len(), 200);
        for request in &requests {
            let asked = asked(endpoint(request), request);
            let (name, ..) = PEOPLE.into_iter().find(|(name, ..)| asked.talk[0].contains(name)).unwrap();
            let (other, ..) = PEOPLE.into_iter().find(|(it, ..)| *it != name).unwrap();
            assert_eq!(asked.tools, [format!("bmcp_srv_of_{name}")]);
            assert!(!String::from_utf8_lossy(&request.body).contains(&format!("of_{other}")), "{asked:?}");
        }
        let mut sessions: HashMap<String, String> = HashMap::new();
        for seen in fake.seen() {
            let token = seen.token.expect("every request has a token");
            assert!(token == "token-of-ali" || token == "token-of-bo");
            if let Some(session) = seen.session {
                assert_eq!(sessions.entry(session).or_insert_with(|| token.clone()), &token, "a session has one owner");
            }
        }
        assert_eq!(sessions.len(), if fake.inner.legacy { 2 } else { 0 }, "one for each: {sessions:?}");
        let records = rig.gateway.records.ended(100).await;
        for recorded in &records {
            let [tool] = tools(recorded)[..] else { panic!("one call: {recorded:?}") };
            let name = if recorded.start.initiator_id == USER { "ali" } else { "bo" };
            assert_eq!((tool.tool.as_str(), &tool.invocation_error), (format!("of_{name}").as_str(), &None));
            assert!(tool.input["text"].as_str().unwrap().contains(name));
        }
    }
}

#[tokio::test]
async fn without_a_link_there_are_no_tools_and_no_connection() {
    let fake = Fake::modern(&["echo"]).await;
    let tokens = Tokens::of(&[(USER, "token-of-ali")]);
    let rig = Real::in_front_of([server("srv", &fake).credentials(tokens)], |_| {}).await;
    for way in ways() {
        rig.provider.reply(way.script(&Says::text("r1", "Hello.")));
        let request = way.request(&[("user", "Hi")]);
        assert_eq!(rig.post_as(OTHER_BEARER, way, &request).await.0, 200);
        assert_eq!(rig.received().await.body, request.as_bytes(), "not a byte is changed");
        rig.recorded().await;
    }
    assert_eq!(fake.seen(), []);
    for way in ways() {
        assert_eq!(rig.exchange(way, &[Says::text("r1", "Hello.")]).await.text, "Hello.");
        assert_eq!(rig.asked(way).await.tools, ["bmcp_srv_echo"]);
        rig.recorded().await;
    }
    assert!(fake.seen().iter().all(|seen| seen.token.as_deref() == Some("token-of-ali")));
}
