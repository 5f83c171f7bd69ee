//! MCP servers and their tools, as an LLM gateway gives them to every user's model.
//!
//! Today the crate holds what needs no connection: which tools of a server are given ([`ToolRules`]), and under which names
//! ([`ToolNames`]). It does no I/O.
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
