use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    item::Item,
    kind::{calls, is_terminal, names_functions},
    usage::Usage,
};
use crate::{
    api::{
        Calls, ProviderError, UsageSource,
        sink::Sink,
        wire::{Text, lenient, type_of},
    },
    sse::Event,
};

/// Reads a Responses reply.
#[derive(Debug, Default)]
pub(in crate::api) struct Reader {
    /// The items that have been reported as they came, and are not reported again from the final output.
    seen: Vec<Seen>,
}

/// By what an item is known again. Some providers give it another id in every event, some leave items out of the final
/// output.
#[derive(Debug)]
struct Seen {
    index: Option<u64>,
    id: Option<String>,
}

/// An event that holds the response.
#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    response: Option<Response<'a>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    model: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    status: Option<Text<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    background: Option<bool>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    output: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Usage>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ItemDone<'a> {
    #[serde(default, deserialize_with = "lenient")]
    output_index: Option<u64>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    item: Option<Item<'a>>,
}

#[derive(Deserialize)]
struct Failure<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    error: Option<&'a RawValue>,
}

impl Reader {
    /// Takes an event of the stream.
    pub(in crate::api) fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_>) {
        let kind = match std::str::from_utf8(event.name) {
            Ok(name) if name == "error" || name.starts_with("response.") => Some(Cow::Borrowed(name)),
            // Some providers leave the event's name out.
            _ if event.oversize => None,
            _ => match type_of(event.data) {
                Ok(kind) => kind,
                Err(_) => return sink.unobserved(),
            },
        };
        let kind = kind.as_deref().unwrap_or_default();
        sink.calls(calls(kind, event.data));
        if event.oversize {
            sink.reply.terminal |= is_terminal(kind);
            return sink.unobserved();
        }
        if self.read(kind, event.data, sink).is_err() {
            sink.unobserved();
        }
    }

    fn read(&mut self, kind: &str, data: &[u8], sink: &mut Sink<'_>) -> serde_json::Result<()> {
        match kind {
            "response.created" => {
                if let Some(response) = serde_json::from_slice::<Whole<'_>>(data)?.response {
                    sink.reply.background = response.background == Some(true);
                    sink.identify(response.id, response.model);
                }
            }
            "response.output_item.done" => {
                let done: ItemDone<'_> = serde_json::from_slice(data)?;
                if let Some(item) = done.item {
                    sink.reply.content = true;
                    self.item(done.output_index, item, sink);
                }
            }
            "error" => sink.error(ProviderError::read_body(data).unwrap_or_default()),
            // Not of this API, but what proxies send.
            "" => {
                let failure: Option<Failure<'_>> = serde_json::from_slice(data).ok();
                if failure.and_then(|failure| failure.error).is_some_and(|error| error.get() != "null") {
                    sink.error(ProviderError::read_body(data).unwrap_or_default());
                }
            }
            _ if is_terminal(kind) => {
                sink.reply.terminal = true;
                if let Some(response) = serde_json::from_slice::<Whole<'_>>(data)?.response {
                    self.response(response, sink);
                }
                if kind == "response.failed" {
                    sink.error(ProviderError { kind: "failed".to_owned(), ..ProviderError::default() });
                }
            }
            // Text, arguments, reasoning, audio: what is recorded of them comes again with the whole item.
            _ => sink.reply.content |= kind.ends_with(".delta"),
        }
        Ok(())
    }

    /// Ends the stream. One of a response that is produced in the background leaves it running when it ends early.
    pub(in crate::api) fn finish(&mut self, sink: &mut Sink<'_>) {
        sink.reply.accepted |= sink.reply.background && !sink.reply.terminal;
    }

    /// Reads a whole response, or a compaction, which has the same members.
    pub(in crate::api) fn document(document: &[u8], sink: &mut Sink<'_>) -> serde_json::Result<()> {
        let response: Response<'_> = serde_json::from_slice(document)?;
        let status = response.status.as_ref().map(|status| &*status.0);
        sink.reply.accepted = matches!(status, Some("queued" | "in_progress"));
        let failed = status == Some("failed");
        if names_functions(document) {
            sink.calls(Calls::Named);
        }
        if !Reader::default().response(response, sink) {
            sink.may_call();
        }
        if failed {
            sink.error(ProviderError { kind: "failed".to_owned(), ..ProviderError::default() });
        }
        Ok(())
    }

    /// Returns whether its output is known to be text.
    fn response(&mut self, response: Response<'_>, sink: &mut Sink<'_>) -> bool {
        sink.reply.background |= response.background == Some(true);
        sink.identify(response.id, response.model);
        let mut is_text = response.output.is_some();
        for (index, item) in (0..).zip(response.output.into_iter().flatten()) {
            let item = serde_json::from_str::<Item<'_>>(item.get());
            is_text &= item.as_ref().is_ok_and(Item::is_text);
            if let Ok(item) = item {
                sink.reply.content = true;
                self.item(Some(index), item, sink);
            }
        }
        if let Some(usage) = response.usage {
            usage.apply(UsageSource::Final, &mut sink.reply.usage);
        }
        if let Some(error) = response.error.filter(|error| error.get() != "null") {
            sink.error(ProviderError::read(error.get()).unwrap_or_default());
        }
        is_text
    }

    /// Reports an item, the first time it comes.
    fn item(&mut self, index: Option<u64>, item: Item<'_>, sink: &mut Sink<'_>) {
        let id = item.call_id.as_ref().or(item.id.as_ref()).map(|id| &*id.0);
        let known =
            |seen: &Seen| (index.is_some() && seen.index == index) || (id.is_some() && seen.id.as_deref() == id);
        if !self.seen.iter().any(known) && sink.may_keep(size_of::<Seen>() + id.map_or(0, str::len)) {
            self.seen.push(Seen { index, id: id.map(str::to_owned) });
            item.report(sink);
        }
    }
}
