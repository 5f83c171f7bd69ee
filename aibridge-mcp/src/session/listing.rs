use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use rmcp::{Peer, RoleClient, model::PaginatedRequestParams};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{Limits, ToolRules, failure::Failure};

/// The tools of a server, those that the rules permit.
#[derive(Default)]
pub(crate) struct Listing {
    /// The same for equal listings.
    pub(crate) digest: [u8; 32],
    /// By the tools' own names.
    pub(crate) tools: BTreeMap<String, ListedTool>,
}

pub(crate) struct ListedTool {
    pub(crate) description: Option<String>,
    pub(crate) input_schema: Value,
}

impl Listing {
    fn new(tools: BTreeMap<String, ListedTool>) -> Listing {
        let mut digest = Sha256::new();
        for (name, tool) in &tools {
            // As JSON, strings say where they end.
            let content = serde_json::json!([name, tool.description, tool.input_schema]);
            digest.update(content.to_string());
        }
        Listing { digest: digest.finalize().into(), tools }
    }
}

/// The listings of a server that actors have, each once: mostly all have the same, and it may be large.
#[derive(Default)]
pub(crate) struct Listings(Mutex<Vec<Weak<Listing>>>);

impl Listings {
    fn shared(&self, listing: Listing) -> Arc<Listing> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|listing| listing.strong_count() > 0);
        if let Some(same) = known.iter().filter_map(Weak::upgrade).find(|known| known.digest == listing.digest) {
            return same;
        }
        let listing = Arc::new(listing);
        known.push(Arc::downgrade(&listing));
        listing
    }
}

/// How large the definitions of a server may be, in bytes of JSON. No provider takes nearly as much.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Asks the server for its tools, page by page, up to the limits.
pub(super) async fn list(
    peer: &Peer<RoleClient>,
    server: &str,
    rules: &ToolRules,
    limits: &Limits,
    listings: &Listings,
) -> Result<Arc<Listing>, Failure> {
    if peer.peer_info().is_some_and(|info| info.capabilities.tools.is_none()) {
        return Ok(listings.shared(Listing::new(BTreeMap::new())));
    }
    let mut tools = BTreeMap::new();
    let mut cursor = None;
    let mut cursors = HashSet::new();
    let mut bytes = 0;
    let whole = loop {
        let page = cursor.take().map(|cursor| PaginatedRequestParams::default().with_cursor(Some(cursor)));
        let page = peer.list_tools(page).await?;
        let mut new = page.tools.into_iter().filter(|tool| rules.permit(&tool.name)).peekable();
        while tools.len() < limits.max_tools
            && bytes <= MAX_BYTES
            && let Some(tool) = new.next()
        {
            let input_schema = Value::Object(Arc::unwrap_or_clone(tool.input_schema));
            let description = tool.description.as_ref().map_or(0, |text| text.len());
            bytes += tool.name.len() + description + input_schema.to_string().len();
            let listed = ListedTool { description: tool.description.map(Into::into), input_schema };
            tools.entry(tool.name.into_owned()).or_insert(listed);
        }
        if new.peek().is_some() {
            break false;
        }
        let Some(next) = page.next_cursor else { break true };
        if cursors.len() + 1 >= limits.max_pages || !cursors.insert(next.clone()) {
            break false;
        }
        cursor = Some(next);
    };
    if !whole {
        tracing::warn!(server, tools = tools.len(), "MCP server lists too many tools, the rest is left out");
    }
    Ok(listings.shared(Listing::new(tools)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(tools: &[(&str, &str)]) -> Listing {
        let tool = |description: &str| ListedTool { description: Some(description.into()), input_schema: Value::Null };
        Listing::new(tools.iter().map(|(name, description)| ((*name).to_owned(), tool(description))).collect())
    }

    #[test]
    fn equal_listings_are_one_as_long_as_somebody_has_it() {
        let listings = Listings::default();
        let one = listings.shared(listing(&[("a", "x"), ("b", "y")]));
        assert!(Arc::ptr_eq(&one, &listings.shared(listing(&[("b", "y"), ("a", "x")]))));
        assert!(!Arc::ptr_eq(&one, &listings.shared(listing(&[("a", "x"), ("b", "z")]))));
        drop(one);
        listings.shared(listing(&[]));
        assert_eq!(listings.0.lock().unwrap().len(), 1);
    }
}
