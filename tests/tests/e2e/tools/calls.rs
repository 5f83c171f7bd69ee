//! Calls that run, and what comes of them.

use std::time::Duration;

use aibridge_mcp::Content;
use aibridge_store::record::Outcome as End;
use aibridge_tests::{Endpoint, Script};
use bytes::Bytes;
use serde_json::json;

use super::{
    Does, Rig, Says, read,
    source::{SERVER_URL, failed, result},
    tokens, tools, ways,
};

const ASK: &str = r#"{"q":"a"}"#;
const OTHER: &str = r#"{"q":"b"}"#;

#[tokio::test]
async fn one_call_is_run_and_the_client_sees_one_reply() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        let says = [Says::calls("r1", &[("c1", "bmcp_srv_look", ASK)]), Says::text("r2", "It is so.")];
        let seen = rig.exchange(way, &says).await;
        assert_eq!(seen, way.whole("Let me see. It is so.", (18, 8)), "{way:?}: the tokens are the sum of the rounds");

        let first = rig.asked(way).await;
        assert_eq!((first.tools, first.talk), (vec!["bmcp_srv_look".to_owned()], vec!["user: Hi".to_owned()]));
        let second = rig.asked(way).await;
        assert_eq!(second.tools, ["bmcp_srv_look"]);
        assert_eq!(
            second.talk,
            ["user: Hi", "assistant: Let me see. ", "call c1 bmcp_srv_look {\"q\":\"a\"}", "result c1 {\"q\":\"a\"}"],
            "{way:?}"
        );

        let recorded = rig.recorded().await;
        assert_eq!(recorded.outcome(), End::Completed);
        assert_eq!(tokens(&recorded), [(7, 3), (11, 5)]);
        let [tool] = tools(&recorded)[..] else { panic!("one call: {recorded:?}") };
        assert!(tool.injected && tool.invocation_error.is_none());
        assert_eq!((tool.tool.as_str(), tool.server_url.as_deref()), ("look", Some(SERVER_URL)));
        assert_eq!(tool.provider_tool_call_id.as_deref(), Some("c1"));
        assert_eq!(tool.provider_response_id.as_deref(), Some("r1"));
        let item = (way.endpoint == Endpoint::Responses).then_some("fc_c1");
        assert_eq!(tool.provider_item_id.as_deref(), item, "{way:?}");
        assert_eq!(tool.input, json!({"q": "a"}));
        assert!(tool.metadata["duration_ms"].is_u64());
    }
}

#[tokio::test]
async fn parallel_calls_and_the_same_tool_twice_are_answered_in_their_order() {
    for way in ways() {
        let gate = aibridge_tests::Gate::new();
        let rig = Rig::new(&[("look", Does::Waits(gate.clone())), ("tell", Does::Echoes)]).await;
        let calls = [("c1", "bmcp_srv_look", ASK), ("c2", "bmcp_srv_tell", OTHER), ("c3", "bmcp_srv_look", OTHER)];
        let says = [Says::calls("r1", &calls), Says::text("r2", "Done.")];
        // The first is held until all are running.
        let (seen, ()) = tokio::join!(rig.exchange(way, &says), async {
            let mut happened = [rig.source.happened().await, rig.source.happened().await, rig.source.happened().await];
            happened.sort();
            assert_eq!(happened, ["look {\"q\":\"a\"}", "look {\"q\":\"b\"}", "tell {\"q\":\"b\"}"]);
            gate.open();
        });
        assert_eq!(seen, way.whole("Let me see. Done.", (18, 8)), "{way:?}");

        let first = rig.asked(way).await;
        let second = rig.asked(way).await;
        assert_eq!(second.tools, first.tools, "{way:?}");
        assert_eq!(
            second.talk,
            [
                "user: Hi",
                "assistant: Let me see. ",
                "call c1 bmcp_srv_look {\"q\":\"a\"}",
                "call c2 bmcp_srv_tell {\"q\":\"b\"}",
                "call c3 bmcp_srv_look {\"q\":\"b\"}",
                "result c1 {\"q\":\"a\"}",
                "result c2 {\"q\":\"b\"}",
                "result c3 {\"q\":\"b\"}",
            ],
            "{way:?}"
        );
        assert_eq!(rig.provider.requests().len(), 2);

        let recorded = rig.recorded().await;
        assert_eq!((recorded.outcome(), tokens(&recorded)), (End::Completed, vec![(7, 3), (11, 5)]), "{way:?}");
        let mut tools = tools(&recorded);
        tools.sort_by_key(|tool| tool.provider_tool_call_id.clone());
        for (tool, (id, name, asked)) in
            tools.iter().zip([("c1", "look", "a"), ("c2", "tell", "b"), ("c3", "look", "b")])
        {
            assert_eq!((tool.provider_tool_call_id.as_deref(), &*tool.tool), (Some(id), name), "{way:?}");
            assert_eq!((&tool.input, tool.server_url.as_deref()), (&json!({"q": asked}), Some(SERVER_URL)), "{way:?}");
            assert_eq!(tool.provider_response_id.as_deref(), Some("r1"), "{way:?}");
            assert!(tool.injected && tool.invocation_error.is_none(), "{way:?}: {tool:?}");
        }
        assert_eq!(tools.len(), 3, "{way:?}");
    }
}

#[tokio::test]
async fn three_rounds_are_one_reply() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        let says = [
            Says::calls("r1", &[("c1", "bmcp_srv_look", ASK)]),
            Says::calls("r2", &[("c2", "bmcp_srv_look", OTHER)]),
            Says::text("r3", "Done."),
        ];
        let seen = rig.exchange(way, &says).await;
        assert_eq!(seen, way.whole("Let me see. Let me see. Done.", (25, 11)), "{way:?}");

        let talk = [
            "user: Hi",
            "assistant: Let me see. ",
            "call c1 bmcp_srv_look {\"q\":\"a\"}",
            "result c1 {\"q\":\"a\"}",
            "assistant: Let me see. ",
            "call c2 bmcp_srv_look {\"q\":\"b\"}",
            "result c2 {\"q\":\"b\"}",
        ];
        for so_far in [1, 4, 7] {
            let asked = rig.asked(way).await;
            assert_eq!(asked.tools, ["bmcp_srv_look"], "{way:?}");
            assert_eq!(asked.talk, talk[..so_far], "{way:?}");
        }
        assert_eq!(rig.provider.requests().len(), 3, "{way:?}");

        let recorded = rig.recorded().await;
        assert_eq!(tokens(&recorded), [(7, 3), (7, 3), (11, 5)]);
        let called: Vec<_> = tools(&recorded)
            .into_iter()
            .map(|tool| {
                assert!(tool.injected && tool.invocation_error.is_none(), "{way:?}: {tool:?}");
                [tool.provider_response_id.as_deref(), tool.provider_tool_call_id.as_deref(), Some(&tool.tool)]
            })
            .collect();
        assert_eq!(called, [[Some("r1"), Some("c1"), Some("look")], [Some("r2"), Some("c2"), Some("look")]], "{way:?}");
        assert_eq!(recorded.outcome(), End::Completed);
    }
}

#[tokio::test]
async fn a_failed_call_is_told_to_the_model_alone() {
    for way in ways() {
        let mut outcome = failed("the server is away");
        outcome.duration = Duration::from_millis(1234);
        let rig = Rig::new(&[("look", Does::Answers(outcome))]).await;
        let says = [Says::calls("r1", &[("c1", "bmcp_srv_look", ASK)]), Says::text("r2", "Sorry.")];
        assert_eq!(rig.exchange(way, &says).await, way.whole("Let me see. Sorry.", (18, 8)), "{way:?}");

        rig.asked(way).await;
        let talk = rig.asked(way).await.talk;
        assert_eq!(
            talk[2..],
            ["call c1 bmcp_srv_look {\"q\":\"a\"}", &way.failed("c1", "the server is away")],
            "{way:?}"
        );
        assert_eq!(rig.provider.requests().len(), 2, "{way:?}");

        let recorded = rig.recorded().await;
        let [tool] = tools(&recorded)[..] else { panic!("one call: {recorded:?}") };
        assert_eq!(tool.invocation_error.as_deref(), Some("the server is away"));
        assert_eq!((tool.injected, &tool.metadata["duration_ms"]), (true, &json!(1234)));
        assert_eq!((recorded.outcome(), tokens(&recorded)), (End::Completed, vec![(7, 3), (11, 5)]), "{way:?}");
    }
}

#[tokio::test]
async fn an_image_reaches_the_model_where_the_api_takes_it() {
    for way in ways() {
        let image = Content::Image { media_type: "image/png".to_owned(), base64: "iVBORw0KGgo=".to_owned() };
        let image = result(vec![Content::Text("a picture".to_owned()), image]);
        let rig = Rig::new(&[("look", Does::Answers(image))]).await;
        let says = [Says::calls("r1", &[("c1", "bmcp_srv_look", ASK)]), Says::text("r2", "Nice.")];
        assert_eq!(rig.exchange(way, &says).await, way.whole("Let me see. Nice.", (18, 8)), "{way:?}");

        rig.received().await;
        let second = rig.received().await.json();
        let png = "iVBORw0KGgo=";
        let (told, expected) = match way.endpoint {
            Endpoint::Messages => (
                &second["messages"][2]["content"][0]["content"],
                json!([{"type": "text", "text": "a picture"},
                       {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png}}]),
            ),
            Endpoint::Chat => (
                &second["messages"][2]["content"],
                json!("a picture\n[an image (image/png), which cannot be shown in a tool result]"),
            ),
            Endpoint::Responses => (
                &second["input"][3]["output"],
                json!([{"type": "input_text", "text": "a picture"},
                       {"type": "input_image", "image_url": format!("data:image/png;base64,{png}")}]),
            ),
        };
        assert_eq!(*told, expected, "{way:?}: {second}");
        assert_eq!(rig.provider.requests().len(), 2, "{way:?}");

        let recorded = rig.recorded().await;
        assert_eq!((recorded.outcome(), tokens(&recorded)), (End::Completed, vec![(7, 3), (11, 5)]), "{way:?}");
        let [tool] = tools(&recorded)[..] else { panic!("one call: {recorded:?}") };
        assert_eq!((&*tool.tool, tool.injected, &tool.invocation_error), ("look", true, &None), "{way:?}");
    }
}

#[tokio::test]
async fn arguments_that_are_no_object_are_told_to_the_model_and_recorded_as_they_are() {
    for way in ways() {
        // Blocking Messages hold an object whatever the model wrote.
        if way.endpoint == Endpoint::Messages && !way.streamed {
            continue;
        }
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        let says = [Says::calls("r1", &[("c1", "bmcp_srv_look", "{\"q\": ")]), Says::text("r2", "Sorry.")];
        let seen = rig.exchange(way, &says).await;
        assert_eq!(seen.text, "Let me see. Sorry.", "{way:?}");
        assert_eq!(rig.source.so_far(), [""; 0]);
        rig.asked(way).await;
        let recorded = rig.recorded().await;
        let [tool] = tools(&recorded)[..] else { panic!("one call") };
        assert_eq!((&tool.input, &tool.metadata["truncated"]), (&json!("{\"q\": "), &json!(true)));
        assert!(tool.invocation_error.is_some());
    }
}

#[tokio::test]
async fn a_stream_that_comes_byte_by_byte_is_the_same_reply() {
    for way in ways().filter(|way| way.streamed) {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        let says = [Says::calls("r1", &[("c1", "bmcp_srv_look", ASK)]), Says::text("r2", "It is so.")];
        let whole = rig.exchange(way, &says).await;
        for says in says {
            let bytes = says.stream(way.endpoint).into_bytes();
            rig.provider.reply(Script::sse().writes(bytes.chunks(1).map(Bytes::copy_from_slice)));
        }
        let (_, body) = rig.post(way, &way.request(&[("user", "Hi")])).await;
        assert_eq!(read(way.endpoint, true, &body), whole, "{way:?}");
    }
}
