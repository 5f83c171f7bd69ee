//! Every stream of an exchange with tools, split at every byte. The layers that read and change it, without sockets.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use aibridge_store::record::{Outcome as End, ToolUsage};
use aibridge_tests::{Endpoint, LineEnd, line_ends, resplit};
use aibridge_tower::{record::RecordLayer, tools::ToolsLayer};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::{ServiceBuilder, ServiceExt};

use super::{Does, Says, Source, Way, read, tokens, tools};
use crate::{
    bytes::near_line_end,
    every_byte::{every_split, parsed},
    fixture::{Recorded, Records},
};

const ASK: &str = r#"{"q":"a"}"#;

/// What the provider says, a round each.
type Rounds = Vec<Vec<Bytes>>;

/// What the client gets of rounds that arrive in these frames, and what is recorded of it.
async fn relayed(source: &Source, way: Way, rounds: &Rounds) -> (Bytes, Recorded) {
    let records = Records::default();
    let (round, rounds) = (Arc::new(AtomicUsize::new(0)), Arc::new(rounds.clone()));
    let service = ServiceBuilder::new()
        .layer(ToolsLayer::new(source.clone()))
        .layer(RecordLayer::new(records.clone()))
        .service_fn(move |_| {
            let frames = rounds[round.fetch_add(1, Ordering::Relaxed)].clone();
            let frames = stream::iter(frames).map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
            let response = Response::builder().header("content-type", "text/event-stream");
            let response = response.body(StreamBody::new(frames)).unwrap();
            async move { Ok::<_, Infallible>(response) }
        });
    let request = parsed(way.endpoint, way.request(&[("user", "Hi")]).into());
    let mut body = service.oneshot(request).await.unwrap().into_body();
    let mut got = BytesMut::new();
    while let Some(frame) = body.frame().await {
        got.extend_from_slice(frame.unwrap().data_ref().unwrap());
    }
    drop(body);
    (got.freeze(), records.one().await)
}

/// What is recorded.
#[derive(Debug, PartialEq)]
struct Told {
    round_trips: Vec<(u64, u64)>,
    /// The tool of each call, whether it was injected, and whether it went well.
    calls: Vec<(String, bool, bool)>,
    end: End,
}

fn told(recorded: &Recorded) -> Told {
    let call = |tool: &&ToolUsage| (tool.tool.clone(), tool.injected, tool.invocation_error.is_none());
    let mut calls: Vec<_> = tools(recorded).iter().map(call).collect();
    calls.sort_unstable();
    Told { round_trips: tokens(recorded), calls, end: recorded.outcome() }
}

async fn assert_every_split(endpoint: Endpoint, end: LineEnd) {
    let way = Way { endpoint, streamed: true };
    let source = Source::new(&[("look", Does::Echoes)]);
    let ours = ("c1", "bmcp_srv_look", ASK);
    let exchanges = [
        vec![Says::calls("r1", &[ours]), Says::text("r2", "It is so.")],
        vec![Says::calls("r1", &[("c2", "mine", ASK), ours])],
    ];
    for says in exchanges {
        let whole: Rounds = says.iter().map(|says| vec![line_ends(&says.stream(endpoint).into(), end)]).collect();
        let (unsplit, recorded) = relayed(&source, way, &whole).await;
        if end == LineEnd::Lf {
            let seen = read(endpoint, true, &unsplit);
            assert!(seen.text.starts_with("Let me see. ") && seen.error.is_none(), "{seen:?}");
            assert_eq!(seen.calls.len(), usize::from(says.len() == 1));
        }
        assert_eq!(source.so_far(), ["look {\"q\":\"a\"}"]);
        let expected = told(&recorded);
        assert_eq!((expected.round_trips.len(), expected.end), (says.len(), End::Completed));
        for round in 0..whole.len() {
            let stream = &whole[round][0];
            // Other line ends make a difference where lines end.
            let positions = |(first, _): &(Bytes, Bytes)| end == LineEnd::Lf || near_line_end(stream, first.len());
            for (first, second) in resplit(stream).filter(positions) {
                let at = format!("{endpoint:?} in {end:?}, round {round} split at {}", first.len());
                let mut rounds = whole.clone();
                rounds[round] = vec![first, second];
                let (got, recorded) = relayed(&source, way, &rounds).await;
                // Not `assert_eq`: the difference of two streams is found faster at a position than in two pages.
                assert!(got == unsplit, "{at}: {got:?}");
                assert_eq!(told(&recorded), expected, "{at}");
                assert_eq!(source.so_far(), ["look {\"q\":\"a\"}"], "{at}");
            }
        }
    }
}

every_split!(assert_every_split);
