use std::{fmt, sync::Arc};

use aibridge_providers::{
    api::{Api, Observed, Observer, UsageSource},
    encoding::StreamDecoder,
};
use aibridge_store::{
    Recorder,
    record::{Record, Settled},
};
use bytes::Bytes;
use http::{StatusCode, response::Parts};
use uuid::Uuid;

use crate::{
    encoded::{Coding, coding, is_event_stream},
    record::observed,
};

/// How much of a stream is looked at for tools and thoughts, in bytes: until the end shows whether they count, they are
/// kept.
const MAX_KEPT: usize = 16 << 20;

/// Someone asks for a response.
pub(super) struct Asked {
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) content: bool,
    pub(super) initiator_id: Uuid,
    pub(super) provider_name: String,
}

impl Asked {
    /// Watches the reply with this head, if it can be read.
    pub(super) fn watch(self, head: &Parts) -> Option<Watch> {
        if head.status != StatusCode::OK {
            return None;
        }
        let decoder = match coding(&head.headers) {
            Coding::Plain => None,
            Coding::Coded(decoder) => Some(decoder),
            Coding::Unreadable => return None,
        };
        let observer = match is_event_stream(&head.headers) {
            true => Observer::streaming(Api::Responses),
            false => Observer::blocking(Api::Responses),
        };
        Some(Watch { asked: self, decoder, observer: Box::new(observer), found: Vec::new(), length: 0 })
    }
}

/// Reads a copy of a response that was asked for. When it goes, it tells what it saw.
pub(super) struct Watch {
    asked: Asked,
    decoder: Option<Box<StreamDecoder>>,
    observer: Box<Observer>,
    found: Vec<Observed>,
    length: usize,
}

impl Watch {
    /// Takes the next bytes. False when no more of them can be read.
    pub(super) fn read(&mut self, data: &Bytes) -> bool {
        let plain = match &mut self.decoder {
            None => data.clone(),
            Some(decoder) => match decoder.feed(data) {
                Ok(plain) => plain,
                Err(error) => {
                    tracing::debug!(%error, "a response that was asked for cannot be decoded");
                    return false;
                }
            },
        };
        self.length = self.length.saturating_add(plain.len());
        let (found, keep) = (&mut self.found, self.length <= MAX_KEPT);
        self.observer.feed(&plain, &mut |observed| found.extend(keep.then_some(observed)));
        true
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let (found, keep) = (&mut self.found, self.length <= MAX_KEPT);
        self.observer.finish(&mut |observed| found.extend(keep.then_some(observed)));
        let reply = self.observer.reply();
        let finished =
            reply.background && reply.terminal && !reply.accepted && reply.usage.source == UsageSource::Final;
        let Some(id) = reply.id.as_deref().filter(|_| finished) else { return };
        // Whose interception that is only the store knows.
        let of = Uuid::nil();
        let (mut tools, mut thoughts) = (Vec::new(), Vec::new());
        for found in self.found.drain(..) {
            match found {
                Observed::ToolCall(call) => tools.push(observed::tool_usage(of, Some(id), call, self.asked.content)),
                Observed::Thought(thought) if self.asked.content => thoughts.push(observed::model_thought(of, thought)),
                _ => {}
            }
        }
        self.asked.recorder.record(&Arc::new(Record::Settled(Settled {
            initiator_id: self.asked.initiator_id,
            provider_name: std::mem::take(&mut self.asked.provider_name),
            provider_response_id: id.to_owned(),
            usage: observed::token_usage(of, reply),
            tools,
            thoughts,
        })));
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("observer", &self.observer).finish_non_exhaustive()
    }
}
