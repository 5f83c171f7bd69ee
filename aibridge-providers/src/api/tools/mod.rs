//! Tools that the gateway gives to a client's model and runs itself: into the request, out of the reply, and back.
//!
//! [`inject`] adds a [`Toolset`] to a request. An [`Exchange`] follows the provider's replies to it, over as many rounds as
//! the model calls such tools: it takes those calls out of what the client sees, says which they are, and writes the next
//! round's request with their results. The client sees one reply. [`restore`] puts hidden calls back into a conversation
//! whose client never saw them.
//!
//! Nothing here does I/O; whoever holds the [`Exchange`] asks the provider and runs the tools.

mod definition;
mod events;
mod exchange;
mod inject;
mod kept;
mod schema;
mod toolset;

pub use definition::Definition;
pub use exchange::{Answer, Call, Exchange, Finish, Next, Part, Step};
pub use inject::{Injected, inject};
pub use kept::{Kept, restore};
pub use schema::Unfit;
pub use toolset::{Refused, Toolset};

pub(in crate::api) use events::Whole;
pub(in crate::api) use exchange::Dialect;
