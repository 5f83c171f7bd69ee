//! Which model is asked for, and what its id says about it.

use super::Settings;

/// The model that Bedrock is asked for when the client names `requested`.
///
/// A Bedrock id (`anthropic.claude-...`), an inference profile's id (`us.anthropic.claude-...`) and an ARN are used as
/// they are. For any other name it is the configured model: the small fast one if the name is of the Haiku class.
///
/// ```
/// use aibridge_providers::bedrock::{Protocol, Settings, upstream_model};
///
/// let settings = Settings {
///     protocol: Protocol::InvokeModel,
///     region: "us-east-1".into(),
///     model: "global.anthropic.claude-sonnet-4-5-20250929-v1:0".into(),
///     small_fast_model: "global.anthropic.claude-haiku-4-5-20251001-v1:0".into(),
///     credentials: Vec::new(),
///     role_arn: None,
///     external_id: None,
/// };
/// assert_eq!(upstream_model(&settings, "claude-opus-4-5"), settings.model);
/// assert_eq!(upstream_model(&settings, "claude-haiku-4-5"), settings.small_fast_model);
/// assert_eq!(upstream_model(&settings, "eu.anthropic.claude-opus-4-6-v1"), "eu.anthropic.claude-opus-4-6-v1");
/// ```
pub fn upstream_model<'a>(settings: &'a Settings, requested: &'a str) -> &'a str {
    if is_bedrock_id(requested) {
        requested
    } else if contains_ignoring_case(requested, "haiku") {
        &settings.small_fast_model
    } else {
        &settings.model
    }
}

/// Whether `model` is an ARN, or the id of a model or of an inference profile.
fn is_bedrock_id(model: &str) -> bool {
    if model.starts_with("arn:") {
        return true;
    }
    // The prefix names where a profile routes to: `us`, `eu`, `apac`, `global`, `us-gov`, and there will be others.
    model.split_once("anthropic.").is_some_and(|(prefix, name)| {
        let region = prefix.strip_suffix('.').unwrap_or(prefix);
        !name.is_empty()
            && (prefix.is_empty() || prefix.ends_with('.'))
            && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    })
}

fn contains_ignoring_case(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}
