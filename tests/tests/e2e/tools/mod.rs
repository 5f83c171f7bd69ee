//! Injected tools: what the provider is asked, what the client sees, what is recorded.

mod asked;
mod at_a_time;
mod calls;
mod coded;
mod ends;
mod every_byte;
mod further;
mod leaving;
mod live;
mod mixed;
mod prefix;
mod read;
mod refused;
mod requests;
mod servers;
mod source;

use aibridge_mcp::ToolSource;
use aibridge_store::record::{Record, ToolUsage};
use aibridge_tests::{Endpoint, Provider, ReceivedRequest, Says, Script};
use aibridge_tower::tools::ToolsLayer;
use bytes::Bytes;

use crate::{
    expect::target,
    fixture::{BEARER, Gateway, Recorded, Setup},
};
use asked::{Asked, asked};
use read::{Read, read};
pub(crate) use source::{Does, Source};

/// A gateway with tools, in front of a scripted provider.
struct Rig<S = Source> {
    provider: Provider,
    gateway: Gateway,
    source: S,
}

/// An API, and whether the reply is streamed.
#[derive(Clone, Copy, Debug)]
struct Way {
    endpoint: Endpoint,
    streamed: bool,
}

/// All of them.
fn ways() -> impl Iterator<Item = Way> + Clone {
    Endpoint::ALL.into_iter().flat_map(|endpoint| [false, true].map(|streamed| Way { endpoint, streamed }))
}

impl Rig {
    async fn new(tools: &[(&'static str, Does)]) -> Rig {
        Rig::with(tools, |layer| layer).await
    }

    async fn with(tools: &[(&'static str, Does)], set: impl FnOnce(ToolsLayer) -> ToolsLayer) -> Rig {
        Rig::of(Source::new(tools), set).await
    }
}

impl<S: ToolSource + Clone> Rig<S> {
    async fn of(source: S, set: impl FnOnce(ToolsLayer) -> ToolsLayer) -> Rig<S> {
        let provider = Provider::start().await.unwrap();
        let setup = Setup { tools: set(ToolsLayer::new(source.clone())), ..Setup::default() };
        let gateway = Gateway::with(&provider.url(), setup).await;
        Rig { provider, gateway, source }
    }

    /// The provider says these, one a round; the client asks once. Gives what the client understood.
    async fn exchange(&self, way: Way, says: &[Says]) -> Read {
        self.send(way, &way.request(&[("user", "Hi")]), says).await
    }

    /// The same for any request.
    async fn send(&self, way: Way, request: &str, says: &[Says]) -> Read {
        for says in says {
            self.provider.reply(way.script(says));
        }
        let (status, body) = self.post(way, request).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        read(way.endpoint, way.streamed, &body)
    }

    /// Posts a request; gives the status and the body.
    async fn post(&self, way: Way, request: &str) -> (u16, Bytes) {
        self.post_as(BEARER, way, request).await
    }

    /// Posts a request as the user with this header.
    async fn post_as(&self, bearer: (&str, &str), way: Way, request: &str) -> (u16, Bytes) {
        let mut client = self.gateway.client().await;
        client.post(&target(way.endpoint), &[bearer], request).await.unwrap();
        let (head, body) = client.response().await.unwrap();
        (head.status(), body)
    }

    /// The next request that reached the provider.
    async fn asked(&self, way: Way) -> Asked {
        asked(way.endpoint, &self.received().await)
    }

    async fn received(&self) -> ReceivedRequest {
        self.provider.next_request().await
    }

    /// The one interception.
    async fn recorded(&self) -> Recorded {
        self.gateway.records.take().await
    }
}

impl Way {
    /// What the provider answers, an event a write.
    fn script(self, says: &Says) -> Script {
        says.script(self.endpoint, self.streamed)
    }

    /// A request with a conversation of texts.
    fn request(self, talk: &[(&str, &str)]) -> String {
        let messages: Vec<String> =
            talk.iter().map(|(role, text)| format!(r#"{{"role": "{role}", "content": "{text}"}}"#)).collect();
        self.request_of(&messages.join(", "), "")
    }

    /// A request with these messages or input items, and these further members (each with a comma behind it).
    fn request_of(self, messages: &str, more: &str) -> String {
        let streamed = self.streamed;
        match self.endpoint {
            Endpoint::Messages => {
                format!(r#"{{"model": "m", "stream": {streamed}, "max_tokens": 64, {more}"messages": [{messages}]}}"#)
            }
            Endpoint::Chat if streamed => format!(
                r#"{{"model": "m", "stream": true, "stream_options": {{"include_usage": true}}, {more}"messages": [{messages}]}}"#
            ),
            Endpoint::Chat => format!(r#"{{"model": "m", "stream": false, {more}"messages": [{messages}]}}"#),
            Endpoint::Responses => {
                format!(r#"{{"model": "m", "stream": {streamed}, {more}"input": [{messages}]}}"#)
            }
        }
    }

    /// How this API says that a reply was whole.
    fn end_of_text(self) -> &'static str {
        match self.endpoint {
            Endpoint::Messages => "end_turn",
            Endpoint::Chat => "stop",
            Endpoint::Responses => "completed",
        }
    }

    /// How this API says that the client has calls to run.
    fn end_of_calls(self) -> &'static str {
        match self.endpoint {
            Endpoint::Messages => "tool_use",
            Endpoint::Chat => "tool_calls",
            Endpoint::Responses => "completed",
        }
    }

    /// How the model is told that this call failed: with a flag, or in words where the API has none.
    fn failed(self, call: &str, why: &str) -> String {
        match self.endpoint {
            Endpoint::Messages => format!("result! {call} {why}"),
            _ => format!("result {call} Error: {why}"),
        }
    }

    /// What the client understands of a whole reply without calls of its own: one message, under the first round's id.
    fn whole(self, text: &str, tokens: (u64, u64)) -> Read {
        Read {
            id: "r1".to_owned(),
            text: text.to_owned(),
            calls: Vec::new(),
            stop: self.end_of_text().to_owned(),
            tokens,
            error: None,
        }
    }
}

/// The tool calls on record.
fn tools(recorded: &Recorded) -> Vec<&ToolUsage> {
    let tool = |record: &'_ std::sync::Arc<Record>| matches!(&**record, Record::ToolUsage(_));
    recorded
        .records
        .iter()
        .filter(|record| tool(record))
        .map(|record| match &**record {
            Record::ToolUsage(usage) => usage,
            _ => unreachable!("only tools are left"),
        })
        .collect()
}

/// The tokens on record: input and output of each round trip.
fn tokens(recorded: &Recorded) -> Vec<(u64, u64)> {
    let of = |record: &std::sync::Arc<Record>| match &**record {
        Record::TokenUsage(usage) => Some((usage.input_tokens, usage.output_tokens)),
        _ => None,
    };
    recorded.records.iter().filter_map(of).collect()
}
