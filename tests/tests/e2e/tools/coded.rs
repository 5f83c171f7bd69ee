//! Providers that compress, because the client said that it takes that.

use aibridge_store::record::Outcome as End;
use aibridge_tests::{Endpoint, Head, Script, events};
use bytes::Bytes;
use serde_json::json;

use super::{Does, Rig, Says, Way, live::flushed, read, tokens, tools, ways};
use crate::{
    encodings::{brotli, gzip, zstd},
    expect::target,
    fixture::BEARER,
};

type Coding = (&'static str, fn(&[u8]) -> Vec<u8>);

const PLAIN: Coding = ("identity", <[u8]>::to_vec);

const CODINGS: [Coding; 4] =
    [("gzip", gzip), ("br", brotli), ("zstd", zstd), ("br, gzip", |plain| gzip(&brotli(plain)))];

const ACCEPTED: (&str, &str) = ("Accept-Encoding", "gzip, br, zstd");

const CALLS: &[(&str, &str, &str)] = &[("c1", "bmcp_srv_look", r#"{"q":"a"}"#)];

/// What the provider answers, uncompressed.
fn plain(way: Way, says: &Says) -> Bytes {
    if way.streamed { says.stream(way.endpoint) } else { says.whole(way.endpoint) }.into()
}

/// The same in a coding, in pieces that have nothing to do with events.
fn coded(way: Way, says: &Says, (name, code): Coding) -> Script {
    let head = match way.streamed {
        true => Script::sse(),
        false => Script::chunked(200).field("Content-Type", "application/json"),
    };
    let body = code(&plain(way, says));
    head.field("Content-Encoding", name).writes(body.chunks(97).map(Bytes::copy_from_slice))
}

impl Rig {
    async fn ask(&self, way: Way) -> (Head, Bytes) {
        let mut client = self.gateway.client().await;
        let request = way.request(&[("user", "Hi")]);
        client.post(&target(way.endpoint), &[BEARER, ACCEPTED], request).await.unwrap();
        client.response().await.unwrap()
    }
}

#[tokio::test]
async fn compressed_rounds_are_one_plain_reply() {
    let says = [Says::calls("r1", CALLS), Says::text("r2", "It is so.")];
    for way in ways() {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        for says in &says {
            rig.provider.reply(way.script(says));
        }
        let (_, uncompressed) = rig.ask(way).await;
        for coding in CODINGS {
            for rounds in [[coding, coding], [coding, PLAIN], [PLAIN, coding]] {
                let context = format!("{way:?}, {} then {}", rounds[0].0, rounds[1].0);
                let rig = Rig::new(&[("look", Does::Echoes)]).await;
                for (says, coding) in says.iter().zip(rounds) {
                    rig.provider.reply(coded(way, says, coding));
                }
                let (head, body) = rig.ask(way).await;
                assert_eq!((head.status(), head.get("content-encoding")), (200, None), "{context}");
                assert_eq!(body, uncompressed, "{context}");
                let seen = read(way.endpoint, way.streamed, &body);
                assert_eq!((seen.text.as_str(), seen.tokens), ("Let me see. It is so.", (18, 8)), "{context}");

                assert_eq!(rig.source.so_far(), ["look {\"q\":\"a\"}"], "{context}");
                for _ in 0..2 {
                    let asked = rig.received().await;
                    assert_eq!(asked.head.get(ACCEPTED.0), Some(ACCEPTED.1), "{context}");
                }
                let recorded = rig.recorded().await;
                assert_eq!(tokens(&recorded), [(7, 3), (11, 5)], "{context}");
                let [tool] = tools(&recorded)[..] else { panic!("{context}: one call: {recorded:?}") };
                assert!(tool.injected && tool.invocation_error.is_none(), "{context}");
                assert_eq!(recorded.outcome(), End::Completed, "{context}");
            }
        }
    }
}

#[tokio::test]
async fn a_compressed_reply_without_calls_says_the_same_bytes() {
    for way in ways() {
        for coding in CODINGS {
            let context = format!("{way:?}, {}", coding.0);
            let rig = Rig::new(&[("look", Does::Echoes)]).await;
            let says = Says::text("r1", "It is so.");
            rig.provider.reply(coded(way, &says, coding));
            let (head, body) = rig.ask(way).await;
            match way.streamed {
                // Whether a tool will be called is not known when its head leaves.
                true => {
                    assert_eq!(head.get("content-encoding"), None, "{context}");
                    assert_eq!(body, plain(way, &says), "{context}");
                }
                false => {
                    assert_eq!(head.get("content-encoding"), Some(coding.0), "{context}");
                    assert_eq!(body, coding.1(&plain(way, &says)), "{context}");
                }
            }
            let recorded = rig.recorded().await;
            assert_eq!((tokens(&recorded), recorded.outcome()), (vec![(11, 5)], End::Completed), "{context}");
        }
    }
}

#[tokio::test]
async fn a_compressed_error_in_the_second_round_is_told() {
    for way in ways() {
        for coding in CODINGS {
            let context = format!("{way:?}, {}", coding.0);
            let rig = Rig::new(&[("look", Does::Echoes)]).await;
            rig.provider.reply(coded(way, &Says::calls("r1", CALLS), coding));
            let error =
                coding.1(br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded, sorry"}}"#);
            rig.provider.reply(Script::json(529, error.clone()).field("Content-Encoding", coding.0));
            let (head, body) = rig.ask(way).await;
            match way.streamed {
                true => {
                    let seen = read(way.endpoint, true, &body);
                    assert_eq!((head.status(), seen.error.as_deref()), (200, Some("Overloaded, sorry")), "{context}");
                }
                false => {
                    assert_eq!((head.status(), head.get("content-encoding")), (529, Some(coding.0)), "{context}");
                    assert_eq!(body, error, "{context}");
                }
            }
        }
    }
}

#[tokio::test]
async fn usage_that_only_the_gateway_asks_for_is_recorded_of_each_round_and_not_shown_in_plain_streams() {
    let way = Way { endpoint: Endpoint::Chat, streamed: true };
    let request = r#"{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}"#;
    for coding in [PLAIN].into_iter().chain(CODINGS) {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        rig.provider.reply(coded(way, &Says::calls("r1", CALLS), coding));
        rig.provider.reply(coded(way, &Says::text("r2", "It is so."), coding));
        let (status, body) = rig.post(way, request).await;
        assert_eq!(status, 200, "{}", coding.0);
        let seen = read(way.endpoint, true, &body);
        assert_eq!((seen.text.as_str(), seen.stop.as_str()), ("Let me see. It is so.", "stop"), "{}", coding.0);
        let shown = String::from_utf8_lossy(&body);
        if coding.0 == PLAIN.0 {
            // A compressed stream passes the recording layer as it is, usage and all.
            assert!(!shown.contains(r#""choices":[]"#) && !shown.contains("prompt_tokens"), "{shown}");
        }
        for _ in 0..2 {
            assert_eq!(rig.received().await.json()["stream_options"], json!({"include_usage": true}));
        }
        let recorded = rig.recorded().await;
        let expected = (End::Completed, vec![(7, 3), (11, 5)]);
        assert_eq!((recorded.outcome(), tokens(&recorded)), expected, "{}", coding.0);
    }
}

#[tokio::test]
async fn a_compressed_stream_that_breaks_off_ends_with_an_error_event_as_a_plain_one_does() {
    const TRUNCATED: &str = "aibridge: the provider's answer broke off before its end; try again";
    for way in ways().filter(|way| way.streamed) {
        for coding in CODINGS {
            let body = coding.1(&plain(way, &Says::text("r2", "It is so.")));
            // The stream of bytes ends, and what they are the code of does not; or they are no code at all.
            for broken in [body[..body.len() - 30].to_vec(), b"event: no code".to_vec()] {
                for rounds in [&[][..], &[Says::calls("r1", CALLS)]] {
                    let context = format!("{way:?}, {} behind {} rounds", coding.0, rounds.len());
                    let rig = Rig::new(&[("look", Does::Echoes)]).await;
                    for says in rounds {
                        rig.provider.reply(coded(way, says, coding));
                    }
                    rig.provider.reply(Script::sse().field("Content-Encoding", coding.0).write(broken.clone()));
                    let (status, body) = rig.post(way, &way.request(&[("user", "Hi")])).await;
                    assert_eq!(status, 200, "{context}");
                    let shown = String::from_utf8_lossy(&body);
                    assert!(shown.contains(TRUNCATED) && shown.ends_with("\n\n"), "{context}: {shown}");
                    if !rounds.is_empty() {
                        let seen = read(way.endpoint, true, &body);
                        assert_eq!(seen.error.as_deref(), Some(TRUNCATED), "{context}");
                        assert!(seen.text.starts_with("Let me see. "), "{context}: {seen:?}");
                    }
                    let recorded = rig.recorded().await;
                    assert_eq!(
                        (recorded.outcome(), tools(&recorded).len()),
                        (End::Truncated, rounds.len()),
                        "{context}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_compressed_stream_that_ends_inside_a_hidden_call_is_an_error_event_and_nothing_is_run() {
    for way in ways().filter(|way| way.streamed) {
        for coding in ["gzip", "br", "zstd"] {
            let context = format!("{way:?}, {coding}");
            let rig = Rig::new(&[("look", Does::Echoes)]).await;
            let all = events(&plain(way, &Says::calls("r1", CALLS)));
            // The first piece of the arguments, and not what ends the code.
            let at = all.iter().position(|event| String::from_utf8_lossy(event).contains(r#"\"q"#)).unwrap();
            let sent = flushed(coding, &all[..=at]).into_iter().take(at + 1);
            rig.provider.reply(Script::sse().field("Content-Encoding", coding).writes(sent));
            let (_, body) = rig.post(way, &way.request(&[("user", "Hi")])).await;
            let seen = read(way.endpoint, true, &body);
            assert!(seen.error.is_some() && seen.calls.is_empty(), "{context}: {seen:?}");
            assert_eq!(seen.text, "Let me see. ", "{context}");
            let recorded = rig.recorded().await;
            assert_eq!(recorded.outcome(), End::Truncated, "{context}");
            let [tool] = tools(&recorded)[..] else { panic!("{context}: one call: {recorded:?}") };
            assert!(tool.injected && tool.invocation_error.is_some() && rig.source.so_far().is_empty(), "{context}");
        }
    }
}

#[tokio::test]
async fn a_compressed_stream_that_fails_behind_its_last_event_is_whole() {
    for way in ways().filter(|way| way.streamed) {
        for coding in CODINGS {
            let rig = Rig::new(&[("look", Does::Echoes)]).await;
            for says in [Says::calls("r1", CALLS), Says::text("r2", "It is so.")] {
                let body = coding.1(&plain(way, &says));
                rig.provider.reply(Script::sse().field("Content-Encoding", coding.0).write(body).cut());
            }
            let (status, body) = rig.post(way, &way.request(&[("user", "Hi")])).await;
            let seen = read(way.endpoint, true, &body);
            let expected = (200, "Let me see. It is so.", None);
            assert_eq!((status, seen.text.as_str(), seen.error.as_deref()), expected, "{way:?} in {}", coding.0);
            assert!(!String::from_utf8_lossy(&body).contains("aibridge: "), "{way:?} in {}", coding.0);
            let recorded = rig.recorded().await;
            assert_eq!((recorded.outcome(), tools(&recorded).len()), (End::Completed, 1), "{way:?} in {}", coding.0);
        }
    }
}
