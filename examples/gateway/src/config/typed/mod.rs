//! The configuration as the rest of the gateway uses it.

pub(in crate::config) mod authentication;
mod gateway;
mod host;

use std::{io, path::Path};

pub(crate) use authentication::Authentication;
pub(crate) use gateway::{Gateway, RecordingPolicy};
pub(crate) use host::{Host, Log, LogSink};

/// What to say of a file that must be readable and is not.
pub(super) fn cannot_read(path: &Path, why: &io::Error) -> String {
    format!("{} cannot be read ({}); give the path of a readable file", path.display(), why.kind())
}
