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
        Observer { reply: Reply::default(), may_call, kept: Budget::new(MAX_KEPT), state }
    }

    /// Takes the next bytes, with any content coding removed, and reports what they complete.
    ///
    /// Of a stream, returns how many of `bytes` belong to complete events, as [`Decoder::feed`] does; otherwise 0.
    pub fn feed(&mut self, bytes: &Bytes, report: &mut dyn FnMut(Observed)) -> usize {
        let Observer { reply, may_call, kept, state } = self;
        match state {
            State::Stream { decoder, reader } => {
                *may_call &= !matches!(reader, Reader::Responses(_));
                let mut sink = Sink { reply, may_call, kept, report };
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
        let Observer { reply, may_call, kept, .. } = self;
        let mut sink = Sink { reply, may_call, kept, report };
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
    /// In Responses, where calls are whole items, this is said of the events that ended with the last [`feed`](Observer::feed)
    /// alone: it is `false` of text.
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
        self.may_call
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const APIS: [Api; 3] = [Api::Messages, Api::Chat, Api::Responses];

    fn unreported(_: Observed) {}

    #[test]
    fn thousands_of_open_streams_take_little_memory() {
        assert!(size_of::<Observer>() <= 640, "{}", size_of::<Observer>());
    }

    #[test]
    fn an_oversize_event_passes_unobserved_and_the_rest_is_read() {
        for (api, end) in [
            (Api::Messages, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
            (Api::Chat, "data: [DONE]\n\n"),
            (Api::Responses, "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{}}\n\n"),
        ] {
            let mut observer = Observer::streaming(api);
            observer.feed(&Bytes::from_static(b"event: response.output_item.done\ndata: {\"a\":\""), &mut unreported);
            let megabyte = Bytes::from(vec![b'a'; 1 << 20]);
            for _ in 0..5 {
                observer.feed(&megabyte, &mut unreported);
            }
            observer.feed(&Bytes::from_static(b"\"}\n\n"), &mut unreported);
            observer.feed(&Bytes::from(end), &mut unreported);
            observer.finish(&mut unreported);
            assert_eq!((observer.reply().unobserved, observer.reply().terminal), (1, true), "{api:?}");
        }
    }

    #[test]
    fn a_blocking_reply_beyond_the_limit_is_not_kept() {
        for (end, terminal) in [("\"}\n", true), ("a", false)] {
            let mut observer = Observer::blocking(Api::Chat);
            observer.feed(&Bytes::from_static(b"{\"id\":\""), &mut unreported);
            let megabyte = Bytes::from(vec![b'a'; 1 << 20]);
            for _ in 0..17 {
                observer.feed(&megabyte, &mut unreported);
            }
            observer.feed(&Bytes::from_static(end.as_bytes()), &mut unreported);
            observer.finish(&mut unreported);
            assert_eq!((observer.reply().unobserved, observer.reply().terminal), (1, terminal));
        }
    }

    /// Whether a call may be among the first events, after each.
    #[track_caller]
    fn assert_may_call(api: Api, events: &[(&str, bool)]) {
        let stream: String = events.iter().map(|(data, _)| format!("data: {data}\n\n")).collect();
        let ends = events.iter().scan(0, |end, (data, expected)| {
            *end += data.len() + "data: \n\n".len();
            Some((*end, *expected))
        });
        let ends: Vec<_> = ends.collect();
        for size in [1, 2, 7, stream.len()] {
            let mut observer = Observer::streaming(api);
            let mut fed = 0;
            for piece in stream.as_bytes().chunks(size) {
                observer.feed(&Bytes::copy_from_slice(piece), &mut unreported);
                fed += piece.len();
                let expected = ends.iter().rfind(|(end, _)| *end <= fed).is_some_and(|(_, expected)| *expected);
                assert_eq!(observer.may_call(), expected, "{api:?}: {}", &stream[..fed]);
            }
        }
    }

    #[test]
    fn calls_are_ruled_out_as_long_as_all_that_came_is_known_to_be_something_else() {
        let text = [
            (r#"{"type":"message_start","message":{"id":"m","content":[]}}"#, false),
            (r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#, false),
            (
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"x"}}"#,
                false,
            ),
            (r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}"#, false),
            (r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"tool_use"}}"#, false),
            (r#"{"type":"ping"}"#, false),
        ];
        assert_may_call(Api::Messages, &text);
        for call in [
            r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"t","name":"n"}}"#,
            r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool\u005fuse"}}"#,
            r#"{"type":"content_block_start","index":3,"content_block":{"type":"something_new"}}"#,
            r#"{"type":"content_block_start","index":3}"#,
            r#"{"type":"content_block_start","content_block":{"type":"text"},"content_block":{"type":"tool_use"}}"#,
            r#"{"type":"message_start","message":{"content":[{"type":"tool_use"}]}}"#,
            r#"{"type":"something_new"}"#,
            r#"{"type":"content_block_start""#,
        ] {
            let mut events = text.to_vec();
            events.extend([(call, true), (r#"{"type":"message_stop"}"#, true)]);
            assert_may_call(Api::Messages, &events);
        }
        let text = [
            (r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[]}}]}"#, false),
            (r#"{"id":"c","choices":[{"index":0,"delta":{"content":"\"tool_calls\""}}]}"#, false),
            (r#"{"id":"c","choices":[{"index":0,"delta":{"reasoning":"x","tool_calls":null}}]}"#, false),
            (r#"{"id":"c","choices":[],"usage":{"prompt_tokens":1}}"#, false),
            ("[DONE]", false),
        ];
        assert_may_call(Api::Chat, &text);
        for call in [
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[7]}}]}"#,
            r#"{"choices":[{"index":1,"delta":{"tool_calls":[{"index":0}]}}]}"#,
            r#"{"choices":[{"tool_calls":[{}]}]}"#,
            r#"{"choices":["tool_calls"],"tool_calls":1}"#,
            r#"{"tool_calls":"#,
        ] {
            let mut events = text[..3].to_vec();
            let call = call.replace("{\"choices", "{ \"tool_calls\":0,\"choices");
            events.extend([(&*call, true), ("[DONE]", true)]);
            assert_may_call(Api::Chat, &events);
        }
        let (text, other) =
            (r#"{"type":"response.output_text.delta","delta":"function_call"}"#, r#"{"type":"response.created"}"#);
        assert_may_call(Api::Responses, &[(text, false), (text, false)]);
        let mut observer = Observer::streaming(Api::Responses);
        for (event, expected) in [(text, false), (other, true), (text, false), ("{", true), ("{}", true), (text, false)]
        {
            observer.feed(&format!("data: {event}").into(), &mut unreported);
            assert!(!observer.may_call(), "not yet: {event}");
            observer.feed(&Bytes::from_static(b"\n\n"), &mut unreported);
            assert_eq!(observer.may_call(), expected, "{event}");
        }
        assert!(Observer::blocking(Api::Chat).may_call());
    }

    #[test]
    fn an_event_that_is_too_large_may_be_a_call() {
        for api in [Api::Messages, Api::Chat] {
            let mut observer = Observer::streaming(api);
            observer.feed(&vec![b'a'; MAX_EVENT + 1].into(), &mut unreported);
            observer.feed(&Bytes::from_static(b"\n\nevent: ping\ndata: {"), &mut unreported);
            assert!(!observer.may_call(), "no data: {api:?}");
            observer.feed(&vec![b'a'; MAX_EVENT + 1].into(), &mut unreported);
            observer.feed(&Bytes::from_static(b"\n\n"), &mut unreported);
            assert!(observer.may_call(), "{api:?}");
        }
    }

    #[test]
    fn a_part_that_never_ends_does_not_fill_the_memory() {
        let mut observer = Observer::streaming(Api::Messages);
        let mut thoughts = Vec::new();
        let mut report = |observed| match observed {
            Observed::Thought(thought) => thoughts.push(thought.content.len()),
            observed => panic!("{observed:?}"),
        };
        let start = r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#;
        observer.feed(&format!("data: {start}\n\n").into(), &mut report);
        let delta = r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"#;
        let event = Bytes::from(format!("data: {delta}\"{}\"}}}}\n\n", "a".repeat(3 << 20)));
        for _ in 0..7 {
            observer.feed(&event, &mut report);
        }
        observer.finish(&mut report);
        assert_eq!(observer.reply().unobserved, 2);
        assert_eq!(thoughts, [5 * (3 << 20)]);
    }

    #[test]
    fn a_blocking_reply_that_is_cut_is_not_terminal() {
        for api in APIS {
            let mut observer = Observer::blocking(api);
            observer.feed(&Bytes::from_static(b"{\"id\":\"x\","), &mut unreported);
            observer.finish(&mut unreported);
            assert_eq!((observer.reply().unobserved, observer.reply().terminal), (1, false), "{api:?}");
        }
    }

    #[test]
    fn half_a_terminal_event_ends_nothing() {
        for (api, event) in [
            (Api::Messages, "event: message_stop\ndata: {\"type\":\"message_stop\"}"),
            (Api::Messages, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}"),
            (Api::Chat, "data: [DONE]"),
            (Api::Responses, "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{}}"),
            (Api::Responses, "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{}}"),
        ] {
            for at in 0..=event.len() {
                let mut observer = Observer::streaming(api);
                observer.feed(&Bytes::copy_from_slice(&event.as_bytes()[..at]), &mut unreported);
                observer.finish(&mut unreported);
                let reply = observer.reply();
                let whole = at == event.len();
                assert_eq!((reply.terminal, reply.unobserved), (whole, 0), "{}", &event[..at]);
            }
        }
    }

    #[test]
    fn an_empty_reply_is_nothing() {
        for api in APIS {
            for mut observer in [Observer::streaming(api), Observer::blocking(api)] {
                observer.feed(&Bytes::new(), &mut unreported);
                observer.finish(&mut unreported);
                observer.finish(&mut unreported);
                assert_eq!(observer.reply(), &Reply::default());
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_an_observer_panic(frames: Vec<Vec<u8>>) {
            for api in APIS {
                for mut observer in [Observer::streaming(api), Observer::blocking(api)] {
                    for frame in &frames {
                        observer.feed(&Bytes::copy_from_slice(frame), &mut unreported);
                    }
                    observer.finish(&mut unreported);
                }
            }
        }

        #[test]
        fn no_json_makes_an_observer_panic(
            name in "(response\\.|content_block_|message_)?(start|delta|stop|created|completed|output_item\\.done|error)",
            key in "(type|index|delta|choices|usage|response|item|content_block|message|error|output)",
            value in "(null|7|-1|1e9|\"x\"|\\[\\]|\\[null,\\{\\}\\]|\\{\\}|\\{\"index\":0,\"tool_calls\":\\[7\\],\"output\":\\[1\\]\\})",
        ) {
            let event = Bytes::from(format!("event: {name}\ndata: {{\"{key}\":{value}}}\n\n"));
            let document = Bytes::from(format!("{{\"{key}\":{value}}}"));
            for api in APIS {
                for (mut observer, bytes) in [(Observer::streaming(api), &event), (Observer::blocking(api), &document)] {
                    observer.feed(bytes, &mut unreported);
                    observer.finish(&mut unreported);
                    prop_assert_eq!(observer.reply().unobserved, 0);
                }
            }
        }
    }
}
