use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::KnownServer;
use crate::{Listed, Tool, Toolbox, session::Listing};

/// The toolboxes that actors have, each once: mostly all have the same, and it may be large.
pub(super) struct Toolboxes {
    servers: Arc<[Arc<KnownServer>]>,
    built: Mutex<HashMap<Key, Arc<Toolbox>>>,
}

/// The digests of the listings that a toolbox is made of.
type Key = Vec<Option<[u8; 32]>>;

/// How many are kept. When there are more, the combinations have changed with every session, and most are history.
const MAX_BUILT: usize = 64;

impl Toolboxes {
    pub(super) fn new(servers: Arc<[Arc<KnownServer>]>) -> Toolboxes {
        Toolboxes { servers, built: Mutex::default() }
    }

    /// The toolbox of `listings`, one for each server.
    pub(super) fn of(&self, listings: &[Option<Arc<Listing>>]) -> Arc<Toolbox> {
        let key: Key = listings.iter().map(|listing| listing.as_ref().map(|listing| listing.digest)).collect();
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(toolbox) = built.get(&key) {
            return toolbox.clone();
        }
        if built.len() >= MAX_BUILT {
            built.retain(|_, toolbox| Arc::strong_count(toolbox) > 1);
            if built.len() >= MAX_BUILT {
                built.clear();
            }
        }
        let toolbox = Arc::new(self.build(listings));
        built.insert(key, toolbox.clone());
        toolbox
    }

    fn build(&self, listings: &[Option<Arc<Listing>>]) -> Toolbox {
        let given = self.servers.iter().zip(listings).filter_map(|(server, listing)| Some((server, listing.as_ref()?)));
        Toolbox::new(given.flat_map(|(server, listing)| {
            let url = server.config.shown_url();
            listing.tools.iter().map(move |(name, tool)| {
                let mut listed =
                    Listed::new(Tool::new(&*server.config.id, name), url.clone(), tool.input_schema.clone());
                listed.description.clone_from(&tool.description);
                listed
            })
        }))
    }
}
