//! The sessions of all actors with all servers.

mod actors;
mod attempt;
mod builder;
mod call;
mod slot;
mod toolboxes;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use reqwest::Client;
use serde_json::{Map, Value};
use tokio::{runtime::Handle, sync::RwLock, time::Instant};
use uuid::Uuid;

pub(crate) use self::actors::Keeping;
pub use self::builder::{BuildError, McpBuilder};
use self::{actors::Actors, toolboxes::Toolboxes};
use crate::{
    BoxFuture, Limits, Outcome, Server, Tool, ToolSource, Toolbox, backoff::Backoff, metrics::Metrics,
    session::Listings,
};

/// The tools of MCP servers, for each actor with sessions of their own.
///
/// A session is opened when an actor needs it first, kept while the actor makes requests, and closed after a while
/// without. Sessions live on one runtime, see [`McpBuilder::runtime`]; any other may ask. A server that is dead or slow
/// costs its own tools, a warning and a metric: it is tried again in the background, less and less often.
///
/// Cheap to clone; the clones are one. When the last one goes, the sessions are closed.
#[derive(Clone)]
pub struct Mcp {
    actors: Arc<Actors>,
    toolboxes: Arc<Toolboxes>,
}

impl Mcp {
    /// To be given servers and limits.
    pub fn builder() -> McpBuilder {
        McpBuilder::default()
    }

    /// Forgets what is known of the actor: sessions are closed, and the next request connects and lists anew.
    ///
    /// For when the actor has linked or unlinked an account. Without it, that shows within [`Limits::credentials`].
    pub fn refresh(&self, actor: Uuid) {
        self.actors.forget(actor);
    }

    /// Closes all sessions and waits until the servers know. For the end of the host.
    pub async fn close(&self) {
        self.actors.forget_all();
        drop(self.actors.context().open.write().await);
    }
}

impl ToolSource for Mcp {
    fn known(&self, actor: Uuid) -> Option<Arc<Toolbox>> {
        self.actors.actor(actor).toolbox(&self.toolboxes)
    }

    fn tools(&self, actor: Uuid) -> BoxFuture<Arc<Toolbox>> {
        let mcp = self.clone();
        Box::pin(async move {
            let listings = mcp.actors.actor(actor).settled().await;
            mcp.toolboxes.of(&listings)
        })
    }

    fn call(&self, actor: Uuid, tool: &Tool, arguments: Map<String, Value>) -> BoxFuture<Outcome> {
        let slot = self.actors.actor(actor).slot(&tool.server);
        call::call(self.actors.context().clone(), slot, tool.name.clone(), arguments)
    }
}

impl fmt::Debug for Mcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.actors.servers().iter().map(|server| &server.config);
        f.debug_struct("Mcp").field("servers", &servers.collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// What everything here shares.
pub(crate) struct Context {
    pub(crate) limits: Limits,
    pub(crate) http: Client,
    pub(crate) runtime: Handle,
    pub(crate) metrics: Metrics,
    /// Read by every open session.
    pub(crate) open: Arc<RwLock<()>>,
}

/// A server, and what all actors know of it.
pub(crate) struct KnownServer {
    pub(crate) config: Server,
    pub(crate) listings: Listings,
    /// It did not speak the protocol of 2026-07-28 when it was last asked.
    pub(crate) speaks_legacy: AtomicBool,
    /// It fails, whoever asks.
    outage: Mutex<Backoff>,
}

impl KnownServer {
    fn new(config: Server) -> KnownServer {
        KnownServer {
            config,
            listings: Listings::default(),
            speaks_legacy: AtomicBool::default(),
            outage: Mutex::default(),
        }
    }

    fn outage(&self) -> std::sync::MutexGuard<'_, Backoff> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has answered somebody.
    fn works(&self) {
        *self.outage() = Backoff::default();
    }

    /// Whether it is down, and if so, whether it is on the asker to try it again.
    fn is_down(&self, now: Instant) -> Option<bool> {
        let mut outage = self.outage();
        outage.is_failing().then(|| outage.claim(now))
    }
}
