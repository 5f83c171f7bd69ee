use std::{collections::HashSet, sync::Arc};

use http::header::{ACCEPT, AUTHORIZATION};
use tokio::{runtime::Handle, sync::RwLock};

use super::{Actors, Context, KnownServer, Mcp, Toolboxes};
use crate::{Limits, Server, metrics::Metrics, transport};

/// Builds [`Mcp`].
#[derive(Debug, Default)]
pub struct McpBuilder {
    servers: Vec<Server>,
    limits: Limits,
    runtime: Option<Handle>,
}

impl McpBuilder {
    /// Adds a server.
    #[must_use]
    pub fn server(mut self, server: Server) -> McpBuilder {
        self.servers.push(server);
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> McpBuilder {
        self.limits = limits;
        self
    }

    /// Sets the runtime that sessions live on. It has to outlive those that ask. The default is the current one.
    #[must_use]
    pub fn runtime(mut self, runtime: Handle) -> McpBuilder {
        self.runtime = Some(runtime);
        self
    }

    /// Builds it. Nothing is connected yet. Counts with OpenTelemetry's global meter provider, which must have been set.
    ///
    /// # Errors
    ///
    /// If two servers have the same id, a URL is not one of `http` or `https` or has a user in it, a fixed header is
    /// one that the transport sets, there is no runtime, or TLS cannot be set up.
    pub fn build(self) -> Result<Mcp, BuildError> {
        let mut ids = HashSet::new();
        for server in &self.servers {
            if !ids.insert(&*server.id) {
                return Err(BuildError::SameId(server.id.clone()));
            }
            let url = &server.url;
            let anonymous = url.username().is_empty() && url.password().is_none();
            if !matches!(url.scheme(), "http" | "https") || !anonymous {
                return Err(BuildError::Url(server.id.clone()));
            }
            let reserved = server.headers.keys().find(|name| {
                matches!(name.as_str(), "mcp-session-id" | "mcp-protocol-version" | "last-event-id")
                    || **name == ACCEPT
                    || (**name == AUTHORIZATION && server.credentials.is_some())
            });
            if let Some(name) = reserved {
                return Err(BuildError::Header { server: server.id.clone(), name: name.to_string() });
            }
        }
        let runtime = match self.runtime {
            Some(runtime) => runtime,
            None => Handle::try_current().map_err(|_| BuildError::NoRuntime)?,
        };
        let context = Context {
            limits: self.limits,
            http: transport::client().map_err(BuildError::Tls)?,
            runtime,
            metrics: Metrics::new(),
            open: Arc::new(RwLock::new(())),
        };
        let servers: Arc<[_]> = self.servers.into_iter().map(|server| Arc::new(KnownServer::new(server))).collect();
        let toolboxes = Arc::new(Toolboxes::new(servers.clone()));
        Ok(Mcp { actors: Actors::new(Arc::new(context), servers), toolboxes })
    }
}

/// Why [`Mcp`] could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two servers have the same id.
    #[error("two MCP servers have the id {0}")]
    SameId(String),
    /// A server's URL is not one of HTTP, or has a user in it.
    #[error("the URL of MCP server {0} is not an http or https URL without a user")]
    Url(String),
    /// A fixed header is one that the transport sets.
    #[error("MCP server {server} must not have the fixed header {name}")]
    Header {
        /// The server's id.
        server: String,
        /// The header's name.
        name: String,
    },
    /// There is neither a current runtime nor one that was set.
    #[error("no tokio runtime for MCP sessions to live on")]
    NoRuntime,
    /// TLS could not be set up, for want of root certificates for example.
    #[error("the HTTP client for MCP could not be built")]
    Tls(#[source] reqwest::Error),
}
