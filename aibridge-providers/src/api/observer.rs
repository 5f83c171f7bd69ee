use bytes::Bytes;
use serde::de::IgnoredAny;

use super::{
    Api, Calls, Observed, Reply, chat, messages, responses,
    sink::Sink,
    wire::{Budget, is_done},
};
use crate::sse::{Decoder, Event};

/// The largest event that is observed, in bytes.
const MAX_EVENT: usize = 4 << 20;

/// The largest blocking reply that is observed, in bytes.
const MAX_DOCUMENT: usize = 16 << 20;

/// The most that is kept of a stream's incomplete parts, in bytes.
const MAX_KEPT: usize = 16 << 20;

/// Reads a copy of a provider's reply. Never changes a byte; never fails.
///
/// What is kept is bounded: 4 MiB of one event, 16 MiB of a stream's incomplete parts, 16 MiB of a blocking reply. What
/// exceeds that passes unobserved, and [`Reply::unobserved`] says so.
///
/// ```
/// use aibridge_providers::api::{Api, Observed, Observer, UsageSource};
///
/// let mut observer = Observer::streaming(Api::Chat);
/// let mut tools = Vec::new();
/// let mut report = |observed| {
///     if let Observed::ToolCall(call) = observed {
///         tools.push(call.name);
///     }
/// };
/// for line in [
///     r#"data: {"id":"c1","choices":[{"delta":{"tool_calls":[{"index":0,"id":"t","function":{"name":"ls","#,
///     r#""arguments":"{}"}}]}}],"usage":{"prompt_tokens":7,"completion_tokens":2}}"#,
///     "\n\ndata: [DONE]\n\n",
/// ] {
///     observer.feed(&line.into(), &mut report);
/// }
/// observer.finish(&mut report);
/// assert_eq!(tools, ["ls"]);
/// assert!(observer.reply().terminal);
/// assert_eq!((observer.reply().usage.input, observer.reply().usage.source), (7, UsageSource::Final));
/// ```
#[derive(Debug)]
pub struct Observer {
    reply: Reply,
    /// One has been called, for all that is known.
    may_call: bool,
    /// What the events of the last feed say, or the whole of a blocking reply.
    calls: Calls,
    kept: Budget,
    state: State,
}

#[derive(Debug)]
enum State {
    Stream { decoder: Decoder, reader: Reader },
    Document { api: Api, kept: Document },
    Ended,
}

/// What has come of a blocking reply.
#[derive(Debug, Default)]
struct Document {
    /// All of it, uncopied, if it came as one piece; the last piece, if it is too large to be kept.
    piece: Bytes,
    /// All of it, if it came in several.
    joined: Vec<u8>,
    length: usize,
}

/// What an API has to remember between events. Nothing is on the heap before a part that is recorded begins.
#[derive(Debug)]
enum Reader {
    Messages(messages::Reader),
    Chat(chat::Reader),
    Responses(responses::Reader),
}

impl Observer {
    /// Observes a stream of server-sent events.
    pub fn streaming(api: Api) -> Observer {
        let reader = match api {
            Api::Messages => Reader::Messages(messages::Reader::default()),
            Api::Chat => Reader::Chat(chat::Reader::default()),
            Api::Responses => Reader::Responses(responses::Reader::default()),
        };
        Observer::new(State::Stream { decoder: Decoder::new(MAX_EVENT), reader }, false)
    }

    /// Observes a reply that is one JSON document. It is kept, without a copy if it comes in one piece, and read at the
    /// end.
    pub fn blocking(api: Api) -> Observer {
        Observer::new(State::Document { api, kept: Document::default() }, true)
    }

    fn new(state: State, may_call: bool) -> Observer {
        Observer { reply: Reply::default(), may_call, calls: Calls::OnlyText, kept: Budget::new(MAX_KEPT), state }
    }

    /// Takes the next bytes, with any content coding removed, and reports what they complete.
    ///
    /// Of a stream, returns how many of `bytes` belong to complete events, as [`Decoder::feed`] does; otherwise 0.
    pub fn feed(&mut self, bytes: &Bytes, report: &mut dyn FnMut(Observed)) -> usize {
        let Observer { reply, may_call, calls, kept, state } = self;
        match state {
            State::Stream { decoder, reader } => {
                *calls = match reader {
                    Reader::Responses(_) => Calls::OnlyText,
                    Reader::Messages(_) | Reader::Chat(_) => Calls::Absent,
                };
                let mut sink = Sink { reply, may_call, calls, kept, report };
                decoder.feed(bytes, &mut |event| reader.event(&event, &mut sink))
            }
            State::Document { kept, .. } => {
                kept.append(bytes);
                0
            }
            State::Ended => 0,
        }
    }

    /// Ends the reply: reports what was cut short and settles [`Observer::reply`]. Later calls do nothing.
    pub fn finish(&mut self, report: &mut dyn FnMut(Observed)) {
        let state = std::mem::replace(&mut self.state, State::Ended);
        let Observer { reply, may_call, calls, kept, .. } = self;
        let mut sink = Sink { reply, may_call, calls, kept, report };
        match state {
            State::Stream { mut decoder, mut reader } => {
                decoder.finish(&mut |event| {
                    // Its blank line is missing. Its name alone must not make a terminal event of half of one.
                    if is_whole(&event) {
                        reader.event(&event, &mut sink);
                    }
                });
                reader.finish(&mut sink);
            }
            State::Document { kept, .. } if kept.is_too_large() => {
                sink.unobserved();
                sink.reply.terminal = kept.piece.trim_ascii_end().ends_with(b"}");
            }
            State::Document { kept, .. } if kept.length == 0 => {}
            State::Document { api, kept } => {
                // Until something in it says otherwise.
                (*sink.may_call, *sink.calls) = (false, Calls::Absent);
                let read = match api {
                    Api::Messages => messages::Reader::document(kept.whole(), &mut sink),
                    Api::Chat => chat::Reader::document(kept.whole(), &mut sink),
                    Api::Responses => responses::Reader::document(kept.whole(), &mut sink),
                };
                match read {
                    Ok(()) => sink.reply.terminal = true,
                    Err(_) => sink.unobserved(),
                }
            }
            State::Ended => {}
        }
    }

    /// What is known of the reply.
    pub fn reply(&self) -> &Reply {
        &self.reply
    }

    /// What is certain about tool calls in the reply so far. Of a blocking one nothing is before it has been
    /// [finished](Observer::finish).
    ///
    /// ```
    /// use aibridge_providers::api::{Api, Calls, Observer};
    ///
    /// let mut observer = Observer::streaming(Api::Messages);
    /// for (content_block, expected) in
    ///     [(r#"{"type":"text","text":""}"#, Calls::Absent), (r#"{"type":"tool_use"}"#, Calls::Possible)]
    /// {
    ///     let event = format!("data: {{\"type\":\"content_block_start\",\"content_block\":{content_block}}}\n\n");
    ///     observer.feed(&event.into(), &mut |_| ());
    ///     assert_eq!(observer.calls(), expected);
    /// }
    /// ```
    pub fn calls(&self) -> Calls {
        if self.may_call { Calls::Possible } else { self.calls }
    }
}

/// Whether the data of an event that was not ended is all there.
fn is_whole(event: &Event<'_>) -> bool {
    !event.oversize && (is_done(event.data) || serde_json::from_slice::<IgnoredAny>(event.data).is_ok())
}

impl Document {
    fn append(&mut self, bytes: &Bytes) {
        self.length = self.length.saturating_add(bytes.len());
        if self.is_too_large() {
            self.joined = Vec::new();
            // The last piece tells whether the document was whole.
            if !bytes.trim_ascii().is_empty() {
                self.piece = bytes.clone();
            }
        } else if self.length == bytes.len() {
            self.piece = bytes.clone();
        } else {
            self.joined.extend_from_slice(&std::mem::take(&mut self.piece));
            self.joined.extend_from_slice(bytes);
        }
    }

    fn is_too_large(&self) -> bool {
        self.length > MAX_DOCUMENT
    }

    fn whole(&self) -> &[u8] {
        if self.joined.is_empty() { &self.piece } else { &self.joined }
    }
}

impl Reader {
    fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_>) {
        match self {
            Reader::Messages(reader) => reader.event(event, sink),
            Reader::Chat(reader) => reader.event(event, sink),
            Reader::Responses(reader) => reader.event(event, sink),
        }
    }

    fn finish(&mut self, sink: &mut Sink<'_>) {
        match self {
            Reader::Messages(reader) => reader.finish(sink),
            Reader::Chat(reader) => reader.finish(sink),
            Reader::Responses(reader) => reader.finish(sink),
        }
    }
}

#[cfg(test)]
mod tests;
