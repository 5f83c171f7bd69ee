//! Injected tools on Bedrock.

use aibridge_tests::{Endpoint, Says, Script, frames};
use aibridge_tower::tools::ToolsLayer;

use super::{MODEL, World, data, framed, setup};
use crate::{
    fixture::{BEARER, Setup, path},
    tools::{Does, Source},
};

const ARGUMENTS: &str = r#"{"q":"a"}"#;

async fn world(source: &Source) -> World {
    World::with(Setup { tools: ToolsLayer::new(source.clone()), ..setup() }).await
}

#[tokio::test]
async fn a_call_in_frames_is_run_and_every_round_is_signed() {
    let source = Source::new(&[("look", Does::Echoes)]);
    let says = [Says::calls("r1", &[("c1", "bmcp_srv_look", ARGUMENTS)]), Says::text("r2", "It is so.")];
    for streamed in [true, false] {
        let mut world = world(&source).await;
        let round = |says: &Says| match streamed {
            true => framed(frames(&says.stream(Endpoint::Messages).into())),
            false => Script::json(200, says.whole(Endpoint::Messages)),
        };
        let ask = format!(
            r#"{{"model": "claude-sonnet-4-5", "max_tokens": 9, "stream": {streamed}, "messages": [{{"role": "user", "content": "Hi"}}]}}"#
        );
        world.answers.0.lock().unwrap().push_back(round(&says[0]));
        let answer = world.ask(&path("bedrock", "/v1/messages"), &[BEARER], ask.as_bytes(), round(&says[1])).await;
        assert_eq!(answer.head.status(), 200, "{:?}", answer.body);
        let body = String::from_utf8_lossy(&answer.body);
        assert!(!body.contains("bmcp_srv_look"), "{body}");
        let text: String = match streamed {
            true => data(&answer.body).iter().filter_map(|event| event["delta"]["text"].as_str()).collect(),
            false => {
                answer.json()["content"].as_array().unwrap().iter().filter_map(|part| part["text"].as_str()).collect()
            }
        };
        assert_eq!(text, "Let me see. It is so.");
        assert_eq!(source.so_far(), [format!("look {ARGUMENTS}")]);
        let (first, second) = (world.received().await, world.received().await);
        assert_eq!(first.json()["tools"][0]["name"], "bmcp_srv_look");
        assert_eq!(second.json()["messages"][2]["content"][0]["type"], "tool_result");
        assert_eq!(first.head.target(), second.head.target());
        let recorded = world.gateway().records.take().await;
        assert_eq!((recorded.tools(), &*recorded.start.model), (vec!["look"], MODEL));
    }
}

#[tokio::test]
async fn clients_that_speak_bedrock_get_none() {
    let source = Source::new(&[("look", Does::Echoes)]);
    let mut world = world(&source).await;
    let body =
        br#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;
    let says = Says::text("r1", "Hello.");
    let all = frames(&says.stream(Endpoint::Messages).into());
    let target = path("bedrock", &format!("/model/{MODEL}/invoke-with-response-stream"));
    let answer = world.ask(&target, &[BEARER], body, framed(all.clone())).await;
    assert_eq!(answer.body, all.concat());
    assert_eq!(&*world.received().await.body, body);
}
