//! MCP tools that the client knows nothing of: [`ToolsLayer`] adds the actor's tools to the request, runs the calls the
//! model makes to them, and asks the provider again with the results, until it asks for none. The client sees one reply.
//!
//! Where the tools come from is a [`ToolSource`]; [`Mcp`](aibridge_mcp) is the one for MCP servers. Nothing changes for
//! requests that get no tools: those of actors without any, and those that agents make beside the conversation.
//!
//! Not every model takes tools, and no list says which. A first reply that refuses the request in words about tools is not
//! the client's: the request is sent once more, as the client wrote it.
//!
//! A stream flows while rounds go on: only the blocks of injected calls and the seams between rounds are taken out of it. A
//! reply that holds calls of the client's own, too, ends there; what the client has not seen of it is kept (in memory, for
//! an hour after its last use) and put back into the conversation when the client returns with its results.
//!
//! The request of a further round has the client's head, but for two headers: `idempotency-key` is gone, and `x-initiator` is
//! `agent`, because GitHub Copilot bills what a user asks.
//!
//! It stands outside [`Record`](crate::record), which so sees every round trip with the provider as one interception.
//! Each injected call is recorded on it, with what came of it. `Record` reads replies, and says as long as that is certain
//! that no tool is called in them: such a reply, and such events of a stream, pass with a copy at most. Without it they are
//! searched for the tools' names.
//!
//! A reply that is not streamed is held until it is known to call none of them; one of more than 64 MiB is refused. What is
//! coded in a way that cannot be undone passes unread.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use aibridge_mcp::{Mcp, Server};
//! use aibridge_store::sqlite::Sqlite;
//! use aibridge_tower::{keys::KeysLayer, record::RecordLayer, tools::ToolsLayer, upstream::Upstream};
//! use axum::body::Body;
//! use tower::ServiceBuilder;
//!
//! # #[tokio::main] async fn main() -> Result<(), aibridge_tower::BoxError> {
//! let mcp = Mcp::builder().server(Server::new("docs", "https://docs.example.com/mcp".parse()?)).build()?;
//! // What stands behind Parse:
//! let service = ServiceBuilder::new()
//!     .layer(ToolsLayer::new(mcp).max_rounds(10))
//!     .layer(RecordLayer::new(Sqlite::open(Path::new("aibridge.db"))?))
//!     .layer(KeysLayer::new())
//!     .service(Upstream::builder().build::<Body>()?.parsed());
//! # drop(service);
//! # Ok(()) }
//! ```
//!
//! | needs | adds |
//! | --- | --- |
//! | [`Actor`](crate::auth::Actor), [`ProviderRoute`](crate::ProviderRoute), [`AiBody`](crate::parse::AiBody); [`Interception`](crate::record::Interception) in the response, for records, and [`Credential`](crate::Credential) | tools to the body; to the requests of further rounds the `Interception` and the `Credential` |

mod answer;
mod blocking;
mod body;
mod future;
mod head;
mod history;
mod layer;
mod metrics;
mod prepare;
mod refused;
mod rendered;
mod round;
mod service;
mod turn;
mod watch;

#[cfg(test)]
mod tests;

pub use aibridge_mcp::ToolSource;
pub use body::ResponseBody;
pub use future::ResponseFuture;
pub use layer::ToolsLayer;
pub use service::Tools;
