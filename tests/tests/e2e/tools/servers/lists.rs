//! Servers that are not what one would wish for: the request goes through with the tools of the others.

use aibridge_mcp::ToolSource as _;
use tokio::time::Instant;
use url::Url;

use super::*;
use crate::fixture::USER;

#[tokio::test]
async fn bad_servers_cost_the_first_request_the_cold_start_and_others_nothing() {
    let (good, hanging, endless) = (Fake::legacy(&["echo"]).await, Fake::modern(&["a"]).await, Fake::modern(&[]).await);
    let (locked, old) = (Fake::legacy(&["b"]).await, SseFake::start().await);
    hanging.instead("*", Instead::Hang);
    locked.accept_only(&["another token"]);
    let tokens = Tokens::of(&[(USER, "sesame")]);
    let servers = [
        Server::new("dead", Provider::refusing().await.unwrap().parse().unwrap()),
        server("endless", &endless),
        server("good", &good),
        server("hanging", &hanging),
        server("locked", &locked).credentials(tokens.clone()),
        Server::new("old", old.url.clone()).transport(aibridge_mcp::Transport::Sse).credentials(tokens),
    ];
    let cold_start = Duration::from_secs(3);
    let rig = Real::in_front_of(servers, |limits| {
        limits.cold_start = cold_start;
        limits.max_pages = 3;
    })
    .await;

    let calls = [("c1", "bmcp_good_echo", r#"{"text":"a"}"#), ("c2", "bmcp_old_echo", r#"{"text":"b"}"#)];
    for (n, way) in ways().enumerate() {
        let begun = Instant::now();
        let seen = rig.exchange(way, &[Says::calls("r1", &calls), Says::text("r2", "Done.")]).await;
        assert_eq!(seen.text, "Let me see. Done.", "{way:?}");
        let took = begun.elapsed();
        match n {
            0 => assert!(took >= cold_start && took < LONG, "{took:?}"),
            _ => assert!(took < cold_start, "{way:?}: {took:?}"),
        }
        let tools_given = rig.asked(way).await.tools;
        let named =
            ["bmcp_endless_tool0", "bmcp_endless_tool1", "bmcp_endless_tool2", "bmcp_good_echo", "bmcp_old_echo"];
        assert_eq!(tools_given, named, "{way:?}");
        let Asked { tools: again, talk } = rig.asked(way).await;
        assert_eq!(again, tools_given);
        assert_eq!(talk[4..], [r#"result c1 {"text":"a"}"#, r#"result c2 {"text":"b"}"#]);

        let recorded = rig.recorded().await;
        let mut called: Vec<_> = tools(&recorded);
        called.sort_by_key(|tool| &tool.provider_tool_call_id);
        let urls: Vec<_> = called.iter().map(|tool| tool.server_url.as_deref().unwrap()).collect();
        assert_eq!(urls, [good.url.as_str(), old.url.as_str()]);
        assert!(called.iter().all(|tool| tool.tool == "echo" && tool.invocation_error.is_none()));
    }
}

#[tokio::test]
async fn a_session_that_the_server_forgot_is_opened_again_unseen() {
    let fake = Fake::legacy(&["echo"]).await;
    let rig = Real::in_front_of([server("srv", &fake)], |_| {}).await;
    for (n, way) in ways().enumerate() {
        let calls = Says::calls("r1", &[("c1", "bmcp_srv_echo", r#"{"text":"a"}"#)]);
        let seen = rig.exchange(way, &[calls, Says::text("r2", "Done.")]).await;
        assert_eq!(seen.text, "Let me see. Done.", "{way:?}");
        rig.asked(way).await;
        assert_eq!(rig.asked(way).await.talk.pop().unwrap(), r#"result c1 {"text":"a"}"#);
        assert_eq!(tools(&rig.recorded().await)[0].invocation_error, None);
        assert_eq!(fake.count("POST initialize"), n + 1);
        fake.forget_sessions();
    }
}

#[tokio::test]
async fn a_list_that_changes_is_given_from_the_next_request_on() {
    for fake in [Fake::legacy(&["echo"]).await, Fake::modern(&["echo"]).await] {
        let rig = Real::in_front_of([server("srv", &fake)], |_| {}).await;
        for (n, way) in ways().filter(|way| way.streamed == fake.inner.legacy).enumerate() {
            let more = format!("more{n}");
            rig.exchange(way, &[Says::text("r1", "Hello.")]).await;
            if !fake.inner.legacy {
                fake.happens("subscribed").await;
            }
            fake.set_tools(&["echo", &more]);
            fake.say_tools_changed().await;
            let named = format!("bmcp_srv_{more}");
            let changed = async {
                while !rig.source.tools(USER).await.listed.iter().any(|listed| listed.name == named) {
                    tokio::task::yield_now().await;
                }
            };
            timeout(LONG, changed).await.unwrap();
            rig.exchange(way, &[Says::text("r2", "Hello.")]).await;
            rig.received().await;
            assert_eq!(rig.asked(way).await.tools, ["bmcp_srv_echo", &named], "{way:?}");
            rig.gateway.records.ended(2 * n + 2).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_dies_between_listing_and_call_is_told_to_the_model() {
    for way in ways() {
        let fake = Fake::legacy(&["echo"]).await;
        let rig = Real::in_front_of([server("srv", &fake)], |_| {}).await;
        fake.instead("tools/call", Instead::Status(503));
        let calls = Says::calls("r1", &[("c1", "bmcp_srv_echo", "{}")]);
        let seen = rig.exchange(way, &[calls, Says::text("r2", "Sorry.")]).await;
        assert_eq!((seen.text.as_str(), seen.error), ("Let me see. Sorry.", None), "{way:?}");
        rig.asked(way).await;
        let told = rig.asked(way).await.talk.pop().unwrap();
        let why = "The tool call failed: the server answered with HTTP status 503.";
        assert_eq!(told, way.failed("c1", why), "{way:?}");
        let recorded = rig.recorded().await;
        let [tool] = tools(&recorded)[..] else { panic!("one call: {recorded:?}") };
        assert_eq!(tool.invocation_error.as_deref(), Some("the server answered with HTTP status 503"));
        assert_eq!(tool.server_url.as_deref().map(|url| url.parse::<Url>().unwrap()), Some(fake.url.clone()));
    }
}
