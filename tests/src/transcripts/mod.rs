//! Provider traffic to test with, in `data/`: what a client asks, what the provider answers, what a record of it says.

mod file;
mod stream;

use std::path::PathBuf;
use std::{fs, io};

use bytes::Bytes;
use serde_json::Value;

use crate::Script;

pub use stream::{LineEnd, events, line_ends, resplit};

/// An API, by its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "tests match on all three")]
pub enum Endpoint {
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's Responses.
    Responses,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Messages, Self::Chat, Self::Responses];

    /// The path below an instance's base URL.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Messages => "/v1/messages",
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
        }
    }

    /// How transcripts of this API begin.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Chat => "chat",
            Self::Responses => "responses",
        }
    }
}

/// One conversation with a provider.
///
/// See `data/README.md` for the files.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Transcript {
    /// The file's name without its ending, such as `messages-plain`.
    pub name: String,
    /// Which API it speaks.
    pub endpoint: Endpoint,
    /// The request that asks for a whole reply.
    pub request: Bytes,
    /// The request that asks for a stream.
    pub streaming_request: Bytes,
    /// The whole replies: one, or one for each round of a tool loop.
    pub blocking: Vec<Reply>,
    /// The streamed replies, likewise.
    pub streams: Vec<Reply>,
    /// What the record of the first round says: `model`, `prompt`, `usage`, `tools`, `thoughts`, `outcome`,
    /// `stream_outcome` where the stream ends otherwise than the whole reply. Absent means none.
    pub expect: Value,
}

/// A response of a provider.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply {
    /// Its status code.
    pub status: u16,
    /// Its header fields but those that frame the body.
    pub fields: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
    /// Whether the body is an event stream.
    pub streamed: bool,
}

impl Transcript {
    /// Reads the transcript of this name.
    ///
    /// # Errors
    /// When there is no such file, or it is not written as `data/README.md` says.
    pub fn load(name: &str) -> io::Result<Self> {
        file::parse(name, &fs::read(directory().join(format!("{name}.txt")))?)
    }

    /// Reads all transcripts, sorted by name.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn all() -> io::Result<Vec<Self>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory())? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "txt") {
                names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
            }
        }
        names.sort();
        names.iter().map(|name| Self::load(name)).collect()
    }

    /// The transcripts of this API.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn of(endpoint: Endpoint) -> io::Result<Vec<Self>> {
        Ok(Self::all()?.into_iter().filter(|transcript| transcript.endpoint == endpoint).collect())
    }
}

impl Reply {
    /// A script that sends this reply: whole, or one event at a time.
    pub fn script(&self) -> Script {
        if self.streamed { self.head().writes(events(&self.body)) } else { self.head() }
    }

    /// A script that sends the body in these two writes, whatever they split.
    pub fn script_split(&self, (first, second): (Bytes, Bytes)) -> Script {
        self.chunked().write(first).write(second)
    }

    /// The head, and the body too unless this is a stream; for scripts that do something else with the events.
    pub fn head(&self) -> Script {
        if self.streamed { self.chunked() } else { self.with_fields(Script::whole(self.status, self.body.clone())) }
    }

    fn chunked(&self) -> Script {
        self.with_fields(Script::chunked(self.status))
    }

    fn with_fields(&self, script: Script) -> Script {
        self.fields.iter().fold(script, |script, (name, value)| script.field(name, value))
    }
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data")
}

#[cfg(test)]
mod tests;
