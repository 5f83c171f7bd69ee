//! What the end-to-end tests stand on: a provider that does exactly what a test says, a client that shows exactly
//! what came back, and transcripts of the three APIs to say it with.
//!
//! None of it uses the crates under test, nor an HTTP library: every byte on either side of the gateway is visible
//! and decided here.
//!
//! ```
//! use aibridge_tests::{Endpoint, Provider, RawClient, Script};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let provider = Provider::start().await?;
//! provider.reply(Script::sse().write("data: one\n\n").cut());
//!
//! let mut client = RawClient::connect(provider.address()).await?;
//! client.post(Endpoint::Chat.path(), &[("X-Spelt-Like-This", "kept")], r#"{"stream": true}"#).await?;
//! assert_eq!(client.head().await?.status(), 200);
//! assert_eq!(client.chunk().await?.unwrap(), "data: one\n\n");
//! assert!(client.chunk().await.is_err(), "cut, not ended");
//!
//! let request = provider.next_request().await;
//! assert!(request.head.fields().contains(&("X-Spelt-Like-This", "kept")));
//! # std::io::Result::Ok(())
//! # }).unwrap();
//! ```

mod aws;
mod client;
mod http1;
mod provider;
mod says;
mod scripted;
mod transcripts;

pub use aws::{Aws, SignedBy, exception, frame, frames};
pub use client::RawClient;
pub use http1::Head;
pub use provider::{Gate, Provider, ReceivedRequest, Script};
pub use says::{Part, Says, Stop};
pub use scripted::Scripted;
pub use transcripts::{Endpoint, LineEnd, Reply, Transcript, events, line_ends, resplit};
