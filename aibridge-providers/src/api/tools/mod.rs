//! Tools that the gateway gives to a client's model and runs itself: into the request, out of the reply, and back.
//!
//! [`inject`] adds a [`Toolset`] to a request. An [`Exchange`] follows the provider's replies to it, over as many rounds as
//! the model calls such tools: it takes those calls out of what the client sees, says which they are, and writes the next
//! round's request with their results. The client sees one reply. [`restore`] puts hidden calls back into a conversation
//! whose client never saw them.
//!
//! Nothing here does I/O; whoever holds the [`Exchange`] asks the provider and runs the tools.
//!
//! ```
//! use aibridge_providers::{
//!     api::{Api, Facts, tools::{Answer, Definition, Exchange, Next, Part, Toolset, inject}},
//!     json::Document,
//! };
//!
//! let tools = Toolset::new([Definition::new("bmcp_clock", r#"{"type":"object"}"#)]);
//! let request = Document::parse(r#"{"messages":[{"role":"user","content":"What time is it?"}]}"#.into())?;
//! let added = inject(Api::Chat, &request, &Facts::read(Api::Chat, &request), &tools).expect("a request that gets tools");
//! let mut exchange = Exchange::new(Api::Chat, added.names);
//!
//! // What the provider answers.
//! let call = r#"{"id":"call_1","type":"function","function":{"name":"bmcp_clock","arguments":"{}"}}"#;
//! let reply = format!(
//!     r#"{{"id":"c1","choices":[{{"message":{{"role":"assistant","tool_calls":[{call}]}},"finish_reason":"tool_calls"}}]}}"#
//! );
//! let step = exchange.reply(reply.into());
//! assert_eq!(step.next, Next::Again);
//!
//! // The tool runs, and the provider is asked again.
//! let answer = Answer { call_id: step.calls[0].id.clone(), parts: vec![Part::Text("12:00".into())], is_error: false };
//! let next = Document::parse(exchange.next_request(added.body.document(), &[answer]))?;
//! assert_eq!(next.get("messages").expect("messages").elements().count(), 3);
//!
//! // The client gets one reply.
//! let reply = r#"{"id":"c2","choices":[{"message":{"role":"assistant","content":"Noon."},"finish_reason":"stop"}]}"#;
//! let Next::End(finish) = exchange.reply(reply.into()).next else { panic!("no further round") };
//! assert_eq!(finish.bytes, reply.replace("c2", "c1"));
//! # Ok::<(), aibridge_providers::json::JsonError>(())
//! ```

mod definition;
mod events;
mod exchange;
mod inject;
mod kept;
mod names;
mod passed;
mod schema;
mod toolset;
mod written;

pub use definition::Definition;
pub use exchange::{Answer, Call, Exchange, Finish, Next, Part, Step};
pub use inject::{Injected, inject};
pub use kept::{Kept, restore};
pub use names::Names;
pub use schema::Unfit;
pub use toolset::{Refused, Toolset};

pub(in crate::api) use events::Whole;
pub(in crate::api) use exchange::Dialect;
pub(in crate::api) use names::has_escapes;
