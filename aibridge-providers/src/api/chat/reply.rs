use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::usage::Usage;
use crate::{
    api::{
        ProviderError, ToolCall, UsageSource,
        sink::Sink,
        wire::{Text, is_done, lenient, tool_input},
    },
    sse::Event,
};

/// What a chunk has to contain to be worth parsing, once it is known who answers: all else is text.
static RECORDED: LazyLock<[Finder<'static>; 4]> =
    LazyLock::new(|| [r#""tool_calls""#, "prompt_tokens", r#""reasoning"#, r#""error""#].map(Finder::new));

/// Reads a Chat reply.
#[derive(Debug, Default)]
pub(in crate::api) struct Reader {
    thought: String,
    calls: Vec<Call>,
    /// The model has finished: what is reported from here on is final.
    finished: bool,
}

/// A tool call, as far as it has come.
#[derive(Debug)]
struct Call {
    index: u64,
    id: Option<String>,
    name: String,
    arguments: String,
    /// A custom tool: its input is text, not JSON.
    custom: bool,
}

/// A chunk of a stream, or a whole completion.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    model: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    choices: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Usage>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default, deserialize_with = "lenient")]
    index: Option<u64>,
    #[serde(borrow, default, alias = "message", deserialize_with = "lenient")]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    finish_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    content: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    refusal: Option<Text<'a>>,
    /// DeepSeek, vLLM, Qwen, LiteLLM.
    #[serde(borrow, default, deserialize_with = "lenient")]
    reasoning_content: Option<Text<'a>>,
    /// OpenRouter, Groq, vLLM.
    #[serde(borrow, default, deserialize_with = "lenient")]
    reasoning: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    tool_calls: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct CallDelta<'a> {
    #[serde(default, deserialize_with = "lenient")]
    index: Option<u64>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    function: Option<Function<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    custom: Option<Function<'a>>,
}

#[derive(Default, Deserialize)]
struct Function<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    name: Option<Text<'a>>,
    #[serde(borrow, default, alias = "input", deserialize_with = "lenient")]
    arguments: Option<&'a RawValue>,
}

impl Reader {
    /// Takes an event of the stream.
    pub(in crate::api) fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_>) {
        if event.oversize {
            return sink.unobserved();
        }
        if is_done(event.data) {
            sink.reply.terminal = true;
            self.finished = true;
            if sink.reply.usage.source == UsageSource::Partial {
                sink.reply.usage.source = UsageSource::Final;
            }
            return self.finish(sink);
        }
        if event.data.is_empty() {
            return;
        }
        let known = sink.reply.id.is_some() && sink.reply.content;
        if known && event.name != b"error" && RECORDED.iter().all(|key| key.find(event.data).is_none()) {
            return;
        }
        match serde_json::from_slice::<Chunk<'_>>(event.data) {
            Ok(chunk) if event.name == b"error" || chunk.is_error() => {
                sink.error(ProviderError::read_body(event.data).unwrap_or_default());
            }
            Ok(chunk) => self.chunk(chunk, sink),
            Err(_) => sink.unobserved(),
        }
    }

    /// Reads a whole completion.
    pub(in crate::api) fn document(document: &[u8], sink: &mut Sink<'_>) -> serde_json::Result<()> {
        let chunk: Chunk<'_> = serde_json::from_slice(document)?;
        if chunk.is_error() {
            sink.error(ProviderError::read_body(document).unwrap_or_default());
        }
        if chunk.choices.is_none() {
            sink.may_call();
        }
        let mut reader = Reader { finished: true, ..Reader::default() };
        reader.chunk(chunk, sink);
        reader.finish(sink);
        Ok(())
    }

    /// Ends the stream, or the model's part of it: reports what has come together.
    pub(in crate::api) fn finish(&mut self, sink: &mut Sink<'_>) {
        sink.thought(std::mem::take(&mut self.thought), "reasoning");
        let mut calls = std::mem::take(&mut self.calls);
        calls.sort_by_key(|call| call.index);
        for call in calls {
            sink.tool(call.end(!self.finished));
        }
    }

    fn chunk(&mut self, chunk: Chunk<'_>, sink: &mut Sink<'_>) {
        sink.identify(chunk.id, chunk.model);
        let choices = chunk.choices.unwrap_or_default();
        let closing = choices.is_empty();
        for choice in choices {
            match serde_json::from_str(choice.get()) {
                Ok(choice) => self.choice(choice, sink),
                Err(_) => sink.may_call(),
            }
        }
        if let Some(usage) = chunk.usage {
            // Some providers repeat a running total on every chunk.
            let source = if closing || self.finished { UsageSource::Final } else { UsageSource::Partial };
            usage.apply(source, &mut sink.reply.usage);
        }
    }

    fn choice(&mut self, choice: Choice<'_>, sink: &mut Sink<'_>) {
        let Some(delta) = choice.delta else { return sink.may_call() };
        let text = delta.content.is_some_and(|content| !matches!(content.get(), "null" | "\"\"" | "[]"));
        sink.reply.content |= text || delta.refusal.is_some_and(|text| !text.0.is_empty());
        if choice.index.unwrap_or_default() != 0 {
            return sink.may_call();
        }
        // Those who send both send the same text twice.
        if let Some(text) = delta.reasoning_content.or(delta.reasoning) {
            sink.reply.content |= !text.0.is_empty();
            sink.keep(&mut self.thought, &text.0);
        }
        for call in delta.tool_calls.into_iter().flatten() {
            sink.may_call();
            if let Ok(call) = serde_json::from_str(call.get()) {
                sink.reply.content = true;
                self.call(call, sink);
            }
        }
        self.finished |= choice.finish_reason.is_some();
    }

    fn call(&mut self, delta: CallDelta<'_>, sink: &mut Sink<'_>) {
        let custom = delta.custom.is_some();
        let function = delta.custom.or(delta.function).unwrap_or_default();
        let id = delta.id.map(|id| id.0).filter(|id| !id.is_empty());
        let name = function.name.map(|name| name.0).filter(|name| !name.is_empty());
        let at = self.calls.iter().rposition(|call| match (delta.index, &id) {
            // Some give every call the index 0; one that has a name and another id is another call.
            (Some(index), Some(id)) => {
                call.index == index && (name.is_none() || call.id.as_deref().is_none_or(|known| known == id))
            }
            (Some(index), None) => call.index == index,
            (None, Some(id)) => call.id.as_deref() == Some(id),
            // Without either it can only be the last one.
            (None, None) => name.is_none(),
        });
        let at = match at {
            Some(at) => at,
            None => {
                if !sink.may_keep(size_of::<Call>()) {
                    return;
                }
                // Without an index the calls stay in order.
                let next = self.calls.last().map_or(0, |call| call.index.saturating_add(1));
                let index = delta.index.unwrap_or(next);
                self.calls.push(Call { index, id: None, name: String::new(), arguments: String::new(), custom });
                self.calls.len() - 1
            }
        };
        let call = &mut self.calls[at];
        if let (None, Some(id)) = (&call.id, id)
            && sink.may_keep(id.len())
        {
            call.id = Some(id.into_owned());
        }
        if let Some(name) = name
            && call.name.is_empty()
        {
            sink.keep(&mut call.name, &name);
        }
        match function.arguments.map(RawValue::get) {
            None | Some("null") => {}
            Some(raw) => match serde_json::from_str::<Text<'_>>(raw) {
                Ok(text) => sink.keep(&mut call.arguments, &text.0),
                // Not a string: the arguments themselves.
                Err(_) => sink.keep(&mut call.arguments, raw),
            },
        }
    }
}

impl Chunk<'_> {
    fn is_error(&self) -> bool {
        self.error.is_some_and(|error| error.get() != "null")
    }
}

impl Call {
    fn end(self, cut: bool) -> ToolCall {
        let (input, truncated) = match self.custom {
            true => (Value::String(self.arguments), cut),
            // No arguments at all are no broken JSON.
            false if self.arguments.is_empty() => (Value::String(String::new()), cut),
            false => tool_input(self.arguments, cut),
        };
        ToolCall { id: self.id, name: self.name, input, truncated, ..ToolCall::default() }
    }
}
