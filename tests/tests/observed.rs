//! Every transcript is understood as it says, however its bytes arrive and its lines end.

use std::collections::BTreeMap;
use std::slice;

use aibridge_providers::api::{Api, Facts, Observed, Observer, Reply as Outcome};
use aibridge_providers::json::Document;
use aibridge_tests::{Endpoint, LineEnd, Reply, Transcript, events, line_ends, resplit};
use bytes::Bytes;
use serde_json::{Value, json};

fn api(endpoint: Endpoint) -> Api {
    match endpoint {
        Endpoint::Messages => Api::Messages,
        Endpoint::Chat => Api::Chat,
        Endpoint::Responses => Api::Responses,
    }
}

/// What an observer makes of a body that arrives in these pieces.
fn observe(api: Api, streamed: bool, pieces: &[Bytes]) -> (Vec<Observed>, Outcome) {
    let mut observer = if streamed { Observer::streaming(api) } else { Observer::blocking(api) };
    let mut observed = Vec::new();
    for piece in pieces {
        observer.feed(piece, &mut |one| observed.push(one));
    }
    observer.finish(&mut |one| observed.push(one));
    (observed, observer.reply().clone())
}

/// The observation in the words of a transcript's `expect`.
fn told((observed, reply): &(Vec<Observed>, Outcome)) -> Value {
    let (mut tools, mut thoughts) = (Vec::new(), Vec::new());
    for one in observed {
        match one {
            Observed::ToolCall(call) => {
                assert!(!call.truncated);
                let mut tool = json!({"id": call.id, "name": call.name, "input": call.input});
                if let Some(item) = &call.item_id {
                    tool["item_id"] = json!(item);
                }
                tools.push(tool);
            }
            Observed::Thought(thought) if thought.content.is_empty() => {}
            Observed::Thought(thought) => {
                thoughts.push(json!({"content": thought.content, "source": thought.source}));
            }
            other => panic!("unknown observation {other:?}"),
        }
    }
    let usage = &reply.usage;
    json!({
        "response_id": reply.id,
        "usage": [usage.input, usage.output, usage.cache_read, usage.cache_write],
        "source": usage.source.as_str(),
        "tools": tools,
        "thoughts": thoughts,
        "error": reply.error.as_ref().map(|error| error.kind.clone()),
    })
}

fn expected(transcript: &Transcript) -> Value {
    let expect = &transcript.expect;
    let usage = &expect["usage"];
    let figure = |name: &str| usage[name].as_u64().unwrap_or(0);
    let array = |name: &str| expect[name].as_array().cloned().unwrap_or_default();
    json!({
        "response_id": expect["response_id"],
        "usage": [figure("input"), figure("output"), figure("cache_read"), figure("cache_write")],
        "source": usage["source"].as_str().unwrap_or("final"),
        "tools": array("tools"),
        "thoughts": array("thoughts"),
        "error": expect["error"],
    })
}

/// The replies to the first request that are answers, not refusals.
fn replies(transcript: &Transcript) -> impl Iterator<Item = &Reply> {
    transcript.blocking.first().into_iter().chain(transcript.streams.first()).filter(|reply| reply.status == 200)
}

#[test]
fn requests_are_read_as_transcripts_say() {
    for transcript in Transcript::all().unwrap() {
        for (body, streaming) in [(&transcript.request, false), (&transcript.streaming_request, true)] {
            let document = Document::parse(body.clone()).unwrap();
            let facts = Facts::read(api(transcript.endpoint), &document);
            let name = &transcript.name;
            assert_eq!(facts.streaming, streaming, "{name}");
            assert_eq!(json!(facts.model), transcript.expect["model"], "{name}");
            assert_eq!(json!(facts.prompt), transcript.expect["prompt"], "{name}");
            assert_eq!(json!(facts.answered_tool_call), transcript.expect["answers"], "{name}");
        }
    }
}

#[test]
fn replies_are_observed_as_transcripts_say() {
    for transcript in Transcript::all().unwrap() {
        for reply in replies(&transcript) {
            let observation = observe(api(transcript.endpoint), reply.streamed, slice::from_ref(&reply.body));
            let (name, streamed) = (&transcript.name, reply.streamed);
            assert_eq!(told(&observation), expected(&transcript), "{name}, streamed: {streamed}");
            if let Some(extras) = transcript.expect["usage"]["extras"].as_object() {
                let seen: BTreeMap<_, _> = observation.1.usage.extras.iter().collect();
                for extra in extras {
                    assert_eq!(seen.get(extra.0), Some(&extra.1), "{name}: {}", extra.0);
                }
            }
        }
    }
}

#[test]
fn streams_are_observed_alike_at_every_split() {
    for transcript in Transcript::all().unwrap() {
        let api = api(transcript.endpoint);
        for stream in &transcript.streams {
            let whole = observe(api, true, slice::from_ref(&stream.body));
            for (first, second) in resplit(&stream.body) {
                let at = first.len();
                assert_eq!(observe(api, true, &[first, second]), whole, "{}, split at {at}", transcript.name);
            }
            let bytes: Vec<_> = (0..stream.body.len()).map(|at| stream.body.slice(at..=at)).collect();
            assert_eq!(observe(api, true, &bytes), whole, "{}, byte by byte", transcript.name);
        }
    }
}

#[test]
fn streams_are_observed_alike_with_every_line_end() {
    for transcript in Transcript::all().unwrap() {
        let api = api(transcript.endpoint);
        for stream in &transcript.streams {
            let whole = observe(api, true, slice::from_ref(&stream.body));
            for end in LineEnd::ALL {
                let body = line_ends(&stream.body, end);
                let bytes: Vec<_> = (0..body.len()).map(|at| body.slice(at..=at)).collect();
                assert_eq!(observe(api, true, &[body]), whole, "{}, {end:?}", transcript.name);
                assert_eq!(observe(api, true, &bytes), whole, "{}, {end:?}, byte by byte", transcript.name);
            }
        }
    }
}

#[test]
fn stream_that_stops_before_its_last_event_is_never_taken_for_whole() {
    for transcript in Transcript::all().unwrap() {
        let api = api(transcript.endpoint);
        for stream in &transcript.streams {
            if observe(api, true, slice::from_ref(&stream.body)).1.error.is_some() {
                continue;
            }
            let mut before = Vec::new();
            for event in events(&stream.body) {
                let cut = observe(api, true, &before).1;
                assert!(!cut.terminal, "{}, cut before {event:?}", transcript.name);
                before.push(event);
            }
            assert!(observe(api, true, &before).1.terminal, "{}", transcript.name);
        }
    }
}
