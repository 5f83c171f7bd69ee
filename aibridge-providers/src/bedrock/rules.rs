//! What Bedrock takes of a Messages request, per model, as data. The one place to change when Bedrock learns something.
//!
//! After the [request reference], which lists the beta flags with their models, and the pages on [adaptive thinking] and
//! [thinking differences]; where those are silent, after what Bedrock is known to refuse.
//!
//! [request reference]: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
//! [adaptive thinking]: https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html
//! [thinking differences]: https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-thinking-differences.html

use super::model::{Family, Model};

/// A set of models.
#[derive(Clone, Copy, Debug)]
pub(super) enum Models {
    /// Every model, also one whose id does not tell which it is.
    All,
    /// No model.
    None,
    /// Those that any of the patterns describes.
    Any(&'static [Pattern]),
}

/// Describes models.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pattern {
    /// One model.
    Is(Family, u8, u8),
    /// The models of every family from the first version on, and before the second.
    Range((u8, u8), (u8, u8)),
    /// A model whose id does not tell which it is.
    Unknown,
}

use Family::{Haiku, Opus, Sonnet};
use Pattern::{Is, Range, Unknown};

const fn since(major: u8, minor: u8) -> Pattern {
    Range((major, minor), (u8::MAX, u8::MAX))
}

const fn before(major: u8, minor: u8) -> Pattern {
    Range((0, 0), (major, minor))
}

/// A beta flag that Bedrock takes.
#[derive(Debug)]
pub(super) struct Beta {
    pub(super) flag: &'static str,
    pub(super) models: Models,
}

/// What stands for a flag of Anthropic's that Bedrock knows under other names.
#[derive(Debug)]
pub(super) struct Alias {
    pub(super) flag: &'static str,
    pub(super) becomes: &'static [&'static str],
}

/// A member of the body that Bedrock refuses, unless for one of the models, or with one of the flags in force.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) place: Place,
    pub(super) name: &'static str,
    pub(super) models: Models,
    pub(super) flags: &'static [&'static str],
}

/// Where a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the body itself.
    Body,
    /// In an element of `messages`.
    Message,
    /// In the `cache_control` of a tool, or of a block of the system prompt or of a message.
    CacheControl,
}

/// An edit of `context_management.edits` that Bedrock takes only with the flag in force.
#[derive(Debug)]
pub(super) struct ContextEdit {
    /// How its `type` begins.
    pub(super) kind: &'static str,
    pub(super) flag: &'static str,
}

const fn beta(flag: &'static str, models: Models) -> Beta {
    Beta { flag, models }
}

const fn never(place: Place, name: &'static str) -> Field {
    Field { place, name, models: Models::None, flags: &[] }
}

const CONTEXT_MANAGEMENT: &str = "context-management-2025-06-27";
const COMPACT: &str = "compact-2026-01-12";
const EFFORT: &str = "effort-2025-11-24";
const MESSAGE_OUTPUT_CONFIG: &str = "mid-conversation-output-config-2026-07-01";

/// From 4.7 on Bedrock refuses the flags of features that the models have without them by then.
const OLDER: Models = Models::Any(&[before(4, 7), Unknown]);

/// The beta flags. Any other makes Bedrock refuse the request (`invalid beta flag`), so it is left out.
pub(super) const BETAS: &[Beta] = &[
    beta("computer-use-2025-01-24", OLDER),
    beta("computer-use-2025-11-24", Models::Any(&[Is(Opus, 4, 5), since(4, 6)])),
    beta("token-efficient-tools-2025-02-19", OLDER),
    beta("interleaved-thinking-2025-05-14", Models::All),
    beta("output-128k-2025-02-19", OLDER),
    beta("dev-full-thinking-2025-05-14", OLDER),
    beta("context-1m-2025-08-07", OLDER),
    beta("fine-grained-tool-streaming-2025-05-14", Models::Any(&[Range((4, 0), (4, 7))])),
    beta(CONTEXT_MANAGEMENT, Models::Any(&[Is(Sonnet, 4, 5), Is(Haiku, 4, 5)])),
    beta(EFFORT, Models::Any(&[Is(Opus, 4, 5)])),
    beta("tool-search-tool-2025-10-19", OLDER),
    beta("tool-examples-2025-10-29", OLDER),
    beta(COMPACT, Models::Any(&[since(4, 6)])),
    beta(MESSAGE_OUTPUT_CONFIG, Models::Any(&[since(5, 5)])),
    beta("mid-conversation-tool-changes-2026-07-01", Models::Any(&[since(5, 5)])),
    beta("thinking-display-updates-2026-08-18", Models::Any(&[since(5, 5)])),
];

/// The flags that have other names on Bedrock.
pub(super) const ALIASES: &[Alias] = &[Alias {
    flag: "advanced-tool-use-2025-11-20",
    becomes: &["tool-search-tool-2025-10-19", "tool-examples-2025-10-29"],
}];

/// The flags of Anthropic's that Bedrock does not know, for naming them in metrics: clients can make up any.
pub(super) const REFUSED: &[&str] = &[
    "advisor-tool-2026-03-01",
    "claude-code-20250219",
    "code-execution-2025-08-25",
    "compact-2026-09-04",
    "dangerous-tool-use-2026-09-03",
    "fast-mode-2026-02-01",
    "files-api-2025-04-14",
    "mcp-client-2025-04-04",
    "mcp-client-2025-11-20",
    "message-threads-2026-08-12",
    "oauth-2025-04-20",
    "per-turn-control-2026-07-01",
    "prompt-caching-scope-2026-01-05",
    "redact-thinking-2026-02-12",
    "skills-2025-10-02",
    "structured-outputs-2025-11-13",
    "task-budgets-2026-03-13",
    "thinking-binding-controls-2026-08-01",
    "web-fetch-2025-09-10",
    "web-search-2025-03-05",
];

/// The members that Bedrock refuses (`extra inputs are not permitted`).
pub(super) const FIELDS: &[Field] = &[
    never(Place::Body, "metadata"),
    never(Place::Body, "service_tier"),
    never(Place::Body, "container"),
    never(Place::Body, "inference_geo"),
    // Null, that is: any other needs a history that Bedrock does not keep, and the host refuses it.
    never(Place::Body, "thread"),
    Field { place: Place::Body, name: "output_config", models: Models::Any(&[since(4, 6)]), flags: &[EFFORT] },
    Field {
        place: Place::Body,
        name: "context_management",
        models: Models::None,
        flags: &[CONTEXT_MANAGEMENT, COMPACT],
    },
    Field { place: Place::Message, name: "output_config", models: Models::None, flags: &[MESSAGE_OUTPUT_CONFIG] },
    never(Place::CacheControl, "scope"),
];

/// Which edits of the context belong to which flag; others go with either.
pub(super) const CONTEXT_EDITS: &[ContextEdit] =
    &[ContextEdit { kind: "clear_", flag: CONTEXT_MANAGEMENT }, ContextEdit { kind: "compact_", flag: COMPACT }];

/// The models that know `thinking: adaptive`.
pub(super) const ADAPTIVE: Models = Models::Any(&[since(4, 6)]);

/// The models that refuse `thinking: enabled`.
pub(super) const ADAPTIVE_ONLY: Models = Models::Any(&[since(4, 7)]);

/// The share of `max_tokens`, in percent, that an effort is given to think; [`DEFAULT_SHARE`] for any other.
pub(super) const SHARES: &[(&str, u64)] = &[("low", 20), ("medium", 50), ("max", 95)];

/// The share for `high`, which is the default effort, and for efforts that came later.
pub(super) const DEFAULT_SHARE: u64 = 80;

/// The smallest budget that can be asked for.
pub(super) const MIN_BUDGET: u64 = 1024;

impl Models {
    /// Whether `model` is one of them; `None` is a model whose id does not tell which it is.
    pub(super) fn include(self, model: Option<Model>) -> bool {
        match self {
            Models::All => true,
            Models::None => false,
            Models::Any(patterns) => patterns.iter().any(|pattern| pattern.describes(model)),
        }
    }
}

impl Pattern {
    fn describes(self, model: Option<Model>) -> bool {
        match (self, model) {
            (Pattern::Is(family, major, minor), Some(model)) => {
                (model.family, model.version) == (family, (major, minor))
            }
            (Pattern::Range(from, below), Some(model)) => (from..below).contains(&model.version),
            (Pattern::Unknown, None) => true,
            (Pattern::Unknown, Some(_)) | (_, None) => false,
        }
    }
}
