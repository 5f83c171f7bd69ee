//! How messages get to servers and back.

mod client;
mod sse;
mod streamable;

pub(crate) use client::client;
pub(crate) use sse::{SseTransport, SseTransportError};
pub(crate) use streamable::{StreamableClient, TOO_LARGE};
