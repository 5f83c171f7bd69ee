//! What the wire formats of LLM providers mean. No I/O, no async runtime, no tower.
//!
//! * [`api`]: one folder per API, each able to read a request, observe a reply and shape an error
//! * [`sse`], [`json`], [`encoding`]: byte work the APIs stand on
//! * [`client`]: which coding agent is calling, and in which session
//! * [`provider`]: instances, kinds, routes, credentials and header rules
pub mod api;
pub mod client;
pub mod encoding;
pub mod json;
pub mod provider;
pub mod sse;
