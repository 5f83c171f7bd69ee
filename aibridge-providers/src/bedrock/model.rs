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
    } else if requested.to_ascii_lowercase().contains("haiku") {
        &settings.small_fast_model
    } else {
        &settings.model
    }
}

/// Whether `model` is an ARN, or the id of a model of Anthropic's or of an inference profile for one.
fn is_bedrock_id(model: &str) -> bool {
    // What no id can hold would only be refused by Bedrock, as an unknown model of a name that nobody recognises.
    let named = model.starts_with("arn:")
        || model.split_once("anthropic.").is_some_and(|(prefix, name)| {
            // A profile's prefix names where it routes to: `us`, `eu`, `apac`, `global`, `us-gov`, and more to come.
            let region = prefix.strip_suffix('.');
            !name.is_empty()
                && (prefix.is_empty()
                    || region.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')))
        });
    named && is_id(model)
}

/// Whether `model` has only the characters of model ids and ARNs, and nothing that could leave a segment of a path.
pub(super) fn is_id(model: &str) -> bool {
    !model.contains("..")
        && model.split('/').all(|part| !matches!(part, "" | "."))
        && model.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte))
}

/// The families whose members differ in what they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Opus,
    Sonnet,
    Haiku,
    Other,
}

/// A model of Anthropic's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) family: Family,
    /// Major and minor.
    pub(super) version: (u8, u8),
}

impl Model {
    /// Reads `id`, e.g. `us.anthropic.claude-opus-4-5-20251101-v1:0` or `anthropic.claude-3-7-sonnet-20250219-v1:0`.
    ///
    /// `None` when it does not tell, as the ARN of an application's inference profile.
    pub(super) fn of(id: &str) -> Option<Model> {
        let (_, name) = id.rsplit_once("claude-")?;
        let mut family = Family::Other;
        let mut version = Vec::new();
        for part in name.split(['-', '.', ':']) {
            match part {
                "opus" => family = Family::Opus,
                "sonnet" => family = Family::Sonnet,
                "haiku" => family = Family::Haiku,
                // What follows a version is a date, or the version of the id (`v1:0`).
                _ => match part.parse::<u8>() {
                    Ok(number) => version.push(number),
                    Err(_) if version.is_empty() => {}
                    Err(_) => break,
                },
            }
        }
        let major = *version.first()?;
        Some(Model { family, version: (major, version.get(1).copied().unwrap_or(0)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedrock::testing::settings;

    #[test]
    fn a_bedrock_id_is_used_as_it_is_and_any_other_name_is_mapped() {
        let settings = settings("configured", "small");
        for same in [
            "anthropic.claude-opus-4-5-20251101-v1:0",
            "us.anthropic.claude-3-5-haiku-20241022-v1:0",
            "eu.anthropic.claude-sonnet-4-6",
            "apac.anthropic.claude-sonnet-4-20250514-v1:0",
            "global.anthropic.claude-haiku-4-5-20251001-v1:0",
            "us-gov.anthropic.claude-3-7-sonnet-20250219-v1:0",
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
            "arn:aws-cn:bedrock:cn-north-1::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0",
        ] {
            assert_eq!(upstream_model(&settings, same), same);
        }
        for (name, model) in [
            ("claude-opus-4-5-20251101", "configured"),
            ("claude-sonnet-5", "configured"),
            ("claude-haiku-4-5", "small"),
            ("claude-3-5-haiku-latest", "small"),
            ("Claude-HAIKU", "small"),
            ("", "configured"),
            ("gpt-5", "configured"),
            ("not-anthropic.claude-x", "configured"),
            ("US.anthropic.claude-x", "configured"),
            ("anthropic.", "configured"),
            ("anthropic/claude-haiku-4.5", "small"),
            ("arn:aws:bedrock:us-east-1:1:inference-profile/../../x", "configured"),
            ("arn:aws:bedrock:us-east-1:1:inference-profile/x?y", "configured"),
            ("us.anthropic.claude-x y", "configured"),
        ] {
            assert_eq!(upstream_model(&settings, name), model, "{name}");
        }
    }

    #[test]
    fn an_id_tells_family_and_version_wherever_they_are_in_it() {
        let arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-7";
        for (id, family, version) in [
            ("anthropic.claude-opus-4-5-20251101-v1:0", Family::Opus, (4, 5)),
            ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", Family::Sonnet, (4, 5)),
            ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", Family::Haiku, (4, 5)),
            ("us.anthropic.claude-opus-4-1-20250805-v1:0", Family::Opus, (4, 1)),
            ("us.anthropic.claude-opus-4-20250514-v1:0", Family::Opus, (4, 0)),
            ("anthropic.claude-opus-4-6-v1", Family::Opus, (4, 6)),
            ("anthropic.claude-opus-4-6-v1:0", Family::Opus, (4, 6)),
            ("anthropic.claude-sonnet-4-6", Family::Sonnet, (4, 6)),
            ("anthropic.claude-opus-4-7", Family::Opus, (4, 7)),
            ("anthropic.claude-sonnet-5", Family::Sonnet, (5, 0)),
            ("anthropic.claude-sonnet-5-v1:0", Family::Sonnet, (5, 0)),
            ("anthropic.claude-haiku-5-5", Family::Haiku, (5, 5)),
            ("anthropic.claude-fable-5-1", Family::Other, (5, 1)),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", Family::Sonnet, (3, 7)),
            ("anthropic.claude-3-haiku-20240307-v1:0", Family::Haiku, (3, 0)),
            ("claude-opus-4.5", Family::Opus, (4, 5)),
            (arn, Family::Opus, (4, 7)),
        ] {
            assert_eq!(Model::of(id), Some(Model { family, version }), "{id}");
        }
        for opaque in [
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
            "anthropic.claude-instant-v1",
            "anthropic.claude-next",
            "amazon.nova-pro-v1:0",
            "",
        ] {
            assert_eq!(Model::of(opaque), None, "{opaque}");
        }
    }
}
