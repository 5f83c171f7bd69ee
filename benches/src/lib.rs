//! What the benches share: the requests and replies they are run with.
//!
//! The benches themselves are in `benches/` (criterion, a file per layer) and in `load/` (whole processes over
//! loopback); `README.md` says how to run both and what each figure means.

pub mod inputs;
