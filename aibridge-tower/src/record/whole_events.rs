//! Passes an event stream on event by event.

use aibridge_providers::{
    api::{Api, Reason, Refusal, chat},
    sse,
};
use bytes::{Bytes, BytesMut};

use super::observation::TRUNCATED;

/// The longest beginning of an event that is held back. A longer event passes as it comes.
const HOLD: usize = 64 * 1024;

/// Holds back the beginning of an event until the rest of it is there, so that a stream that breaks off can still end
/// with an error event of its own instead of half an event.
#[derive(Debug)]
pub(super) struct WholeEvents {
    held: BytesMut,
    /// An event longer than [`HOLD`] is passing.
    torn: bool,
    hide_usage: bool,
}

impl WholeEvents {
    /// With `hide_usage`, the usage chunk of a Chat stream that the client did not ask for is kept from it.
    pub(super) fn new(hide_usage: bool) -> WholeEvents {
        WholeEvents { held: BytesMut::new(), torn: false, hide_usage }
    }

    /// Takes `data`, of which the first `boundary` bytes complete events, and returns what goes on.
    pub(super) fn pass(&mut self, mut data: Bytes, boundary: usize) -> Bytes {
        if boundary == 0 && self.torn {
            return data;
        }
        let rest = data.split_off(boundary.min(data.len()));
        let whole = match self.held.is_empty() {
            true => data,
            false if boundary == 0 => Bytes::new(),
            false => {
                self.held.extend_from_slice(&data);
                self.held.split().freeze()
            }
        };
        let was_torn = self.torn && boundary > 0;
        if boundary > 0 {
            self.torn = false;
        }
        let whole = if self.hide_usage && !was_torn { without_usage(whole) } else { whole };
        self.hold(whole, rest)
    }

    fn hold(&mut self, whole: Bytes, rest: Bytes) -> Bytes {
        if rest.is_empty() {
            return whole;
        }
        self.held.extend_from_slice(&rest);
        if self.held.len() <= HOLD {
            return whole;
        }
        self.torn = true;
        let held = self.held.split();
        if whole.is_empty() {
            return held.freeze();
        }
        let mut joined = BytesMut::with_capacity(whole.len() + held.len());
        joined.extend_from_slice(&whole);
        joined.extend_from_slice(&held);
        joined.freeze()
    }

    /// The stream ended as it should: what is held back goes, with or without its last blank line.
    pub(super) fn rest(&mut self) -> Bytes {
        let rest = self.held.split().freeze();
        if self.hide_usage && !self.torn { without_usage(rest) } else { rest }
    }

    /// The stream broke off: half an event is of no use to the client, an error event is.
    pub(super) fn cut(&mut self, api: Api) -> Bytes {
        self.held.clear();
        let event = api.error_event(&Refusal::new(Reason::ProviderTruncated, TRUNCATED));
        if !self.torn {
            return event;
        }
        // The long event that is passing has to be closed first.
        let mut closed = BytesMut::from(&b"\n\n"[..]);
        closed.extend_from_slice(&event);
        closed.freeze()
    }
}

/// The events of `whole` without the usage chunk.
fn without_usage(whole: Bytes) -> Bytes {
    // Only a chunk that carries figures holds this.
    if memchr::memmem::find(&whole, b"\"usage\"").is_none() {
        return whole;
    }
    let mut kept = BytesMut::with_capacity(whole.len());
    for raw in sse::split_events(&whole) {
        let mut is_usage = false;
        let mut decoder = sse::Decoder::new(HOLD);
        let mut check = |event: sse::Event<'_>| is_usage |= chat::is_usage_chunk(event.data);
        decoder.feed(raw, &mut check);
        decoder.finish(&mut check);
        if !is_usage {
            kept.extend_from_slice(raw);
        }
    }
    kept.freeze()
}
