//! Observing a reply in a test, in every way in which it may arrive.

use bytes::Bytes;
use serde_json::Value;

use super::{Api, Facts, Observed, Observer, Reply, Thought, ToolCall, Usage, UsageSource, tools::Exchange};
use crate::json::Document;

/// What is observed of the stream, which is the same however its bytes are split and its lines end.
#[track_caller]
pub(super) fn stream(api: Api, text: &str) -> (Vec<Observed>, Reply) {
    let whole = observe(Observer::streaming(api), [text.as_bytes()]);
    for at in 0..=text.len() {
        let (head, tail) = text.as_bytes().split_at(at);
        assert_eq!(observe(Observer::streaming(api), [head, tail]), whole, "split at {at}");
    }
    for ending in ["\n", "\r\n", "\r"] {
        let bytes = text.replace('\n', ending).into_bytes();
        for size in [1, 2, 3, 5, 64, bytes.len().max(1)] {
            let seen = observe(Observer::streaming(api), bytes.chunks(size));
            assert_eq!(seen, whole, "in pieces of {size}, lines end in {ending:?}");
        }
    }
    whole
}

/// The stream without the names of its events.
pub(super) fn nameless(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("event:")).flat_map(|line| [line, "\n"]).collect()
}

/// What is observed of the blocking reply.
#[track_caller]
pub(super) fn document(api: Api, text: &str) -> (Vec<Observed>, Reply) {
    let whole = observe(Observer::blocking(api), [text.as_bytes()]);
    for size in [1, 7] {
        assert_eq!(observe(Observer::blocking(api), text.as_bytes().chunks(size)), whole, "in pieces of {size}");
    }
    whole
}

fn observe<'a>(mut observer: Observer, frames: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Observed>, Reply) {
    let mut seen = Vec::new();
    let mut report = |observed| seen.push(observed);
    for frame in frames {
        observer.feed(&Bytes::copy_from_slice(frame), &mut report);
    }
    observer.finish(&mut report);
    let reply = observer.reply().clone();
    (seen, reply)
}

/// Feeds an exchange with a piece of a stream that somebody reads along, as the gateway does.
pub(super) fn read_along(observer: &mut Observer, exchange: &mut Exchange, piece: Bytes) -> Bytes {
    observer.feed(&piece, &mut |_| ());
    exchange.pass(piece, observer.calls())
}

/// The facts of a request.
#[track_caller]
pub(super) fn facts(api: Api, request: Value) -> Facts {
    Facts::read(api, &Document::parse(request.to_string().into()).unwrap())
}

pub(super) fn thought(source: &'static str, content: &str) -> Observed {
    Observed::Thought(Thought { content: content.to_owned(), source })
}

pub(super) fn call(id: &str, name: &str, input: impl Into<Value>) -> ToolCall {
    ToolCall { id: Some(id.to_owned()), name: name.to_owned(), input: input.into(), ..ToolCall::default() }
}

pub(super) fn tool(id: &str, name: &str, input: impl Into<Value>) -> Observed {
    Observed::ToolCall(call(id, name, input))
}

/// Tokens: input, output, read from and written to a cache; and the further figures, a JSON object.
pub(super) fn usage(source: UsageSource, [input, output, cache_read, cache_write]: [u64; 4], extras: Value) -> Usage {
    let Value::Object(extras) = extras else { panic!("extras are an object") };
    Usage { input, output, cache_read, cache_write, extras, source }
}

/// A stream of events named as their data's `type`.
pub(super) fn events<const N: usize>(data: [Value; N]) -> String {
    data.iter().map(|data| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())).collect()
}

/// A stream of chunks, with `[DONE]` at its end.
pub(super) fn chunks<const N: usize>(data: [Value; N]) -> String {
    data.iter().map(|data| format!("data: {data}\n\n")).chain(["data: [DONE]\n\n".to_owned()]).collect()
}
