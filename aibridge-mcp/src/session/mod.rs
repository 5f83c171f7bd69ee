//! One session with one server: opened, listed, kept, called.

mod connect;
mod keeper;
mod listing;
mod result;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwap;
use rmcp::{
    Peer, RoleClient,
    model::{CallToolRequestParams, CallToolResponse},
};
use serde_json::{Map, Value};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use self::{
    connect::open,
    listing::{Listing, Listings},
    result::outcome,
};
use crate::{credentials::TokenDigest, failure::Failure};

/// An open session. Dropped, it closes; calls that go on keep it.
pub(crate) struct Session {
    /// Whose credential it was opened with.
    pub(crate) credential: TokenDigest,
    peer: Peer<RoleClient>,
    listing: ArcSwap<Listing>,
    retired: AtomicBool,
    closing: CancellationToken,
    _close: DropGuard,
}

impl Session {
    /// The server's tools, as it last listed them.
    pub(crate) fn listing(&self) -> Arc<Listing> {
        self.listing.load_full()
    }

    /// Whether more calls can be made.
    pub(crate) fn is_open(&self) -> bool {
        !self.retired.load(Ordering::Relaxed) && !self.peer.is_transport_closed()
    }

    /// Takes no more calls. Those that have been made go on.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    /// Calls a tool. Dropping the future cancels the call at the server.
    pub(crate) async fn call(&self, tool: String, arguments: Map<String, Value>) -> Result<CallToolResponse, Failure> {
        let request = CallToolRequestParams::new(tool).with_arguments(arguments);
        Ok(self.peer.call_tool_once(request).await?)
    }
}
