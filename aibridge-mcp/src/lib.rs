//! MCP servers and their tools, as an LLM gateway gives them to every user's model.
//!
//! A gateway is configured with MCP servers ([`Server`]), asks for the tools of whoever makes a request, puts them into the
//! request, and runs the calls that the model makes. [`Mcp`] is the part that knows the servers; it is a [`ToolSource`],
//! which is all that a tool layer needs to know of it.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use aibridge_mcp::{BoxFuture, Credentials, CredentialsError, Mcp, Server, Token, ToolRules, ToolSource as _};
//! use http::{HeaderValue, header::AUTHORIZATION};
//! use uuid::Uuid;
//!
//! /// Where the host keeps what its users have linked.
//! struct Accounts;
//!
//! impl Credentials for Accounts {
//!     fn token(&self, actor: Uuid, server: &str) -> BoxFuture<Result<Option<Token>, CredentialsError>> {
//!         # let _ = (actor, server);
//!         Box::pin(async { Ok(Some(Token::new("from the database"))) })
//!     }
//!
//!     fn refresh(&self, _: Uuid, _: &str, used: &Token) -> BoxFuture<Result<Option<Token>, CredentialsError>> {
//!         # let _ = used;
//!         Box::pin(async { Ok(None) })
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // One server with the same header for everybody, and one where each user is who they are.
//! let mut key = HeaderValue::from_str("Bearer from-the-environment")?;
//! key.set_sensitive(true);
//! let docs = Server::new("docs", "https://docs.example.com/mcp".parse()?).header(AUTHORIZATION, key);
//! let github = Server::new("github", "https://api.githubcopilot.com/mcp/".parse()?)
//!     .rules(ToolRules::new().allow("^(list|get|search)_".parse()?))
//!     .credentials(Arc::new(Accounts));
//! let mcp = Mcp::builder().server(docs).server(github).build()?;
//!
//! // For a request: mostly the tools are known. The first time, servers are connected and listed.
//! let actor = Uuid::new_v4();
//! let toolbox = match mcp.known(actor) {
//!     Some(toolbox) => toolbox,
//!     None => mcp.tools(actor).await,
//! };
//! for tool in &toolbox.listed {
//!     println!("{}: {}", tool.name, tool.description.as_deref().unwrap_or_default());
//! }
//!
//! // The model has called one.
//! if let Some(tool) = toolbox.names.tool("bmcp_github_get_me") {
//!     let outcome = mcp.call(actor, tool, serde_json::Map::new()).await;
//!     println!("{:?} after {:?}", outcome.content, outcome.duration);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What can be relied on
//!
//! - **Sessions are nobody else's.** There is one for each actor, server and credential, never shared between actors, also
//!   where the credential is the same. A new token is a new session. It is opened on first need, closed after 15 minutes
//!   without a request of the actor, and opened again unseen if the server forgot it.
//! - **A bad server costs its tools, not the request.** Whatever waits has a limit ([`Limits`]); a server that fails is
//!   left alone for a while, longer each time, and then tried in the background. Warnings and the counters
//!   `coder_aibridged_mcp_connects` and `coder_aibridged_mcp_server_failures` tell of it.
//! - **A call always has an outcome.** What goes wrong is told to the model in words and to the records in
//!   [`Outcome::error`], with no URL, header or token but what a server's own error message repeats. The log says reasons
//!   and codes only: servers repeat arguments and credentials. For the same reason a host should not log what the target
//!   `rmcp` says. Dropping the call's future cancels the call at the server.
//! - **Definitions hold still.** Tools are in the order of their names, the same on every replica, and change when the
//!   server says that they do, when a session is opened, or after [`Mcp::refresh`]: the provider's prompt cache depends
//!   on it. [`Toolbox::fingerprint`] says whether anything has changed.
//! - **Tokens go where they belong.** URLs are fixed by configuration, redirects to another origin are not followed, and
//!   proxies from the environment are ignored.
//!
//! # Servers
//!
//! Streamable HTTP, of protocol revisions 2025-03-26 to 2026-07-28, through [rmcp](https://docs.rs/rmcp); the revision is
//! found out. And the transport before it, HTTP with SSE of 2024-11-05 ([`Transport::Sse`]).
//!
//! # Runtimes
//!
//! A host may serve requests on several tokio runtimes that share one [`Mcp`]. Sessions live on one of them, or on one of
//! their own ([`McpBuilder::runtime`]); the others only wait for results.
//!
//! # Names
//!
//! A tool's name reaches three places that must agree: the request to the provider, the call the model makes, and the
//! server that runs it. Providers take 64 characters of `[A-Za-z0-9_-]`; servers name their tools as they like, and two of
//! them alike. So the model sees `bmcp_<server>_<tool>`, and the way back is looked up, never parsed:
//!
//! ```
//! use aibridge_mcp::{Tool, ToolNames, ToolRules};
//!
//! let rules = ToolRules::new().allow("^(list|get)_".parse()?).deny("secret".parse()?);
//! let listed = ["list_issues", "get_secret", "merge"];
//! let given = listed.into_iter().filter(|tool| rules.permit(tool)).map(|tool| Tool::new("github", tool));
//!
//! let names = ToolNames::new(given);
//! assert_eq!(names.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["bmcp_github_list_issues"]);
//! assert_eq!(names.tool("bmcp_github_list_issues"), Some(&Tool::new("github", "list_issues")));
//! # Ok::<(), regex::Error>(())
//! ```

mod backoff;
mod credentials;
mod failure;
mod limits;
mod mcp;
mod metrics;
mod names;
mod rules;
mod server;
mod session;
mod source;
mod transport;

pub use credentials::{Credentials, CredentialsError, Token};
pub use limits::Limits;
pub use mcp::{BuildError, Mcp, McpBuilder};
pub use names::{MAX_NAME, PREFIX, Tool, ToolNames};
pub use rules::ToolRules;
pub use server::{Server, Transport};
pub use source::{BoxFuture, Content, Listed, Outcome, ToolSource, Toolbox};
