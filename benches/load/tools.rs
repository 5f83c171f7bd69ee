//! An MCP server with as many tools as are wanted, which nobody calls.

use std::sync::Arc;

use axum::Router;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool},
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::json;
use tokio::net::TcpListener;

#[derive(Clone)]
struct Handler {
    tools: Vec<Tool>,
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.clone()))
    }
}

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, count: usize) -> anyhow::Result<()> {
    let handler = Handler { tools: (0..count).map(tool).collect() };
    let sessions: Arc<LocalSessionManager> = Arc::default();
    let service =
        StreamableHttpService::new(move || Ok(handler.clone()), sessions, StreamableHttpServerConfig::default());
    Ok(axum::serve(listener, Router::new().fallback_service(service)).await?)
}

/// How many bytes that many of them are in a request.
pub(crate) fn bytes(count: usize) -> usize {
    let written =
        |tool: Tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.input_schema});
    json!({"tools": (0..count).map(tool).map(written).collect::<Vec<_>>()}).to_string().len()
}

/// About the size of what issue trackers and code hosts list: 700 bytes.
fn tool(number: usize) -> Tool {
    let text = |what: &str| format!("The {what} to look for; names, numbers and addresses are understood. ").repeat(2);
    let schema = json!({
        "type": "object",
        "properties": {
            "owner": {"type": "string", "description": text("owner")},
            "name": {"type": "string", "description": text("name")},
            "page": {"type": "integer", "minimum": 1},
        },
        "required": ["owner", "name"],
    });
    let schema = schema.as_object().cloned().unwrap_or_default();
    Tool::new(format!("find_thing_{number:03}"), text("thing"), Arc::new(schema))
}
