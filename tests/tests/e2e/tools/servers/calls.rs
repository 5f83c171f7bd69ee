//! What comes of calls.

use aibridge_store::record::Outcome as End;
use aibridge_tests::Endpoint;

use super::*;
use crate::{expect::target, fixture::BEARER};

#[tokio::test]
async fn large_failed_and_mixed_results_are_what_the_model_is_told() {
    let fake = Fake::modern(&["big", "fail", "many"]).await;
    let rig = Real::in_front_of([server("srv", &fake)], |limits| limits.max_result = 1001).await;
    let calls = [("c1", "bmcp_srv_big", "{}"), ("c2", "bmcp_srv_fail", "{}"), ("c3", "bmcp_srv_many", "{}")];
    for way in ways() {
        let seen = rig.exchange(way, &[Says::calls("r1", &calls), Says::text("r2", "Done.")]).await;
        assert_eq!(seen, way.whole("Let me see. Done.", (18, 8)), "{way:?}");
        rig.asked(way).await;
        let talk = rig.asked(way).await.talk;
        let at = talk.iter().position(|line| line.starts_with("result")).unwrap();
        let cut = format!("result c1 {}\n[cut: the result is larger than 1001 bytes]", "é".repeat(500));
        assert_eq!(talk[at], cut, "{way:?}");
        assert_eq!(talk[at + 1], way.failed("c2", "no such issue"), "{way:?}");
        let many = talk[at + 2..].concat();
        assert!(many.starts_with("result c3 here:") && many.contains("https://example.com/d"), "{way:?}: {many}");
        assert_eq!(many.contains("[image]"), way.endpoint != Endpoint::Chat, "{way:?}: {many}");

        let recorded = rig.recorded().await;
        let mut called = tools(&recorded);
        called.sort_by_key(|tool| &tool.provider_tool_call_id);
        let errors: Vec<_> = called.iter().map(|tool| tool.invocation_error.as_deref()).collect();
        assert_eq!(errors, [None, Some("no such issue"), None], "{way:?}");
        assert!(called.iter().all(|tool| tool.injected && tool.metadata["duration_ms"].is_u64()));
        assert_eq!(recorded.outcome(), End::Completed);
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_cancelled_and_the_reply_goes_on() {
    for way in ways() {
        let fake = Fake::legacy(&["hang", "echo"]).await;
        let limit = Duration::from_millis(400);
        let rig = Real::in_front_of([server("srv", &fake)], |limits| limits.call = limit).await;
        let calls = [("c1", "bmcp_srv_hang", "{}"), ("c2", "bmcp_srv_echo", r#"{"text":"a"}"#)];
        let seen = rig.exchange(way, &[Says::calls("r1", &calls), Says::text("r2", "Sorry.")]).await;
        assert_eq!((seen.text.as_str(), seen.error), ("Let me see. Sorry.", None), "{way:?}");
        timeout(LONG, fake.happens("cancelled")).await.expect("the server is told");
        rig.asked(way).await;
        let talk = rig.asked(way).await.talk;
        let [.., told, echoed] = &talk[..] else { panic!("two results: {talk:?}") };
        let why = "The tool call failed: the server did not answer in time.";
        assert_eq!(*told, way.failed("c1", why), "{way:?}");
        assert_eq!(echoed, r#"result c2 {"text":"a"}"#);
        let recorded = rig.recorded().await;
        let hung = tools(&recorded).into_iter().find(|tool| tool.tool == "hang").unwrap();
        assert_eq!(hung.invocation_error.as_deref(), Some("the server did not answer in time"));
        assert!(u128::from(hung.metadata["duration_ms"].as_u64().unwrap()) >= limit.as_millis());
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_call_at_the_server() {
    for way in ways() {
        for fake in [Fake::legacy(&["hang"]).await, Fake::modern(&["hang"]).await] {
            let rig = Real::in_front_of([server("srv", &fake)], |_| {}).await;
            rig.provider.reply(way.script(&Says::calls("r1", &[("c1", "bmcp_srv_hang", "{}")])));
            let mut client = rig.gateway.client().await;
            client.post(&target(way.endpoint), &[BEARER], way.request(&[("user", "Hi")])).await.unwrap();
            timeout(LONG, fake.happens("hanging")).await.unwrap();
            drop(client);
            timeout(LONG, fake.happens("cancelled")).await.expect("the server is told");
            let recorded = rig.recorded().await;
            assert_eq!(recorded.outcome(), End::ClientGone, "{way:?}");
            let [tool] = tools(&recorded)[..] else { panic!("one call: {recorded:?}") };
            assert_eq!(tool.invocation_error.as_deref(), Some("cancelled: the client went away"));
            assert_eq!(rig.provider.requests().len(), 1, "the provider is not asked again");
        }
    }
}
