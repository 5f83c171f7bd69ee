//! What aibridge records, and where records go.
//!
//! * [`record`]: the records themselves
//! * [`Recorder`]: what a layer that records talks to; [`Fanout`] tells several
//! * [`sqlite`]: the embedded store
//! * [`accounts`]: users and their API keys
//! * [`interceptions`]: what was recorded, read back
//! * [`StructuredLog`]: one log line per record
pub mod accounts;
mod fanout;
pub mod interceptions;
mod keys;
mod log;
pub mod record;
mod recorder;
pub mod sqlite;

pub use fanout::Fanout;
pub use log::StructuredLog;
pub use recorder::{RecordError, Recorder, Started};
