use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::usage::Usage;
use crate::{
    api::{
        ProviderError, ToolCall, UsageSource,
        sink::Sink,
        wire::{Text, lenient, tool_input, type_of},
    },
    sse::Event,
};

/// Reads a Messages reply.
#[derive(Debug, Default)]
pub(in crate::api) struct Reader {
    /// The blocks that have begun, of the kinds that are recorded.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    index: u64,
    part: Part,
}

#[derive(Debug)]
enum Part {
    Thinking(String),
    /// The call, with the input that its start carried, and the input's text from the deltas.
    Tool(ToolCall, String),
}

#[derive(Clone, Copy)]
enum Kind {
    MessageStart,
    BlockStart,
    BlockDelta,
    BlockStop,
    MessageDelta,
    MessageStop,
    Error,
    Ping,
}

#[derive(Deserialize)]
struct MessageStart<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    message: Option<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    model: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    content: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    usage: Option<Usage<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct BlockStart<'a> {
    #[serde(default, deserialize_with = "lenient")]
    index: Option<u64>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    content_block: Option<Block<'a>>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, default, rename = "type", deserialize_with = "lenient")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    name: Option<Text<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    input: Option<Value>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    thinking: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    text: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct BlockDelta<'a> {
    #[serde(default, deserialize_with = "lenient")]
    index: Option<u64>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    delta: Option<Delta<'a>>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    thinking: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    partial_json: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct MessageDelta<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    usage: Option<Usage<'a>>,
}

impl Kind {
    fn of(name: &[u8]) -> Option<Kind> {
        Some(match name {
            b"content_block_delta" => Kind::BlockDelta,
            b"content_block_start" => Kind::BlockStart,
            b"content_block_stop" => Kind::BlockStop,
            b"message_start" => Kind::MessageStart,
            b"message_delta" => Kind::MessageDelta,
            b"message_stop" => Kind::MessageStop,
            b"error" => Kind::Error,
            b"ping" => Kind::Ping,
            _ => return None,
        })
    }
}

impl Reader {
    /// Takes an event of the stream.
    pub(in crate::api) fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_>) {
        let kind = match Kind::of(event.name) {
            Some(kind) => Some(kind),
            // Some providers leave the event's name out.
            None if event.oversize => None,
            None => match type_of(event.data) {
                Ok(kind) => kind.and_then(|kind| Kind::of(kind.as_bytes())),
                Err(_) => return sink.unobserved(),
            },
        };
        if event.oversize {
            return sink.unobserved();
        }
        let Some(kind) = kind else { return sink.may_call() };
        if self.read(kind, event.data, sink).is_err() {
            sink.unobserved();
        }
    }

    fn read(&mut self, kind: Kind, data: &[u8], sink: &mut Sink<'_>) -> serde_json::Result<()> {
        match kind {
            Kind::Ping => {}
            Kind::MessageStart => {
                if let Some(message) = serde_json::from_slice::<MessageStart<'_>>(data)?.message {
                    sink.identify(message.id, message.model);
                    note(message.usage, UsageSource::Partial, sink);
                    if message.content.is_none_or(|content| !content.is_empty()) {
                        sink.may_call();
                    }
                }
            }
            Kind::BlockStart => {
                let start: BlockStart<'_> = serde_json::from_slice(data)?;
                match start.content_block {
                    Some(block) => self.begin(start.index.unwrap_or_default(), block, sink),
                    None => sink.may_call(),
                }
            }
            Kind::BlockDelta => {
                sink.reply.content = true;
                // Nothing is recorded of text: its deltas are not even parsed.
                if !self.open.is_empty() {
                    let delta: BlockDelta<'_> = serde_json::from_slice(data)?;
                    self.append(&delta, sink);
                }
            }
            Kind::BlockStop => {
                if !self.open.is_empty() {
                    let index = serde_json::from_slice::<BlockDelta<'_>>(data)?.index.unwrap_or_default();
                    if let Some(at) = self.open.iter().position(|open| open.index == index) {
                        self.open.remove(at).part.end(false, sink);
                    }
                }
            }
            Kind::MessageDelta => {
                let delta: MessageDelta<'_> = serde_json::from_slice(data)?;
                note(delta.usage, UsageSource::Final, sink);
            }
            Kind::MessageStop => {
                sink.reply.terminal = true;
                if sink.reply.usage.source == UsageSource::Partial {
                    sink.reply.usage.source = UsageSource::Final;
                }
            }
            Kind::Error => sink.error(read_error(data)),
        }
        Ok(())
    }

    fn begin(&mut self, index: u64, block: Block<'_>, sink: &mut Sink<'_>) {
        if let Some(part) = Part::begin(block, sink) {
            self.open.push(Open { index, part });
        }
    }

    fn append(&mut self, delta: &BlockDelta<'_>, sink: &mut Sink<'_>) {
        let index = delta.index.unwrap_or_default();
        let (Some(open), Some(delta)) = (self.open.iter_mut().find(|open| open.index == index), &delta.delta) else {
            return;
        };
        match (&mut open.part, &delta.thinking, &delta.partial_json) {
            (Part::Thinking(text), Some(more), _) | (Part::Tool(_, text), _, Some(more)) => sink.keep(text, &more.0),
            _ => {}
        }
    }

    /// Ends the stream: reports the blocks that it broke off.
    pub(in crate::api) fn finish(&mut self, sink: &mut Sink<'_>) {
        for open in self.open.drain(..) {
            open.part.end(true, sink);
        }
    }

    /// Reads a whole message.
    pub(in crate::api) fn document(document: &[u8], sink: &mut Sink<'_>) -> serde_json::Result<()> {
        let message: Message<'_> = serde_json::from_slice(document)?;
        sink.identify(message.id, message.model);
        note(message.usage, UsageSource::Final, sink);
        if message.content.is_none() {
            sink.may_call();
        }
        for block in message.content.into_iter().flatten() {
            let Ok(block) = serde_json::from_str::<Block<'_>>(block.get()) else {
                sink.may_call();
                continue;
            };
            sink.reply.content = true;
            if let Some(part) = Part::begin(block, sink) {
                part.end(false, sink);
            }
        }
        if message.error.is_some_and(|error| error.get() != "null") {
            sink.error(read_error(document));
        }
        Ok(())
    }
}

impl Part {
    /// The beginning of a block, if it is of a kind that is recorded and is not complete already.
    fn begin(block: Block<'_>, sink: &mut Sink<'_>) -> Option<Part> {
        let kind = block.kind.unwrap_or_default().0;
        match &*kind {
            "text" => {
                sink.reply.content |= block.text.is_some_and(|text| !text.0.is_empty());
                return None;
            }
            "thinking" => {
                let mut text = String::new();
                sink.keep(&mut text, &block.thinking.unwrap_or_default().0);
                sink.reply.content |= !text.is_empty();
                // Each costs a little, so that their number is bounded as well.
                return sink.may_keep(size_of::<Open>()).then_some(Part::Thinking(text));
            }
            _ => sink.reply.content = true,
        }
        if kind == "redacted_thinking" {
            sink.redacted();
            return None;
        }
        sink.may_call();
        // `server_tool_use`, `mcp_tool_use`: the provider runs the tool.
        let hosted = kind.strip_suffix("tool_use")?.ends_with('_');
        if !hosted && kind != "tool_use" {
            return None;
        }
        let call = ToolCall {
            id: block.id.map(Text::into_string),
            name: block.name.map(Text::into_string).unwrap_or_default(),
            input: block.input.unwrap_or_default(),
            hosted,
            ..ToolCall::default()
        };
        let size = size_of::<Open>() + call.name.len() + call.id.as_ref().map_or(0, String::len);
        sink.may_keep(size).then_some(Part::Tool(call, String::new()))
    }

    fn end(self, cut: bool, sink: &mut Sink<'_>) {
        match self {
            Part::Thinking(text) => sink.thought(text, "thinking"),
            // Without deltas the start carried the input; broken off before the first one, there is none yet.
            Part::Tool(call, text) if text.is_empty() && !cut => sink.tool(call),
            Part::Tool(call, text) => {
                let (input, truncated) = tool_input(text, cut);
                sink.tool(ToolCall { input, truncated, ..call });
            }
        }
    }
}

fn note(usage: Option<Usage<'_>>, source: UsageSource, sink: &mut Sink<'_>) {
    if let Some(usage) = usage {
        usage.apply(&mut sink.reply.usage);
        sink.reply.usage.source = source;
    }
}

fn read_error(data: &[u8]) -> ProviderError {
    ProviderError::read_body(data).unwrap_or_default()
}
