//! Server-sent events, after the WHATWG HTML standard's [event stream format][format].
//!
//! [`Decoder`] reads a stream in whatever pieces it arrives, [`encode`] writes an event.
//!
//! ```
//! use aibridge_providers::sse::{Decoder, encode};
//!
//! let mut decoder = Decoder::new(4 << 20);
//! let mut seen = Vec::new();
//! let bytes = b"event: ping\ndata: {}\n\ndata: {\"ha";
//! let complete = decoder.feed(bytes, &mut |event| seen.push((event.name.to_vec(), event.data.to_vec())));
//! assert_eq!(seen, [(b"ping".to_vec(), b"{}".to_vec())]);
//! assert_eq!(bytes[..complete], encode("ping", b"{}"));
//! ```
//!
//! [format]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

mod decoder;
mod encode;
mod line;
mod open;
mod partial;
mod split;

pub use decoder::{Decoder, Event};
pub use encode::encode;
pub(crate) use encode::encode_onto;
pub use split::split_events;

#[cfg(test)]
mod tests;
