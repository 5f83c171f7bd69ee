//! Streams flow while tools are there: an event reaches the client before the provider sends the next.

use std::{io::Write, time::Duration};

use aibridge_tests::{Endpoint, Gate, RawClient, Script, events};
use bytes::Bytes;

use super::{Does, Rig, Says, read, ways};
use crate::{expect::target, fixture::BEARER};

const CALLS: &[(&str, &str, &str)] = &[("c1", "bmcp_srv_look", r#"{"q":"a"}"#)];

/// The stream's events, each behind the gate.
fn gated(head: Script, gate: &Gate, pieces: &[Bytes]) -> Script {
    pieces.iter().fold(head, |script, piece| script.wait(gate).write(piece.clone()))
}

/// The next chunk that reaches the client, while the provider waits.
async fn chunk(client: &mut RawClient, awaited: &str) -> Bytes {
    let chunk = tokio::time::timeout(Duration::from_secs(20), client.chunk()).await;
    chunk.unwrap_or_else(|_| panic!("held back: {awaited}")).unwrap().expect("the stream goes on")
}

/// Reads until `awaited` is there.
async fn until(client: &mut RawClient, got: &mut Vec<u8>, awaited: &str) {
    while !String::from_utf8_lossy(got).contains(awaited) {
        got.extend_from_slice(&chunk(client, awaited).await);
    }
}

async fn ask(rig: &Rig, endpoint: Endpoint, request: String) -> RawClient {
    let mut client = rig.gateway.client().await;
    client.post(&target(endpoint), &[BEARER], request).await.unwrap();
    assert_eq!(client.head().await.unwrap().status(), 200);
    client
}

#[tokio::test]
async fn an_event_leaves_when_it_arrives_if_no_tool_is_called() {
    for way in ways().filter(|way| way.streamed) {
        let rig = Rig::new(&[("look", Does::Echoes)]).await;
        // A call of the client's own is no reason to wait either; whose it is has to be known first.
        for says in [Says::text("r1", "It is so."), Says::calls("r1", &[("c1", "mine", r#"{"q":"a"}"#)])] {
            let gate = Gate::new();
            let all = events(&says.stream(way.endpoint).into());
            rig.provider.reply(gated(Script::sse(), &gate, &all));
            let mut client = ask(&rig, way.endpoint, way.request(&[("user", "Hi")])).await;
            for event in &all {
                gate.pass_one();
                let awaited = String::from_utf8_lossy(event);
                assert_eq!(chunk(&mut client, &awaited).await, event, "{way:?}");
            }
            assert_eq!(client.chunk().await.unwrap(), None);
            rig.recorded().await;
        }
    }
}

#[tokio::test]
async fn what_is_said_before_a_call_and_after_it_leaves_when_it_arrives() {
    for way in ways().filter(|way| way.streamed) {
        let (first_round, second_round, tool) = (Gate::new(), Gate::new(), Gate::new());
        let rig = Rig::new(&[("look", Does::Waits(tool.clone()))]).await;
        let first = events(&Says::calls("r1", CALLS).stream(way.endpoint).into());
        let second = events(&Says::text("r2", "It is so.").stream(way.endpoint).into());
        rig.provider.reply(gated(Script::sse(), &first_round, &first));
        rig.provider.reply(gated(Script::sse(), &second_round, &second));
        let mut client = ask(&rig, way.endpoint, way.request(&[("user", "Hi")])).await;

        let calls = |event: &Bytes| String::from_utf8_lossy(event).contains("bmcp_srv_look");
        let before = first.iter().position(calls).unwrap();
        let mut got = Vec::new();
        for event in &first[..before] {
            first_round.pass_one();
            let shown = chunk(&mut client, &String::from_utf8_lossy(event)).await;
            assert_eq!(shown, event, "{way:?}");
            got.extend_from_slice(&shown);
        }
        // The call itself is the gateway's.
        first_round.open();
        assert_eq!(rig.source.happened().await, "look {\"q\":\"a\"}", "{way:?}");
        tool.open();

        // The round's opening is hidden, too; what it says is not.
        let mut said = 0;
        for event in &second {
            second_round.pass_one();
            let text = String::from_utf8_lossy(event);
            // The two pieces in which the text comes.
            if let Some(piece) = ["\"It i\"", "\"s so.\""].into_iter().find(|piece| text.contains(piece)) {
                until(&mut client, &mut got, piece).await;
                said += 1;
            }
        }
        assert_eq!(said, 2, "{way:?}");
        got.extend_from_slice(&client.body().await.unwrap());
        let seen = read(way.endpoint, true, &got.into());
        assert_eq!((seen.text.as_str(), seen.tokens), ("Let me see. It is so.", (18, 8)), "{way:?}");
    }
}

/// The same events as an encoder that is flushed behind each of them writes them, and what it writes at the end.
pub(super) fn flushed(name: &str, all: &[Bytes]) -> Vec<Bytes> {
    fn pieces<W: Write>(
        mut encoder: W,
        all: &[Bytes],
        mut written: impl FnMut(&mut W) -> Vec<u8>,
        finish: impl FnOnce(W) -> Vec<u8>,
    ) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        for event in all {
            encoder.write_all(event).unwrap();
            encoder.flush().unwrap();
            pieces.push(written(&mut encoder).into());
        }
        pieces.push(finish(encoder).into());
        pieces
    }
    match name {
        "gzip" => pieces(
            flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()),
            all,
            |encoder| std::mem::take(encoder.get_mut()),
            |encoder| encoder.finish().unwrap(),
        ),
        "br" => pieces(
            brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20),
            all,
            |encoder| std::mem::take(encoder.get_mut()),
            brotli::CompressorWriter::into_inner,
        ),
        _ => pieces(
            zstd::Encoder::new(Vec::new(), 3).unwrap(),
            all,
            |encoder| std::mem::take(encoder.get_mut()),
            |encoder| encoder.finish().unwrap(),
        ),
    }
}

#[tokio::test]
async fn a_compressed_event_leaves_when_it_arrives() {
    for way in ways().filter(|way| way.streamed) {
        for coding in ["gzip", "br", "zstd"] {
            let rig = Rig::new(&[("look", Does::Echoes)]).await;
            let gate = Gate::new();
            let all = events(&Says::text("r1", "It is so.").stream(way.endpoint).into());
            let pieces = flushed(coding, &all);
            rig.provider.reply(gated(Script::sse().field("Content-Encoding", coding), &gate, &pieces));
            let mut client = ask(&rig, way.endpoint, way.request(&[("user", "Hi")])).await;
            for event in &all {
                gate.pass_one();
                let awaited = String::from_utf8_lossy(event);
                assert_eq!(chunk(&mut client, &awaited).await, event, "{way:?}, {coding}");
            }
            gate.open();
            assert_eq!(client.chunk().await.unwrap(), None);
        }
    }
}
