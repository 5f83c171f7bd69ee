//! The MCP servers of the configuration, each with the credentials it wants.

mod coder;

use std::sync::Arc;

use aibridge_mcp::{Limits, Mcp, Server};
use anyhow::Context;
use http::HeaderValue;

pub(crate) use coder::CoderTokens;

use crate::{
    config::{self, CODER, Transport},
    external_auth::Links,
};

/// The servers; `None` when none is configured. Sessions live on the runtime this is called on.
///
/// # Errors
/// The HTTP client cannot be set up. Everything else was checked when the configuration was read.
pub(crate) fn servers(
    config: &config::Mcp,
    limits: Limits,
    links: Option<&Links>,
    tokens: Option<CoderTokens>,
) -> anyhow::Result<Option<Mcp>> {
    let mut servers = Vec::new();
    for fixed in &config.servers {
        let transport = match fixed.transport {
            Transport::StreamableHttp => aibridge_mcp::Transport::StreamableHttp,
            Transport::Sse => aibridge_mcp::Transport::Sse,
        };
        let mut server = Server::new(&fixed.name, fixed.url.clone()).transport(transport).rules(fixed.rules.clone());
        if let Some((name, value)) = &fixed.header {
            server = server.header(name.clone(), HeaderValue::from_str(value.expose())?);
        }
        servers.push(server);
    }
    if let Some(links) = links {
        let links = Arc::new(links.clone());
        servers.extend(config.applications.iter().map(|application| {
            Server::new(&application.id, application.mcp_url.clone())
                .rules(application.rules.clone())
                .credentials(links.clone())
        }));
    }
    if let (Some(url), Some(tokens)) = (&config.coder, tokens) {
        servers.push(Server::new(CODER, url.clone()).credentials(Arc::new(tokens)));
    }
    if servers.is_empty() {
        return Ok(None);
    }
    for server in &servers {
        tracing::info!(?server, "MCP server");
    }
    let mcp = servers.into_iter().fold(Mcp::builder().limits(limits), aibridge_mcp::McpBuilder::server).build();
    mcp.map(Some).context("MCP cannot be set up")
}
