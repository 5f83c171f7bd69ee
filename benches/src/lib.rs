//! What the benches share: the requests and replies they are run with, and a provider without sockets.
//!
//! The benches themselves are in `benches/` (criterion, a file per layer) and in `load/` (whole processes over
//! loopback); `README.md` says how to run both and what each figure means.

pub mod inputs;
pub mod service;

/// The gateway's, so that what is compared with it, or stands for it, allocates as it does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
