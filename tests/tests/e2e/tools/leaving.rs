//! Clients that go away while a tool runs.

use aibridge_store::record::Outcome as End;
use aibridge_tests::{Gate, Script};

use super::{Does, Rig, Says, tokens, tools, ways};
use crate::{expect::target, fixture::BEARER};

const CALLS: &[(&str, &str, &str)] = &[("c1", "bmcp_srv_look", r#"{"q":"a"}"#)];

#[tokio::test]
async fn a_client_that_leaves_while_a_tool_runs_cancels_the_call() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Hangs)]).await;
        rig.provider.reply(way.script(&Says::calls("r1", CALLS)));
        let mut client = rig.gateway.client().await;
        client.post(&target(way.endpoint), &[BEARER], way.request(&[("user", "Hi")])).await.unwrap();
        assert_eq!(rig.source.happened().await, "look {\"q\":\"a\"}");
        drop(client);
        assert_eq!(rig.source.happened().await, "dropped look", "{way:?}");
        let recorded = rig.recorded().await;
        assert_eq!(recorded.outcome(), End::ClientGone, "{way:?}");
        let [tool] = tools(&recorded)[..] else { panic!("one call: {recorded:?}") };
        assert_eq!(tool.invocation_error.as_deref(), Some("cancelled: the client went away"));
        assert_eq!(rig.provider.requests().len(), 1, "the provider is not asked again");
    }
}

#[tokio::test]
async fn a_client_that_has_read_what_was_said_before_the_call_leaves_just_the_same() {
    for way in ways().filter(|way| way.streamed) {
        let rig = Rig::new(&[("look", Does::Hangs)]).await;
        rig.provider.reply(way.script(&Says::calls("r1", CALLS)));
        let mut client = rig.gateway.client().await;
        client.post(&target(way.endpoint), &[BEARER], way.request(&[("user", "Hi")])).await.unwrap();
        assert_eq!(client.head().await.unwrap().status(), 200);
        let mut got = Vec::new();
        // The second of the two pieces in which the text comes.
        while !String::from_utf8_lossy(&got).contains("\" see. \"") {
            got.extend_from_slice(&client.chunk().await.unwrap().expect("the stream goes on"));
        }
        assert_eq!(rig.source.happened().await, "look {\"q\":\"a\"}");
        drop(client);
        assert_eq!(rig.source.happened().await, "dropped look", "{way:?}");
        let recorded = rig.recorded().await;
        assert_eq!((recorded.outcome(), tokens(&recorded)), (End::ClientGone, vec![(7, 3)]), "{way:?}");
        let [tool] = tools(&recorded)[..] else { panic!("one call: {recorded:?}") };
        assert_eq!(tool.invocation_error.as_deref(), Some("cancelled: the client went away"));
        assert_eq!(rig.provider.requests().len(), 1, "the provider is not asked again");
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_second_round_closes_the_providers_stream() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        rig.provider.reply(way.script(&Says::calls("r1", CALLS)));
        rig.provider.reply(Script::sse().hold(&Gate::new()));
        let mut client = rig.gateway.client().await;
        client.post(&target(way.endpoint), &[BEARER], way.request(&[("user", "Hi")])).await.unwrap();
        rig.received().await;
        rig.received().await;
        drop(client);
        rig.provider.client_closed().await;
        let recorded = rig.recorded().await;
        assert_eq!(recorded.outcome(), End::ClientGone, "{way:?}");
        assert_eq!(tools(&recorded)[0].invocation_error, None);
    }
}
