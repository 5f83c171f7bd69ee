//! How a reply ends.

use bytes::Bytes;

use super::{event::Event, usage::Usage};
use crate::{
    json::{Document, Edits},
    sse,
};

/// Whether a reply that stopped for `reason` did not come to the model's own end.
pub(super) fn is_cut(reason: &str) -> bool {
    matches!(reason, "max_tokens" | "model_context_window_exceeded" | "refusal")
}

/// Whether a reply that stopped for `reason` goes on in another, for which the client sends it back as it is: the provider
/// runs tools that take long.
pub(super) fn is_pause(reason: &str) -> bool {
    reason == "pause_turn"
}

/// `event`, a `message_delta` perhaps, in which the model is done.
pub(super) fn done(event: &[u8]) -> Vec<u8> {
    let Some(parsed) = Event::read(event) else { return event.to_vec() };
    parsed.edited(end_turn)
}

/// Puts an `end_turn` into `document`, a message or a `message_delta`, if it has a reason to stop.
pub(super) fn end_turn(document: &Document, edits: &mut Edits<'_>) {
    let reason = document.get("delta").unwrap_or(document.root()).get("stop_reason");
    if let Some(reason) = reason.filter(|reason| !reason.is_null()) {
        edits.replace(reason, r#""end_turn""#);
    }
}

/// The events that end a reply whose own end is not known.
pub(super) fn made(usage: &Usage) -> Bytes {
    let usage = usage.to_json();
    let delta = format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn","stop_sequence":null}},"usage":{usage}}}"#
    );
    let stop = sse::encode("message_stop", br#"{"type":"message_stop"}"#);
    [sse::encode("message_delta", delta.as_bytes()), stop].concat().into()
}
