use bytes::Bytes;
use serde::de::IgnoredAny;

use super::{
    Api, Observed, ProviderError, Reply, Thought, ToolCall, chat, messages, responses,
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
    may_call: bool,
    /// The events of the last feed are not all text (Responses).
    not_text: bool,
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
        Observer { reply: Reply::default(), may_call, not_text: false, kept: Budget::new(MAX_KEPT), state }
    }

    /// Takes the next bytes, with any content coding removed, and reports what they complete.
    ///
    /// Of a stream, returns how many of `bytes` belong to complete events, as [`Decoder::feed`] does; otherwise 0.
    pub fn feed(&mut self, bytes: &Bytes, report: &mut dyn FnMut(Observed)) -> usize {
        let Observer { reply, may_call, not_text, kept, state } = self;
        match state {
            State::Stream { decoder, reader } => {
                *not_text = false;
                let mut sink = Sink { reply, may_call, not_text, kept, report };
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
        let Observer { reply, may_call, not_text, kept, .. } = self;
        let mut sink = Sink { reply, may_call, not_text, kept, report };
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

    /// Whether a tool may have been called in the events so far: one is called, or something came that is not understood.
    /// `false` is certain. Of a blocking reply it is not known.
    ///
    /// In Responses it is `true` as well while the events that ended with the last [`feed`](Observer::feed) are not all text:
    /// others may repeat which tools the request had.
    ///
    /// ```
    /// use aibridge_providers::api::{Api, Observer};
    ///
    /// let mut observer = Observer::streaming(Api::Messages);
    /// for (content_block, expected) in [(r#"{"type":"text","text":""}"#, false), (r#"{"type":"tool_use"}"#, true)] {
    ///     let event = format!("data: {{\"type\":\"content_block_start\",\"content_block\":{content_block}}}\n\n");
    ///     observer.feed(&event.into(), &mut |_| ());
    ///     assert_eq!(observer.may_call(), expected);
    /// }
    /// ```
    pub fn may_call(&self) -> bool {
        self.may_call || self.not_text
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

/// Where the readers put what they find.
pub(super) struct Sink<'a> {
    pub(super) reply: &'a mut Reply,
    may_call: &'a mut bool,
    not_text: &'a mut bool,
    kept: &'a mut Budget,
    report: &'a mut dyn FnMut(Observed),
}

impl Sink<'_> {
    pub(super) fn tool(&mut self, call: ToolCall) {
        (self.report)(Observed::ToolCall(call));
    }

    /// Reports a thought, unless it is empty.
    pub(super) fn thought(&mut self, content: String, source: &'static str) {
        if !content.is_empty() {
            (self.report)(Observed::Thought(Thought { content, source }));
        }
    }

    /// Reports a thought that the provider redacted.
    pub(super) fn redacted(&mut self) {
        (self.report)(Observed::Thought(Thought { content: String::new(), source: "redacted_thinking" }));
    }

    /// Notes the provider's error, which ends the reply. Of several, the first counts.
    pub(super) fn error(&mut self, error: ProviderError) {
        self.reply.terminal = true;
        self.reply.error.get_or_insert(error);
    }

    pub(super) fn unobserved(&mut self) {
        self.reply.unobserved = self.reply.unobserved.saturating_add(1);
        self.may_call();
    }

    /// A tool is called, for all that is known.
    pub(super) fn may_call(&mut self) {
        *self.may_call = true;
    }

    /// Something came that is not text.
    pub(super) fn not_text(&mut self) {
        *self.not_text = true;
    }

    /// Whether `bytes` more may be kept of an incomplete part.
    pub(super) fn may_keep(&mut self, bytes: usize) -> bool {
        let room = self.kept.take(bytes);
        if !room {
            self.unobserved();
        }
        room
    }

    /// Appends `text` to an incomplete part, as far as may be kept.
    pub(super) fn keep(&mut self, part: &mut String, text: &str) {
        if !text.is_empty() && self.may_keep(text.len()) {
            part.push_str(text);
        }
    }

    /// Takes over who answers, unless it is known.
    pub(super) fn identify(&mut self, id: Option<super::wire::Text<'_>>, model: Option<super::wire::Text<'_>>) {
        for (known, given) in [(&mut self.reply.id, id), (&mut self.reply.model, model)] {
            if known.is_none() {
                *known = given.map(|text| text.into_string()).filter(|text| !text.is_empty());
            }
        }
    }
}

#[cfg(test)]
mod tests;
