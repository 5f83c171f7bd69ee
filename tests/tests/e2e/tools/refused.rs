//! Providers that refuse a request for the tools in it.

use aibridge_store::record::Outcome as End;
use aibridge_tests::{Says, Script};

use super::{Does, Rig, mixed::returned, tokens, tools, ways};
use crate::{encodings::gzip, expect::target, fixture::BEARER};

const NO_TOOLS: &str = r#"{"error": {"type": "invalid_request_error", "message": "m does not support Tools"}}"#;

#[tokio::test]
async fn what_is_refused_for_our_tools_is_asked_again_as_the_client_sent_it() {
    for way in ways() {
        for status in [400, 404, 422, 500, 501] {
            let rig = Rig::new(&[("look", Does::Echoes)]).await;
            rig.provider.reply(Script::json(status, NO_TOOLS));
            let request = way.request(&[("user", "Hi")]);
            let seen = rig.send(way, &request, &[Says::text("r1", "Hello.")]).await;
            assert_eq!(seen, way.whole("Hello.", (11, 5)), "{way:?}");
            assert_eq!(rig.asked(way).await.tools, ["bmcp_srv_look"], "{way:?}");
            assert_eq!(rig.received().await.body, request, "{way:?}");
            assert_eq!(rig.provider.requests().len(), 2, "{way:?}");
            let recorded = rig.recorded().await;
            assert_eq!((recorded.outcome(), tokens(&recorded)), (End::Completed, vec![(0, 0), (11, 5)]), "{way:?}");
            assert!(tools(&recorded).is_empty(), "{way:?}");
        }
    }
}

#[tokio::test]
async fn what_is_refused_for_something_else_is_not_asked_again() {
    for way in ways() {
        for (status, body) in [
            (400, r#"{"error": {"message": "max_tokens is too large"}}"#),
            (413, NO_TOOLS),
            (504, NO_TOOLS),
            (503, NO_TOOLS),
        ] {
            let rig = Rig::new(&[("look", Does::Echoes)]).await;
            rig.provider.reply(Script::json(status, body));
            let (got, said) = rig.post(way, &way.request(&[("user", "Hi")])).await;
            assert_eq!((got, &*said), (status, body.as_bytes()), "{way:?}");
            assert_eq!(rig.provider.requests().len(), 1, "{way:?}");
            assert_eq!(rig.recorded().await.outcome(), End::ProviderError, "{way:?}");
        }
    }
}

#[tokio::test]
async fn what_is_refused_without_our_tools_too_is_the_clients_to_see() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        rig.provider.reply(Script::json(400, NO_TOOLS));
        let own = r#"{"error": {"message": "the client's own tool is not well made"}}"#;
        rig.provider.reply(Script::json(422, own).field("X-Of", "second"));
        let (status, said) = rig.post(way, &way.request(&[("user", "Hi")])).await;
        assert_eq!((status, &*said), (422, own.as_bytes()), "{way:?}");
        assert_eq!(rig.provider.requests().len(), 2, "{way:?}");
        let recorded = rig.recorded().await;
        assert_eq!((recorded.outcome(), tokens(&recorded)), (End::ProviderError, vec![(0, 0); 2]), "{way:?}");
    }
}

#[tokio::test]
async fn a_coded_request_and_a_coded_refusal_are_read() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        rig.provider.reply(Script::json(400, gzip(NO_TOOLS.as_bytes())).field("Content-Encoding", "gzip"));
        rig.provider.reply(way.script(&Says::text("r1", "Hello.")));
        let request = way.request(&[("user", "Hi")]);
        let mut client = rig.gateway.client().await;
        let fields = [BEARER, ("Content-Encoding", "gzip"), ("Idempotency-Key", "1"), ("X-Initiator", "user")];
        client.post(&target(way.endpoint), &fields, gzip(request.as_bytes())).await.unwrap();
        assert_eq!(client.response().await.unwrap().0.status(), 200, "{way:?}");
        rig.received().await;
        let second = rig.received().await;
        assert_eq!((second.body.as_ref(), second.head.get("content-encoding")), (request.as_bytes(), None), "{way:?}");
        // Nothing has come of the first.
        assert_eq!(
            (second.head.get("x-initiator"), second.head.get("idempotency-key")),
            (Some("user"), None),
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn without_our_tools_the_history_is_the_clients_own_too() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        rig.exchange(way, &[Says::calls("r1", &[("c1", "bmcp_srv_look", "{}"), ("c2", "mine", r#"{"q":"b"}"#)])]).await;
        rig.received().await;
        let request = way.request_of(&returned(way, "Let me see. "), "");
        rig.provider.reply(Script::json(400, NO_TOOLS));
        rig.send(way, &request, &[Says::text("r2", "Done.")]).await;
        let talk = rig.asked(way).await.talk;
        assert!(talk.iter().any(|line| line.starts_with("call c1")), "{way:?}: it was put back: {talk:?}");
        assert_eq!(rig.received().await.body, request, "{way:?}");
    }
}
