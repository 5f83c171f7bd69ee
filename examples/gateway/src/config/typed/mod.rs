//! The configuration as the rest of the gateway uses it.

pub(in crate::config) mod authentication;
mod external_auth;
mod gateway;
mod host;
mod known;
mod mcp;

use std::{io, path::Path};

pub(crate) use authentication::Authentication;
pub(crate) use external_auth::{Application, ClientAuth, Revocation};
pub(crate) use gateway::{Gateway, RecordingPolicy};
pub(crate) use host::{Host, Log, LogSink};
pub(crate) use mcp::{CODER, Mcp, Transport};

/// What to say of a file that must be readable and is not.
pub(super) fn cannot_read(path: &Path, why: &io::Error) -> String {
    format!("{} cannot be read ({}); give the path of a readable file", path.display(), why.kind())
}
