use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;

use super::Instance;

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

    /// Puts `instances` in the place of all others; requests that run keep theirs. Of keys that stay at the same provider
    /// it is still known whether they can be used.
    pub fn replace(&self, instances: impl IntoIterator<Item = Instance>) {
        let old = self.snapshot.load();
        let by_name = instances.into_iter().map(|mut instance| {
            let before = old.get(&instance.name);
            if let Some(before) = before.filter(|before| before.base_url.as_str() == instance.base_url.as_str()) {
                instance.pool.inherit(&before.pool);
            }
            (instance.name.clone(), Arc::new(instance))
        });
        self.snapshot.store(Arc::new(by_name.collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{BaseUrl, Kind};

    fn instance(kind: Kind, name: &str, base: &str) -> Instance {
        Instance::builder(kind, BaseUrl::parse(base).expect("a base URL")).name(name).build()
    }

    #[test]
    fn an_instance_that_is_held_outlives_a_swap() {
        let registry = Registry::new([instance(Kind::OpenAi, "a", "https://old.example")]);
        let held = registry.find("a").expect("it is there");
        registry.replace([instance(Kind::OpenAi, "a", "https://new.example")]);
        assert_eq!(held.base_url.as_str(), "https://old.example/");
        assert_eq!(registry.find("a").expect("it is there").base_url.as_str(), "https://new.example/");
    }

    #[test]
    fn a_swap_removes_what_it_does_not_name() {
        let registry = Registry::new([
            instance(Kind::OpenAi, "b", "https://b.example"),
            instance(Kind::Anthropic, "a", "https://a.example"),
        ]);
        let names = |registry: &Registry| registry.all().iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&registry), ["a", "b"]);
        registry.replace([instance(Kind::Anthropic, "a", "https://a.example")]);
        assert_eq!(names(&registry), ["a"]);
        assert!(registry.find("b").is_none());
    }

    #[test]
    fn of_two_with_one_name_the_last_stays() {
        let registry = Registry::new([
            instance(Kind::OpenAi, "a", "https://first.example"),
            instance(Kind::Anthropic, "a", "https://last.example"),
        ]);
        assert_eq!(registry.find("a").expect("it is there").kind, Kind::Anthropic);
    }
}
