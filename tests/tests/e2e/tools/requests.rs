//! Tools in the request.

use aibridge_tests::Endpoint;

use super::{Does, Rig, Says, asked, ways};

#[tokio::test]
async fn two_turns_in_a_row_begin_with_the_same_bytes() {
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes), ("tell", Does::Echoes)]).await;
        rig.exchange(way, &[Says::text("r1", "Hello.")]).await;
        let second = way.request(&[("user", "Hi"), ("assistant", "Hello."), ("user", "And?")]);
        rig.send(way, &second, &[Says::text("r2", "Bye.")]).await;
        let (first, second) = (rig.received().await, rig.received().await);
        let tools = |body: &[u8]| {
            let text = String::from_utf8_lossy(body).into_owned();
            let at = text.find(r#""tools""#).expect("tools are there");
            text[at..].split("]").next().unwrap().to_owned()
        };
        assert_eq!(tools(&first.body), tools(&second.body), "{way:?}");
        // Where the conversation comes last, everything before it is the same; it is the caches' order in any case.
        let (first, second) = (asked(way.endpoint, &first), asked(way.endpoint, &second));
        assert_eq!(first.tools, second.tools);
        assert_eq!(second.talk[..first.talk.len()], first.talk);
    }
}

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
            Endpoint::Messages => assert_eq!(tools.len(), 150),
            _ => {
                assert_eq!(tools.len(), 128);
                assert_eq!(tools.last().unwrap(), "bmcp_srv_t117", "cut from the end of the order");
            }
        }
    }
}

#[tokio::test]
async fn odd_and_long_names_come_back_to_their_tool() {
    const LONG: &str =
        "a tool.with/odd characters: \u{e9}, and a name of a hundred characters or so, because why ever not? yes";
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
