//! What aibridge records, and where records go.
//!
//! * [`record`]: the records themselves
//! * [`Recorder`]: what a layer that records talks to; [`Fanout`] tells several
//! * [`sqlite`]: the embedded store
//! * [`accounts`]: users and their API keys
//! * [`external_auth`]: users' OAuth2 tokens at other services, [sealed](`sealed`)
//! * [`interceptions`]: what was recorded, read back
//! * [`StructuredLog`]: one log line per record
//!
//! A recorder is told, not asked: [`Recorder::start`] is awaited before a request reaches its provider, and everything
//! later is an enqueue that waits on nothing. A recorder of one's own, beside the store:
//!
//! ```
//! use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
//!
//! use aibridge_store::{Fanout, Recorder, Started, record::{Record, Start}, sqlite::Sqlite};
//!
//! /// Counts the tokens that are paid for in full.
//! #[derive(Clone, Default)]
//! struct Tokens(Arc<AtomicU64>);
//!
//! impl Recorder for Tokens {
//!     fn start(&self, _: &Arc<Start>) -> Started {
//!         Started::ready(Ok(()))
//!     }
//!
//!     fn record(&self, record: &Arc<Record>) {
//!         if let Record::TokenUsage(usage) = &**record {
//!             self.0.fetch_add(usage.input_tokens + usage.output_tokens, Ordering::Relaxed);
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("aibridge.db");
//! let store = Sqlite::open(&path)?;
//! let tokens = Tokens::default();
//! // The store decides whether a request may start; the others are told.
//! let recorder = Fanout::new(store.clone()).also(tokens.clone());
//! # drop(recorder);
//! // Before the process leaves:
//! store.close().await?;
//! # Ok(()) }
//! ```

pub mod accounts;
pub mod external_auth;
mod fanout;
pub mod interceptions;
mod keys;
mod log;
pub mod record;
mod recorder;
pub mod sealed;
pub mod sqlite;

pub use fanout::Fanout;
pub use log::StructuredLog;
pub use recorder::{RecordError, Recorder, Started};
