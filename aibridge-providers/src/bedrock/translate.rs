//! From a Messages request to the body of `InvokeModel`.

use bytes::Bytes;
use http::HeaderMap;

use super::Settings;
use crate::json::Document;

/// The request headers whose meaning moves into the body: they do not go to Bedrock.
pub const CONSUMED_HEADERS: [&str; 2] = ["anthropic-beta", "anthropic-version"];

/// A Messages request as `InvokeModel` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Translation {
    /// The model's id or ARN, for the path.
    pub model: String,
    /// Whether the reply is to be a stream.
    pub streaming: bool,
    /// The body.
    pub body: Bytes,
    /// What Bedrock does not take for this model, and what was changed for it, in order.
    pub removed: Vec<Removed>,
}

/// Something of a request that did not reach Bedrock as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// What it was.
    pub what: What,
    /// The flag, or the field's path. A flag is the client's own text: bound it before it becomes a metric's label.
    pub name: String,
}

/// What was removed or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum What {
    /// A beta flag.
    Beta,
    /// A member of the body.
    Field,
    /// `thinking` has another type than the client asked for.
    Thinking,
}

impl What {
    /// The name used in metrics and logs: `beta`, `field`, `thinking`.
    pub const fn as_str(self) -> &'static str {
        match self {
            What::Beta => "beta",
            What::Field => "field",
            What::Thinking => "thinking",
        }
    }
}

/// Translates `document`, a Messages request with `headers`.
///
/// # Rules
pub fn translate(document: &Document, headers: &HeaderMap, settings: &Settings) -> Translation {
    let _ = (document, headers, settings);
    todo!()
}
