use regex::Regex;

use super::{BaseUrl, KeyPool, Kind, Secret};
use crate::bedrock;

/// A configured provider: a name, a kind, a base URL and credentials.
#[derive(Debug)]
#[non_exhaustive]
pub struct Instance {
    /// The name in the path, e.g. `anthropic-corp`.
    pub name: String,
    /// The kind.
    pub kind: Kind,
    /// Where it is.
    pub base_url: BaseUrl,
    /// The organisation's keys, in order; empty when only users bring theirs.
    pub keys: Vec<Secret>,
    /// For [`Kind::Bedrock`].
    pub bedrock: Option<bedrock::Settings>,
    /// Which models may be asked for.
    pub models: ModelRules,
    /// Why the instance is switched off, if it is.
    pub disabled: Option<String>,
    pub(super) pool: KeyPool,
}

/// Builds an [`Instance`].
#[derive(Debug)]
pub struct InstanceBuilder {
    instance: Instance,
}

impl Instance {
    /// Starts an instance of `kind` at `base_url`, named like its kind, with no key.
    pub fn builder(kind: Kind, base_url: BaseUrl) -> InstanceBuilder {
        InstanceBuilder {
            instance: Instance {
                name: kind.as_str().to_owned(),
                kind,
                base_url,
                keys: Vec::new(),
                bedrock: None,
                models: ModelRules::default(),
                disabled: None,
                pool: KeyPool::default(),
            },
        }
    }

    /// Which of its credentials can be used: its keys, or on Bedrock its access keys, as they were when it was built.
    pub fn pool(&self) -> &KeyPool {
        &self.pool
    }
}

impl InstanceBuilder {
    /// Sets the name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> InstanceBuilder {
        self.instance.name = name.into();
        self
    }

    /// Adds a key of the organisation's.
    #[must_use]
    pub fn key(mut self, key: Secret) -> InstanceBuilder {
        self.instance.keys.push(key);
        self
    }

    /// Sets how Amazon Bedrock is asked.
    #[must_use]
    pub fn bedrock(mut self, settings: bedrock::Settings) -> InstanceBuilder {
        self.instance.bedrock = Some(settings);
        self
    }

    /// Sets which models may be asked for.
    #[must_use]
    pub fn models(mut self, models: ModelRules) -> InstanceBuilder {
        self.instance.models = models;
        self
    }

    /// Switches the instance off; requests are answered 503 with `why`.
    #[must_use]
    pub fn disabled(mut self, why: impl Into<String>) -> InstanceBuilder {
        self.instance.disabled = Some(why.into());
        self
    }

    /// The instance.
    pub fn build(mut self) -> Instance {
        self.instance.pool = KeyPool::of(&self.instance);
        self.instance
    }
}

/// The models that may be asked for: regular expressions on the model's name, unanchored; deny wins.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ModelRules {
    /// If set, only models that match.
    pub allow: Option<Regex>,
    /// Never models that match.
    pub deny: Option<Regex>,
}

impl ModelRules {
    /// Whether `model` may be asked for.
    pub fn permit(&self, model: &str) -> bool {
        !self.deny.as_ref().is_some_and(|deny| deny.is_match(model))
            && self.allow.as_ref().is_none_or(|allow| allow.is_match(model))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: Option<&str>, deny: Option<&str>) -> ModelRules {
        let regex = |pattern: Option<&str>| pattern.map(|pattern| Regex::new(pattern).expect("a regular expression"));
        ModelRules { allow: regex(allow), deny: regex(deny) }
    }

    #[test]
    fn without_rules_every_model_may_be_asked_for() {
        assert!(rules(None, None).permit("anything"));
    }

    #[test]
    fn with_an_allow_rule_other_models_are_refused() {
        let rules = rules(Some("^claude-"), None);
        assert!(rules.permit("claude-sonnet-4-5"));
        assert!(!rules.permit("gpt-5"));
    }

    #[test]
    fn deny_wins_over_allow() {
        let rules = rules(Some("^claude-"), Some("opus"));
        assert!(rules.permit("claude-sonnet-4-5"));
        assert!(!rules.permit("claude-opus-4-5"));
        assert!(!rules.permit("opus"));
    }

    #[test]
    fn an_instance_is_named_like_its_kind_unless_told_otherwise() {
        let base = BaseUrl::parse("https://api.anthropic.com/").expect("a base URL");
        assert_eq!(Instance::builder(Kind::Anthropic, base.clone()).build().name, "anthropic");
        let instance = Instance::builder(Kind::Anthropic, base).name("corp").key(Secret::new("sk-secret")).build();
        assert_eq!(instance.name, "corp");
        assert!(!format!("{instance:?}").contains("sk-secret"));
    }
}
