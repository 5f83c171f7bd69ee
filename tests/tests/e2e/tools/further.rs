//! Further rounds that fail.

use aibridge_store::record::Outcome as End;
use aibridge_tests::{Endpoint, Says, Script, events};

use super::{Does, Rig, Way, read, read::json_of, tokens, tools, ways};
use crate::{
    encodings::gzip,
    expect::target,
    fixture::{BEARER, Recorded},
};

const ASK: &str = r#"{"q":"a"}"#;

fn calls() -> Says {
    Says::calls("r1", &[("c1", "bmcp_srv_look", ASK)])
}

fn overloaded(way: Way) -> &'static str {
    match way.endpoint {
        Endpoint::Messages => r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded, sorry"}}"#,
        _ => r#"{"error":{"message":"Overloaded, sorry","type":"server_error","param":null,"code":null}}"#,
    }
}

impl Rig {
    /// The first round calls a tool, and the second is answered with this.
    async fn second(way: Way, script: Script) -> Rig {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        rig.provider.reply(way.script(&calls()));
        rig.provider.reply(script);
        rig
    }

    /// Asserts that the provider was asked two times, the second time with the result, and gives the records, among which
    /// the call is.
    async fn asked_twice(&self, way: Way) -> Recorded {
        assert_eq!(self.asked(way).await.talk, ["user: Hi"], "{way:?}");
        assert_eq!(
            self.asked(way).await.talk,
            ["user: Hi", "assistant: Let me see. ", "call c1 bmcp_srv_look {\"q\":\"a\"}", "result c1 {\"q\":\"a\"}"],
            "{way:?}"
        );
        assert_eq!(self.provider.requests().len(), 2, "{way:?}");
        let recorded = self.recorded().await;
        let [tool] = tools(&recorded)[..] else { panic!("one call: {recorded:?}") };
        assert_eq!((&*tool.tool, tool.injected, &tool.invocation_error), ("look", true, &None), "{way:?}");
        assert_eq!(tool.provider_tool_call_id.as_deref(), Some("c1"));
        recorded
    }

    /// Posts a request to which a stream is the answer: what was said before its error, and the error. That nothing
    /// follows it is for [`read`].
    async fn told(&self, way: Way) -> (String, String) {
        let (status, body) = self.post(way, &way.request(&[("user", "Hi")])).await;
        assert_eq!(status, 200, "{way:?}");
        let seen = read(way.endpoint, true, &body);
        assert!(seen.calls.is_empty(), "{way:?}: {seen:?}");
        let error = seen.error.unwrap_or_else(|| panic!("{way:?}: no error in {body:?}"));
        (seen.text, error)
    }
}

#[tokio::test]
async fn a_first_reply_that_is_too_large_to_be_searched_is_refused() {
    let megabyte = " ".repeat(1 << 20);
    let announced = Script::json(200, megabyte.repeat(64) + "{}");
    let not_announced =
        Script::chunked(200).field("Content-Type", "application/json").writes(vec![megabyte.clone(); 64]).write("{}");
    let coded = Script::json(200, gzip(megabyte.repeat(2).as_bytes())).field("Content-Encoding", "gzip");
    for way in ways().filter(|way| !way.streamed) {
        for script in [&announced, &not_announced, &coded] {
            let rig = Rig::new(&[("look", Does::Echoes)]).await;
            rig.provider.reply(script.clone());
            let mut client = rig.gateway.client().await;
            client.post(&target(way.endpoint), &[BEARER], way.request(&[("user", "Hi")])).await.unwrap();
            let (head, body) = client.response().await.unwrap();
            assert_eq!(head.status(), 500, "{way:?}");
            let error = &json_of(&body)["error"]["message"];
            assert!(error.as_str().unwrap().contains("larger than the 67108864 bytes"), "{way:?}: {error}");
            let recorded = rig.recorded().await;
            assert_eq!(head.get("x-ai-bridge-interception-id"), Some(&*recorded.start.id.to_string()), "{way:?}");
            assert_eq!((recorded.outcome(), recorded.end().http_status), (End::GatewayError, Some(500)), "{way:?}");
        }
    }
}

#[tokio::test]
async fn an_error_is_the_apis_own_and_the_call_stays_on_record() {
    for way in ways() {
        let rig = Rig::second(way, Script::json(529, overloaded(way))).await;
        match way.streamed {
            true => {
                let told = ("Let me see. ".to_owned(), "Overloaded, sorry".to_owned());
                assert_eq!(rig.told(way).await, told, "{way:?}");
            }
            false => {
                let (status, body) = rig.post(way, &way.request(&[("user", "Hi")])).await;
                assert_eq!((status, &*body), (529, overloaded(way).as_bytes()), "{way:?}");
            }
        }
        let recorded = rig.asked_twice(way).await;
        assert_eq!((recorded.outcome(), recorded.end().http_status), (End::ProviderError, Some(529)));
        assert_eq!(tokens(&recorded), [(7, 3), (0, 0)]);
    }
}

#[tokio::test]
async fn a_provider_that_is_gone_is_an_error_of_the_gateways() {
    for way in ways() {
        let rig = Rig::second(way, Script::raw()).await;
        match way.streamed {
            true => assert_eq!(rig.told(way).await.0, "Let me see. ", "{way:?}"),
            false => {
                let (status, body) = rig.post(way, &way.request(&[("user", "Hi")])).await;
                assert_eq!(status, 502, "{way:?}");
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert!(body["error"]["message"].as_str().unwrap().starts_with("aibridge: "), "{way:?}: {body}");
            }
        }
        let recorded = rig.asked_twice(way).await;
        assert_eq!(recorded.outcome(), End::GatewayError, "{way:?}");
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_ends_with_an_error_event_behind_what_was_said() {
    for way in ways().filter(|way| way.streamed) {
        let all = events(&Says::text("r2", "It is so.").stream(way.endpoint).into());
        let said = all.iter().position(|event| String::from_utf8_lossy(event).contains("\"It i\"")).unwrap();
        for (sent, text) in [(&all[..0], "Let me see. "), (&all[..=said], "Let me see. It i")] {
            let rig = Rig::second(way, Script::sse().writes(sent.to_vec()).cut()).await;
            assert_eq!(rig.told(way).await.0, text, "{way:?}");
            assert_eq!(rig.asked_twice(way).await.outcome(), End::Truncated, "{way:?}");
        }
    }
}

#[tokio::test]
async fn an_error_within_the_stream_is_the_clients_and_ends_it() {
    for way in ways().filter(|way| way.streamed) {
        let all = events(&Says::text("r2", "It is so.").stream(way.endpoint).into());
        let said = all.iter().position(|event| String::from_utf8_lossy(event).contains("\"It i\"")).unwrap();
        let error = match way.endpoint {
            Endpoint::Messages => format!("event: error\ndata: {}\n\n", overloaded(way)),
            Endpoint::Chat => format!("data: {}\n\n", overloaded(way)),
            Endpoint::Responses => format!(
                "event: error\ndata: {{\"type\":\"error\",\"code\":\"server_error\",\"message\":\"Overloaded, sorry\",\
                 \"param\":null,\"sequence_number\":{}}}\n\n",
                said + 1
            ),
        };
        let rig = Rig::second(way, Script::sse().writes(all[..=said].to_vec()).write(error)).await;
        let told = ("Let me see. It i".to_owned(), "Overloaded, sorry".to_owned());
        assert_eq!(rig.told(way).await, told, "{way:?}");
        assert_eq!(rig.asked_twice(way).await.outcome(), End::ProviderError, "{way:?}");
    }
}

#[tokio::test]
async fn a_stream_that_is_continued_by_what_is_none_ends_with_an_error_event() {
    for way in ways().filter(|way| way.streamed) {
        let says = Says::text("r2", "It is so.");
        for script in [
            Script::json(200, says.whole(way.endpoint)),
            Script::text(200, "What?"),
            Script::sse().field("Content-Encoding", "unknown").write(says.stream(way.endpoint)),
        ] {
            let rig = Rig::second(way, script).await;
            assert_eq!(rig.told(way).await.0, "Let me see. ", "{way:?}");
            let recorded = rig.asked_twice(way).await;
            let kind = recorded.end().error_type.as_deref();
            assert_eq!((recorded.outcome(), kind), (End::Truncated, Some("provider_truncated")), "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_blocking_reply_that_breaks_off_or_cannot_be_read_is_an_error() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n";
    for way in ways().filter(|way| !way.streamed) {
        for script in [
            Script::raw().write(head),
            Script::raw().write([head, "{\"id\": \"r2\""].concat()),
            Script::json(200, "What?").field("Content-Encoding", "gzip"),
            Script::json(200, "What?").field("Content-Encoding", "unknown"),
            Script::text(200, "What?"),
        ] {
            let rig = Rig::second(way, script).await;
            let (status, body) = rig.post(way, &way.request(&[("user", "Hi")])).await;
            assert_eq!(status, 502, "{way:?}: {body:?}");
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(body["error"]["message"].as_str().unwrap().starts_with("aibridge: "), "{way:?}: {body}");
            let recorded = rig.asked_twice(way).await;
            assert_eq!((recorded.outcome(), tokens(&recorded)), (End::Truncated, vec![(7, 3), (0, 0)]), "{way:?}");
            assert_eq!(recorded.end().http_status, Some(502), "{way:?}");
        }
    }
}
