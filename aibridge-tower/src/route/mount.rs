//! Where the pipeline is mounted.

use std::sync::Arc;

/// Where a gateway is mounted unless told otherwise.
pub const DEFAULT_MOUNTS: [&str; 2] = ["/api/v2/aibridge", "/api/v2/ai-gateway"];

/// The path prefixes in front of an instance's name.
#[derive(Clone, Debug)]
pub(super) struct Mounts(Arc<[Box<str>]>);

impl Default for Mounts {
    fn default() -> Mounts {
        Mounts(DEFAULT_MOUNTS.iter().map(|mount| (*mount).into()).collect())
    }
}

impl Mounts {
    pub(super) fn new(mounts: impl IntoIterator<Item = impl AsRef<str>>) -> Mounts {
        Mounts(mounts.into_iter().map(|mount| mount.as_ref().trim_end_matches('/').into()).collect())
    }

    /// The instance's name and the path after it, if `path` is below a mount.
    pub(super) fn split<'a>(&self, path: &'a str) -> Option<(&'a str, &'a str)> {
        let below = self.0.iter().find_map(|mount| path.strip_prefix(&**mount)?.strip_prefix('/'))?;
        Some(match below.find('/') {
            Some(slash) => below.split_at(slash),
            None => (below, ""),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_a_mount_is_a_name_and_a_rest() {
        let mounts = Mounts::default();
        assert_eq!(mounts.split("/api/v2/aibridge/openai/v1/models"), Some(("openai", "/v1/models")));
        assert_eq!(mounts.split("/api/v2/ai-gateway/openai"), Some(("openai", "")));
        assert_eq!(mounts.split("/api/v2/aibridgex/openai"), None);
        assert_eq!(mounts.split("/other"), None);
        assert_eq!(Mounts::new([""]).split("/openai/v1/models"), Some(("openai", "/v1/models")));
    }
}
