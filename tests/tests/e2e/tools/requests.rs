//! Tools in the request.

use aibridge_tests::Endpoint;

use super::{Does, Rig, Says, Way, ways};
use crate::{
    expect::target,
    fixture::{BEARER, path},
};

#[tokio::test]
async fn of_140_tools_an_openai_provider_gets_128_with_all_of_the_clients() {
    let names: Vec<&'static str> = (0..140).map(|n| &*Box::leak(format!("t{n:03}").into_boxed_str())).collect();
    let ours: Vec<_> = names.iter().map(|name| (*name, Does::Echoes)).collect();
    for way in ways() {
        let rig = Rig::new(&ours).await;
        let tool = |name: &str| match way.endpoint {
            Endpoint::Messages => format!(r#"{{"name": "{name}", "input_schema": {{"type": "object"}}}}"#),
            Endpoint::Chat => format!(r#"{{"type": "function", "function": {{"name": "{name}"}}}}"#),
            Endpoint::Responses => format!(r#"{{"type": "function", "name": "{name}", "parameters": {{}}}}"#),
        };
        let clients: Vec<String> = (0..10).map(|n| tool(&format!("client{n}"))).collect();
        let more = format!(r#""tools": [{}], "#, clients.join(", "));
        rig.send(way, &way.request_of(r#"{"role": "user", "content": "Hi"}"#, &more), &[Says::text("r1", "Hello.")])
            .await;
        let tools = rig.asked(way).await.tools;
        let of_client = tools.iter().filter(|name| name.starts_with("client")).count();
        assert_eq!(of_client, 10, "{way:?}");
        match way.endpoint {
            Endpoint::Messages => {
                assert_eq!(tools.len(), 150);
                assert!(tools[140..].iter().all(|name| name.starts_with("client")), "{tools:?}");
            }
            _ => {
                assert_eq!(tools.len(), 128);
                assert!(tools[..10].iter().all(|name| name.starts_with("client")), "{tools:?}");
                assert_eq!(tools.last().unwrap(), "bmcp_srv_t117", "cut from the end of the order");
            }
        }
    }
}

#[tokio::test]
async fn odd_and_long_names_come_back_to_their_tool() {
    const LONG: &str =
        "a tool.with/odd characters: \u{e9}, and a name of one hundred characters or so, because why ever not? yes";
    assert_eq!(LONG.chars().count(), 100);
    for way in ways() {
        let rig = Rig::new(&[(LONG, Does::Echoes)]).await;
        let name = aibridge_mcp::ToolNames::new([aibridge_mcp::Tool::new("srv", LONG)]);
        let name: &'static str = Box::leak(name.iter().next().unwrap().0.to_owned().into_boxed_str());
        assert!(name.len() <= 64);
        let calls = Says::calls("r1", &[("c1", name, "{}")]);
        let seen = rig.exchange(way, &[calls, Says::text("r2", "Done.")]).await;
        assert_eq!(seen.text, "Let me see. Done.", "{way:?}");
        assert_eq!(rig.source.so_far(), [format!("{LONG} {{}}")]);
        assert_eq!(rig.recorded().await.tools(), [LONG]);
    }
}

#[tokio::test]
async fn a_further_round_has_the_head_of_the_first() {
    let sent = [BEARER, ("Anthropic-Beta", "one-2026-01-01"), ("X-Own", "a"), ("X-Own", "b")];
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        rig.provider.reply(way.script(&Says::calls("r1", &[("c1", "bmcp_srv_look", "{}")])));
        rig.provider.reply(way.script(&Says::text("r2", "Done.")));
        let mut client = rig.gateway.client().await;
        client.post(&target(way.endpoint), &sent, way.request(&[("user", "Hi")])).await.unwrap();
        client.response().await.unwrap();
        let (first, second) = (rig.received().await.head, rig.received().await.head);
        assert_eq!(second.start_line(), first.start_line(), "{way:?}");
        let [first, second] = [&first, &second].map(|head| {
            head.fields()
                .into_iter()
                .filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"))
                .collect::<Vec<_>>()
        });
        assert_eq!(second, first, "{way:?}");
        for (name, value) in &sent[1..] {
            assert!(first.iter().any(|(it, of)| it.eq_ignore_ascii_case(name) && of == value), "{way:?}: {first:?}");
        }
    }
}

#[tokio::test]
async fn a_request_that_wants_no_tools_passes_as_it_is() {
    for way in ways() {
        let tool = match way.endpoint {
            Endpoint::Messages => r#"{"name": "mine", "input_schema": {"type": "object"}}"#,
            Endpoint::Chat => r#"{"type": "function", "function": {"name": "mine"}}"#,
            Endpoint::Responses => r#"{"type": "function", "name": "mine", "parameters": {}}"#,
        };
        let none = if way.endpoint == Endpoint::Messages { r#"{"type": "none"}"# } else { r#""none""# };
        for more in [r#""tools": [], "#.to_owned(), format!(r#""tools": [{tool}],  "tool_choice": {none}, "#)] {
            let request = way.request_of(r#"{"role": "user", "content": "Hi"}"#, &more);
            assert_passes(way, &target(way.endpoint), &request).await;
        }
    }
}

#[tokio::test]
async fn a_compaction_passes_as_it_is() {
    let way = Way { endpoint: Endpoint::Responses, streamed: false };
    let request = way.request_of(r#"{"role": "user", "content": "Hi"}"#, r#""instructions":  "Be brief.", "#);
    assert_passes(way, &path("openai", "/v1/responses/compact"), &request).await;
}

/// Asserts that neither the request nor its reply are changed.
async fn assert_passes(way: Way, target: &str, request: &str) {
    let rig = Rig::new(&[("look", Does::Echoes)]).await;
    let says = Says::text("r1", "Hello.");
    rig.provider.reply(way.script(&says));
    let mut client = rig.gateway.client().await;
    client.post(target, &[BEARER], request).await.unwrap();
    let (head, body) = client.response().await.unwrap();
    assert_eq!(rig.received().await.body, request, "{way:?}");
    let said = if way.streamed { says.stream(way.endpoint) } else { says.whole(way.endpoint) };
    assert_eq!((head.status(), &*body), (200, said.as_bytes()), "{way:?}");
    // The same gateway gives tools to others.
    rig.exchange(Way { streamed: false, ..way }, &[says]).await;
    assert_eq!(rig.asked(way).await.tools, ["bmcp_srv_look"], "{way:?}");
}
