//! From a Messages request to the body of `InvokeModel`.

use bytes::Bytes;
use http::HeaderMap;

use super::{Settings, betas, fields, model::Model, thinking, upstream_model};
use crate::json::{Document, Edits, Value};

/// The version of the Messages API that `InvokeModel` speaks.
const VERSION: &str = r#""bedrock-2023-05-31""#;

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
    /// What Bedrock does not take for this model and was left out or changed, each once.
    pub removed: Vec<Removed>,
}

/// Something of a request that did not reach Bedrock as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Removed {
    /// What it was.
    pub what: What,
    /// The flag (`other` for one that nobody knows), the member's path (`metadata`, `messages.output_config`), or the
    /// type of thinking that was asked for. One of a few, so that it may label a metric.
    pub name: &'static str,
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

/// Translates `document`, a Messages request that came with `headers`, for an instance with `settings`.
///
/// # Rules
///
/// Bytes outside the members named here stay as they are.
///
/// * `model` and `stream` leave the body. The model is [`upstream_model`].
/// * `anthropic_version` is `bedrock-2023-05-31` unless the body has one. That of the header is another numbering.
/// * The flags of the header `anthropic-beta` and of the body's `betas` and `anthropic_beta` that Bedrock takes for the
///   model become the body's `anthropic_beta`, under the names they have there.
/// * Members that Bedrock refuses are removed. A `thread` that is not null is one, without which the request means
///   something else: Bedrock keeps no history. The host has to [refuse](crate::api::Reason::ThreadUnsupported) it.
/// * `thinking` of a type that the model does not know becomes the one it knows. A budget is a share of `max_tokens`
///   after the effort; below 1,024 tokens there is no thinking.
///
/// Of a model whose id does not tell which it is (an application's inference profile), `thinking` is left alone, and
/// flags and members that only some models take are removed.
///
/// ```
/// use aibridge_providers::{bedrock::{Protocol, Settings, translate}, json::Document};
///
/// # let settings = Settings {
/// #     protocol: Protocol::InvokeModel,
/// #     region: "us-east-1".into(),
/// #     model: "global.anthropic.claude-sonnet-4-5-20250929-v1:0".into(),
/// #     small_fast_model: "global.anthropic.claude-haiku-4-5-20251001-v1:0".into(),
/// #     credentials: Vec::new(),
/// #     role_arn: None,
/// #     external_id: None,
/// # };
/// let body = r#"{"model":"claude-haiku-4-5","max_tokens":9,"stream":true,"metadata":{},"messages":[]}"#;
/// let translation = translate(&Document::parse(body.into())?, &http::HeaderMap::new(), &settings);
/// assert_eq!(translation.model, "global.anthropic.claude-haiku-4-5-20251001-v1:0");
/// assert!(translation.streaming);
/// assert_eq!(translation.body, r#"{"max_tokens":9,"messages":[],"anthropic_version":"bedrock-2023-05-31"}"#);
/// assert_eq!(translation.removed[0].name, "metadata");
/// # Ok::<(), aibridge_providers::json::JsonError>(())
/// ```
pub fn translate(document: &Document, headers: &HeaderMap, settings: &Settings) -> Translation {
    let root = document.root();
    let requested = document.get("model").and_then(Value::as_str).unwrap_or_default();
    let model = upstream_model(settings, &requested).to_owned();
    let mut changes = Changes {
        document,
        model: Model::of(&model),
        edits: Edits::new(document),
        flags: Vec::new(),
        removed: Vec::new(),
    };
    changes.edits.remove(root, "model");
    changes.edits.remove(root, "stream");
    if document.get("anthropic_version").is_none() {
        changes.edits.set(root, "anthropic_version", VERSION);
    }
    betas::apply(&mut changes, headers);
    let disabled = thinking::apply(&mut changes);
    fields::apply(&mut changes, disabled);
    let Changes { edits, removed, .. } = changes;
    let streaming = document.get("stream").is_some_and(Value::is_true);
    Translation { model, streaming, body: edits.apply(), removed }
}

/// What the rules have come to so far.
pub(super) struct Changes<'d> {
    pub(super) document: &'d Document,
    /// The model that is asked, if its id tells.
    pub(super) model: Option<Model>,
    pub(super) edits: Edits<'d>,
    /// The beta flags in force.
    pub(super) flags: Vec<&'static str>,
    removed: Vec<Removed>,
}

impl Changes<'_> {
    pub(super) fn report(&mut self, what: What, name: &'static str) {
        let removed = Removed { what, name };
        if !self.removed.contains(&removed) {
            self.removed.push(removed);
        }
    }

    /// Whether any of `flags` is in force.
    pub(super) fn has_any(&self, flags: &[&str]) -> bool {
        self.flags.iter().any(|flag| flags.contains(flag))
    }
}

#[cfg(test)]
mod tests;
