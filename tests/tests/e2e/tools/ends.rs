//! How an exchange with tools ends early.

use aibridge_store::record::Outcome as End;
use aibridge_tests::{Endpoint, Part, Script, Stop};

use super::{Does, Rig, Says, read, tokens, tools, ways};
use crate::{expect::target, fixture::BEARER};

const ASK: &str = r#"{"q":"a"}"#;

/// What the model is told of a call behind the last round.
const LIMIT: &str = "The limit of tool calls for this request is reached and this call was not run. Do not call this tool \
                     again; answer with what is known.";

fn calls() -> Says {
    Says::calls("r1", &[("c1", "bmcp_srv_look", ASK)])
}

#[tokio::test]
async fn a_call_cut_by_the_token_limit_is_not_run_and_not_shown() {
    for way in ways() {
        let cut = Says {
            parts: vec![Part::Text("Let me"), Part::Call("c1", "bmcp_srv_look", r#"{"q":"#)],
            stop: Stop::Length,
            ..calls()
        };
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        let seen = rig.exchange(way, &[cut]).await;
        let stop = match way.endpoint {
            Endpoint::Messages => "max_tokens",
            Endpoint::Chat => "length",
            Endpoint::Responses => "incomplete",
        };
        assert_eq!((seen.text.as_str(), seen.stop.as_str(), seen.tokens), ("Let me", stop, (7, 3)), "{way:?}");
        assert!(seen.calls.is_empty() && seen.error.is_none() && rig.source.so_far().is_empty(), "{way:?}: {seen:?}");
        assert_eq!(rig.asked(way).await.talk, ["user: Hi"], "{way:?}");
        assert_eq!(rig.provider.requests().len(), 1, "{way:?}");
        let recorded = rig.recorded().await;
        let [tool] = tools(&recorded)[..] else { panic!("one call: {recorded:?}") };
        assert_eq!((tool.injected, tool.provider_tool_call_id.as_deref()), (true, Some("c1")), "{tool:?}");
        assert_eq!(tool.invocation_error.as_deref(), Some("the reply broke off"), "{way:?}");
        assert_eq!((recorded.outcome(), tokens(&recorded)), (End::Completed, vec![(7, 3)]), "{way:?}");
    }
}

#[tokio::test]
async fn a_call_before_the_one_that_is_cut_is_not_run_either() {
    for way in ways() {
        let cut = Says {
            parts: vec![
                Part::Text("Let me see. "),
                Part::Call("c1", "bmcp_srv_look", ASK),
                Part::Call("c2", "bmcp_srv_look", r#"{"q":"b"}"#),
            ],
            stop: Stop::Length,
            ..calls()
        };
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        let seen = rig.exchange(way, &[cut]).await;
        assert_eq!((seen.text.as_str(), seen.error), ("Let me see. ", None), "{way:?}");
        assert!(seen.calls.is_empty() && rig.source.so_far().is_empty(), "{way:?}");
        rig.received().await;
        assert_eq!(rig.provider.requests().len(), 1, "{way:?}");
        let recorded = rig.recorded().await;
        let called = tools(&recorded);
        assert_eq!(called.len(), 2, "{way:?}: {called:?}");
        assert!(called.iter().all(|tool| tool.invocation_error.is_some()), "{way:?}: {called:?}");
    }
}

#[tokio::test]
async fn a_stream_cut_inside_a_hidden_call_is_an_error_event_and_nothing_is_run() {
    for way in ways().filter(|way| way.streamed) {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        let stream = calls().stream(way.endpoint);
        // In the middle of the arguments.
        let at = stream.find(r#"\"q\""#).unwrap();
        let at = at + stream[at..].find("\n\n").unwrap() + 2;
        rig.provider.reply(Script::sse().write(stream[..at].to_owned()).cut());
        let (_, body) = rig.post(way, &way.request(&[("user", "Hi")])).await;
        assert!(read(way.endpoint, true, &body).error.is_some(), "{way:?}");
        let recorded = rig.recorded().await;
        assert_eq!(recorded.outcome(), End::Truncated);
        let [tool] = tools(&recorded)[..] else { panic!("one call: {recorded:?}") };
        assert!(tool.injected && tool.invocation_error.is_some() && rig.source.so_far().is_empty());
    }
}

#[tokio::test]
async fn after_the_last_round_the_model_is_told_and_the_reply_ends_properly() {
    for way in ways() {
        let rig = Rig::with(&[("look", Does::Echoes)], |layer| layer.max_rounds(2)).await;
        // It calls again and again: two are run, the third is refused, the fourth is not even answered.
        let seen = rig.exchange(way, &[calls(), calls(), calls(), calls()]).await;
        assert_eq!(seen, way.whole(&"Let me see. ".repeat(4), (28, 12)), "{way:?}");
        assert_eq!(rig.source.so_far().len(), 2);
        for _ in 0..3 {
            rig.received().await;
        }
        let talk = rig.asked(way).await.talk;
        let results: Vec<_> = talk.iter().filter(|line| line.starts_with("result")).collect();
        let echoed = "result c1 {\"q\":\"a\"}";
        assert_eq!(results, [echoed, echoed, &way.failed("c1", LIMIT)], "{way:?}");
        assert_eq!(rig.provider.requests().len(), 4, "{way:?}");
        let recorded = rig.recorded().await;
        assert_eq!(tokens(&recorded), [(7, 3); 4], "{way:?}");
        assert!(tools(&recorded).iter().all(|tool| tool.injected && tool.tool == "look"), "{way:?}");
        let errors: Vec<bool> = tools(&recorded).iter().map(|tool| tool.invocation_error.is_some()).collect();
        assert_eq!(errors, [false, false, true, true]);
        assert_eq!(recorded.outcome(), End::Completed);
    }
}

#[tokio::test]
async fn a_model_that_heeds_the_limit_has_its_answer() {
    for way in ways() {
        let rig = Rig::with(&[("look", Does::Echoes)], |layer| layer.max_rounds(1)).await;
        let seen = rig.exchange(way, &[calls(), calls(), Says::text("r3", "Enough.")]).await;
        assert_eq!(seen, way.whole("Let me see. Let me see. Enough.", (25, 11)), "{way:?}");
        assert_eq!(rig.source.so_far().len(), 1);
        assert_eq!(rig.provider.requests().len(), 3, "{way:?}");
        let recorded = rig.recorded().await;
        let errors: Vec<bool> = tools(&recorded).iter().map(|tool| tool.invocation_error.is_some()).collect();
        assert_eq!((errors, recorded.outcome()), (vec![false, true], End::Completed), "{way:?}");
    }
}

#[tokio::test]
async fn twenty_five_rounds_run_unless_something_is_set() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        let seen = rig.exchange(way, &vec![calls(); 27]).await;
        assert_eq!(seen, way.whole(&"Let me see. ".repeat(27), (27 * 7, 27 * 3)), "{way:?}");
        assert_eq!(rig.source.so_far().len(), 25, "{way:?}");
    }
}

#[tokio::test]
async fn a_response_that_ended_at_the_limit_can_be_gone_on_from() {
    for way in ways().filter(|way| way.endpoint == Endpoint::Responses) {
        let rig = Rig::with(&[("look", Does::Echoes)], |layer| layer.max_rounds(1)).await;
        let says = [("r1", "c1"), ("r2", "c2"), ("r3", "c3")];
        let says = says.map(|(id, call)| Says::calls(id, &[(call, "bmcp_srv_look", ASK)]));
        assert_eq!(rig.exchange(way, &says).await.id, "r1", "{way:?}");
        for _ in says {
            rig.received().await;
        }
        let named = r#""previous_response_id": "r1", "#;
        let request = way.request_of(r#"{"role": "user", "content": "And?"}"#, named);
        rig.send(way, &request, &[Says::text("r4", "Enough.")]).await;
        // The last that was answered, because nobody answers the calls of the very last.
        let asked = rig.received().await;
        assert_eq!(asked.json()["previous_response_id"], "r2", "{way:?}");
        let talk = super::asked(way.endpoint, &asked).talk;
        assert_eq!(talk, [way.failed("c2", LIMIT), "user: And?".to_owned()], "{way:?}");
    }
}

#[tokio::test]
async fn a_blocking_reply_that_breaks_off_breaks_off_for_the_client() {
    for way in ways().filter(|way| !way.streamed) {
        let whole = calls().whole(way.endpoint);
        let part = &whole[..whole.len() / 2];
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", whole.len());
        for script in [
            Script::raw().write(head).write(part.to_owned()),
            Script::chunked(200).field("Content-Type", "application/json").write(part.to_owned()).cut(),
        ] {
            let rig = Rig::new(&[("look", Does::Echoes)]).await;
            rig.provider.reply(script);
            let mut client = rig.gateway.client().await;
            client.post(&target(way.endpoint), &[BEARER], way.request(&[("user", "Hi")])).await.unwrap();
            client.response().await.expect_err("the reply is not whole");
            assert_eq!(rig.recorded().await.outcome(), End::Truncated, "{way:?}");
            assert_eq!((rig.source.so_far().len(), rig.provider.requests().len()), (0, 1), "{way:?}");
        }
    }
}
