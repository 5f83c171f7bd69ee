use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use http::Uri;
use regex::Regex;

use super::{Kind, Secret};

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
    /// Which models may be asked for.
    pub models: ModelRules,
    /// Why the instance is switched off, if it is.
    pub disabled: Option<String>,
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
                models: ModelRules::default(),
                disabled: None,
            },
        }
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
    pub fn build(self) -> Instance {
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

/// An instance's base URL, taken apart once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    // scheme, authority and path prefix, as the implementation needs them
}

/// Why a base URL is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseUrlError {
    /// It does not parse.
    #[error("is not a URL")]
    Malformed,
    /// Neither http nor https.
    #[error("must start with http:// or https://")]
    Scheme,
    /// It has a query or a fragment.
    #[error("must not have a query or a fragment")]
    Query,
    /// It carries a user name or password.
    #[error("must not carry credentials")]
    Credentials,
}

impl BaseUrl {
    /// Checks and takes apart `url`.
    pub fn parse(url: &str) -> Result<BaseUrl, BaseUrlError> {
        todo!("{url}")
    }

    /// Joins `path` (as in [`super::Route::path`]) and the client's query to the base. The base's own path segment is
    /// never doubled: `.../v1/` and `/v1/models` give `.../v1/models`. The query is kept byte for byte.
    pub fn join(&self, kind: Kind, path: &str, query: Option<&str>) -> Uri {
        todo!("{kind:?} {path} {query:?}")
    }

    /// The URL as text, for people.
    pub fn as_str(&self) -> &str {
        todo!()
    }
}

/// The instances in service, swapped as a whole while requests run.
#[derive(Debug)]
pub struct Registry {
    snapshot: ArcSwap<BTreeMap<String, Arc<Instance>>>,
}

impl Registry {
    /// A registry of `instances`. Of two with one name the last stays.
    pub fn new(instances: impl IntoIterator<Item = Instance>) -> Registry {
        let registry = Registry { snapshot: ArcSwap::default() };
        registry.replace(instances);
        registry
    }

    /// The instance of that name.
    pub fn find(&self, name: &str) -> Option<Arc<Instance>> {
        self.snapshot.load().get(name).cloned()
    }

    /// All instances, by name.
    pub fn all(&self) -> Vec<Arc<Instance>> {
        self.snapshot.load().values().cloned().collect()
    }

    /// Puts `instances` in the place of all others; requests that run keep theirs.
    pub fn replace(&self, instances: impl IntoIterator<Item = Instance>) {
        let by_name = instances.into_iter().map(|instance| (instance.name.clone(), Arc::new(instance))).collect();
        self.snapshot.store(Arc::new(by_name));
    }
}
