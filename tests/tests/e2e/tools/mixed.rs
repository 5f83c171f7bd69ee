//! Calls of ours and of the client's in one reply.

use aibridge_store::record::Outcome as End;
use aibridge_tests::Endpoint;

use super::{Does, Read, Rig, Says, Way, asked, tokens, tools, ways};

const ASK: &str = r#"{"q":"a"}"#;

/// What the client sends when it returns with the result of its call `c2`, having seen `text` before it.
fn returns(way: Way, text: &str) -> String {
    way.request_of(&returned(way, text), "")
}

/// The messages or items of it.
pub(super) fn returned(way: Way, text: &str) -> String {
    match way.endpoint {
        Endpoint::Messages => format!(
            r#"{{"role": "user", "content": "Hi"}}, {{"role": "assistant", "content": [{{"type": "text", "text": "{text}"}}, {{"type": "tool_use", "id": "c2", "name": "mine", "input": {{"q":"b"}}}}]}}, {{"role": "user", "content": [{{"type": "tool_result", "tool_use_id": "c2", "content": "found"}}]}}"#
        ),
        Endpoint::Chat => format!(
            r#"{{"role": "user", "content": "Hi"}}, {{"role": "assistant", "content": "{text}", "tool_calls": [{{"id": "c2", "type": "function", "function": {{"name": "mine", "arguments": "{{\"q\":\"b\"}}"}}}}]}}, {{"role": "tool", "tool_call_id": "c2", "content": "found"}}"#
        ),
        Endpoint::Responses => format!(
            r#"{{"role": "user", "content": "Hi"}}, {{"id": "msg_r1", "type": "message", "role": "assistant", "status": "completed", "content": [{{"type": "output_text", "text": "{text}", "annotations": []}}]}}, {{"id": "fc_c2", "type": "function_call", "call_id": "c2", "name": "mine", "arguments": "{{\"q\":\"b\"}}", "status": "completed"}}, {{"type": "function_call_output", "call_id": "c2", "output": "found"}}"#
        ),
    }
}

#[tokio::test]
async fn the_clients_call_reaches_it_and_the_hidden_one_comes_back_with_its_result() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        let both = Says::calls("r1", &[("c1", "bmcp_srv_look", ASK), ("c2", "mine", r#"{"q":"b"}"#)]);
        let seen = rig.exchange(way, &[both]).await;
        assert_eq!((seen.text.as_str(), seen.stop.as_str()), ("Let me see. ", way.end_of_calls()), "{way:?}");
        assert_eq!(seen.calls, [("c2".to_owned(), "mine".to_owned(), r#"{"q":"b"}"#.to_owned())]);
        assert_eq!((seen.id.as_str(), seen.tokens, seen.error), ("r1", (7, 3), None), "{way:?}");
        assert_eq!(rig.source.so_far(), ["look {\"q\":\"a\"}"]);
        let recorded = rig.recorded().await;
        assert_eq!(tokens(&recorded), [(7, 3)]);
        let mut called: Vec<_> = tools(&recorded).iter().map(|tool| (tool.tool.as_str(), tool.injected)).collect();
        called.sort_unstable();
        assert_eq!(called, [("look", true), ("mine", false)]);
        assert_eq!(recorded.outcome(), End::Completed, "{way:?}");
        assert_eq!(rig.asked(way).await.talk, ["user: Hi"], "{way:?}");

        let seen = rig.send(way, &returns(way, "Let me see. "), &[Says::text("r2", "So it is.")]).await;
        assert_eq!(seen, Read { id: "r2".to_owned(), ..way.whole("So it is.", (11, 5)) }, "{way:?}");
        assert_eq!(
            rig.asked(way).await.talk,
            [
                "user: Hi",
                "assistant: Let me see. ",
                "call c1 bmcp_srv_look {\"q\":\"a\"}",
                "call c2 mine {\"q\":\"b\"}",
                "result c1 {\"q\":\"a\"}",
                "result c2 found",
            ],
            "{way:?}: one coherent history"
        );
        assert_eq!(rig.provider.requests().len(), 2, "{way:?}");
        let recorded = rig.recorded().await;
        assert_eq!((recorded.outcome(), tokens(&recorded)), (End::Completed, vec![(11, 5)]), "{way:?}");
        assert!(tools(&recorded).is_empty(), "{way:?}: what ran is on record already: {recorded:?}");
    }
}

#[tokio::test]
async fn rounds_before_the_mixed_one_come_back_too() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        let first = Says::calls("r1", &[("c0", "bmcp_srv_look", ASK)]);
        let both = Says::calls("r2", &[("c2", "mine", r#"{"q":"b"}"#), ("c1", "bmcp_srv_look", ASK)]);
        let seen = rig.exchange(way, &[first, both]).await;
        assert_eq!(seen.calls.len(), 1, "{way:?}");
        assert_eq!(seen.tokens, (14, 6));
        rig.received().await;
        rig.received().await;
        rig.recorded().await;
        // Responses have an item for each round's text.
        if way.endpoint == Endpoint::Responses {
            continue;
        }
        let text = match way.endpoint {
            Endpoint::Messages => r#"Let me see. "}, {"type": "text", "text": "Let me see. "#,
            _ => "Let me see. Let me see. ",
        };
        rig.send(way, &returns(way, text), &[Says::text("r3", "So it is.")]).await;
        let mut expected = vec![
            "user: Hi",
            "assistant: Let me see. ",
            "call c0 bmcp_srv_look {\"q\":\"a\"}",
            "result c0 {\"q\":\"a\"}",
            "assistant: Let me see. ",
            "call c2 mine {\"q\":\"b\"}",
            "call c1 bmcp_srv_look {\"q\":\"a\"}",
            "result c2 found",
            "result c1 {\"q\":\"a\"}",
        ];
        if way.endpoint == Endpoint::Chat {
            // Ours stand behind the message that called, so that the client's own messages keep their bytes.
            expected.swap(7, 8);
        }
        assert_eq!(rig.asked(way).await.talk, expected, "{way:?}");
    }
}

#[tokio::test]
async fn another_user_with_the_same_ids_gets_nothing_back() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        let both = Says::calls("r1", &[("c1", "bmcp_srv_look", ASK), ("c2", "mine", r#"{"q":"b"}"#)]);
        rig.exchange(way, &[both]).await;
        rig.received().await;
        rig.provider.reply(way.script(&Says::text("r2", "So it is.")));
        let mut client = rig.gateway.client().await;
        let request = returns(way, "Let me see. ");
        client.post(&crate::expect::target(way.endpoint), &[crate::fixture::OTHER_BEARER], request).await.unwrap();
        client.response().await.unwrap();
        let talk = rig.asked(way).await.talk;
        assert!(!talk.iter().any(|line| line.contains("c1")), "{way:?}: {talk:?}");
    }
}

#[tokio::test]
async fn without_what_was_hidden_the_clients_own_history_goes_on_as_it_is() {
    for way in ways() {
        let rig = Rig::with(&[("look", Does::Echoes)], |layer| layer.kept_bytes(0)).await;
        let both = Says::calls("r1", &[("c1", "bmcp_srv_look", ASK), ("c2", "mine", r#"{"q":"b"}"#)]);
        let seen = rig.exchange(way, &[both]).await;
        assert_eq!(seen.calls.len(), 1, "{way:?}");
        let first = rig.received().await;
        let seen = rig.send(way, &returns(way, "Let me see. "), &[Says::text("r2", "So it is.")]).await;
        assert_eq!(seen.text, "So it is.", "{way:?}");
        let second = rig.received().await;
        assert_eq!(
            asked(way.endpoint, &second).talk,
            ["user: Hi", "assistant: Let me see. ", "call c2 mine {\"q\":\"b\"}", "result c2 found"],
            "{way:?}"
        );
        // But for the conversation it is the first request, and of that it is what the client sent.
        let (first, second) = (String::from_utf8_lossy(&first.body), String::from_utf8_lossy(&second.body));
        let hi = r#"{"role": "user", "content": "Hi"}"#;
        assert!(first.contains(hi) && first.contains("bmcp_srv_look"));
        assert_eq!(second, first.replace(hi, &returned(way, "Let me see. ")), "{way:?}");
    }
}
